//! Rule P16 and the histories of many at once: nobody waits for anybody else's slow cloud.

use atlas_core::GoneRule;
use atlas_orchestrator::{Phase, Reason};
use atlas_sim::{Fault, Operation, Rule};

use crate::world::{World, minutes, pass, ready, ready_with, request, seconds, view};

#[tokio::test(start_paused = true)]
async fn p16_ten_stops_of_half_a_second_take_half_a_second_and_a_spawn_does_not_wait() {
    let world = World::with(|cloud| cloud.delete_takes(std::time::Duration::from_millis(500)));
    let orchestrator = world.open().await;
    let mut sessions = Vec::new();
    for user in 0..10 {
        sessions.push(ready(&orchestrator, &format!("user {user}")).await);
    }
    let began = tokio::time::Instant::now();
    for session in &sessions {
        orchestrator.end(session.id()).await.unwrap();
    }
    ready(&orchestrator, "meanwhile").await;
    assert!(began.elapsed() < std::time::Duration::from_millis(50), "the spawn waited {:?}", began.elapsed());
    for session in &sessions {
        session.ended().await.unwrap();
    }
    assert!(began.elapsed() <= std::time::Duration::from_millis(550), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn p16_six_hundred_sessions_that_expire_at_once_leak_nothing_and_harm_no_live_user() {
    let world =
        World::with(|cloud| cloud.delete_takes(std::time::Duration::from_millis(500)).call_pace(200, seconds(1)));
    let orchestrator = world.open().await;
    let mut expiring = Vec::new();
    for user in 0..600 {
        expiring.push(orchestrator.ensure(&format!("idle {user}"), request()).await.unwrap());
    }
    let mut live = Vec::new();
    for user in 0..100 {
        live.push(orchestrator.ensure(&format!("live {user}"), request()).await.unwrap());
    }
    for session in expiring.iter().chain(&live) {
        session.ready().await.unwrap();
    }
    for session in &expiring {
        orchestrator.touch(session.id()).unwrap();
    }
    for _ in 0..80 {
        for session in &live {
            orchestrator.touch(session.id()).unwrap();
        }
        pass(seconds(10)).await;
    }
    for session in &expiring {
        let view = view(session).await;
        assert_eq!(view.phase, Phase::Ended);
        assert_eq!(view.receipt.unwrap().reason, Reason::Idle);
    }
    for session in &live {
        assert_eq!(view(session).await.phase, Phase::Ready);
    }
    let ledger = world.cloud.ledger();
    assert_eq!((ledger.rents.len(), ledger.open().count()), (700, 100));
}

#[tokio::test(start_paused = true)]
async fn p16_six_hundred_endings_where_an_end_needs_two_not_founds_and_a_listing_leak_nothing() {
    let apart = seconds(10);
    let world = World::with(|cloud| {
        cloud.gone(GoneRule::TwoNotFounds { apart }).delete_takes(std::time::Duration::from_millis(500))
    });
    let orchestrator = world.open().await;
    let mut ending = Vec::new();
    for user in 0..600 {
        ending.push(orchestrator.ensure(&format!("user {user}"), request()).await.unwrap());
    }
    for session in &ending {
        session.ready().await.unwrap();
    }
    let live = ready(&orchestrator, "live").await;
    let began = tokio::time::Instant::now();
    for session in &ending {
        orchestrator.end(session.id()).await.unwrap();
    }
    // A create is not behind a thousand deletes and as many listings.
    ready(&orchestrator, "meanwhile").await;
    assert!(began.elapsed() < seconds(1), "{:?}", began.elapsed());
    for session in &ending {
        assert_eq!(session.ended().await.unwrap().receipt.unwrap().reason, Reason::Asked);
    }
    // Thirty-two at once, each told twice, and looked at again ten seconds later.
    assert!(began.elapsed() < apart + seconds(30), "{:?}", began.elapsed());
    assert_eq!(view(&live).await.phase, Phase::Ready);
    assert_eq!((world.cloud.live().len(), world.cloud.ledger().rents.len()), (2, 602));
    let terminates = world.cloud.count(Operation::Terminate);
    assert!(terminates <= 600 * 3, "{terminates} terminates for six hundred machines");
}

#[tokio::test(start_paused = true)]
async fn p16_history_20_a_wedged_machine_and_a_thousand_deletes_delay_nobodys_create() {
    let world = World::with(|cloud| cloud.delete_takes(seconds(2)));
    let orchestrator = world.open().await;
    let mut sessions = Vec::new();
    for user in 0..200 {
        sessions.push(ready(&orchestrator, &format!("user {user}")).await);
    }
    // Forty machines whose end is never answered, forty whose reads are not.
    let machines = world.cloud.live();
    for machine in machines.iter().take(40) {
        world.cloud.inject(Rule::on(Operation::Terminate, Fault::NeverAnswers).only(machine).during(minutes(10)));
    }
    for machine in machines.iter().skip(40).take(8) {
        world.cloud.inject(Rule::on(Operation::Get, Fault::NeverAnswers).only(machine).during(minutes(10)));
    }
    for session in &sessions {
        orchestrator.end(session.id()).await.unwrap();
    }
    let began = tokio::time::Instant::now();
    ready(&orchestrator, "meanwhile").await;
    assert!(began.elapsed() < seconds(1), "{:?}", began.elapsed());
    pass(minutes(6)).await;
    assert!(world.cloud.live().len() <= 41 + 48, "{} are left", world.cloud.live().len());
    world.cloud.heal();
    pass(minutes(10)).await;
    for session in &sessions {
        assert_eq!(view(session).await.phase, Phase::Ended);
    }
}

#[tokio::test(start_paused = true)]
async fn p16_a_slow_cloud_ends_idle_sessions_in_time_all_the_same() {
    let world = World::with(|cloud| cloud.calls_take(seconds(20)));
    let orchestrator = world.open().await;
    let session = ready_with(&orchestrator, "ada", request().idle_ttl(minutes(2))).await;
    let mut others = Vec::new();
    for user in 0..64 {
        others.push(orchestrator.ensure(&format!("user {user}"), request()).await.unwrap());
    }
    let touched = tokio::time::Instant::now();
    orchestrator.touch(session.id()).unwrap();
    while view(&session).await.phase == Phase::Ready {
        pass(seconds(1)).await;
    }
    assert!(touched.elapsed() <= minutes(2) + seconds(4), "{:?}", touched.elapsed());
}

#[tokio::test(start_paused = true)]
async fn p16_a_provider_that_panics_costs_nobody_a_slot_and_no_lane_its_life() {
    let mut world = World::new();
    world.policy.reads_at_once = 2;
    world.policy.creates_at_once = 2;
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    for operation in [Operation::Get, Operation::List, Operation::Spawn] {
        world.witness.panic_in(operation, 6);
    }
    let mut unlucky = Vec::new();
    for user in 0..6 {
        unlucky.push(orchestrator.ensure(&format!("user {user}"), request()).await.unwrap());
    }
    crate::world::keep_alive(&orchestrator, &session, minutes(12)).await;
    unlucky.push(ready(&orchestrator, "bob").await);
    assert_eq!(view(&session).await.phase, Phase::Ready);
    // A create that panicked may have happened: it was searched for, and another followed.
    for session in &unlucky {
        session.ready().await.unwrap();
        orchestrator.end(session.id()).await.unwrap();
    }
    world.cloud.clone_machine(&view(&session).await.compute.unwrap()).unwrap();
    crate::world::keep_alive(&orchestrator, &session, minutes(6)).await;
    assert_eq!(world.cloud.live(), [view(&session).await.compute.unwrap()], "the reaper lives on");
}
