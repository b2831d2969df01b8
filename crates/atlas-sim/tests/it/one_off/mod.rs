//! What a one-off spawn promises: an account over the mock, with time that runs by itself and a ledger that does not lie.

#![allow(clippy::disallowed_methods, reason = "tests stand outside the seams")]

mod atlas;
mod end;
mod permission;
mod ready;
mod rent;
mod scope;
mod settle;
mod spawn;
mod twins;
mod unanswered;
mod volumes;
mod wrapped;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use atlas_auth::{SeededEntropy, Timestamp};
use atlas_core::config::Config;
use atlas_core::testing::TokioClock;
use atlas_core::{
    Account, Atlas, Auth, Compute, ComputeFilter, ComputeId, Deployment, Error, Installation, IntentPhase,
    IntentRecord, Mark, Provider, Rented, Result, Settled, SpawnToken, Spawned, TokenKind,
};
use atlas_sim::{Fault, Mock, MockBuilder, Operation, Rule};
use tempfile::TempDir;

use crate::support::request;

/// How long a machine that appears after its end is left alone.
const GRACE: Duration = Duration::from_secs(30);

struct Bench {
    cloud: Mock,
    clock: Arc<TokioClock>,
    account: Account,
    state: TempDir,
}

fn bench(build: impl FnOnce(MockBuilder) -> MockBuilder) -> Bench {
    let clock = Arc::new(TokioClock::new(Timestamp::from_seconds(1_000_000_000)));
    let cloud = build(Mock::builder().clock(clock.clone())).build();
    let state = tempfile::tempdir().unwrap();
    let account = account_in(&state, &clock, &cloud, Arc::new(cloud.clone()));
    Bench { cloud, clock, account, state }
}

fn account_in(state: &TempDir, clock: &Arc<TokioClock>, cloud: &Mock, provider: Arc<dyn Provider>) -> Account {
    let config = Config::builder().state_dir(state.path()).build();
    let atlas = Atlas::builder(config).clock(clock.clone()).probe(Arc::new(cloud.probe())).build();
    atlas.account(provider).unwrap()
}

impl Bench {
    /// Another process over the same state, as far as files and locks can tell.
    fn other(&self) -> Account {
        self.over(Arc::new(self.cloud.clone()))
    }

    /// An account of this state over another provider.
    fn over(&self, provider: Arc<dyn Provider>) -> Account {
        account_in(&self.state, &self.clock, &self.cloud, provider)
    }

    fn intents(&self) -> PathBuf {
        self.state.path().join("intents")
    }

    /// From now on no record can be changed, as on a disk that is full; they can be read.
    fn fill_disk(&self) {
        std::fs::create_dir_all(self.intents()).unwrap();
        let lock = self.intents().join("lock");
        drop(std::fs::remove_file(&lock));
        std::fs::create_dir(lock).unwrap();
    }

    fn free_disk(&self) {
        std::fs::remove_dir(self.intents().join("lock")).unwrap();
    }

    async fn spawn(&self) -> Spawned {
        self.account.spawn(request(), Auth::Bearer).await.unwrap()
    }

    async fn spawn_fails(&self) -> Error {
        self.account.spawn(request(), Auth::Bearer).await.unwrap_err()
    }

    /// Fails by `fault`, and no look finds in time what came of it.
    async fn spawn_unseen(&self, fault: Fault) -> Error {
        const LOOKS: Duration = Duration::from_secs(21);
        self.inject(Operation::Spawn, fault);
        self.cloud.inject(Rule::on(Operation::Find, Fault::Errs).during(LOOKS));
        let error = self.spawn_fails().await;
        tokio::time::sleep(LOOKS).await;
        error
    }

    async fn records(&self) -> Vec<IntentRecord> {
        self.account.records().await.unwrap()
    }

    async fn phase(&self) -> IntentPhase {
        let mut records = self.records().await;
        assert_eq!(records.len(), 1);
        records.remove(0).phase
    }

    async fn try_settle(&self) -> Result<Settled> {
        let record = self.records().await.remove(0);
        self.other().settle(&record, GRACE).await
    }

    async fn settle(&self) -> Settled {
        self.try_settle().await.unwrap()
    }

    /// One look at everything, as `atlas reap` does it.
    async fn reap(&self) {
        for record in self.records().await {
            self.account.settle(&record, GRACE).await.unwrap();
        }
    }

    fn inject(&self, operation: Operation, fault: Fault) {
        self.cloud.inject(Rule::on(operation, fault));
    }

    async fn shown(&self) -> Vec<ComputeId> {
        let shown = self.account.list(&ComputeFilter::all()).await.unwrap();
        shown.into_iter().map(|compute| compute.id).collect()
    }

    /// A machine of the account that no create of this state made.
    fn machine_of(&self, deployment: &str, kind: TokenKind, seed: u64) -> ComputeId {
        let entropy = SeededEntropy::new(seed);
        let token = SpawnToken::generate(kind, &entropy);
        let mark = Mark::new(Deployment::parse(deployment).unwrap(), Installation::generate(&entropy), token, None);
        self.cloud.foreign_machine(&mark.to_string())
    }
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

fn is_bound(phase: &IntentPhase, id: &ComputeId) -> bool {
    matches!(phase, IntentPhase::Bound { compute } if compute == id)
}

fn is_releasing(phase: &IntentPhase) -> bool {
    matches!(phase, IntentPhase::Releasing { .. })
}

fn is_closed(phase: &IntentPhase) -> bool {
    matches!(phase, IntentPhase::Closed { .. })
}

fn found(settled: Settled) -> Rented {
    match settled {
        Settled::Plain(rented) => *rented,
        other => panic!("a machine is there and is to be shown: {other:?}"),
    }
}
