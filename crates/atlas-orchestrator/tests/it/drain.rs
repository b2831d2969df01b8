//! Rule P14: what is begun is carried through, whoever goes away meanwhile; draining leaves nothing half done.

use std::sync::Arc;

use atlas_orchestrator::store::Kind;
use atlas_orchestrator::store::suite::{Fault as StoreFault, FaultyStore};
use atlas_orchestrator::{Phase, Reason};
use atlas_sim::{Fault, Operation, Rule};

use crate::world::{World, hours, keep_alive, minutes, pass, ready, ready_with, request, seconds, view};

#[tokio::test(start_paused = true)]
async fn p14_whoever_drops_an_ensure_a_stop_or_an_end_stops_nothing() {
    // A browser goes away at each moment of the call, over a store whose every answer takes a while.
    let step = std::time::Duration::from_millis(10);
    for steps in 0..16 {
        let world = World::new();
        let store = Arc::new(FaultyStore::new(world.store.clone()));
        let orchestrator = world.open_over(store.clone()).await;
        store.delay(step);
        let patience = step * steps + step / 2;
        drop(tokio::time::timeout(patience, orchestrator.ensure("ada", request())).await);
        pass(seconds(3)).await;
        assert_eq!(world.cloud.live().len(), 1, "after {steps} steps of ensure, before any net");
        let session = ready(&orchestrator, "ada").await;
        drop(tokio::time::timeout(patience, orchestrator.stop(session.id())).await);
        pass(seconds(3)).await;
        assert_eq!(view(&session).await.phase, Phase::Stopped, "after {steps} steps of stop");
        drop(tokio::time::timeout(patience, orchestrator.end(session.id())).await);
        pass(seconds(3)).await;
        assert_eq!(view(&session).await.phase, Phase::Ended, "after {steps} steps of end");
        assert!(world.cloud.live().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn p14_what_nobody_was_told_of_is_found_all_the_same() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    // Another hand makes the row due, and the loop is not told.
    let mut row = world.rows(Kind::SESSION).await.remove(0);
    let mut body: serde_json::Value = serde_json::from_slice(&row.body).unwrap();
    body["max_lifetime"] = serde_json::json!({ "secs": 1, "nanos": 0 });
    row.body = serde_json::to_vec(&body).unwrap().into();
    row.due_at = Some(orchestrator.now());
    crate::histories::write(&world, row).await;
    pass(seconds(32)).await;
    assert_eq!(view(&session).await.receipt.unwrap().reason, Reason::Lifetime);
}

#[tokio::test(start_paused = true)]
async fn p14_a_create_under_way_at_shutdown_is_found_and_served_by_the_next_opening() {
    for patience in [0, 2] {
        let mut world = World::with(|cloud| cloud.create_takes(seconds(5)));
        let orchestrator = world.open().await;
        let id = *orchestrator.ensure("ada", request()).await.unwrap().id();
        pass(seconds(1)).await;
        orchestrator.shutdown(seconds(patience)).await.unwrap();
        let next = world.succeed().await;
        let session = next.session(id).await.unwrap();
        session.ready().await.unwrap();
        // The last one's create is answered meanwhile, and cannot be written.
        keep_alive(&next, &session, minutes(5)).await;
        assert_eq!(view(&session).await.phase, Phase::Ready);
        assert_eq!(world.cloud.ledger().rents.len(), 1);
        assert_eq!(world.cloud.live().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn p16_a_store_that_cannot_write_does_not_storm_the_cloud() {
    for fault in [StoreFault::Full, StoreFault::Unavailable] {
        let world = World::new();
        let store = Arc::new(FaultyStore::new(world.store.clone()));
        let orchestrator = world.open_over(store.clone()).await;
        for user in 0..20 {
            ready_with(&orchestrator, &format!("user {user}"), request().idle_ttl(hours(3))).await;
        }
        let ending = ready(&orchestrator, "ending").await;
        world.cloud.inject(Rule::on(Operation::Terminate, Fault::Errs).during(minutes(10)));
        orchestrator.end(ending.id()).await.unwrap();
        store.always(fault);
        let calls = world.cloud.calls().len();
        pass(minutes(10)).await;
        let made = world.cloud.calls().len() - calls;
        // Twenty machines are read twice a minute, and sixteen at once may be tried again each ten seconds.
        assert!(made < 1_500, "{made} calls in ten minutes with a store that is {fault:?}");
        store.always(StoreFault::None);
        pass(seconds(75)).await;
        assert_eq!(view(&ending).await.phase, Phase::Ended);
    }
}
