//! Cases about due rows: order, leases, fences, and when to look again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use atlas_auth::{Clock, Timestamp};

use super::{Bench, LEASE, delete, row, session};
use crate::store::{Claimed, CommitError, Guard, Op, Queue, Row};

const SECOND: Duration = Duration::from_secs(1);

fn queue() -> Queue {
    Queue::new("release/runpod")
}

fn due(bench: &Bench, id: &str, ago: u64) -> Row {
    row(id).due(queue(), bench.clock.now().minus(Duration::from_secs(ago)))
}

fn ids(claimed: &Claimed) -> Vec<&str> {
    claimed.claims.iter().map(|claim| claim.row.key.id.as_str()).collect()
}

pub(super) async fn due_rows_come_in_order(bench: Bench) {
    let at = bench.clock.now();
    bench.put([due(&bench, "late", 1), due(&bench, "b", 5), due(&bench, "a", 5), due(&bench, "first", 9)]).await;
    bench.put([row("ancient").due(queue(), Timestamp::from_seconds(-5))]).await;
    bench.put([row("future").due(queue(), at.plus(SECOND)), row("now").due(queue(), at)]).await;
    // Neither another queue, nor half a place, is this queue.
    bench
        .put([row("other").due(Queue::new("release"), at), row("longer").due(Queue::new("release/runpod2"), at)])
        .await;
    bench.put([Row { queue: Some(queue()), ..row("timeless") }, Row { due_at: Some(at), ..row("queueless") }]).await;
    assert_eq!(ids(&bench.claim(&queue(), 3).await), ["ancient", "first", "a"]);
    assert_eq!(ids(&bench.claim(&queue(), 9).await), ["b", "late", "now"]);
    assert_eq!(ids(&bench.claim(&Queue::new("release"), 9).await), ["other"]);
    assert_eq!(ids(&bench.claim(&Queue::new("nobody's"), 9).await), Vec::<&str>::new());
}

pub(super) async fn a_claim_is_exclusive_until_its_lease_runs_out(bench: Bench) {
    bench.put([due(&bench, "a", 1)]).await;
    let first = bench.claim(&queue(), 9).await.claims.remove(0);
    assert_eq!(bench.claim(&queue(), 9).await.claims, []);
    bench.done(bench.change().guard(Guard::Fence(session("a"), first.fence))).await;

    bench.clock.advance(LEASE);
    let error = bench.refused(bench.change().guard(Guard::Fence(session("a"), first.fence))).await;
    assert_eq!(error, CommitError::Fenced(session("a")));
    let second = bench.claim(&queue(), 9).await.claims.remove(0);
    assert_ne!(second.fence, first.fence);
    bench.refused(bench.change().guard(Guard::Fence(session("a"), first.fence)).put(row("a"))).await;
    // Nor can the first give back what is the second's.
    bench.store.release(&session("a"), first.fence).await.unwrap();
    assert_eq!(bench.claim(&queue(), 9).await.claims, []);
    bench.done(bench.change().guard(Guard::Fence(session("a"), second.fence))).await;

    bench.store.release(&session("a"), second.fence).await.unwrap();
    let third = bench.claim(&queue(), 9).await.claims.remove(0);
    assert_eq!(third.row, second.row);
    assert!(third.fence != second.fence && third.fence != first.fence);
    // A fence of one row is none of another.
    bench.put([due(&bench, "b", 1)]).await;
    bench.refused(bench.change().guard(Guard::Fence(session("b"), third.fence))).await;
}

pub(super) async fn racing_claims_never_share_a_row(bench: Bench) {
    bench.put((0..40).map(|number| due(&bench, &format!("{number:02}"), 1))).await;
    let bench = Arc::new(bench);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let bench = Arc::clone(&bench);
        tasks.spawn(async move {
            let claims = bench.claim(&queue(), 3).await.claims;
            for claim in &claims {
                // Driven and put off: it must not come again.
                let later = row(&claim.row.key.id).due(queue(), bench.clock.now().plus(SECOND));
                let fence = Guard::Fence(claim.row.key.clone(), claim.fence);
                let version = Guard::Version(claim.row.key.clone(), claim.row.version);
                bench.done(bench.change().guard(fence).guard(version).put(later)).await;
            }
            claims.into_iter().map(|claim| claim.row.key.id).collect::<Vec<_>>()
        });
    }
    let seen: Vec<String> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(seen.len(), 40);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 40);
}

pub(super) async fn a_put_ends_the_claim_and_a_held_one_does_not(bench: Bench) {
    bench.put([due(&bench, "a", 1)]).await;
    let claim = bench.claim(&queue(), 1).await.claims.remove(0);
    let fence = || Guard::Fence(session("a"), claim.fence);
    // Steps of one drive: the claim goes on, even if the row is due at once.
    bench.done(bench.change().guard(fence()).op(Op::PutHeld(due(&bench, "a", 0)))).await;
    bench.done(bench.change().guard(fence()).op(Op::PutHeld(due(&bench, "a", 2)))).await;
    assert_eq!(bench.claim(&queue(), 1).await.claims, []);
    // A commit that is refused ends nothing.
    bench.refused(bench.change().guard(Guard::Absent(session("a"))).put(due(&bench, "a", 0))).await;
    bench.done(bench.change().guard(fence()).put(due(&bench, "a", 0))).await;
    let error = bench.refused(bench.change().guard(fence()).put(row("a"))).await;
    assert_eq!(error, CommitError::Fenced(session("a")));

    let again = bench.claim(&queue(), 1).await.claims.remove(0);
    bench.done(bench.change().op(delete("a"))).await;
    bench.refused(bench.change().guard(Guard::Fence(session("a"), again.fence))).await;
    bench.put([due(&bench, "a", 0)]).await;
    assert_eq!(bench.claim(&queue(), 1).await.claims.len(), 1);
    // Taken out of the queue it is not claimed, though its lease has run out.
    bench.put([row("a")]).await;
    assert_eq!(bench.claim(&queue(), 1).await, Claimed::default());
}

pub(super) async fn opening_voids_all_leases(mut bench: Bench) {
    bench.put([due(&bench, "a", 1)]).await;
    let old = bench.claim(&queue(), 1).await.claims.remove(0);
    bench.reopen().await;
    bench.refused(bench.change().guard(Guard::Fence(session("a"), old.fence))).await;
    let new = bench.claim(&queue(), 1).await.claims.remove(0);
    assert_eq!(new.row, old.row);
    bench.refused(bench.change().guard(Guard::Fence(session("a"), old.fence))).await;
    bench.done(bench.change().guard(Guard::Fence(session("a"), new.fence))).await;
}

pub(super) async fn the_next_due_moment_is_exact(bench: Bench) {
    let at = bench.clock.now();
    assert_eq!(bench.claim(&queue(), 9).await.next_due, None);
    bench.put([row("x").due(queue(), at.plus(SECOND * 7)), row("y").due(queue(), at.plus(SECOND * 90))]).await;
    bench.put([row("z").due(Queue::new("another"), at.plus(SECOND))]).await;
    assert_eq!(bench.claim(&queue(), 9).await.next_due, Some(at.plus(SECOND * 7)));
    // What the limit left over is due already.
    bench.put([due(&bench, "a", 2), due(&bench, "b", 1)]).await;
    let claimed = bench.claim(&queue(), 1).await;
    assert_eq!((ids(&claimed), claimed.next_due), (vec!["a"], Some(at.minus(SECOND))));
    let claimed = bench.claim(&queue(), 9).await;
    assert_eq!((ids(&claimed), claimed.next_due), (vec!["b"], Some(at.plus(SECOND * 7))));
    // With nothing due before, the end of a lease is what can give a row.
    bench.done(bench.change().op(delete("x"))).await;
    assert_eq!(bench.claim(&queue(), 9).await.next_due, Some(at.plus(LEASE)));
    // A row that is held and put off is no reason to wake before the lease has ended.
    bench.done(bench.change().op(delete("b")).op(Op::PutHeld(row("a").due(queue(), at.plus(SECOND * 5))))).await;
    assert_eq!(bench.claim(&queue(), 9).await.next_due, Some(at.plus(LEASE)));
    bench.clock.advance(LEASE);
    assert_eq!(ids(&bench.claim(&queue(), 9).await), ["a"]);
}

pub(super) async fn the_hour_does_not_move_leases(bench: Bench) {
    bench.put([due(&bench, "a", 1)]).await;
    let claim = bench.claim(&queue(), 1).await.claims.remove(0);
    bench.clock.set(bench.clock.now().plus(SECOND * 86_400));
    assert_eq!(bench.claim(&queue(), 1).await.claims, []);
    bench.done(bench.change().guard(Guard::Fence(session("a"), claim.fence))).await;
    bench.clock.set(bench.clock.now().minus(SECOND * 86_400));
    bench.clock.advance(LEASE);
    assert_eq!(bench.claim(&queue(), 1).await.claims.len(), 1);
}
