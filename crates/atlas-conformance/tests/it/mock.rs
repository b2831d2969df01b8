//! The harness of the simulated cloud, and the proof that it keeps every promise.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use atlas_auth::Clock;
use atlas_conformance::{Harness, Options, Outcome, Trouble, run};
use atlas_core::{
    Capability, ComputeId, ComputeRequest, ComputeStatus, EndpointId, JobId, JobRequest, Probe, Provider, VolumeRequest,
};
use atlas_sim::{EndpointSpec, Fault, Mock, MockBuilder, Operation, Rule};
use serde_json::{Value, json};

use crate::broken::{Broken, Defect};

/// The account's key.
pub(crate) const KEY: &str = "the-key-of-the-account";

/// The simulated cloud, behind whatever stands before it.
pub(crate) struct MockHarness {
    pub(crate) cloud: Mock,
    provider: Arc<dyn Provider>,
    /// The endpoint of its jobs, made anew by each reset.
    endpoint: Mutex<Option<EndpointId>>,
}

impl MockHarness {
    pub(crate) fn new(builder: MockBuilder) -> Self {
        let cloud = builder.build();
        Self { provider: Arc::new(cloud.clone()), cloud, endpoint: Mutex::default() }
    }

    /// From now on the provider has this defect.
    pub(crate) fn breaks(&mut self, defect: Defect) {
        self.provider = Arc::new(Broken::new(self.cloud.clone(), defect));
    }
}

#[async_trait]
impl Harness for MockHarness {
    fn provider(&self) -> Arc<dyn Provider> {
        self.provider.clone()
    }

    fn machine(&self) -> ComputeRequest {
        let capabilities = self.cloud.traits().capabilities;
        let mut machine = ComputeRequest::cpu().http_port(8000);
        if capabilities.has(Capability::Gpu) {
            machine = machine.or("rtx_4090");
        }
        if capabilities.has(Capability::Images) { machine.image("service:1") } else { machine }
    }

    fn spare_endpoint(&self) -> Option<EndpointId> {
        self.endpoint.lock().expect("nobody panics with it").clone()
    }

    fn webhook(&self) -> Option<String> {
        Some("https://hook.example/over".to_owned())
    }

    fn called_back(&self, job: &JobId) -> usize {
        self.cloud.deliveries().iter().filter(|told| told.body["id"] == job.as_str()).count()
    }

    fn probe(&self) -> Option<Arc<dyn Probe>> {
        Some(Arc::new(self.cloud.probe()))
    }

    async fn writes(&self, id: &ComputeId, words: &str) -> bool {
        self.cloud.write_log(id, words).is_ok()
    }

    fn in_own_words(&self, capability: Capability) -> Option<(ComputeRequest, &'static str)> {
        // The simulated cloud declares neither: this is for providers that do so wrongly.
        Some((self.machine().option(capability.name(), json!(true)), "/name"))
    }

    fn secrets(&self) -> Vec<String> {
        vec![KEY.to_owned()]
    }

    async fn reset(&self) {
        self.cloud.reset();
        *self.endpoint.lock().expect("nobody panics with it") =
            self.cloud.add_endpoint(EndpointSpec::new("jobs").workers(0, 2)).ok();
        // A slow cloud shows it only after a while.
        self.cloud.advance(Duration::from_mins(1));
    }

    fn volume(&self) -> Option<VolumeRequest> {
        Some(VolumeRequest::new("mock-east", 10).name("data"))
    }

    fn job(&self) -> Option<JobRequest> {
        let endpoint = self.endpoint.lock().expect("nobody panics with it").clone()?;
        Some(JobRequest::new(endpoint.as_str(), json!({ "seconds": 1, "chunks": 3 })))
    }

    fn jobs(&self) -> Option<usize> {
        let endpoint = self.endpoint.lock().expect("nobody panics with it").clone()?;
        self.cloud.jobs(&endpoint).ok().map(|jobs| jobs.len())
    }

    fn requests(&self) -> Option<u64> {
        u64::try_from(self.cloud.calls().len()).ok()
    }

    fn inject(&self, trouble: Trouble) -> bool {
        self.cloud.inject(match trouble {
            Trouble::AltersMark => Rule::on(Operation::Spawn, Fault::AltersName),
            Trouble::ListingsFail => {
                for listing in [Operation::Find, Operation::ListVolumes, Operation::ListEndpoints] {
                    self.cloud.inject(Rule::on(listing, Fault::Errs).always());
                }
                Rule::on(Operation::List, Fault::Errs).always()
            }
            Trouble::StreamPollFails => Rule::on(Operation::StreamJob, Fault::Errs),
            Trouble::LosesCreate => Rule::on(Operation::Spawn, Fault::LosesAnswer),
            Trouble::CreateNeverArrives => Rule::on(Operation::Spawn, Fault::FailsBefore),
            Trouble::LosesVolume => Rule::on(Operation::CreateVolume, Fault::LosesAnswer),
            Trouble::LosesJob => Rule::on(Operation::RunJob, Fault::LosesAnswer),
            Trouble::NoCapacity => Rule::on(Operation::Spawn, Fault::CapacityGone),
            Trouble::MakesTwo => Rule::on(Operation::Spawn, Fault::Duplicates),
            Trouble::LeavesLeftover => Rule::on(Operation::Spawn, Fault::LeavesLeftover),
            Trouble::ReadNeverAnswered => Rule::on(Operation::Get, Fault::NeverAnswers),
            Trouble::KeyUnknown => Rule::on(Operation::Get, Fault::Unauthorized),
            Trouble::UnknownStatus => {
                Rule::on(Operation::Get, Fault::LiesStatus(ComputeStatus::from_word("hibernating")))
            }
            _ => return false,
        });
        true
    }

    fn heal(&self) {
        self.cloud.heal();
    }

    async fn pass(&self, span: Duration) {
        self.cloud.advance(span);
        tokio::task::yield_now().await;
    }

    fn time_is_free(&self) -> bool {
        true
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.cloud.clock()
    }

    fn several_pages(&self) -> Option<usize> {
        Some(7)
    }

    fn option(&self) -> Option<(String, Value, String)> {
        Some(("labels".to_owned(), json!({ "team": "blue" }), "/labels".to_owned()))
    }

    fn forbidden_options(&self) -> Vec<(String, Value)> {
        let taken = |name: &str| json!({ name: "x" });
        let env =
            ["ATLAS_MARK", "ATLAS_PRESHARED_KEY", "ATLAS_SIGNING_KEY"].map(|name| ("env".to_owned(), taken(name)));
        [("name".to_owned(), json!("another"))].into_iter().chain(env).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn the_simulated_cloud_keeps_every_promise() {
    let slow = |builder: MockBuilder| {
        builder
            .startup(Duration::from_secs(40))
            .stopping(Duration::from_secs(5))
            .terminating(Duration::from_secs(20))
            .appears_after(Duration::from_secs(10))
            .settle_window(Duration::from_secs(30))
            .gone(atlas_core::GoneRule::default())
    };
    for (what, builder) in [("as it is", Mock::builder()), ("slow and late", slow(Mock::builder()))] {
        let report = run(&MockHarness::new(builder.key(KEY)), &Options::default()).await;
        assert!(report.holds(), "{what}:\n{report}");
        let unproven = report.rows.iter().filter(|row| matches!(row.outcome, Outcome::NotProvable(_)));
        assert_eq!(unproven.count(), 0, "{what}: there are means for everything:\n{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_declared_is_refused() {
    for capability in Capability::ALL {
        let report = run(&MockHarness::new(Mock::builder().without(capability).key("k")), &Options::default()).await;
        assert!(report.holds(), "without {capability}:\n{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_is_spent_than_may_be() {
    let dear = Mock::builder().price_per_hour(atlas_core::Money::parse("600").unwrap()).key("k");
    let harness = MockHarness::new(dear);
    let limit = atlas_core::Money::parse("60").unwrap();
    let report = run(&harness, &Options::default().spend_limit(limit)).await;
    assert!(report.spent <= limit, "{report}");
    assert!(report.rows.iter().any(|row| row.outcome == Outcome::TooDear), "{report}");
    assert!(report.left.is_empty(), "{report}");
}

/// The first machine is bound by the limit too, although no price was seen yet.
#[tokio::test(start_paused = true)]
async fn where_the_limit_is_too_small_nothing_is_rented() {
    for limit in ["0", "0.01"] {
        let harness = MockHarness::new(Mock::builder().key("k"));
        let limit = atlas_core::Money::parse(limit).unwrap();
        let report = run(&NoMeans(&harness), &Options::default().spend_limit(limit)).await;
        assert!(report.holds(), "what was not run breaks no promise: {report}");
        let outcome = |name: &str| &report.rows.iter().find(|row| row.case == name).unwrap().outcome;
        assert_eq!((outcome("life/spawn"), outcome("life/many-at-once")), (&Outcome::TooDear, &Outcome::TooDear));
        assert_eq!(outcome("life/terminate-unknown"), &Outcome::Passed, "what rents nothing is run");
        assert_eq!(harness.cloud.ledger().rents.len(), 0, "{report}");
        assert_eq!(report.spent, atlas_core::Money::ZERO, "{report}");
    }
}

/// The same without any means, and without a reset between the cases: as at a real cloud.
pub(crate) struct NoMeans<'a>(pub(crate) &'a MockHarness);

#[async_trait]
impl Harness for NoMeans<'_> {
    fn provider(&self) -> Arc<dyn Provider> {
        self.0.provider()
    }

    fn machine(&self) -> ComputeRequest {
        self.0.machine()
    }

    async fn pass(&self, span: Duration) {
        self.0.pass(span).await;
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.0.clock()
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_of_others_is_touched_and_nothing_is_left() {
    let harness = MockHarness::new(Mock::builder().key("k"));
    let theirs = harness.cloud.foreign_machine("somebody-elses");
    let report =
        run(&NoMeans(&harness), &Options::default().spend_limit(atlas_core::Money::parse("100").unwrap())).await;
    assert!(report.holds(), "{report}");
    assert_eq!(harness.cloud.live(), [theirs]);
    assert!(report.rows.iter().any(|row| matches!(row.outcome, Outcome::NotProvable(_))), "it lacks means: {report}");
}
