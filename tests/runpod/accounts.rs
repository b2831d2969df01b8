//! Two accounts of one RunPod side by side, each with its key: by the cloud's own variable, by the configuration, or by the
//! call. Neither sees, ends or slows down what is the other's.

use std::sync::Arc;
use std::time::Duration;

use atlas_auth::{Clock, Secret, SeededEntropy};
use atlas_core::config::{Config, Environment, ProviderEntry};
use atlas_core::testing::TokioClock;
use atlas_core::{
    Account, Atlas, Auth, CallContext, ComputeFilter, ComputeId, ComputeRequest, ErrorKind, JobRequest, Provider,
    ProviderId, RentalKind, Settings, VolumeRequest,
};
use atlas_sim::server::{Pace, RateLimits, Reach, Server, Timing};
use serde_json::json;
use tempfile::TempDir;

use crate::ground::Ground;
use crate::stage::BEGIN;
use crate::wire::InMemory;

/// Opens the account `theirs`; the configured key of the simulated cloud opens `main`.
const THEIRS: &str = "rpa_THEIRS00000000000000000000000000000000000";

/// One installation with two accounts at one cloud.
struct Place {
    ground: Arc<Ground>,
    clock: Arc<TokioClock>,
    ours: Account,
    theirs: Account,
    _state: TempDir,
}

impl Place {
    /// `ours` has its key from RunPod's own variable, `theirs` from its entry in the configuration.
    async fn of(limits: RateLimits) -> Self {
        let clock = Arc::new(TokioClock::new(BEGIN));
        let server = Server::builder().clock(Pace::Real).outside(clock.clone()).timing(Timing::at_once());
        let ground = Arc::new(Ground::of(server.rate_limits(limits)).await);
        ground.cloud.add_key(THEIRS, "theirs", Reach::All);
        let (state, cloud) = (tempfile::tempdir().unwrap(), ground.cloud.config());
        let addresses = Settings::new()
            .with("base_url", cloud.base_url.as_str())
            .with("runtime_url", cloud.runtime_url.as_str())
            .with("graphql_url", cloud.graphql_url.as_str())
            .with("settle_window", "5s");
        let entry = |settings| ProviderEntry::new("runpod", settings);
        let config = Config::builder()
            .state_dir(state.path())
            .environment(Environment::from_pairs([("RUNPOD_API_KEY", cloud.api_key)]))
            .provider(ProviderId::parse("runpod").unwrap(), entry(addresses.clone()))
            .provider(ProviderId::parse("team_b").unwrap(), entry(addresses.with("api_key", THEIRS)))
            .build();
        let atlas = Atlas::builder(config)
            .factory(Arc::new(atlas_runpod::factory()))
            .transport(Arc::new(InMemory(Arc::clone(&ground))))
            .clock(clock.clone())
            .entropy(Arc::new(SeededEntropy::new(7)))
            .build();
        let (ours, theirs) = (atlas.provider("runpod").unwrap(), atlas.provider("team_b").unwrap());
        Self { ground, clock, ours, theirs, _state: state }
    }

    /// The account of `ours`, asked with the other's key.
    fn with_their_key(&self) -> Account {
        self.ours.with(CallContext::new().with_key(Secret::new(THEIRS)))
    }

    /// Whose machines bill.
    fn open(&self) -> Vec<(String, ComputeId)> {
        let ledger = self.ground.cloud.ledger();
        ledger.open().map(|rent| (rent.account.clone(), rent.id.clone())).collect()
    }
}

const NEVER: RateLimits = RateLimits::new(1_000_000, 1_000_000, 1_000_000);

async fn spawn(account: &Account) -> ComputeId {
    let request = ComputeRequest::gpu("l4").image("ghcr.io/me/app:1").http_port(8000);
    account.spawn(request, Auth::None).await.unwrap().compute.id
}

async fn ids(account: &Account) -> Vec<ComputeId> {
    account.list(&ComputeFilter::default()).await.unwrap().into_iter().map(|compute| compute.id).collect()
}

#[tokio::test(start_paused = true)]
async fn each_account_sees_and_ends_what_is_its_own() {
    let place = Place::of(NEVER).await;
    let (ours, theirs) = (spawn(&place.ours).await, spawn(&place.theirs).await);
    assert_eq!(place.open(), [("main".to_owned(), ours.clone()), ("theirs".to_owned(), theirs.clone())]);
    assert_eq!(ids(&place.ours).await, std::slice::from_ref(&ours));
    assert_eq!(ids(&place.theirs).await, std::slice::from_ref(&theirs));
    assert_ne!(
        place.ours.provider().scope(&CallContext::new()),
        place.theirs.provider().scope(&CallContext::new()),
        "no answer of one proves anything of the other"
    );
    for (account, foreign) in [(&place.ours, &theirs), (&place.theirs, &ours)] {
        assert_eq!(account.get(foreign).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(account.terminate(foreign).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert_eq!(place.open().len(), 2, "nobody ended another's");
    place.ours.terminate(&ours).await.unwrap();
    assert_eq!(place.open(), [("theirs".to_owned(), theirs.clone())]);
    place.theirs.terminate(&theirs).await.unwrap();
    assert_eq!(place.open(), []);
}

#[tokio::test(start_paused = true)]
async fn a_call_may_bring_the_key_of_another_account() {
    let place = Place::of(NEVER).await;
    let lent = place.with_their_key();
    let (ours, made) = (spawn(&place.ours).await, spawn(&lent).await);
    assert_eq!(place.open(), [("main".to_owned(), ours.clone()), ("theirs".to_owned(), made.clone())]);
    assert_eq!((ids(&lent).await, ids(&place.theirs).await), (vec![made.clone()], vec![made.clone()]));
    // What the one key does not show proves nothing of what was rented with the other.
    let error = place.ours.terminate(&made).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert!(!error.to_string().contains(THEIRS), "{error}");
    assert_eq!(place.open().len(), 2);
    lent.terminate(&made).await.unwrap();
    place.ours.terminate(&ours).await.unwrap();
    assert_eq!(place.open(), []);
}

#[tokio::test(start_paused = true)]
async fn volumes_and_jobs_belong_to_their_account_too() {
    let place = Place::of(NEVER).await;
    let volume = place.ours.create_volume(VolumeRequest::new("EU-RO-1", 10)).await.unwrap();
    assert_eq!(place.theirs.list_volumes().await.unwrap(), []);
    assert_eq!(place.theirs.get_volume(&volume.id).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(place.theirs.delete_volume(&volume.id).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(place.ours.list_rented(RentalKind::Volume).await.unwrap().len(), 1);
    let job = JobRequest::new(place.ground.cloud.endpoint_id(), json!({ "seconds": 1 }));
    for account in [&place.theirs, &place.with_their_key()] {
        assert_eq!(account.run_job(&job).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
    let made = place.ours.run_job(&job).await.unwrap();
    assert_eq!(place.theirs.job(&job.endpoint, &made.id).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(place.theirs.cancel_job(&job.endpoint, &made.id).await.unwrap_err().kind(), ErrorKind::NotFound);
    place.ours.delete_volume(&volume.id).await.unwrap();
    assert_eq!(place.open(), []);
}

/// Time here is the clouds' and the callers' own: it passes only while all of them wait.
#[tokio::test(start_paused = true)]
async fn an_account_that_used_up_its_calls_slows_down_nobody_else() {
    let place = Place::of(RateLimits::new(3, 1000, 1000)).await;
    for _ in 0..3 {
        ids(&place.ours).await;
    }
    let before = place.clock.monotonic();
    ids(&place.theirs).await;
    ids(&place.with_their_key()).await;
    assert_eq!(place.clock.monotonic(), before, "another account, or another key, has its own calls left");
    ids(&place.ours).await;
    assert_eq!(place.clock.monotonic(), before + Duration::from_mins(1), "its own minute had to pass");
}
