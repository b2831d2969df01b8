//! Calls that take time, callers that go away, and whose clock counts.

use std::sync::Arc;
use std::time::Duration;

use atlas_auth::{Clock, Timestamp};
use atlas_core::testing::TokioClock;
use atlas_core::{Auth, CallContext, Effect, ErrorKind, Money, Provider};
use atlas_sim::{Fault, FaultPlan, Mock, Moment, Operation, Outcome, Rule};
use tokio::time::{sleep, timeout};

use crate::support::{Caller, context, request};

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A cloud on tokio's time whose creates and deletes take ten seconds.
fn slow(moment: Moment) -> Caller {
    let clock = Arc::new(TokioClock::new(Timestamp::from_seconds(1_000_000)));
    let cloud = Mock::builder().clock(clock).create_takes(seconds(10)).delete_takes(seconds(10)).effect_at(moment);
    Caller::of(cloud.build())
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_goes_away_undoes_nothing() {
    for (moment, at_once) in [(Moment::Arrival, 1), (Moment::Departure, 0)] {
        let caller = slow(moment);
        assert!(timeout(seconds(3), caller.try_spawn(request())).await.is_err());
        assert_eq!(caller.cloud.live().len(), at_once, "{moment:?}");
        sleep(seconds(7)).await;
        assert_eq!(caller.cloud.live().len(), 1, "{moment:?}: what was sent has landed");
        assert_eq!(caller.cloud.calls()[0].outcome, Outcome::Unanswered);
        let id = caller.cloud.live().remove(0);
        assert!(timeout(seconds(3), caller.terminate(&id)).await.is_err());
        assert_eq!(caller.cloud.live().len(), 1 - at_once, "{moment:?}");
        sleep(seconds(7)).await;
        assert!(caller.cloud.live().is_empty(), "{moment:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_never_comes_before_its_effect() {
    for moment in [Moment::Arrival, Moment::Departure] {
        let caller = slow(moment);
        let id = caller.spawn(request()).await.id;
        assert_eq!(caller.list().await, std::slice::from_ref(&id), "{moment:?}");
        caller.terminate(&id).await.unwrap();
        assert!(caller.list().await.is_empty(), "{moment:?}");
    }
    // Nor on a clock that stands still while the call takes its time.
    let caller = Caller::of(Mock::builder().create_takes(seconds(10)).effect_at(Moment::Departure).build());
    let id = caller.spawn(request()).await.id;
    assert_eq!(caller.list().await, [id]);
    assert_eq!(caller.cloud.ledger().rents[0].started_at, caller.cloud.now());
}

#[tokio::test(start_paused = true)]
async fn calls_at_once_take_no_longer_than_one() {
    let caller = slow(Moment::Arrival);
    let start = caller.cloud.now();
    let spawns = (0..50).map(|_| caller.try_spawn(request()));
    assert!(futures_util::future::join_all(spawns).await.iter().all(Result::is_ok));
    assert_eq!(caller.cloud.now().since(start), seconds(10));
    assert_eq!(caller.cloud.live().len(), 50);
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_by_its_own_time_out() {
    let caller = slow(Moment::Arrival);
    let (order, _) = caller.order(request(), Auth::None).await;
    let error = caller.cloud.spawn(&CallContext::new().with_timeout(seconds(4)), &order).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, Effect::Unknown));
    assert_eq!(caller.cloud.calls()[0].outcome, Outcome::Failed(ErrorKind::Timeout));
}

#[tokio::test(start_paused = true)]
async fn the_cloud_bills_by_its_own_time_whatever_the_callers_clock_shows() {
    let clock = Arc::new(TokioClock::new(Timestamp::from_seconds(1_000_000)));
    let caller = Caller::of(Mock::builder().clock(clock.clone()).build());
    caller.spawn(request()).await;
    sleep(seconds(3600)).await;
    clock.jump(seconds(24 * 3600), false);
    assert_eq!(caller.cloud.ledger().total(), Money::parse("0.36").unwrap());
    // `advance` moves a cloud on, on top of a clock that it does not own.
    let before = clock.now();
    caller.pass(3600);
    assert_eq!((caller.cloud.ledger().total(), clock.now()), (Money::parse("0.72").unwrap(), before));
}

/// Rule P2: a sender that slept past its order sends nothing.
#[tokio::test]
async fn nothing_is_created_past_the_end_of_the_order() {
    let caller = Caller::default();
    let (order, _) = caller.order_until(request(), Auth::None, caller.cloud.now().plus(seconds(60))).await;
    caller.pass(61);
    let error = caller.cloud.spawn(&context(), &order).await.unwrap_err();
    assert_eq!(error.effect(), Effect::NotSent);
    assert_eq!(caller.cloud.count(Operation::Spawn), 0);
}

#[tokio::test(start_paused = true)]
async fn a_reset_cloud_is_as_it_was_built_and_only_time_goes_on() {
    let clock = Arc::new(TokioClock::new(Timestamp::from_seconds(1_000_000)));
    let faults = FaultPlan::new().with(Rule::on(Operation::Get, Fault::Errs));
    let cloud = Mock::builder().clock(clock).faults(faults).capacity("l4", 2).create_takes(seconds(10)).build();
    let caller = Caller::of(cloud);
    let first = caller.spawn(request()).await.id;
    caller.get(&first).await.unwrap_err();
    caller.cloud.set_capacity("l4", 0);
    caller.pass(100);
    let (cloud, before) = (caller.cloud.clone(), caller.cloud.now());
    // A call that is under way is forgotten like all others, and is not taken for one that comes later.
    let (lost, ()) = tokio::join!(caller.try_spawn(request()), async {
        sleep(seconds(5)).await;
        cloud.reset();
        assert!(cloud.live().is_empty() && cloud.calls().is_empty() && cloud.ledger().rents.is_empty());
        drop(timeout(seconds(1), caller.try_spawn(request())).await);
        sleep(seconds(4)).await;
    });
    lost.unwrap();
    assert_eq!(caller.cloud.calls().len(), 1);
    assert_eq!(caller.cloud.calls()[0].outcome, Outcome::Unanswered);
    assert_eq!(caller.cloud.now(), before.plus(seconds(10)));
    assert_eq!(caller.cloud.rules().len(), 1);
    assert_eq!(caller.cloud.live(), std::slice::from_ref(&first), "the same seed, the same ids");
    caller.spawn(atlas_core::ComputeRequest::gpu("l4")).await;
}
