//! Cases about what is kept: unique names, activity, scans, and everything after a reopening.

use std::sync::Arc;
use std::time::Duration;

use atlas_auth::Clock;
use bytes::Bytes;

use super::{Bench, delete, row, session};
use crate::store::{
    Commit, CommitError, Cursor, Found, Guard, Item, Key, Kind, Op, Queue, Range, Row, RowKey, StoreError, UniqueName,
};

const HOUR: Duration = Duration::from_hours(1);

fn name(text: &str) -> UniqueName {
    UniqueName::new("shop", "key", text)
}

fn bearer(error: CommitError) -> (Option<usize>, RowKey) {
    match error {
        CommitError::Conflict { guard, found: Found::Row(row) } => (guard, row.key),
        other => panic!("a conflict with a row was expected, not: {other}"),
    }
}

pub(super) async fn a_unique_name_has_one_bearer(bench: Bench) {
    let bench = Arc::new(bench);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..100 {
        let bench = Arc::clone(&bench);
        tasks.spawn(async move {
            let id = format!("{number}");
            let commit =
                bench.change().guard(Guard::UniqueFree(name("user"))).put(row(&id).bearing(name("user").forever()));
            bench.store.commit(commit).await.map(|_| session(&id))
        });
    }
    let (won, lost): (Vec<_>, Vec<_>) = tasks.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 99));
    let winner = won.into_iter().next().unwrap().unwrap();
    for error in lost {
        assert_eq!(bearer(error.unwrap_err()), (Some(0), winner.clone()));
    }
    assert_eq!(bench.row(name("user")).await.unwrap().key, winner);
    // Without the guard the name itself refuses.
    let error = bench.refused(bench.change().put(row("thief").bearing(name("user").forever()))).await;
    assert_eq!(bearer(error), (None, winner.clone()));
    // The bearer writes itself again; and all three parts make the name.
    let again = Row { key: winner, ..row("x") };
    bench.put([again.bearing(name("user").forever())]).await;
    bench.put([row("far").bearing(UniqueName::new("other", "key", "user").forever())]).await;
    bench.put([row("wide").bearing(UniqueName::new("shop", "token", "user").forever())]).await;
    bench.put([row("split").bearing(UniqueName::new("sho", "pkey", "user").forever())]).await;
}

pub(super) async fn unique_names_are_freed(bench: Bench) {
    bench.put([row("a").bearing(name("x").forever()).bearing(name("y").forever())]).await;
    // A write gives the whole set: what is not in it is free in the same commit.
    bench.put([row("a").bearing(name("y").forever())]).await;
    assert_eq!(bench.row(name("x")).await, None);
    assert_eq!(bench.row(name("y")).await.unwrap().key, session("a"));
    bench.done(bench.change().guard(Guard::UniqueFree(name("x"))).put(row("b").bearing(name("x").forever()))).await;
    bench.done(bench.change().op(delete("a"))).await;
    assert_eq!(bench.row(name("y")).await, None);
    bench.put([row("c").bearing(name("y").forever())]).await;
    // Listed twice is borne once.
    bench.put([row("d").bearing(name("z").forever()).bearing(name("z").forever())]).await;
    bench.put([row("d")]).await;
    bench.done(bench.change().guard(Guard::UniqueFree(name("z")))).await;
}

pub(super) async fn an_expired_name_can_be_taken_over(mut bench: Bench) {
    let end = bench.clock.now().plus(HOUR);
    let first = row("a").bearing(name("x").until(end));
    bench.put([first.clone()]).await;
    bench.clock.advance(HOUR.checked_sub(Duration::from_millis(1)).unwrap());
    assert_eq!(bench.row(name("x")).await.unwrap().key, session("a"));
    bench.refused(bench.change().guard(Guard::UniqueFree(name("x")))).await;
    bench.refused(bench.change().put(row("b").bearing(name("x").forever()))).await;

    bench.clock.advance(Duration::from_millis(1));
    assert_eq!(bench.row(name("x")).await, None);
    bench.reopen().await;
    bench.done(bench.change().guard(Guard::UniqueFree(name("x"))).put(row("b").bearing(name("x").forever()))).await;
    // The first goes on listing it and takes nothing away from the second, neither rewritten nor deleted.
    bench.put([first]).await;
    assert_eq!(bench.row(name("x")).await.unwrap().key, session("b"));
    bench.put([row("a")]).await;
    assert_eq!(bench.row(name("x")).await.unwrap().key, session("b"));
    bench.put([row("c").bearing(name("x").until(end))]).await;
    bench.done(bench.change().op(delete("c"))).await;
    assert_eq!(bench.row(name("x")).await.unwrap().key, session("b"));
    // An expiry can be moved.
    let later = bench.clock.now().plus(HOUR);
    bench.put([row("b").bearing(name("x").until(later))]).await;
    bench.clock.advance(HOUR);
    bench.done(bench.change().guard(Guard::UniqueFree(name("x")))).await;
}

pub(super) async fn names_move_within_one_commit(bench: Bench) {
    bench.put([row("a").bearing(name("x").forever()), row("b").bearing(name("y").forever())]).await;
    // In whatever order the operations stand.
    bench.put([row("c").bearing(name("x").forever()), row("a")]).await;
    assert_eq!(bench.row(name("x")).await.unwrap().key, session("c"));
    bench.put([row("b").bearing(name("x").forever()), row("c").bearing(name("y").forever())]).await;
    assert_eq!(bench.row(name("x")).await.unwrap().key, session("b"));
    assert_eq!(bench.row(name("y")).await.unwrap().key, session("c"));
    let both = bench.change().put(row("d").bearing(name("z").forever())).put(row("e").bearing(name("z").forever()));
    assert_eq!(bearer(bench.refused(both).await), (None, session("d")));
    bench.done(bench.change().op(delete("b")).put(row("e").bearing(name("x").forever()))).await;
    assert_eq!(bench.row(name("x")).await.unwrap().key, session("e"));
}

pub(super) async fn activity_never_goes_down(mut bench: Bench) {
    let beat = async |bench: &Bench, touches: &[(&str, u64)], frontier: &'static str| {
        let touches = touches.iter().map(|(id, value)| ((*id).to_owned(), *value)).collect();
        bench.store.beat(touches, Bytes::from_static(frontier.as_bytes())).await.unwrap();
    };
    assert_eq!(bench.store.frontier().await.unwrap(), None);
    bench.put([row("a"), row("b")]).await;
    beat(&bench, &[("a", 5), ("b", 9)], "one").await;
    beat(&bench, &[("a", 7), ("b", 8)], "two").await;
    bench.reopen().await;
    let expected = [Item::Activity("a".into(), 7), Item::Activity("b".into(), 9)];
    assert_eq!(bench.scan(Range::Activity).await.items, expected);
    assert_eq!(bench.store.frontier().await.unwrap().unwrap(), "two");
    // A touch in time wins against the ending that judged an older value.
    let error = bench.refused(bench.change().guard(Guard::ActivityBelow("a".into(), 7)).put(row("a"))).await;
    assert_eq!(error, CommitError::Conflict { guard: Some(0), found: Found::Activity(7) });
    bench.done(bench.change().guard(Guard::ActivityBelow("a".into(), 8))).await;
    bench.done(bench.change().guard(Guard::ActivityBelow("stranger".into(), 1))).await;
    bench.done(bench.change().op(delete("a")).op(Op::Delete(RowKey::rental("b")))).await;
    assert_eq!(bench.scan(Range::Activity).await.items, [Item::Activity("b".into(), 9)]);
}

pub(super) async fn scans_are_stable_under_writes(bench: Bench) {
    bench.put((0..50).map(|number| row(&format!("{:02}", number * 2)))).await;
    bench.put([Row::new(RowKey::rental("r"), 1, "")]).await;
    let mut seen = Vec::new();
    let mut cursor = Cursor::START;
    let mut round = 0;
    loop {
        let page = bench.store.scan(Range::rows(Kind::SESSION), cursor, 7).await.unwrap();
        let next = page.next.clone();
        seen.extend(page.into_rows().into_iter().map(|row| row.key.id));
        // Beside the scan: rows come before and after it, the last one seen goes, others are rewritten.
        let last = seen.last().unwrap().clone();
        let early = row(&format!("00-{round}"));
        bench.done(bench.change().put(early).put(row("98")).op(delete(&last))).await;
        round += 1;
        match next {
            Some(next) => cursor = next,
            None => break,
        }
    }
    let expected: Vec<String> = (0..50).map(|number| format!("{:02}", number * 2)).collect();
    let stayed: Vec<String> = seen.iter().filter(|id| !id.starts_with("00-")).cloned().collect();
    assert_eq!(stayed, expected);
    // A page that ends with the range says so.
    let page = bench.store.scan(Range::rows(Kind::RENTAL), Cursor::START, 1).await.unwrap();
    assert_eq!((page.items.len(), page.next), (1, None));
    // Only what is in the phase, pages filled all the same.
    bench.put([row("p1").in_phase("ending"), row("zz").in_phase("ending")]).await;
    let ending = Range::Rows { kind: Some(Kind::SESSION), phase: Some("ending".into()) };
    let page = bench.store.scan(ending.clone(), Cursor::START, 1).await.unwrap();
    let next = page.next.clone().unwrap();
    assert_eq!(page.into_rows()[0].key, session("p1"));
    let page = bench.store.scan(ending, next, 1).await.unwrap();
    assert_eq!((page.next.clone(), page.into_rows()[0].key.clone()), (None, session("zz")));
}

pub(super) async fn columns_are_rows_without_bodies(bench: Bench) {
    let full = |id: &str| {
        let row = Row::new(session(id), 3, "body").in_phase("living").on_account("main");
        row.bearing(name(id).forever())
    };
    bench.put([full("a"), full("b"), Row::new(RowKey::rental("r"), 1, "body")]).await;
    let columns = bench.scan(Range::Columns { kind: Kind::SESSION }).await.into_rows();
    let mut rows = bench.scan(Range::rows(Kind::SESSION)).await.into_rows();
    assert_eq!(rows.len(), 2);
    for row in &mut rows {
        assert_eq!(row.body, "body");
        row.body = Bytes::new();
    }
    assert_eq!(columns, rows);
    let page = bench.store.scan(Range::Columns { kind: Kind::SESSION }, Cursor::START, 1).await.unwrap();
    let rest = bench.store.scan(Range::Columns { kind: Kind::SESSION }, page.next.clone().unwrap(), 1).await.unwrap();
    assert_eq!([page.into_rows(), rest.into_rows()].concat(), rows);
}

pub(super) async fn unknown_kinds_survive(mut bench: Bench) {
    let strange =
        [RowKey::new(Kind::from_code(0), "x"), RowKey::new(Kind::from_code(255), "\u{10FFFF}\0"), RowKey::session("")];
    let rows = strange.iter().map(|key| Row::new(key.clone(), u16::MAX - 1, vec![0xFF, 0, 1]).in_phase("unheard of"));
    bench.put(rows).await;
    bench.reopen().await;
    let all = bench.scan(Range::Rows { kind: None, phase: None }).await.into_rows();
    assert_eq!(
        all.iter().map(|row| row.key.clone()).collect::<Vec<_>>(),
        [&strange[0], &strange[2], &strange[1]].map(Clone::clone)
    );
    assert!(all.iter().all(|row| row.body.as_ref() == [0xFF, 0, 1] && row.phase == "unheard of"));
    for key in strange {
        assert_eq!(bench.scan(Range::rows(key.kind)).await.items.len(), 1);
        bench.done(bench.change().op(Op::Delete(key))).await;
    }
    assert_eq!(bench.everything().await, []);
}

pub(super) async fn reopening_keeps_everything(mut bench: Bench) {
    let soon = bench.clock.now().plus(HOUR);
    let full = row("a")
        .due(Queue::new("drive/fly"), soon)
        .on_account("fly")
        .bearing(name("x").forever())
        .bearing(name("y").until(soon));
    let commit = Commit { urgent: true, ..bench.change() };
    let done = bench.done(commit.put(full.clone()).op(Op::Add("n".into(), -3)).append("event")).await;
    bench.store.beat(vec![("a".into(), 4)], Bytes::from_static(b"here")).await.unwrap();
    let before = bench.everything().await;
    bench.reopen().await;
    assert_eq!(bench.everything().await, before);
    let version = done.version(&session("a")).unwrap();
    assert_eq!(bench.row(session("a")).await.unwrap(), Row { version, ..full });
    assert_eq!(bench.row(name("y")).await.unwrap().key, session("a"));
    assert_eq!(bench.store.counter("n").await.unwrap(), -3);
    assert_eq!(bench.store.frontier().await.unwrap().unwrap(), "here");
    assert_eq!(bench.claim(&Queue::new("drive/fly"), 1).await.next_due, Some(soon));
    bench.clock.advance(HOUR);
    assert_eq!(bench.claim(&Queue::new("drive/fly"), 1).await.claims[0].row.version, version);
    bench.store.check().await.unwrap();
}

pub(super) async fn large_bodies_are_kept(mut bench: Bench) {
    let body = Bytes::from((0..=u8::MAX).cycle().take(1 << 20).collect::<Vec<u8>>());
    let long = "ä".repeat(300);
    bench.put([Row::new(session(&long), 1, body.clone()).in_phase(&*long).bearing(name(&long).forever())]).await;
    bench.done(bench.change().append(body.clone())).await;
    bench.reopen().await;
    let stored = bench.row(name(&long)).await.unwrap();
    assert_eq!((stored.body == body, stored.phase == long), (true, true));
    assert!(bench.scan(Range::Events { after: 0 }).await.into_events()[0].body == body);
}

pub(super) async fn a_closed_store_refuses(bench: Bench) {
    bench.put([row("a")]).await;
    let (one, two) = tokio::join!(bench.store.commit(bench.change().put(row("b"))), bench.store.close());
    one.unwrap();
    two.unwrap();
    bench.store.close().await.unwrap();
    let closed = |error: StoreError| assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    closed(bench.store.get(Key::Row(session("a"))).await.unwrap_err());
    closed(bench.store.scan(Range::Activity, Cursor::START, 1).await.unwrap_err());
    closed(bench.store.claim(&Queue::new("q"), 1, HOUR).await.unwrap_err());
    closed(bench.store.beat(Vec::new(), Bytes::new()).await.unwrap_err());
    closed(bench.store.frontier().await.unwrap_err());
    closed(bench.store.counter("n").await.unwrap_err());
    closed(bench.store.check().await.unwrap_err());
    let error = bench.refused(bench.change().put(row("c"))).await;
    assert!(matches!(error, CommitError::Unavailable(_)), "{error}");
}
