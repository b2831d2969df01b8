//! Machines that their cloud says are over, or under another id: what is believed, and what becomes of the user (P4, P5).

use atlas_core::{ComputeStatus, GoneRule};
use atlas_orchestrator::{FindingKind, Phase, ReapOptions, Reason};
use atlas_sim::{Fault, Operation, Rule};

use crate::world::{World, hours, keep_alive, key_of, minutes, ready, seconds, view};

#[tokio::test(start_paused = true)]
async fn p5_a_cloud_that_lies_about_an_end_for_a_minute_ends_nobody() {
    use ComputeStatus::{Exited, Failed, Terminated, Terminating};
    for lie in [Terminated, Failed, Exited, Terminating] {
        let world = World::new();
        let orchestrator = world.open().await;
        let session = ready(&orchestrator, "ada").await;
        let key = key_of(&session).await;
        let machine = world.only_machine();
        for operation in [Operation::Get, Operation::List, Operation::Find] {
            world.cloud.inject(Rule::on(operation, Fault::LiesStatus(lie.clone())).only(&machine).during(minutes(1)));
        }
        keep_alive(&orchestrator, &session, seconds(45)).await;
        assert_eq!(view(&session).await.phase, Phase::Missing, "{lie}: nobody knows what answers there");
        keep_alive(&orchestrator, &session, minutes(10)).await;
        assert_eq!(view(&session).await.phase, Phase::Ready, "{lie}");
        assert_eq!(key_of(&session).await, key);
        assert_eq!(world.cloud.live(), [machine]);
        assert_eq!(world.cloud.count(Operation::Terminate), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn p5_what_each_read_says_for_longer_than_that_is_believed() {
    let world = World::with(|cloud| cloud.remembers(hours(1)));
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    world.cloud.vanish(&world.only_machine()).unwrap();
    keep_alive(&orchestrator, &session, minutes(2)).await;
    assert_eq!(session.ended().await.unwrap().receipt.unwrap().reason, Reason::Lost);
}

#[tokio::test(start_paused = true)]
async fn p5_o4_a_cloud_that_shows_the_old_id_of_a_moved_machine_as_terminated_ends_nobody() {
    for gone in [GoneRule::NotFound, GoneRule::TwoNotFounds { apart: seconds(10) }] {
        let world = World::with(|cloud| cloud.migrates(true).remembers(hours(2)).gone(gone));
        let orchestrator = world.open().await;
        let session = ready(&orchestrator, "ada").await;
        let old = world.only_machine();
        let moved = world.cloud.migrate(&old).unwrap();
        // The old id is shown beside the new one, as terminated.
        world.witness.remember_terminated(&old);
        let report = orchestrator.reap(ReapOptions::default()).await.unwrap();
        assert!(report.findings.iter().all(|found| found.kind == FindingKind::Tracked), "{report:?}");
        keep_alive(&orchestrator, &session, minutes(20)).await;
        assert_eq!(session.ready().await.unwrap().compute, moved);
        assert_eq!(world.cloud.live(), [moved]);
    }
}
