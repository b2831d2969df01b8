//! A cloud of its own for each cell, with what its deed needs; and the cloud's own books afterwards.

use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use atlas_auth::{Clock, Entropy, Secret, SeededEntropy, SystemClock};
use atlas_core::http::{Request, Response, Transport};
use atlas_core::testing::Forgotten;
use atlas_core::{
    Auth, CallContext, CloudType, ComputeFilter, ComputeId, ComputeRequest, Credentials, Deployment, EndpointId, Error,
    Installation, Intent, JobId, JobRequest, Mark, Provider, RentalKind, RentalOrder, Result, SpawnOrder, SpawnToken,
    TokenKind, VolumeId, VolumeRequest,
};
use atlas_runpod::{EndpointRequest, RunPod, TemplateRequest};
use atlas_sim::server::{Pace, Server, Timing};
use atlas_sim::{Fault, Operation, RentKind, Rule};
use reqwest::Method;
use serde_json::json;
use tokio::sync::Notify;

use super::deed::Need;
use crate::ground::Ground;

/// The longest of the faults that pass by themselves, at the cloud.
pub(crate) const SPAN: Duration = Duration::from_secs(10);

/// Values that no error may quote.
pub(crate) const CANARY: &str = "canary-in-the-environment";
const PASSWORD: &str = "canary-of-the-registry";

/// Counts what leaves Atlas for the cloud, try by try, and loses patience with an answer when it is told to: by a clock it
/// would do so too early where the processors are busy.
#[derive(Debug)]
pub(crate) struct Tally {
    inner: Arc<dyn Transport>,
    sent: Mutex<Vec<Method>>,
    impatience: Notify,
}

#[async_trait]
impl Transport for Tally {
    async fn send(&self, request: Request) -> Result<Response> {
        self.sent.lock().unwrap().push(request.method().clone());
        tokio::select! {
            answer = self.inner.send(request) => answer,
            () = self.impatience.notified() => Err(Error::timeout("the cloud fell silent")),
        }
    }
}

impl Tally {
    /// All calls, and those among them that change something.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let sent = self.sent.lock().unwrap();
        (sent.len(), sent.iter().filter(|method| **method != Method::GET).count())
    }

    /// Waits no longer for the answer that is under way.
    pub(crate) fn give_up(&self) {
        self.impatience.notify_one();
    }

    fn begin(&self) {
        self.sent.lock().unwrap().clear();
    }
}

/// No randomness: pauses between tries are none.
#[derive(Debug)]
struct Still;

impl Entropy for Still {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

/// A cloud, and the account under trial; what it does before and after the trial counts for nothing.
pub(crate) struct Site {
    pub(crate) ground: Ground,
    pub(crate) runpod: RunPod,
    pub(crate) tally: Arc<Tally>,
    mark: Mark,
    /// What the deed is about.
    pub(crate) thing: String,
}

impl Site {
    pub(crate) async fn new(need: Need, transport: &Arc<dyn Transport>) -> Self {
        let server = Server::builder().clock(Pace::ByHand).timing(Timing::at_once());
        let ground = Ground::through(server, Arc::clone(transport)).await;
        let tally = Tally { inner: Arc::clone(transport), sent: Mutex::default(), impatience: Notify::new() };
        let tally = Arc::new(tally);
        let runpod = ground.account().transport(Arc::clone(&tally) as _).entropy(Arc::new(Still)).build().unwrap();
        let token = SpawnToken::generate(TokenKind::Plain, &SeededEntropy::new(1));
        let mark = Mark::new(
            Deployment::parse("chaos").unwrap(),
            Installation::parse("abcdef").unwrap(),
            token,
            Some("box".to_owned()),
        );
        let mut site = Self { ground, runpod, tally, mark, thing: String::new() };
        site.thing = site.prepare(need).await;
        // What was prepared was there before: a restart or a second job can be told from the first.
        site.ground.cloud.advance(SPAN);
        site.tally.begin();
        site
    }

    async fn prepare(&self, need: Need) -> String {
        let (context, cloud) = (CallContext::new(), &self.ground.cloud);
        match need {
            Need::Nothing => String::new(),
            Need::Pod => self.runpod.spawn(&context, &self.order(plain_pod()).await).await.unwrap().id.to_string(),
            Need::StoppedPod => {
                let id = self.runpod.spawn(&context, &self.order(plain_pod()).await).await.unwrap().id;
                self.runpod.stop(&context, &id).await.unwrap();
                id.to_string()
            }
            Need::Volume => {
                let order = self.volume().await;
                self.runpod.create_volume(&context, &order).await.unwrap().id.as_str().to_owned()
            }
            Need::QueuedJob => {
                cloud.inject(Rule::on(Operation::RunJob, Fault::WorkersThrottled(Duration::from_hours(1))));
                self.job(json!({ "seconds": 1000 })).await
            }
            Need::RunningJob => self.job(json!({ "seconds": 1000 })).await,
            Need::DoneJob => self.job(json!({ "chunks": 3 })).await,
            Need::FailedJob => self.job(json!({ "fail": "not today" })).await,
            Need::Endpoint => {
                let order = self.endpoint_like(EndpointRequest::cpu("ghcr.io/me/worker:1", "cpu3c", 2)).await;
                self.runpod.create_endpoint(&context, &order).await.unwrap().id.as_str().to_owned()
            }
            Need::Template => self.runpod.create_template(&context, &template()).await.unwrap().id,
            Need::Registry => {
                let password = Secret::new(PASSWORD);
                self.runpod.create_registry(&context, "ghcr", "me", &password).await.unwrap().id
            }
        }
    }

    async fn job(&self, input: serde_json::Value) -> String {
        let request = JobRequest::new(self.standing().as_str(), input);
        self.runpod.run_job(&CallContext::new(), &request).await.unwrap().id.as_str().to_owned()
    }

    pub(crate) fn token(&self) -> SpawnToken {
        self.mark.token
    }

    pub(crate) fn compute(&self) -> ComputeId {
        ComputeId::new(&self.thing)
    }

    pub(crate) fn volume_id(&self) -> VolumeId {
        VolumeId::new(&self.thing)
    }

    pub(crate) fn job_id(&self) -> JobId {
        JobId::new(&self.thing)
    }

    pub(crate) fn endpoint_id(&self) -> EndpointId {
        EndpointId::new(&self.thing)
    }

    /// The endpoint that is there from the beginning.
    pub(crate) fn standing(&self) -> EndpointId {
        EndpointId::new(self.ground.cloud.endpoint_id())
    }

    fn intent(&self) -> Intent {
        let now = SystemClock.now();
        let scope = self.runpod.scope(&CallContext::new());
        Intent::machine(self.mark.clone(), self.runpod.id(), scope, now, now.plus(Duration::from_mins(5)))
    }

    pub(crate) async fn pod(&self) -> SpawnOrder {
        self.order(plain_pod().or("a40")).await
    }

    pub(crate) async fn pod_without_gpu(&self) -> SpawnOrder {
        let request = ComputeRequest::cpu().cpus(2).image("ghcr.io/me/app:1");
        self.order(request.http_port(8000).env("TOKEN", CANARY)).await
    }

    pub(crate) async fn pod_in_europe(&self) -> SpawnOrder {
        self.order(plain_pod().region("europe")).await
    }

    pub(crate) async fn pod_with_volume(&self) -> SpawnOrder {
        self.order(plain_pod().network_volume(&self.thing)).await
    }

    async fn order(&self, request: ComputeRequest) -> SpawnOrder {
        let credentials = Credentials::mint(Auth::Bearer, &SeededEntropy::new(2));
        SpawnOrder::record(&Forgotten, &self.intent(), request, &credentials, self.runpod.traits()).await.unwrap()
    }

    pub(crate) async fn volume(&self) -> RentalOrder<VolumeRequest> {
        let intent = self.intent().of_kind(RentalKind::Volume);
        RentalOrder::record(&Forgotten, &intent, VolumeRequest::new("EU-RO-1", 10), 191).await.unwrap()
    }

    pub(crate) async fn endpoint(&self) -> RentalOrder<EndpointRequest> {
        self.endpoint_like(EndpointRequest::gpu("ghcr.io/me/worker:1", ["l4"])).await
    }

    async fn endpoint_like(&self, request: EndpointRequest) -> RentalOrder<EndpointRequest> {
        let intent = self.intent().of_kind(RentalKind::Endpoint);
        RentalOrder::record(&Forgotten, &intent, request.env("TOKEN", CANARY), 191).await.unwrap()
    }

    pub(crate) fn secrets(&self) -> [String; 3] {
        [self.ground.cloud.config().api_key, CANARY.to_owned(), PASSWORD.to_owned()]
    }
}

/// A pod of one kind: to make it asks the catalog for nothing.
fn plain_pod() -> ComputeRequest {
    let request = ComputeRequest::gpu("l4").cloud_type(CloudType::Secure).image("ghcr.io/me/app:1");
    request.http_port(8000).env("TOKEN", CANARY)
}

pub(crate) fn template() -> TemplateRequest {
    TemplateRequest::new("mine", "ghcr.io/me/app:1").env("TOKEN", CANARY)
}

pub(crate) fn password() -> Secret {
    Secret::new(PASSWORD)
}

/// The cloud's own books, in words.
impl Site {
    /// What of this kind was rented, and what of that bills on.
    fn rented(&self, kind: RentKind) -> String {
        let ledger = self.ground.cloud.ledger();
        let (open, ended): (Vec<_>, Vec<_>) = ledger.of_kind(kind).partition(|rent| rent.ended_at.is_none());
        let elsewhere = open.iter().filter(|rent| rent.account != "main").count();
        let mut words = Vec::new();
        if open.len() > elsewhere {
            words.push(format!("{} rented", open.len() - elsewhere));
        }
        if elsewhere > 0 {
            words.push(format!("{elsewhere} elsewhere"));
        }
        if !ended.is_empty() {
            words.push(format!("{} ended", ended.len()));
        }
        if words.is_empty() { "none".to_owned() } else { words.join(", ") }
    }

    pub(crate) fn pods(&self) -> Ready<String> {
        ready(self.rented(RentKind::Machine))
    }

    /// How the pods stand, and whether one has begun anew since it was made.
    pub(crate) async fn power(&self) -> String {
        let all = self.runpod.list(&CallContext::new(), &ComputeFilter::all()).await.unwrap();
        let told = all.iter().map(|compute| {
            let anew = compute.status.as_str() == "running" && compute.raw["startedAt"] != compute.raw["createdAt"];
            format!("{}{}", compute.status, if anew { " anew" } else { "" })
        });
        told.collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn jobs(&self) -> Ready<String> {
        let told = self.ground.cloud.jobs().into_iter().map(|job| match job.retries {
            0 => job.status.to_owned(),
            retries => format!("{} +{retries}", job.status),
        });
        let told = told.collect::<Vec<_>>().join(", ");
        ready(if told.is_empty() { "none".to_owned() } else { told })
    }

    pub(crate) async fn volumes(&self) -> String {
        let all = self.runpod.list_volumes(&CallContext::new()).await.unwrap();
        let sizes: Vec<_> = all.iter().map(|volume| format!("{} GB", volume.size_gb)).collect();
        let rented = self.rented(RentKind::Volume);
        if sizes.is_empty() { rented } else { format!("{rented}: {}", sizes.join(", ")) }
    }

    pub(crate) async fn endpoints(&self) -> String {
        let (all, standing) = (self.runpod.list_endpoints(&CallContext::new()).await.unwrap(), self.standing());
        let told = all.iter().filter(|endpoint| endpoint.id != standing);
        let told: Vec<_> = told.map(|endpoint| format!("up to {}", endpoint.workers_max.unwrap_or_default())).collect();
        if told.is_empty() { "none".to_owned() } else { told.join(", ") }
    }

    pub(crate) async fn templates(&self) -> String {
        let all = self.runpod.list_templates(&CallContext::new()).await.unwrap();
        let told: Vec<_> = all.iter().filter_map(|template| template.image.as_deref()?.rsplit('/').next()).collect();
        if told.is_empty() { "none".to_owned() } else { told.join(", ") }
    }

    pub(crate) async fn registries(&self) -> String {
        self.runpod.list_registries(&CallContext::new()).await.unwrap().len().to_string()
    }
}
