//! A create whose answer is lost: looked for while its sender still has the keys (rules C8, P2, P3, P15; histories 1, 3, 15).

use std::future::Future;
use std::sync::Mutex;
use std::task::{Context, Waker};

use async_trait::async_trait;
use atlas_auth::PRESHARED_KEY_ENV;
use atlas_core::{
    CallContext, Effect, EndpointId, ErrorKind, Proof, ProviderId, Rentable, RentalKind, Scope, SpawnOrder, Traits,
    VolumeRequest,
};
use atlas_sim::EndpointSpec;

use super::*;

/// A cloud whose answers may be two minutes old, as most are.
fn slow() -> Bench {
    bench(|cloud| cloud.settle_window(Duration::from_mins(2)))
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// The machine is the only one there, is recorded as its user's, its key opens its door, and it goes at a word.
async fn assert_in_hand(bench: &Bench, spawned: &Spawned) {
    let env = bench.cloud.env(&spawned.compute.id).unwrap();
    assert_eq!(Some(env[PRESHARED_KEY_ENV].expose()), spawned.credentials.bearer());
    assert_eq!(bench.cloud.live(), std::slice::from_ref(&spawned.compute.id));
    assert!(bench.records().await.iter().any(|record| is_bound(&record.phase, &spawned.compute.id)));
    assert_eq!(bench.cloud.count(Operation::Spawn), 1, "never sent twice on a guess");
    bench.account.wait_ready(spawned, Duration::from_mins(2)).await.unwrap();
    for _ in 0..5 {
        pass(3600).await;
        bench.reap().await;
    }
    assert_eq!(bench.cloud.live(), std::slice::from_ref(&spawned.compute.id));
    bench.account.terminate(spawned).await.unwrap();
    assert!(bench.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn c8_a_machine_whose_answer_was_lost_is_handed_out_with_the_key_that_opens_it() {
    for fault in [Fault::LosesAnswer, Fault::ActsThenErrs, Fault::Garbles] {
        let bench = slow();
        bench.inject(Operation::Spawn, fault);
        let spawned = bench.spawn().await;
        assert_eq!(bench.cloud.count(Operation::Find), 1);
        assert_in_hand(&bench, &spawned).await;
    }
}

/// History 3, within seconds: the first looks see nothing.
#[tokio::test(start_paused = true)]
async fn p15_what_lands_or_appears_after_the_first_look_is_handed_out() {
    for faults in [vec![Fault::LandsLate(seconds(9))], vec![Fault::AppearsLate(seconds(9)), Fault::LosesAnswer]] {
        let bench = slow();
        let begun = bench.cloud.now();
        for fault in faults {
            bench.inject(Operation::Spawn, fault);
        }
        let spawned = bench.spawn().await;
        let after = bench.cloud.now().since(begun);
        assert!((seconds(9)..=seconds(13)).contains(&after), "{after:?}");
        assert_in_hand(&bench, &spawned).await;
    }
}

#[tokio::test(start_paused = true)]
async fn p15_looks_that_fail_are_made_again() {
    let bench = slow();
    bench.inject(Operation::Spawn, Fault::LosesAnswer);
    bench.inject(Operation::Find, Fault::Errs);
    bench.cloud.inject(Rule::on(Operation::Find, Fault::LooksPartly).after(1));
    let spawned = bench.spawn().await;
    assert_eq!(bench.cloud.count(Operation::Find), 3);
    assert_in_hand(&bench, &spawned).await;
}

#[tokio::test(start_paused = true)]
async fn c7_a_look_that_never_answers_holds_nobody_up() {
    let bench = slow();
    let begun = bench.cloud.now();
    bench.inject(Operation::Spawn, Fault::LosesAnswer);
    bench.inject(Operation::Find, Fault::NeverAnswers);
    let error = bench.spawn_fails().await;
    assert_eq!((error.effect(), bench.cloud.now().since(begun)), (Effect::Unknown, seconds(20)));
    assert_eq!([found(bench.settle().await).id], *bench.cloud.live());
}

/// History 15: of two the oldest is its user's, and nobody pays for the other.
#[tokio::test(start_paused = true)]
async fn p3_of_several_that_are_found_the_oldest_is_handed_out() {
    let bench = slow();
    bench.inject(Operation::Spawn, Fault::LosesAnswer);
    bench.cloud.inject(Rule::on(Operation::Find, Fault::Errs).during(seconds(4)));
    let (spawned, oldest) = tokio::join!(bench.spawn(), async {
        pass(2).await;
        let oldest = bench.cloud.live().remove(0);
        for _ in 0..4 {
            bench.cloud.clone_machine(&oldest).unwrap();
        }
        oldest
    });
    assert_eq!(spawned.compute.id, oldest);
    assert_eq!(bench.cloud.ledger().rents.len(), 5);
    assert_in_hand(&bench, &spawned).await;
}

/// The same of two that were made in one instant.
#[tokio::test(start_paused = true)]
async fn p3_of_two_that_landed_one_is_handed_out_and_the_other_is_ended() {
    let bench = bench(|cloud| cloud.terminating(seconds(5)));
    bench.inject(Operation::Spawn, Fault::Duplicates);
    bench.inject(Operation::Spawn, Fault::LosesAnswer);
    // The cloud forgets the first word.
    bench.inject(Operation::Terminate, Fault::Ignores);
    let spawned = bench.spawn().await;
    assert_eq!(bench.cloud.ledger().rents.len(), 2);
    let mut records = bench.records().await;
    records.retain(|record| record.compute.as_ref() != Some(&spawned.compute.id));
    assert_eq!(records.len(), 1);
    assert!(is_closed(&records[0].phase), "{records:?}");
    assert!(records[0].receipt.as_deref().is_some_and(|why| why.contains("several machines")), "{records:?}");
    assert_in_hand(&bench, &spawned).await;
}

#[tokio::test(start_paused = true)]
async fn p3_a_twin_that_will_not_go_costs_nobody_the_machine_and_is_carried_on() {
    let bench = slow();
    bench.inject(Operation::Spawn, Fault::Duplicates);
    bench.inject(Operation::Spawn, Fault::LosesAnswer);
    bench.cloud.inject(Rule::on(Operation::Terminate, Fault::Errs).always());
    let spawned = bench.spawn().await;
    assert_eq!(bench.cloud.live().len(), 2);
    assert!(bench.records().await.iter().any(|record| is_releasing(&record.phase)));
    bench.cloud.heal();
    for _ in 0..3 {
        bench.reap().await;
        pass(60).await;
    }
    assert_in_hand(&bench, &spawned).await;
}

/// A cloud that has moved the machine, and whose listing shows it under its old id as well.
#[derive(Debug)]
struct ShowsBoth {
    cloud: Mock,
    old: Mutex<Option<Compute>>,
}

#[async_trait]
impl Provider for ShowsBoth {
    fn id(&self) -> &ProviderId {
        self.cloud.id()
    }

    fn traits(&self) -> &Traits {
        self.cloud.traits()
    }

    fn scope(&self, context: &CallContext) -> Scope {
        self.cloud.scope(context)
    }

    async fn spawn(&self, context: &CallContext, order: &SpawnOrder) -> Result<Compute> {
        let made = self.cloud.spawn(context, order).await?;
        self.cloud.migrate(&made.id)?;
        *self.old.lock().unwrap() = Some(made);
        Err(Error::timeout("the cloud did not answer"))
    }

    async fn get(&self, context: &CallContext, id: &ComputeId) -> Result<Compute> {
        self.cloud.get(context, id).await
    }

    async fn list(&self, context: &CallContext, filter: &ComputeFilter) -> Result<Vec<Compute>> {
        let mut all = self.cloud.list(context, filter).await?;
        all.extend(self.old.lock().unwrap().clone().map(|mut old| {
            // The older of the two.
            old.created_at = Some(Timestamp::EPOCH);
            old
        }));
        Ok(all)
    }

    async fn terminate(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        self.cloud.terminate(context, id).await
    }
}

/// History 6: one machine that stands under two ids is no twin of itself.
#[tokio::test(start_paused = true)]
async fn p3_a_machine_that_was_moved_is_not_ended_as_its_own_twin() {
    let bench = bench(|cloud| cloud.settle_window(Duration::from_mins(2)).migrates(true));
    let account = bench.over(Arc::new(ShowsBoth { cloud: bench.cloud.clone(), old: Mutex::default() }));
    account.spawn(request(), Auth::Bearer).await.unwrap();
    assert_eq!((bench.cloud.live().len(), bench.cloud.count(Operation::Terminate)), (1, 0));
    // Its record is led to it.
    let moved = bench.cloud.live();
    assert_eq!([found(bench.settle().await).id], *moved);
    // Two that are two are told apart there as well.
    let bench = self::bench(|cloud| cloud.migrates(true));
    bench.inject(Operation::Spawn, Fault::Duplicates);
    bench.inject(Operation::Spawn, Fault::LosesAnswer);
    let spawned = bench.spawn().await;
    assert_in_hand(&bench, &spawned).await;
}

/// What cannot be recorded is ended, all of it (rule P2).
#[tokio::test(start_paused = true)]
async fn p2_of_two_that_landed_on_a_full_disk_neither_stays() {
    let bench = slow();
    bench.inject(Operation::Spawn, Fault::Duplicates);
    bench.inject(Operation::Spawn, Fault::LosesAnswer);
    bench.fill_disk();
    let error = bench.spawn_fails().await;
    assert!(error.message().contains("could not be recorded") && error.leftovers().is_empty(), "{error}");
    assert_eq!(bench.cloud.ledger().rents.len(), 2);
    assert!(bench.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn p2_where_nothing_landed_the_error_names_its_record_and_who_goes_on() {
    for (window, longest) in [(0, 3), (10, 10), (120, 20), (3600, 20)] {
        let bench = bench(|cloud| cloud.settle_window(seconds(window)));
        let begun = bench.cloud.now();
        bench.inject(Operation::Spawn, Fault::Errs);
        let error = bench.spawn_fails().await;
        assert_eq!(bench.cloud.now().since(begun), seconds(longest), "window {window}");
        assert!(bench.cloud.count(Operation::Find) >= 2, "look, wait, look again");
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Provider, Effect::Unknown));
        let token = bench.records().await[0].intent.token().to_string();
        for words in ["the cloud failed inside", "`atlas reap`", &token] {
            assert!(error.message().contains(words), "{words}: {error}");
        }
        assert_eq!(bench.phase().await, IntentPhase::Open);
        let settled = loop {
            match bench.settle().await {
                Settled::MayLand { .. } => pass(7).await,
                settled => break settled,
            }
        };
        assert_eq!(settled, Settled::Closed(Proof::Absent));
        assert_eq!(bench.cloud.count(Operation::Spawn), 1);
    }
}

/// Its keys are lost with the error; the machine is not.
#[tokio::test(start_paused = true)]
async fn p2_what_no_look_finds_in_time_is_found_by_a_later_process() {
    let bench = slow();
    let error = bench.spawn_unseen(Fault::LosesAnswer).await;
    assert_eq!(error.effect(), Effect::Unknown);
    assert_eq!([found(bench.settle().await).id], *bench.cloud.live());
}

/// The bound of the call holds for its looks too.
#[tokio::test(start_paused = true)]
async fn c7_a_call_that_is_bounded_looks_no_longer_than_that() {
    // Nothing is left of it when the create itself has taken it all.
    for (fault, bound, looks) in [(Fault::NeverAnswers, 5, 0), (Fault::LandsLate(seconds(60)), 5, 3)] {
        let bench = slow();
        bench.inject(Operation::Spawn, fault.clone());
        let (account, begun) = (bench.account.with(CallContext::new().with_timeout(seconds(bound))), bench.cloud.now());
        let error = account.spawn(request(), Auth::Bearer).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, Effect::Unknown), "{error}");
        assert_eq!(bench.cloud.now().since(begun), seconds(bound), "{fault}");
        assert_eq!(bench.cloud.count(Operation::Find), looks, "{fault}");
        assert!(error.message().contains("`atlas reap`"), "{error}");
        pass(60).await;
        assert_eq!([found(bench.settle().await).id], *bench.cloud.live(), "{fault}");
    }
}

/// A refusal is an answer.
#[tokio::test(start_paused = true)]
async fn c8_what_provably_made_nothing_is_not_looked_for() {
    for fault in [Fault::FailsBefore, Fault::CapacityGone, Fault::Unauthorized, Fault::LeavesLeftover] {
        let bench = slow();
        let begun = bench.cloud.now();
        bench.inject(Operation::Spawn, fault.clone());
        bench.spawn_fails().await;
        assert_eq!(bench.cloud.count(Operation::Find), 0, "{fault}");
        assert!(bench.cloud.now().since(begun) < seconds(1) || fault == Fault::LeavesLeftover, "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn o1_while_its_sender_looks_nobody_else_settles_it() {
    let bench = slow();
    bench.inject(Operation::Spawn, Fault::LandsLate(seconds(9)));
    let (spawned, seen) = tokio::join!(bench.spawn(), async {
        pass(5).await;
        bench.settle().await
    });
    assert_eq!(seen, Settled::BeingSent);
    assert_in_hand(&bench, &spawned).await;
}

#[tokio::test(start_paused = true)]
async fn o1_a_spawn_dropped_while_it_looks_is_found_by_a_later_process() {
    let bench = slow();
    bench.inject(Operation::Spawn, Fault::LosesAnswer);
    bench.cloud.inject(Rule::on(Operation::Find, Fault::Errs).during(seconds(8)));
    assert!(tokio::time::timeout(seconds(6), bench.account.spawn(request(), Auth::Bearer)).await.is_err());
    assert_eq!(bench.phase().await, IntentPhase::Open);
    pass(8).await;
    assert_eq!([found(bench.settle().await).id], *bench.cloud.live());
}

#[tokio::test(start_paused = true)]
async fn o1_a_spawn_dropped_at_any_moment_of_its_search_leaves_a_record_of_all_that_bills() {
    let mut done = false;
    for polls in 0..300 {
        if done {
            break;
        }
        let bench = bench(|cloud| cloud);
        bench.inject(Operation::Spawn, Fault::Duplicates);
        bench.inject(Operation::Spawn, Fault::LosesAnswer);
        let mut spawning = Box::pin(bench.account.spawn(request(), Auth::Bearer));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..polls {
            done = spawning.as_mut().poll(&mut context).is_ready();
            if done {
                break;
            }
            tokio::task::yield_now().await;
            std::thread::sleep(Duration::from_micros(200));
            tokio::time::advance(Duration::from_millis(20)).await;
        }
        drop(spawning);
        // What was under way on the disk comes to its end.
        tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(20))).await.unwrap();
        pass(1).await;
        for _ in 0..3 {
            bench.reap().await;
            pass(12).await;
        }
        let records = bench.records().await;
        let known = |id: &ComputeId| {
            records.iter().any(|record| {
                let ours = bench.cloud.machines().into_iter().find(|machine| machine.id == *id);
                let bears = ours.and_then(|machine| machine.mark).is_some_and(|m| m.token == record.intent.token());
                record.is_living() && bears
            })
        };
        assert!(bench.cloud.live().iter().all(known), "after {polls} polls: {records:?}");
        assert!(!done || bench.cloud.live().len() == 1, "after {polls} polls");
    }
    assert!(done, "the last of them came to its end");
}

// What is no machine.

fn asked() -> VolumeRequest {
    VolumeRequest::new("mock-east", 100).name("data")
}

#[tokio::test(start_paused = true)]
async fn c8_a_volume_whose_answer_was_lost_is_handed_out() {
    for faults in [
        vec![Fault::LosesAnswer],
        vec![Fault::ActsThenErrs],
        vec![Fault::LandsLate(seconds(9))],
        vec![Fault::AppearsLate(seconds(9)), Fault::Garbles],
    ] {
        let bench = slow();
        for fault in &faults {
            bench.inject(Operation::CreateVolume, fault.clone());
        }
        let volume = bench.account.create_volume(asked()).await.unwrap();
        assert_eq!(bench.account.list_volumes().await.unwrap(), std::slice::from_ref(&volume), "{faults:?}");
        assert!(is_bound(&bench.phase().await, &ComputeId::new(volume.id.as_str())));
        assert_eq!(bench.cloud.count(Operation::CreateVolume), 1);
        bench.account.delete_volume(&volume.id).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn p2_a_volume_that_no_look_shows_is_an_error_that_names_its_record() {
    let bench = slow();
    bench.inject(Operation::CreateVolume, Fault::Errs);
    let error = bench.account.create_volume(asked()).await.unwrap_err();
    let token = bench.records().await[0].intent.token().to_string();
    assert!(error.message().contains(&token) && error.message().contains("no volume of it"), "{error}");
    assert_eq!((error.effect(), bench.phase().await), (Effect::Unknown, IntentPhase::Open));
}

/// An endpoint as its cloud's own crate would know it.
#[derive(Debug)]
struct Endpoint(Rented);

impl Rentable for Endpoint {
    const KIND: RentalKind = RentalKind::Endpoint;

    fn rented(&self) -> Rented {
        self.0.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn c8_an_endpoint_whose_answer_was_lost_is_handed_out_where_its_maker_can_list() {
    let bench = slow();
    let (cloud, account) = (&bench.cloud, &bench.account);
    // Another one stands beside it.
    cloud.add_endpoint(EndpointSpec::new("work")).unwrap();
    let made = Mutex::new(None::<EndpointId>);
    let create = |_, order: atlas_core::RentalOrder<()>| {
        *made.lock().unwrap() = Some(cloud.add_endpoint(EndpointSpec::new(order.name())).unwrap());
        async { Err(Error::timeout("no answer")) }
    };
    let list = |_| async {
        let all = account.list_rented(RentalKind::Endpoint).await?;
        Ok(all.into_iter().map(Endpoint).collect())
    };
    let found: Endpoint = account.rent_or_find(None, (), create, list).await.unwrap();
    assert_eq!(found.0.id.as_str(), made.lock().unwrap().as_ref().unwrap().as_str());
    assert!(is_bound(&bench.phase().await, &found.0.id));
}
