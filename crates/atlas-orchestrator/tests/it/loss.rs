//! Machines that their cloud says are over, or under another id: what is believed, and what becomes of the user (P4, P5).

use atlas_core::{ComputeStatus, GoneRule};
use atlas_orchestrator::{Error, FindingKind, OnLoss, Phase, ReapOptions, Reason};
use atlas_sim::{Fault, Operation, Rule};

use crate::world::{World, hours, keep_alive, key_of, minutes, pass, ready, ready_with, request, seconds, view};

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

#[tokio::test(start_paused = true)]
async fn history_19_a_replacement_that_is_refused_is_asked_for_again_when_the_lost_one_is_gone() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready_with(&orchestrator, "ada", request().on_loss(OnLoss::Replace)).await;
    let machine = world.only_machine();
    let before = session.endpoint().await.unwrap();
    world.cloud.hide(&machine, minutes(16)).unwrap();
    keep_alive(&orchestrator, &session, minutes(15)).await;
    world.cloud.inject(Rule::on(Operation::Spawn, Fault::CapacityGone).during(minutes(2)));
    world.cloud.inject(Rule::on(Operation::Terminate, Fault::Errs).during(minutes(2)));
    keep_alive(&orchestrator, &session, minutes(8)).await;
    assert_eq!(view(&session).await.phase, Phase::Ready, "{:?}", view(&session).await);
    assert_eq!(world.cloud.live().len(), 1);
    // Another machine with another key is another endpoint (P12).
    let after = session.endpoint().await.unwrap();
    assert_ne!(after.credentials.expose(), before.credentials.expose());
    assert!(after.generation > before.generation, "{} after {}", after.generation, before.generation);
}

#[tokio::test(start_paused = true)]
async fn history_19_machines_that_are_gone_as_soon_as_they_start_are_not_replaced_for_ever() {
    let world = World::with(|cloud| cloud.remembers(hours(9)).startup(minutes(3)));
    let orchestrator = world.open().await;
    let session = orchestrator.ensure("ada", request().on_loss(OnLoss::Replace)).await.unwrap();
    for _ in 0..120 {
        for machine in world.cloud.live() {
            world.cloud.vanish(&machine).unwrap();
        }
        pass(seconds(15)).await;
        if view(&session).await.phase == Phase::Ended {
            break;
        }
    }
    let ended = session.ended().await.unwrap();
    assert_eq!(ended.receipt.unwrap().reason, Reason::StartTimeout, "it was starting all the time");
    let rents = world.cloud.ledger().rents.len();
    assert!((3..12).contains(&rents), "{rents} machines in twenty minutes");
    let next = orchestrator.ensure("ada", request()).await;
    assert!(matches!(next, Err(Error::BackingOff { .. })), "each of them was a failed start");
}

#[tokio::test(start_paused = true)]
async fn history_19_an_image_that_answers_and_then_ends_is_not_rented_at_each_page_open() {
    let world = World::new();
    let orchestrator = world.open().await;
    let mut refused = 0;
    for _ in 0..720 {
        match orchestrator.ensure("ada", request()).await {
            Ok(session) if view(&session).await.phase == Phase::Ready => {
                world.cloud.exit(&view(&session).await.compute.unwrap(), 1).unwrap();
            }
            Ok(_) => {}
            Err(Error::BackingOff { .. }) => refused += 1,
            Err(other) => panic!("{other}"),
        }
        pass(seconds(5)).await;
    }
    let rents = world.cloud.ledger().rents.len();
    assert!((4..16).contains(&rents), "{rents} machines in an hour, {refused} refusals");
    // One that lasts closes the breaker.
    pass(minutes(6)).await;
    let session = ready(&orchestrator, "ada").await;
    keep_alive(&orchestrator, &session, minutes(2)).await;
    orchestrator.end(session.id()).await.unwrap();
    ready(&orchestrator, "ada").await;
}

#[tokio::test(start_paused = true)]
async fn history_19_machines_that_break_before_they_are_ready_cost_a_page_seconds_and_are_not_rented_at_each_open() {
    let world = World::with(|cloud| cloud.startup(seconds(20)).remembers(hours(9)));
    let orchestrator = world.open().await;
    let session = orchestrator.ensure("ada", request()).await.unwrap();
    pass(seconds(2)).await;
    let broken = tokio::time::Instant::now();
    world.cloud.fail(&world.only_machine()).unwrap();
    // The page is opened again and again, until it opens.
    let opened = async {
        loop {
            if let Ok(session) = orchestrator.ensure("ada", request()).await
                && view(&session).await.phase == Phase::Ready
            {
                return session;
            }
            pass(seconds(1)).await;
        }
    };
    let next = opened.await;
    assert_ne!(next.id(), session.id());
    assert_eq!(session.ended().await.unwrap().receipt.unwrap().reason, Reason::Failed);
    assert!(broken.elapsed() < seconds(20 + 5 + 2 + 5), "{:?}", broken.elapsed());
    orchestrator.end(next.id()).await.unwrap();
    let before = world.cloud.ledger().rents.len();
    for second in 0..3600 {
        for machine in world.cloud.live() {
            drop(world.cloud.fail(&machine));
        }
        if second % 5 == 0 {
            drop(orchestrator.ensure("ada", request()).await);
        }
        pass(seconds(1)).await;
    }
    let rents = world.cloud.ledger().rents.len() - before;
    assert!((10..20).contains(&rents), "{rents} machines in an hour");
}

#[tokio::test(start_paused = true)]
async fn p5_a_lie_of_seconds_about_a_machine_that_is_starting_fails_no_start() {
    for lie in [ComputeStatus::Failed, ComputeStatus::Exited, ComputeStatus::Terminated] {
        let world = World::with(|cloud| cloud.startup(seconds(30)));
        let orchestrator = world.open().await;
        let session = orchestrator.ensure("ada", request()).await.unwrap();
        pass(seconds(10)).await;
        for operation in [Operation::Get, Operation::List, Operation::Find] {
            world.cloud.inject(Rule::on(operation, Fault::LiesStatus(lie.clone())).during(seconds(4)));
        }
        session.ready().await.unwrap();
        assert_eq!(world.cloud.ledger().rents.len(), 1, "{lie}");
    }
}

#[tokio::test(start_paused = true)]
async fn p5_a_session_that_was_stopped_when_its_machine_was_lost_rents_no_other() {
    let world = World::with(|cloud| cloud.remembers(hours(9)));
    let orchestrator = world.open().await;
    let session = ready_with(&orchestrator, "ada", request().on_loss(OnLoss::Replace)).await;
    orchestrator.stop(session.id()).await.unwrap();
    pass(minutes(1)).await;
    world.cloud.vanish(&view(&session).await.compute.unwrap()).unwrap();
    assert_eq!(session.ended().await.unwrap().receipt.unwrap().reason, Reason::Lost);
    assert_eq!(world.cloud.ledger().rents.len(), 1);
    // One that was stopped behind its user's back is replaced, and is idle in time.
    let session = ready_with(&orchestrator, "bob", request().on_loss(OnLoss::Replace)).await;
    let machine = view(&session).await.compute.unwrap();
    world
        .cloud
        .inject(Rule::on(Operation::Get, Fault::LiesStatus(ComputeStatus::Stopped)).only(&machine).during(minutes(1)));
    keep_alive(&orchestrator, &session, minutes(1)).await;
    world.cloud.vanish(&machine).unwrap();
    keep_alive(&orchestrator, &session, minutes(5)).await;
    assert_eq!(view(&session).await.phase, Phase::Ready);
    assert_eq!(session.ended().await.unwrap().receipt.unwrap().reason, Reason::Idle);
}
