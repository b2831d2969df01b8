//! Rule P14: what is begun is carried through, whoever goes away meanwhile; draining leaves nothing half done.

use std::sync::Arc;

use atlas_orchestrator::store::suite::{Fault as StoreFault, FaultyStore};
use atlas_orchestrator::store::{Kind, RowKey, Store as _};
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

#[tokio::test(start_paused = true)]
async fn p14_shutdown_lets_go_of_a_store_that_cannot_be_written_and_wakes_who_waits() {
    let world = World::with(|cloud| cloud.answers_after(hours(1)));
    let store = Arc::new(FaultyStore::new(world.store.clone()));
    let orchestrator = world.open_over(store.clone()).await;
    let session = orchestrator.ensure("ada", request()).await.unwrap();
    let waiting = tokio::spawn(async move { session.ready().await });
    pass(seconds(1)).await;
    store.always(StoreFault::Full);
    orchestrator.shutdown(seconds(5)).await.unwrap_err();
    assert!(waiting.await.unwrap().is_err());
    let closed = world.store.get(RowKey::session("any").into()).await;
    assert!(closed.is_err(), "the file is let go of");
}

#[tokio::test(start_paused = true)]
async fn p13_p14_followers_are_told_to_the_last_and_then_the_stream_ends() {
    use futures_util::StreamExt as _;
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    let mut all = orchestrator.events().await.unwrap();
    let mut one = session.events().await.unwrap();
    let following = tokio::spawn(async move { (all.by_ref().count().await, one.by_ref().count().await) });
    pass(seconds(1)).await;
    orchestrator.shutdown(seconds(1)).await.unwrap();
    let told =
        tokio::time::timeout(seconds(1), following).await.expect("a graceful server waits for its streams").unwrap();
    assert!(told.0 >= 1 && told.1 >= 1);
}

#[tokio::test(start_paused = true)]
async fn p14_ending_all_begins_nothing_new_and_counts_twins_and_what_cannot_be_read() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    let machine = view(&session).await.compute.unwrap();
    let twin = world.cloud.clone_machine(&machine).unwrap();
    pass(minutes(4)).await;
    assert!(!world.cloud.live().contains(&twin), "the reaper has ended it once");
    // A second one that the cloud does not end.
    let twin = world.cloud.clone_machine(&machine).unwrap();
    world.cloud.inject(Rule::on(Operation::Terminate, Fault::Errs).only(&twin).during(hours(1)));
    keep_alive(&orchestrator, &session, minutes(4)).await;
    let ending = tokio::spawn({
        let orchestrator = orchestrator.clone();
        async move { orchestrator.shutdown_and_end_all(seconds(30)).await.unwrap() }
    });
    pass(seconds(1)).await;
    assert!(matches!(orchestrator.ensure("eve", request()).await, Err(atlas_orchestrator::Error::Closed)));
    assert!(!ending.await.unwrap(), "the twin bills on, and nobody said so");
    assert_eq!(world.cloud.live(), [twin]);
}

#[tokio::test(start_paused = true)]
async fn p10_a_live_session_is_handed_out_on_a_full_disk() {
    let world = World::new();
    let store = Arc::new(FaultyStore::new(world.store.clone()));
    let orchestrator = world.open_over(store.clone()).await;
    let session = ready(&orchestrator, "ada").await;
    pass(minutes(5)).await;
    store.always(StoreFault::Full);
    assert_eq!(orchestrator.ensure("ada", request()).await.unwrap().id(), session.id());
    pass(minutes(9)).await;
    assert_eq!(view(&session).await.phase, Phase::Ready, "it was a touch all the same");
}

#[tokio::test(start_paused = true)]
async fn p15_an_end_that_is_accepted_and_ignored_is_told_and_counted() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    let mut events = orchestrator.events().await.unwrap();
    world.cloud.inject(Rule::on(Operation::Terminate, Fault::Ignores).during(hours(3)));
    orchestrator.end(session.id()).await.unwrap();
    pass(hours(2)).await;
    let exposure = orchestrator.exposure().await.unwrap();
    let why = &exposure.items[0].why;
    assert!(matches!(why, atlas_orchestrator::Why::Releasing { failures, .. } if *failures > 10), "{why:?}");
    let words = crate::world::words(&crate::world::told(&mut events));
    assert!(words.contains(&"terminate_failed".to_owned()), "{words:?}");
    pass(hours(2)).await;
    assert_eq!(view(&session).await.phase, Phase::Ended);
}

#[tokio::test(start_paused = true)]
async fn p13_a_stopped_session_is_warned_of_the_end_of_its_lifetime() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready_with(&orchestrator, "ada", request().max_lifetime(hours(1))).await;
    let mut events = orchestrator.events().await.unwrap();
    orchestrator.stop(session.id()).await.unwrap();
    pass(minutes(59) + seconds(30)).await;
    assert_eq!(view(&session).await.phase, Phase::Stopped);
    let words = crate::world::words(&crate::world::told(&mut events));
    assert_eq!(words.iter().filter(|word| *word == "ending_soon").count(), 1, "{words:?}");
}
