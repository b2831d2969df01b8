//! Rule P13: events are numbered in the commit that makes them; a follower gets the present state first, then
//! everything, or how much it missed.

use std::sync::Arc;

use atlas_auth::{Clock, SeededEntropy};
use atlas_orchestrator::{Phase, Reason, StreamItem, What};
use atlas_sim::{Fault, Operation, Rule};

use crate::world::{
    World, hours, keep_alive, minutes, numbered, pass, ready, ready_with, request, seconds, store_keeping, told, view,
    words,
};

fn whats(items: &[StreamItem]) -> Vec<What> {
    numbered(items).into_iter().map(|(_, event)| event.what).collect()
}

#[tokio::test(start_paused = true)]
async fn p13_the_whole_life_of_a_session_is_told_in_order_without_gaps() {
    let world = World::with(|cloud| cloud.startup(seconds(5)).stopping(seconds(5)));
    let orchestrator = world.open().await;
    let mut events = orchestrator.events().await.unwrap();
    let first = told(&mut events);
    assert!(matches!(&first[..], [StreamItem::State(sessions)] if sessions.is_empty()), "{first:?}");
    let session = ready(&orchestrator, "ada").await;
    orchestrator.stop(session.id()).await.unwrap();
    pass(seconds(10)).await;
    orchestrator.resume(session.id()).await.unwrap();
    session.ready().await.unwrap();
    world.cloud.inject(Rule::on(Operation::Terminate, Fault::Errs));
    let ended = session.ended().await.unwrap();
    pass(seconds(1)).await;
    let items = told(&mut events);
    assert_eq!(
        words(&items),
        [
            "created",
            "phase spawning",
            "phase starting",
            "phase ready",
            "endpoint_changed",
            "phase stopping",
            "phase stopped",
            "phase starting",
            "phase ready",
            "endpoint_changed",
            "ending_soon",
            "terminating",
            "terminate_failed",
            "terminated",
        ]
    );
    let numbers: Vec<_> = numbered(&items).iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (numbers[0]..=numbers[0] + 13).collect::<Vec<_>>(), "contiguous");
    let whats = whats(&items);
    assert!(matches!(whats[10], What::EndingSoon { reason: Reason::Idle, seconds: 55..=61 }), "{:?}", whats[10]);
    let What::Terminating { receipt } = &whats[11] else { panic!("{whats:?}") };
    assert_eq!((receipt.reason, &*receipt.evidence), (Reason::Idle, "no touch for 10m"));
    let What::TerminateFailed { error, failures: 1, compute: Some(_), .. } = &whats[12] else { panic!("{whats:?}") };
    assert!(error.contains("failed inside"));
    let What::Terminated { reason: Reason::Idle, cost } = &whats[13] else { panic!("{whats:?}") };
    assert_eq!(*cost, ended.cost_so_far);
    let generations: Vec<_> = whats
        .iter()
        .filter_map(|what| if let What::EndpointChanged { generation } = what { Some(*generation) } else { None })
        .collect();
    assert_eq!(generations, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn p13_heartbeats_are_coalesced_and_not_numbered() {
    let world = World::new();
    let orchestrator = world.open().await;
    let mut sessions = Vec::new();
    for user in 0..10 {
        sessions.push(ready(&orchestrator, &format!("user {user}")).await);
    }
    let mut events = orchestrator.events().await.unwrap();
    told(&mut events);
    for _ in 0..60 {
        for session in &sessions {
            orchestrator.touch(session.id()).unwrap();
        }
        pass(seconds(1)).await;
    }
    let mut beats = 0;
    for item in told(&mut events) {
        let StreamItem::Event { number: None, event } = item else { panic!("{item:?}") };
        assert!(matches!(event.what, What::Heartbeat { touched: 1..=10 }), "{event:?}");
        beats += 1;
    }
    assert!((1..=16).contains(&beats), "600 touches made {beats} heartbeats");
}

#[tokio::test(start_paused = true)]
async fn p13_the_first_item_is_the_present_state_and_nothing_between_is_missed() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    let mut all = orchestrator.events().await.unwrap();
    let mut one = session.events().await.unwrap();
    orchestrator.end(session.id()).await.unwrap();
    ready(&orchestrator, "bob").await;
    session.ended().await.unwrap();
    for (stream, strangers) in [(&mut all, true), (&mut one, false)] {
        let items = told(stream);
        let StreamItem::State(state) = &items[0] else { panic!("{items:?}") };
        assert_eq!((state.len(), state[0].id, state[0].phase), (1, *session.id(), Phase::Ready));
        let words = words(&items[1..]);
        assert!(words.contains(&"terminating".to_owned()) && words.contains(&"terminated".to_owned()), "{words:?}");
        assert_eq!(words.contains(&"created".to_owned()), strangers, "{words:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn p13_a_slow_follower_is_told_how_much_it_missed() {
    let mut world = World::new();
    world.store = Arc::new(store_keeping(&world.clock, 10));
    let orchestrator = world.open().await;
    let mut slow = orchestrator.events().await.unwrap();
    told(&mut slow);
    for user in 0..10 {
        let session = ready(&orchestrator, &format!("user {user}")).await;
        orchestrator.end(session.id()).await.unwrap();
        session.ended().await.unwrap();
    }
    let items = told(&mut slow);
    let StreamItem::Lagged(missed) = items[0] else { panic!("{items:?}") };
    let kept = numbered(&items);
    assert_eq!(kept.len(), 10);
    assert_eq!(kept[0].0, missed + 1, "numbers and misses add up");
    assert_eq!(words(&items).last().unwrap(), "terminated");
}

#[tokio::test(start_paused = true)]
async fn p13_an_event_that_a_newer_version_wrote_is_told_as_missed() {
    use atlas_orchestrator::store::{Commit, Op, Store, WriteId};
    let world = World::new();
    let orchestrator = world.open().await;
    let mut events = orchestrator.events().await.unwrap();
    told(&mut events);
    let mut commit = Commit::new(WriteId::new(world.clock.now(), &SeededEntropy::new(9)));
    commit.ops.push(Op::Append(r#"{"at":1,"session":null,"rental":null,"event":"teleported"}"#.into()));
    world.store.commit(commit).await.unwrap();
    let session = ready(&orchestrator, "ada").await;
    let items = told(&mut events);
    assert!(matches!(items[0], StreamItem::Lagged(1)), "{items:?}");
    assert_eq!(words(&items).last().unwrap(), "endpoint_changed");
    drop(session);
}

#[tokio::test(start_paused = true)]
async fn p13_lost_found_reaped_alien_and_blind_are_told() {
    let mut world = World::new();
    let orchestrator = world.open().await;
    let mut events = orchestrator.events().await.unwrap();
    let session = ready(&orchestrator, "ada").await;
    told(&mut events);
    world.cloud.hide(&world.only_machine(), minutes(5)).unwrap();
    keep_alive(&orchestrator, &session, minutes(7)).await;
    assert_eq!(words(&told(&mut events)), ["missing", "found", "phase ready"]);
    world.cloud.vanish(&world.only_machine()).unwrap();
    keep_alive(&orchestrator, &session, minutes(14)).await;
    session.ended().await.unwrap();
    pass(seconds(1)).await;
    assert_eq!(words(&told(&mut events)), ["missing", "lost", "terminating", "terminated"]);

    let session = ready(&orchestrator, "bob").await;
    told(&mut events);
    world.cloud.clone_machine(&world.only_machine()).unwrap();
    keep_alive(&orchestrator, &session, minutes(5)).await;
    assert_eq!(words(&told(&mut events)), ["reaped"]);

    world.kill();
    pass(minutes(3)).await;
    let orchestrator = world.open().await;
    let events = orchestrator.events().await.unwrap();
    drop(events);
    let rows = world.store.clone();
    let page = atlas_orchestrator::store::Store::scan(
        &*rows,
        atlas_orchestrator::store::Range::Events { after: 0 },
        atlas_orchestrator::store::Cursor::START,
        1_000,
    );
    let last = page.await.unwrap().into_events().pop().unwrap();
    let text = String::from_utf8(last.body.to_vec()).unwrap();
    assert!(text.contains(r#""event":"blind""#), "{text}");

    world.lose_store();
    let orchestrator = world.open().await;
    let mut events = orchestrator.events().await.unwrap();
    pass(minutes(2)).await;
    let items = told(&mut events);
    assert_eq!(words(&items), ["alien_seen"]);
    assert!(matches!(&whats(&items)[0], What::AlienSeen { cost_per_hour: Some(_), .. }));
}

#[tokio::test(start_paused = true)]
async fn p13_the_end_of_a_lifetime_is_warned_of() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready_with(&orchestrator, "ada", request().max_lifetime(hours(1))).await;
    let mut events = orchestrator.events().await.unwrap();
    told(&mut events);
    keep_alive(&orchestrator, &session, minutes(59) + seconds(30)).await;
    let items = told(&mut events);
    assert!(
        matches!(whats(&items)[..], [What::EndingSoon { reason: Reason::Lifetime, seconds: 55..=61 }]),
        "{:?}",
        words(&items)
    );
    assert_eq!(view(&session).await.phase, Phase::Ready);
}

#[tokio::test(start_paused = true)]
async fn p13_whoever_is_touched_again_is_warned_again() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    let mut events = orchestrator.events().await.unwrap();
    told(&mut events);
    for _ in 0..3 {
        pass(minutes(9) + seconds(30)).await;
        assert_eq!(words(&told(&mut events)), ["ending_soon"]);
        orchestrator.touch(session.id()).unwrap();
    }
    assert_eq!(view(&session).await.phase, Phase::Ready);
}
