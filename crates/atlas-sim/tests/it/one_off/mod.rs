//! A one-off account over the mock: the two sides of the contract fit together, and a lost answer leaks nothing.

use std::sync::Arc;
use std::time::Duration;

use atlas_auth::Timestamp;
use atlas_core::config::Config;
use atlas_core::testing::TokioClock;
use atlas_core::{Account, Atlas, Auth, ComputeStatus, Error, Proof, Settled};
use atlas_sim::{Fault, Mock, Operation, Rule};
use tempfile::TempDir;

use crate::support::request;

struct Bench {
    cloud: Mock,
    account: Account,
    _state: TempDir,
}

fn bench(build: impl FnOnce(atlas_sim::MockBuilder) -> atlas_sim::MockBuilder) -> Bench {
    let clock = Arc::new(TokioClock::new(Timestamp::from_seconds(1_000_000_000)));
    let cloud = build(Mock::builder().clock(clock.clone())).build();
    let state = tempfile::tempdir().unwrap();
    let config = Config::builder().state_dir(state.path()).build();
    let atlas = Atlas::builder(config).clock(clock).probe(Arc::new(cloud.probe())).build();
    let account = atlas.account(Arc::new(cloud.clone())).unwrap();
    Bench { cloud, account, _state: state }
}

impl Bench {
    async fn settle(&self) -> Settled {
        let record = self.account.records().await.unwrap().remove(0);
        self.account.settle(&record, Duration::from_secs(30)).await.unwrap()
    }

    fn inject(&self, operation: Operation, fault: Fault) {
        self.cloud.inject(Rule::on(operation, fault));
    }

    async fn spawn_fails(&self) -> Error {
        self.account.spawn(request(), Auth::Bearer).await.unwrap_err()
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_is_rented_becomes_ready_and_is_given_back() {
    let bench = bench(|cloud| cloud.startup(Duration::from_secs(40)).answers_after(Duration::from_secs(20)));
    for auth in [Auth::Bearer, Auth::SignedUrl, Auth::None] {
        let spawned = bench.account.spawn(request(), auth).await.unwrap();
        let ready = bench.account.wait_ready(&spawned, Duration::from_mins(2)).await.unwrap();
        assert_eq!(ready.status, ComputeStatus::Running);
        bench.account.terminate(&spawned).await.unwrap();
        assert!(bench.cloud.live().is_empty());
    }
    assert!(bench.cloud.ledger().rents.iter().all(|rent| rent.cost.as_micros() >= 6000), "a minute each");
}

#[tokio::test(start_paused = true)]
async fn a_create_whose_answer_is_lost_is_found_again() {
    let bench = bench(|cloud| cloud);
    bench.inject(Operation::Spawn, Fault::LosesAnswer);
    bench.spawn_fails().await;
    let Settled::Plain(found) = bench.settle().await else { panic!("the machine is there and is to be found") };
    assert_eq!(bench.cloud.live(), std::slice::from_ref(&found.id));
    bench.account.terminate(&found.id).await.unwrap();
    assert!(bench.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_machine_whose_mark_was_cut_is_ended_again() {
    let bench = bench(|cloud| cloud);
    bench.inject(Operation::Spawn, Fault::CutsName(30));
    bench.spawn_fails().await;
    assert_eq!(bench.cloud.ledger().rents.len(), 1);
    assert!(bench.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_create_that_the_cloud_refused_leaves_nothing_open() {
    let bench = bench(|cloud| cloud);
    bench.inject(Operation::Spawn, Fault::CapacityGone);
    bench.spawn_fails().await;
    assert_eq!(bench.settle().await, Settled::Closed(Proof::Refused));
}
