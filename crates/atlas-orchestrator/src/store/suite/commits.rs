//! Cases about commits: guards, atomicity, versions, repeats, counters, events.

use std::sync::Arc;
use std::time::Duration;

use super::{Bench, EVENTS_KEPT, delete, row, session};
use crate::store::{Commit, CommitError, Cursor, Found, Guard, Op, Range, Row, WriteId};

fn conflict(error: &CommitError) -> (Option<usize>, Found) {
    match error {
        CommitError::Conflict { guard, found } => (*guard, found.clone()),
        other => panic!("a conflict was expected, not: {other}"),
    }
}

pub(super) async fn guards_see_what_is_there(bench: Bench) {
    let made = bench.done(bench.change().guard(Guard::Absent(session("a"))).put(row("a"))).await;
    let version = made.version(&session("a")).unwrap();
    let stored = bench.row(session("a")).await.unwrap();
    assert_eq!(stored, Row { version, ..row("a") });

    let error = bench.refused(bench.change().guard(Guard::Absent(session("a")))).await;
    assert_eq!(conflict(&error), (Some(0), Found::Row(Box::new(stored.clone()))));

    bench.done(bench.change().guard(Guard::Version(session("a"), version))).await;
    let error = bench.refused(bench.change().guard(Guard::Version(session("a"), version + 1))).await;
    assert_eq!(conflict(&error), (Some(0), Found::Row(Box::new(stored))));
    let held = Guard::Version(session("a"), version);
    let error = bench.refused(bench.change().guard(held).guard(Guard::Version(session("b"), version))).await;
    assert_eq!(conflict(&error), (Some(1), Found::Nothing));
    let error = bench.refused(bench.change().guard(Guard::ActivityBelow("a".into(), 0))).await;
    assert_eq!(conflict(&error), (Some(0), Found::Activity(0)));

    // Guards look at the state before the commit.
    bench.done(bench.change().guard(Guard::Absent(session("c"))).put(row("c")).op(delete("c"))).await;
    assert_eq!(bench.row(session("c")).await, None);
}

pub(super) async fn no_update_is_lost(bench: Bench) {
    bench.put([Row::new(session("a"), 1, vec![0])]).await;
    let bench = Arc::new(bench);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let bench = Arc::clone(&bench);
        tasks.spawn(async move {
            loop {
                let stored = bench.row(session("a")).await.unwrap();
                let next = Row::new(session("a"), 1, vec![stored.body[0] + 1]);
                let commit = bench.change().guard(Guard::Version(session("a"), stored.version)).put(next);
                match bench.store.commit(commit).await {
                    Ok(_) => return,
                    Err(CommitError::Conflict { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(bench.row(session("a")).await.unwrap().body.as_ref(), [100]);
}

pub(super) async fn versions_rise_and_never_recur(mut bench: Bench) {
    let mut last = 0;
    for round in 0..6 {
        let versions = bench.put([row("a"), row("b"), row("a")]).await;
        for version in versions {
            assert!(version > last, "{version} follows {last} in round {round}");
            last = version;
        }
        bench.done(bench.change().op(delete("a"))).await;
        match round % 3 {
            1 => bench.reopen().await,
            // With the clock an hour behind, versions still rise.
            2 => {
                bench.clock.set(bench.clock.read().0.minus(Duration::from_hours(1)));
                bench.reopen().await;
            }
            _ => {}
        }
    }
}

pub(super) async fn a_refused_commit_leaves_no_trace(bench: Bench) {
    bench.put([row("a").bearing(crate::store::UniqueName::new("d", "key", "u").forever())]).await;
    let before = bench.everything().await;
    let numbers = bench.scan(Range::Events { after: 0 }).await.next_event;
    let full = |commit: Commit| {
        commit
            .put(row("b").bearing(crate::store::UniqueName::new("d", "key", "v").forever()))
            .op(delete("a"))
            .op(Op::Add("money".into(), 5))
            .append("told")
    };
    let write_id = bench.write_id();
    bench.refused(full(Commit::new(write_id)).guard(Guard::Absent(session("a")))).await;
    // Refused late, by the name that a row of the commit bears.
    let taken = row("c").bearing(crate::store::UniqueName::new("d", "key", "v").forever());
    bench.refused(full(bench.change()).put(taken)).await;
    assert_eq!(bench.everything().await, before);
    assert_eq!(bench.scan(Range::Events { after: 0 }).await.next_event, numbers);
    assert_eq!(bench.store.counter("money").await.unwrap(), 0);
    assert_eq!(bench.row(crate::store::UniqueName::new("d", "key", "v")).await, None);
    // Not even its write id is taken: it is judged anew.
    bench.done(full(Commit::new(write_id))).await;
}

pub(super) async fn a_repeated_write_id_gives_the_first_answer(mut bench: Bench) {
    let commit = bench.change().guard(Guard::Absent(session("a"))).put(row("a")).op(Op::Add("n".into(), 1)).append("x");
    let first = bench.done(commit.clone()).await;
    assert_eq!(first.events, 1..2);
    bench.put([row("a")]).await;
    assert_eq!(bench.done(commit.clone()).await, first);
    bench.reopen().await;
    assert_eq!(bench.done(commit.clone()).await, first);
    assert_eq!(bench.store.counter("n").await.unwrap(), 1);

    // Asked twice at once, it is done once.
    let twice = bench.change().op(Op::Add("n".into(), 1));
    let (one, two) = tokio::join!(bench.store.commit(twice.clone()), bench.store.commit(twice));
    assert_eq!(one.unwrap(), two.unwrap());
    assert_eq!(bench.store.counter("n").await.unwrap(), 2);
}

pub(super) async fn a_write_id_is_known_for_a_day(bench: Bench) {
    let commit = bench.change().put(row("a")).op(Op::Add("n".into(), 1));
    let first = bench.done(commit.clone()).await;
    bench.clock.advance(WriteId::REMEMBERED);
    bench.put([row("b")]).await;
    assert_eq!(bench.done(commit.clone()).await, first);
    bench.clock.advance(Duration::from_millis(1));
    bench.put([row("b")]).await;
    let error = bench.refused(commit).await;
    assert!(matches!(error, CommitError::Unknown(_)), "{error}");
    assert_eq!(bench.store.counter("n").await.unwrap(), 1);
}

pub(super) async fn a_newer_format_is_left_untouched(bench: Bench) {
    bench.put([Row::new(session("a"), 3, "new")]).await;
    let before = bench.everything().await;
    let error = bench.refused(bench.change().put(row("b")).put(Row::new(session("a"), 2, "old"))).await;
    assert_eq!(error, CommitError::Newer { key: session("a"), stored: 3, offered: 2 });
    let held = Op::PutHeld(Row::new(session("a"), 2, "old"));
    assert!(matches!(bench.refused(bench.change().op(held)).await, CommitError::Newer { .. }));
    assert_eq!(bench.everything().await, before);
    bench.put([Row::new(session("a"), 3, "same")]).await;
    bench.put([Row::new(session("a"), 4, "newer")]).await;
}

pub(super) async fn counters_keep_their_limit_in_a_race(bench: Bench) {
    let bench = Arc::new(bench);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let bench = Arc::clone(&bench);
        tasks.spawn(async move {
            let guard = Guard::AtMost { counter: "slots".into(), limit: 10, adding: 1 };
            bench.store.commit(bench.change().guard(guard).op(Op::Add("slots".into(), 1))).await
        });
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 10);
    for error in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert_eq!(conflict(error), (Some(0), Found::Counter(10)));
    }
    assert_eq!(bench.store.counter("slots").await.unwrap(), 10);
    bench.done(bench.change().op(Op::Add("slots".into(), -4)).op(Op::Add("slots".into(), -3))).await;
    assert_eq!(bench.store.counter("slots").await.unwrap(), 3);
    bench.done(bench.change().op(Op::Add("slots".into(), -10))).await;
    assert_eq!(bench.store.counter("slots").await.unwrap(), -7);
    let guard = Guard::AtMost { counter: "slots".into(), limit: i64::MAX, adding: i64::MIN };
    bench.refused(bench.change().guard(guard)).await;
}

pub(super) async fn events_are_numbered_without_gaps_and_trimmed(mut bench: Bench) {
    let none = bench.scan(Range::Events { after: 0 }).await;
    assert_eq!((none.first_event, none.next_event, none.missed(0)), (1, 1, 0));
    let shared = Arc::new(bench);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let bench = Arc::clone(&shared);
        tasks.spawn(async move { bench.done(bench.change().append("one").append("two")).await.events });
    }
    let mut numbers: Vec<u64> = tasks.join_all().await.into_iter().flatten().collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=20).collect::<Vec<u64>>());
    bench = Arc::try_unwrap(shared).expect("all tasks have ended");

    bench.reopen().await;
    let page = bench.scan(Range::Events { after: 3 }).await;
    assert_eq!((page.first_event, page.next_event), (21 - EVENTS_KEPT, 21));
    assert_eq!(page.missed(3), 20 - EVENTS_KEPT - 3);
    assert_eq!(page.missed(20 - EVENTS_KEPT), 0);
    let kept: Vec<u64> = page.into_events().iter().map(|event| event.number).collect();
    assert_eq!(kept, (21 - EVENTS_KEPT..=20).collect::<Vec<u64>>());

    let page = bench.store.scan(Range::Events { after: 14 }, Cursor::START, 2).await.unwrap();
    let next = page.next.clone().unwrap();
    assert_eq!(page.into_events().iter().map(|event| event.number).collect::<Vec<_>>(), [15, 16]);
    let page = bench.store.scan(Range::Events { after: 14 }, next, 4).await.unwrap();
    assert_eq!((page.items.len(), page.next), (4, None));

    // More in one commit than are kept.
    let commit = (0..=EVENTS_KEPT).fold(bench.change(), |commit, _| commit.append("many"));
    assert_eq!(bench.done(commit).await.events, 21..22 + EVENTS_KEPT);
    let page = bench.scan(Range::Events { after: 20 }).await;
    assert_eq!((page.first_event, page.missed(20)), (22, 1));
    assert_eq!(page.items.len(), usize::try_from(EVENTS_KEPT).unwrap());
}

pub(super) async fn a_dropped_caller_stops_nothing(bench: Bench) {
    let commit = bench.change().put(row("a"));
    {
        let mut asked = bench.store.commit(commit.clone());
        // Handed over, and not waited for.
        let _ = futures_poll(&mut asked);
    }
    let first = bench.done(commit).await;
    assert_eq!(bench.row(session("a")).await.map(|row| row.version), first.version(&session("a")));
}

fn futures_poll<T>(future: &mut std::pin::Pin<Box<dyn Future<Output = T> + Send + '_>>) -> std::task::Poll<T> {
    future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}
