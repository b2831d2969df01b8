//! A stopped pod whose host has no GPU left for it when it is started again (trap 18): it bills and is of no use, so nobody
//! is handed it as if it ran.

use std::sync::Arc;
use std::time::Duration;

use atlas_core::config::Config;
use atlas_core::testing::TokioClock;
use atlas_core::{Account, Atlas, Auth, ComputeId, ComputeRequest, ComputeStatus, Effect, ErrorKind, Permission};
use atlas_sim::server::{Server, Timing};
use atlas_sim::{Fault, Operation, Rule, WireFault};
use tempfile::TempDir;

use crate::ground::Ground;
use crate::stage::BEGIN;
use crate::wire::InMemory;

const BARE: Fault = Fault::Wire(WireFault::StartsWithoutGpu);
const WAIT: Duration = Duration::from_mins(2);

/// An account at a cloud under paused time, with one pod that is stopped.
struct Bench {
    ground: Arc<Ground>,
    account: Account,
    id: ComputeId,
    _state: TempDir,
}

impl Bench {
    async fn new() -> Self {
        let (clock, state) = (Arc::new(TokioClock::new(BEGIN)), tempfile::tempdir().unwrap());
        let server = Server::builder().timing(Timing::at_once()).outside(clock.clone());
        let ground = Arc::new(Ground::of(server).await);
        let runpod = ground.account().transport(Arc::new(InMemory(ground.clone()))).clock(clock.clone());
        let config = Config::builder().state_dir(state.path()).build();
        let account = Atlas::builder(config).clock(clock).build().account(Arc::new(runpod.build().unwrap())).unwrap();
        let request = ComputeRequest::gpu("l4").image("me/app:1").http_port(8000);
        let id = account.spawn(request, Auth::Bearer).await.unwrap().compute.id;
        account.stop(&id, Permission::ordinary(), WAIT).await.unwrap();
        Self { ground, account, id, _state: state }
    }

    fn inject(&self, fault: Fault) {
        self.ground.cloud.inject(Rule::on(Operation::Start, fault));
    }

    /// It starts, and has what was rented.
    async fn assert_starts(&self) {
        let started = self.account.start(&self.id, WAIT).await.unwrap();
        assert_eq!((started.status, started.gpu_count), (ComputeStatus::Running, 1));
    }
}

/// Whether the answer shows it, or is lost and the repetition refused, or a later read shows it.
#[tokio::test(start_paused = true)]
async fn trap_18_a_pod_that_starts_without_a_gpu_is_stopped_again_however_that_shows() {
    for faults in
        [vec![], vec![Fault::LosesAnswer], vec![Fault::ActsThenErrs], vec![Fault::LandsLate(Duration::from_secs(4))]]
    {
        let bench = Bench::new().await;
        bench.inject(BARE);
        for fault in &faults {
            bench.inject(fault.clone());
        }
        let error = bench.account.start(&bench.id, WAIT).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::NoCapacity, Effect::Rejected), "{faults:?}: {error}");
        assert!(error.message().contains("without a GPU"), "{error}");
        let pod = bench.account.get(&bench.id).await.unwrap();
        assert_eq!(pod.status, ComputeStatus::Stopped, "{faults:?}: it does not bill on");
        bench.assert_starts().await;
    }
}

/// Where it shows only after the start was answered for, every read says that it is not what was rented.
#[tokio::test(start_paused = true)]
async fn trap_18_a_pod_without_its_gpus_is_never_shown_as_running() {
    let bench = Bench::new().await;
    bench.inject(BARE);
    bench.inject(Fault::LandsLate(Duration::from_secs(15)));
    let error = bench.account.start(&bench.id, WAIT).await.unwrap_err();
    assert!(error.message().contains("is failed"), "{error}");
    let pod = bench.account.get(&bench.id).await.unwrap();
    assert_eq!((pod.status, pod.gpu_count), (ComputeStatus::Failed, 0));
    assert!(pod.cost_per_hour.is_some() && pod.ports.iter().all(|port| port.url.is_none()), "{:?}", pod.ports);
    // Asked again, it says so and is stopped.
    let error = bench.account.start(&bench.id, WAIT).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::NoCapacity, Effect::Rejected), "{error}");
    bench.assert_starts().await;
}

#[tokio::test(start_paused = true)]
async fn trap_18_a_pod_that_cannot_be_stopped_again_is_said_to_bill() {
    let bench = Bench::new().await;
    bench.inject(BARE);
    bench.ground.cloud.inject(Rule::on(Operation::Stop, Fault::Errs).always());
    let error = bench.account.start(&bench.id, WAIT).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::NoCapacity, Effect::Unknown), "{error}");
    assert!(error.message().contains("it bills, and could not be stopped again"), "{error}");
}
