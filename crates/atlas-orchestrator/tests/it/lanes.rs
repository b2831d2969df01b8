//! Rule P16 once more: what takes long, or never comes back, keeps nobody else waiting.

use atlas_sim::{Fault, Operation, Rule};

use crate::world::{World, hours, minutes, pass, ready, ready_with, request, seconds};

#[tokio::test(start_paused = true)]
async fn p16_wedged_reads_and_many_machines_in_use_delay_nobodys_readiness() {
    let world = World::new();
    let orchestrator = world.open().await;
    for user in 0..60 {
        ready_with(&orchestrator, &format!("user {user}"), request().idle_ttl(hours(3))).await;
    }
    // More machines than there are slots, whose reads never come back.
    for machine in world.cloud.live() {
        world.cloud.inject(Rule::on(Operation::Get, Fault::NeverAnswers).only(&machine).during(hours(1)));
    }
    pass(minutes(1)).await;
    let began = tokio::time::Instant::now();
    ready(&orchestrator, "meanwhile").await;
    assert!(began.elapsed() < seconds(1), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn p16_wedged_starts_and_creates_delay_others_by_seconds_at_most() {
    for operation in [Operation::Spawn, Operation::Get] {
        let world = World::new();
        world.cloud.inject(Rule::on(operation, Fault::NeverAnswers).times(20));
        let orchestrator = world.open().await;
        for user in 0..20 {
            orchestrator.ensure(&format!("user {user}"), request()).await.unwrap();
        }
        pass(seconds(1)).await;
        let began = tokio::time::Instant::now();
        ready(&orchestrator, "meanwhile").await;
        assert!(began.elapsed() < seconds(12), "{operation}: {:?}", began.elapsed());
    }
}
