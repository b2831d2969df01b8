//! C1: whoever wraps a provider in a pointer calls that provider, method for method.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atlas_auth::{SeededEntropy, Timestamp};
use serde_json::Value;

use super::*;
use crate::testing::Forgotten;
use crate::{Capabilities, Credentials, Deployment, Installation, Intent, Mark, TokenKind};

/// Writes down what it is asked, and answers each question in a way of its own.
#[derive(Debug)]
struct Recording {
    id: ProviderId,
    traits: Traits,
    asked: Mutex<Vec<String>>,
}

impl Recording {
    fn new() -> Self {
        let traits = Traits::new("recording", Capabilities::from_iter([Capability::Cpu]));
        Self { id: ProviderId::parse("recorder").unwrap(), traits, asked: Mutex::default() }
    }

    /// The method, and what came with it.
    fn note(&self, method: &str, with: &[&dyn fmt::Display]) {
        let with: Vec<String> = with.iter().map(ToString::to_string).collect();
        self.asked.lock().unwrap().push(format!("{method}({})", with.join(", ")));
    }

    /// The same, with an error that no other method gives.
    fn refuse(&self, method: &str, with: &[&dyn fmt::Display]) -> Error {
        self.note(method, with);
        Error::validation(format!("{method} was asked"))
    }
}

/// Who called shows by its time limit.
fn caller(context: &CallContext) -> String {
    format!("within {:?}", context.timeout())
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Provider for Recording {
    fn id(&self) -> &ProviderId {
        self.note("id", &[]);
        &self.id
    }
    fn traits(&self) -> &Traits {
        self.note("traits", &[]);
        &self.traits
    }
    async fn spawn(&self, context: &CallContext, order: &SpawnOrder) -> Result<Compute> {
        Err(self.refuse("spawn", &[&caller(context), &order.name()]))
    }
    async fn get(&self, context: &CallContext, id: &ComputeId) -> Result<Compute> {
        Err(self.refuse("get", &[&caller(context), id]))
    }
    async fn list(&self, context: &CallContext, filter: &ComputeFilter) -> Result<Vec<Compute>> {
        let all = *filter == ComputeFilter::all();
        Err(self.refuse("list", &[&caller(context), &all]))
    }
    async fn terminate(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        Err(self.refuse("terminate", &[&caller(context), id]))
    }
    fn check(&self, request: &ComputeRequest) -> Result<()> {
        Err(self.refuse("check", &[&request.name.as_deref().unwrap_or_default()]))
    }
    fn scope(&self, context: &CallContext) -> Scope {
        self.note("scope", &[&caller(context)]);
        Scope::new("recorded")
    }
    async fn find_spawned(&self, context: &CallContext, token: SpawnToken) -> Result<Found> {
        Err(self.refuse("find_spawned", &[&caller(context), &token]))
    }
    async fn stop(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        Err(self.refuse("stop", &[&caller(context), id]))
    }
    async fn start(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        Err(self.refuse("start", &[&caller(context), id]))
    }
    fn logs(&self, context: &CallContext, id: &ComputeId, options: &LogOptions) -> Result<LogStream> {
        Err(self.refuse("logs", &[&caller(context), id, &options.follow]))
    }
    async fn list_gpu_types(&self, context: &CallContext) -> Result<Vec<GpuType>> {
        Err(self.refuse("list_gpu_types", &[&caller(context)]))
    }
    async fn run_job(&self, context: &CallContext, request: &JobRequest) -> Result<Job> {
        Err(self.refuse("run_job", &[&caller(context), &request.endpoint]))
    }
    async fn get_job(&self, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<Job> {
        Err(self.refuse("get_job", &[&caller(context), endpoint, job]))
    }
    async fn cancel_job(&self, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<Job> {
        Err(self.refuse("cancel_job", &[&caller(context), endpoint, job]))
    }
    fn stream_job(&self, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<JobStream> {
        Err(self.refuse("stream_job", &[&caller(context), endpoint, job]))
    }
    fn check_volume(&self, request: &VolumeRequest) -> Result<()> {
        Err(self.refuse("check_volume", &[&request.size_gb]))
    }
    async fn create_volume(&self, context: &CallContext, order: &VolumeOrder) -> Result<Volume> {
        Err(self.refuse("create_volume", &[&caller(context), &order.name()]))
    }
    async fn get_volume(&self, context: &CallContext, id: &VolumeId) -> Result<Volume> {
        Err(self.refuse("get_volume", &[&caller(context), id]))
    }
    async fn list_volumes(&self, context: &CallContext) -> Result<Vec<Volume>> {
        Err(self.refuse("list_volumes", &[&caller(context)]))
    }
    async fn grow_volume(&self, context: &CallContext, id: &VolumeId, size_gb: u32) -> Result<Volume> {
        Err(self.refuse("grow_volume", &[&caller(context), id, &size_gb]))
    }
    async fn delete_volume(&self, context: &CallContext, id: &VolumeId) -> Result<()> {
        Err(self.refuse("delete_volume", &[&caller(context), id]))
    }
    async fn list_rented(&self, context: &CallContext, kind: RentalKind) -> Result<Vec<Rented>> {
        Err(self.refuse("list_rented", &[&caller(context), &format!("{kind:?}")]))
    }
    async fn end_rented(&self, context: &CallContext, kind: RentalKind, id: &ComputeId) -> Result<()> {
        Err(self.refuse("end_rented", &[&caller(context), &format!("{kind:?}"), id]))
    }
    fn unsupported(&self, operation: &'static str, capability: Capability) -> Error {
        self.refuse("unsupported", &[&operation, &capability])
    }
}

/// The names of the trait's methods, as its text has them: one that is added tomorrow is looked for tomorrow.
fn methods() -> BTreeSet<&'static str> {
    let text = include_str!("../provider.rs");
    let begin = text.find("pub trait Provider").expect("the trait stands there");
    let end = text.find("impl dyn Provider").expect("the trait ends before");
    let names = text[begin..end].split("\n    fn ").chain(text[begin..end].split("\n    async fn ")).skip(1);
    names.filter_map(|rest| rest.split_once('(')).map(|(name, _)| name).filter(|name| is_name(name)).collect()
}

fn is_name(text: &str) -> bool {
    text.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_')
}

/// Asks everything, and gives what each question was answered.
async fn ask_all(provider: &(impl Provider + ?Sized)) -> Vec<String> {
    let context = CallContext::new().with_timeout(Duration::from_secs(77));
    let context = &context;
    let token = SpawnToken::generate(TokenKind::Plain, &SeededEntropy::new(1));
    let mark = Mark::new(Deployment::default(), Installation::generate(&SeededEntropy::new(2)), token, None);
    let account = ProviderId::parse("a").unwrap();
    let intent = Intent::machine(mark, &account, Scope::new("s"), Timestamp::EPOCH, Timestamp::EPOCH);
    let request = ComputeRequest::cpu().name("mine");
    let traits = Traits::new("t", Capabilities::from_iter([]));
    let order = SpawnOrder::record(&Forgotten, &intent, request.clone(), &Credentials::None, &traits).await.unwrap();
    let wanted = VolumeRequest::new("here", 7);
    let volume_order = VolumeOrder::record(&Forgotten, &intent, wanted.clone(), 200).await.unwrap();
    let (id, volume) = (&ComputeId::new("m"), &VolumeId::new("v"));
    let (endpoint, job) = (&EndpointId::new("e"), &JobId::new("j"));
    let said = |answer: Option<Error>| answer.expect("each is refused").to_string();
    vec![
        provider.id().to_string(),
        provider.traits().kind.to_owned(),
        said(provider.spawn(context, &order).await.err()),
        said(provider.get(context, id).await.err()),
        said(provider.list(context, &ComputeFilter::all()).await.err()),
        said(provider.terminate(context, id).await.err()),
        said(provider.check(&request).err()),
        provider.scope(context).to_string(),
        said(provider.find_spawned(context, token).await.err()),
        said(provider.stop(context, id).await.err()),
        said(provider.start(context, id).await.err()),
        said(provider.logs(context, id, &LogOptions::follow()).err()),
        said(provider.list_gpu_types(context).await.err()),
        said(provider.run_job(context, &JobRequest::new("e", Value::Null)).await.err()),
        said(provider.get_job(context, endpoint, job).await.err()),
        said(provider.cancel_job(context, endpoint, job).await.err()),
        said(provider.stream_job(context, endpoint, job).err()),
        said(provider.check_volume(&wanted).err()),
        said(provider.create_volume(context, &volume_order).await.err()),
        said(provider.get_volume(context, volume).await.err()),
        said(provider.list_volumes(context).await.err()),
        said(provider.grow_volume(context, volume, 9).await.err()),
        said(provider.delete_volume(context, volume).await.err()),
        said(provider.list_rented(context, RentalKind::Volume).await.err()),
        said(provider.end_rented(context, RentalKind::Endpoint, id).await.err()),
        provider.unsupported("dance", Capability::Spot).to_string(),
    ]
}

#[tokio::test]
async fn c1_a_pointer_to_a_provider_is_that_provider() {
    let plain = Recording::new();
    let answers = ask_all(&plain).await;
    let asked = plain.asked.into_inner().unwrap();
    let names: BTreeSet<&str> = asked.iter().filter_map(|one| one.split_once('(')).map(|(name, _)| name).collect();
    assert_eq!(names, methods(), "every method of the trait is asked");
    assert_eq!(answers.iter().collect::<BTreeSet<_>>().len(), answers.len(), "no two are answered alike: {answers:?}");

    let recording = Arc::new(Recording::new());
    let pointers: [Box<dyn Provider>; 6] = [
        Box::new(Arc::clone(&recording)),
        Box::new(Arc::clone(&recording) as Arc<dyn Provider>),
        Box::new(Box::new(Arc::clone(&recording))),
        Box::new(Box::new(Arc::clone(&recording)) as Box<dyn Provider>),
        Box::new(Arc::new(Box::new(Arc::clone(&recording)) as Box<dyn Provider>)),
        Box::new(Box::new(Arc::clone(&recording) as Arc<dyn Provider>) as Box<dyn Provider>),
    ];
    for pointer in pointers {
        // As a value of its own, so that the pointer's methods are called and not those behind it.
        assert_eq!(ask_all(&pointer).await, answers);
        assert_eq!(std::mem::take(&mut *recording.asked.lock().unwrap()), asked);
    }
}
