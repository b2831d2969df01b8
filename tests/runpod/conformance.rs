//! What every provider promises, held against RunPod's over sockets: the simulated cloud stands in for the real one, and
//! its hour moves only when the suite says so.

mod callee;
mod way;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atlas_auth::Clock;
use atlas_conformance::{CASES, Harness, Options, Outcome, Recorder, Report, Trouble, run};
use atlas_core::{
    Capability, ComputeId, ComputeRequest, ComputeStatus, EndpointId, HttpProbe, JobId, JobRequest, Money, Probe,
    Provider, VolumeRequest,
};
use atlas_runpod::{PodOptions, RunPod};
use atlas_sim::server::{Pace, Server, Timing};
use atlas_sim::{Fault, Operation, Rule};
use serde_json::{Value, json};

use crate::ground::Ground;
use callee::Callee;
use way::Way;

/// Three pods a page: seven span three of them.
const PAGE: u32 = 3;

struct RunPodHarness {
    ground: Ground,
    provider: Arc<RunPod>,
    requests: Recorder,
    way: Way,
    callee: Callee,
}

impl RunPodHarness {
    async fn of(timing: Timing) -> Self {
        let ground = Ground::of(Server::builder().clock(Pace::ByHand).timing(timing)).await;
        let way = Way::to(Arc::clone(&ground.transport), PAGE);
        let requests = Recorder::new(Arc::new(way.clone()));
        let account = ground.account().transport(Arc::new(requests.clone())).clock(ground.cloud.clock());
        Self { provider: Arc::new(account.build().unwrap()), ground, requests, way, callee: Callee::listen().await }
    }
}

#[async_trait]
impl Harness for RunPodHarness {
    fn provider(&self) -> Arc<dyn Provider> {
        self.provider.clone()
    }

    fn machine(&self) -> ComputeRequest {
        ComputeRequest::gpu("rtx_4090").image("service:1").http_port(8000)
    }

    fn volume(&self) -> Option<VolumeRequest> {
        Some(VolumeRequest::new("EU-RO-1", 10).name("data"))
    }

    fn job(&self) -> Option<JobRequest> {
        Some(JobRequest::new(self.ground.cloud.endpoint_id(), json!({ "seconds": 1, "chunks": 3 })))
    }

    fn jobs(&self) -> Option<usize> {
        Some(self.ground.cloud.jobs().len())
    }

    fn spare_endpoint(&self) -> Option<EndpointId> {
        Some(EndpointId::new(self.ground.cloud.endpoint_id()))
    }

    fn webhook(&self) -> Option<String> {
        Some(self.callee.url())
    }

    fn called_back(&self, job: &JobId) -> usize {
        self.callee.heard_of(job)
    }

    fn probe(&self) -> Option<Arc<dyn Probe>> {
        Some(Arc::new(HttpProbe::new().unwrap()))
    }

    async fn writes(&self, id: &ComputeId, words: &str) -> bool {
        let url = format!("{}/pods/{id}/log", self.ground.cloud.admin_url());
        let request = http::Request::post(url).header("content-type", "application/json");
        let request = request.body(json!({ "text": words }).to_string().into()).unwrap();
        self.ground.cloud.ask(request).await.unwrap().status().is_success()
    }

    fn in_own_words(&self, capability: Capability) -> Option<(ComputeRequest, &'static str)> {
        match capability {
            Capability::SymmetricPorts => Some((self.machine().symmetric_ports(1), "/ports")),
            Capability::GlobalNetworking => Some((self.machine().global_networking(), "/globalNetworking")),
            _ => None,
        }
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.ground.cloud.config().api_key]
    }

    async fn reset(&self) {
        self.ground.cloud.reset();
    }

    fn requests(&self) -> Option<u64> {
        Some(self.requests.seen())
    }

    fn inject(&self, trouble: Trouble) -> bool {
        let rule = match trouble {
            Trouble::LosesCreate => Rule::on(Operation::Spawn, Fault::LosesAnswer),
            Trouble::LosesVolume => Rule::on(Operation::CreateVolume, Fault::LosesAnswer),
            Trouble::LosesJob => Rule::on(Operation::RunJob, Fault::LosesAnswer),
            // Whether a request arrived is decided before any cloud: its connection is refused.
            Trouble::CreateNeverArrives => {
                self.way.lead_the_next_create_nowhere();
                return true;
            }
            // Of each candidate: RunPod's provider tries another cloud when the first has none.
            Trouble::NoCapacity => Rule::on(Operation::Spawn, Fault::CapacityGone).always(),
            Trouble::StreamPollFails => Rule::on(Operation::StreamJob, Fault::Errs),
            Trouble::ListingsFail => {
                self.ground.cloud.inject(Rule::on(Operation::ListVolumes, Fault::Errs).always());
                self.ground.cloud.inject(Rule::on(Operation::ListEndpoints, Fault::Errs).after(1).always());
                Rule::on(Operation::List, Fault::Errs).after(1).always()
            }
            Trouble::MakesTwo => Rule::on(Operation::Spawn, Fault::Duplicates),
            // RunPod has no documented error that names a pod; one that comes back altered is known by its id.
            Trouble::AltersMark | Trouble::LeavesLeftover => Rule::on(Operation::Spawn, Fault::AltersName),
            Trouble::ReadNeverAnswered => Rule::on(Operation::Get, Fault::NeverAnswers),
            Trouble::KeyUnknown => Rule::on(Operation::Get, Fault::Unauthorized),
            Trouble::UnknownStatus => {
                Rule::on(Operation::Get, Fault::LiesStatus(ComputeStatus::from_word("hibernating")))
            }
            _ => return false,
        };
        self.ground.cloud.inject(rule);
        true
    }

    fn heal(&self) {
        self.ground.cloud.heal();
        self.way.heal();
    }

    async fn pass(&self, span: Duration) {
        self.ground.cloud.advance(span);
        tokio::task::yield_now().await;
    }

    fn time_is_free(&self) -> bool {
        true
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.ground.cloud.clock()
    }

    fn several_pages(&self) -> Option<usize> {
        Some(7)
    }

    fn option(&self) -> Option<(String, Value, String)> {
        Some(("gpu".to_owned(), json!({ "count": 2 }), "/gpu".to_owned()))
    }

    fn forbidden_options(&self) -> Vec<(String, Value)> {
        let taken = |name: &str| json!({ name: "x" });
        let env =
            ["ATLAS_MARK", "ATLAS_PRESHARED_KEY", "ATLAS_SIGNING_KEY"].map(|name| ("env".to_owned(), taken(name)));
        [("name".to_owned(), json!("another"))].into_iter().chain(env).collect()
    }
}

/// The cases that did not pass, each with what came of it.
fn others(report: &Report) -> Vec<(&'static str, &'static str)> {
    let word = |outcome: &Outcome| match outcome {
        Outcome::Passed => None,
        Outcome::NotApplicable => Some("not applicable"),
        Outcome::NotProvable(_) => Some("not provable"),
        Outcome::TooDear => Some("too dear"),
        _ => Some("failed"),
    };
    report.rows.iter().filter_map(|row| Some((row.case, word(&row.outcome)?))).collect()
}

/// What does not apply, for RunPod declares the capability and the case is of those that do not. Everything else passes:
/// there is no promise for whose proof the simulated cloud lacks the means.
const NOT_APPLICABLE: &[&str] = &[
    "capability/stop",
    "capability/logs",
    "capability/serverless",
    "capability/webhooks",
    "capability/network-volumes",
    "capability/catalog",
    "capability/gpu",
    "capability/cpu",
    "capability/images",
    "capability/commands",
    "capability/symmetric-ports",
    "capability/global-networking",
    "capability/raw-tcp",
    "capability/spot-works",
];

async fn it_keeps_every_promise(timing: Timing) {
    let harness = RunPodHarness::of(timing).await;
    let report = run(&harness, &Options::default().spend_limit(Money::parse("20").unwrap())).await;
    assert!(report.holds(), "{report}");
    let wanted: Vec<_> = NOT_APPLICABLE.iter().map(|case| (*case, "not applicable")).collect();
    assert_eq!(others(&report), wanted, "{report}");
    assert_eq!(report.rows.len(), CASES.len());
    assert!(report.spent > Money::ZERO, "pods cost something:\n{report}");
    assert_eq!(harness.ground.cloud.ledger().open().count(), 0, "something is left:\n{report}");
}

#[tokio::test]
async fn it_keeps_every_promise_at_once() {
    it_keeps_every_promise(Timing::at_once()).await;
}

#[tokio::test]
async fn it_keeps_every_promise_where_everything_is_slow_and_shown_late() {
    let mut slow = Timing::default();
    slow.provisioning = Duration::from_secs(2);
    slow.starting = Duration::from_secs(3);
    slow.ports_after = Duration::from_secs(2);
    slow.delete_lag = Duration::from_secs(5);
    slow.create_lag = Duration::from_secs(4);
    slow.cold_start = Duration::from_secs(2);
    it_keeps_every_promise(slow).await;
}
