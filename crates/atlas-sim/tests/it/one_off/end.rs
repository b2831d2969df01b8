//! Ending: until it is proven (rules P4, P15), whatever the cloud, the disk or another process does meanwhile.

use atlas_core::{ComputeStatus, ErrorKind, GoneRule, Permission, Proof};
use atlas_sim::{Moment, Outcome};

use super::wrapped::Wrapped;
use super::*;

const TEN_APART: GoneRule = GoneRule::TwoNotFounds { apart: Duration::from_secs(10) };

#[tokio::test(start_paused = true)]
async fn p4_terminate_is_said_until_it_is_proven() {
    let slow = |cloud: MockBuilder| cloud.terminating(Duration::from_secs(20)).remembers(Duration::from_mins(1));
    for faults in [
        vec![],
        vec![Fault::Errs; 3],
        vec![Fault::Ignores; 3],
        vec![Fault::LosesAnswer, Fault::Garbles],
        vec![Fault::FailsBefore, Fault::RateLimited(Duration::from_secs(5)), Fault::LandsLate(Duration::from_secs(9))],
    ] {
        let bench = bench(slow);
        let id = bench.spawn().await.compute.id;
        for (calls, fault) in faults.iter().enumerate() {
            let rule = Rule::on(Operation::Terminate, fault.clone());
            bench.cloud.inject(rule.after(u32::try_from(calls).unwrap()));
        }
        bench.account.terminate(&id).await.unwrap();
        assert!(bench.cloud.live().is_empty(), "{faults:?}");
        let IntentPhase::Closed { proof, .. } = bench.phase().await else { panic!("{faults:?}") };
        assert_eq!(proof, Proof::Gone);
        assert!(bench.cloud.count(Operation::Terminate) > faults.len());
    }
}

#[tokio::test(start_paused = true)]
async fn p4_reads_that_fail_prove_nothing() {
    for fault in [Fault::Errs, Fault::Garbles, Fault::FailsBefore, Fault::LosesAnswer] {
        let bench = bench(|cloud| cloud.gone(TEN_APART));
        let id = bench.spawn().await.compute.id;
        bench.cloud.inject(Rule::on(Operation::Get, fault.clone()).after(1).times(3));
        bench.cloud.inject(Rule::on(Operation::List, fault.clone()).times(2));
        bench.cloud.inject(Rule::on(Operation::Terminate, Fault::Ignores).times(2));
        bench.account.terminate(&id).await.unwrap();
        assert!(bench.cloud.live().is_empty(), "{fault}");
    }
}

/// An ending is recorded before the cloud is asked anything, so no answer of it can lose one.
#[tokio::test(start_paused = true)]
async fn p1_p4_an_ending_survives_every_failure_of_the_first_read() {
    for fault in [
        Fault::Unauthorized,
        Fault::Forbidden,
        Fault::Garbles,
        Fault::Errs,
        Fault::FailsBefore,
        Fault::LosesAnswer,
        Fault::RateLimited(Duration::from_secs(1)),
    ] {
        for soon in [false, true] {
            let bench = bench(|cloud| cloud);
            let id = bench.spawn().await.compute.id;
            bench.inject(Operation::Get, fault.clone());
            let ordinary = Permission::ordinary();
            let outcome = if soon {
                bench.account.terminate_soon(&id, ordinary).await
            } else {
                bench.account.terminate_with(&id, ordinary, Duration::from_mins(1)).await
            };
            if outcome.is_err() {
                assert!(is_releasing(&bench.phase().await), "{fault}");
            }
            bench.reap().await;
            bench.reap().await;
            assert!(bench.cloud.live().is_empty(), "{fault}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p4_a_cloud_that_cannot_be_read_at_first_is_asked_again() {
    for fault in [Fault::Errs, Fault::FailsBefore, Fault::RateLimited(Duration::from_secs(1))] {
        let bench = bench(|cloud| cloud);
        let id = bench.spawn().await.compute.id;
        bench.cloud.inject(Rule::on(Operation::Get, fault).times(4));
        bench.account.terminate(&id).await.unwrap();
        assert!(bench.cloud.live().is_empty());
        // What was closed is not said to be gone by a read that failed, nor what nobody here knows.
        bench.inject(Operation::Get, Fault::Errs);
        bench.account.terminate(&id).await.unwrap_err();
        let unknown = bench.machine_of("default", TokenKind::Plain, 3);
        bench.inject(Operation::Get, Fault::Errs);
        bench.account.terminate(&unknown).await.unwrap_err();
        assert_eq!(bench.records().await.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn p4_two_not_founds_ten_seconds_apart_and_a_listing() {
    let bench = bench(|cloud| cloud.gone(TEN_APART));
    let id = bench.spawn().await.compute.id;
    let begun = bench.cloud.now();
    bench.account.terminate(&id).await.unwrap();
    assert!(bench.cloud.now().since(begun) >= Duration::from_secs(10));
    let missing = |call: &&atlas_sim::Call| {
        call.operation == Operation::Get && call.outcome == Outcome::Failed(ErrorKind::NotFound)
    };
    let calls = bench.cloud.calls();
    let at: Vec<_> = calls.iter().filter(missing).map(|call| call.at).collect();
    assert!(at.last().unwrap().since(at[0]) >= Duration::from_secs(10));
    assert!(calls.iter().any(|call| call.operation == Operation::List && call.at >= at[0]));
}

/// A cloud that lies for a few seconds: the delete is not done, and the machine is not shown.
#[tokio::test(start_paused = true)]
async fn p4_a_machine_that_is_hidden_for_a_moment_is_not_gone() {
    for hidden in [1, 5, 9] {
        let bench = bench(|cloud| cloud.gone(TEN_APART));
        let id = bench.spawn().await.compute.id;
        bench.inject(Operation::Terminate, Fault::Ignores);
        bench.inject(Operation::Terminate, Fault::Hides(Duration::from_secs(hidden)));
        bench.account.terminate(&id).await.unwrap();
        assert!(bench.cloud.live().is_empty(), "hidden for {hidden} s");
    }
}

#[tokio::test(start_paused = true)]
async fn p4_a_listing_that_shows_it_outweighs_two_not_founds() {
    let bench = bench(|cloud| cloud.gone(TEN_APART));
    let id = bench.spawn().await.compute.id;
    bench.cloud.inject(Rule::on(Operation::Terminate, Fault::Ignores).during(Duration::from_secs(40)));
    // The read by id lies, the listing does not.
    let liar = Wrapped::new(&bench.cloud);
    let until = bench.cloud.now().plus(Duration::from_mins(1));
    let cloud = bench.cloud.clone();
    let liar = liar.read(move |compute| {
        if cloud.now() < until && cloud.count(Operation::Get) > 1 {
            Err(Error::not_found("no such machine"))
        } else {
            Ok(compute)
        }
    });
    let account = bench.over(Arc::new(liar));
    account.terminate(&id).await.unwrap();
    assert!(bench.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn p4_where_only_a_status_proves_a_not_found_never_does() {
    let bench = bench(|cloud| cloud.gone(GoneRule::StatusOnly));
    let id = bench.spawn().await.compute.id;
    let error = bench.account.terminate(&id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(is_releasing(&bench.phase().await), "visible for ever, until an operator writes it off");
    let bench = self::bench(|cloud| cloud.gone(GoneRule::StatusOnly).remembers(Duration::from_mins(10)));
    let id = bench.spawn().await.compute.id;
    bench.account.terminate(&id).await.unwrap();
    assert!(is_closed(&bench.phase().await));
}

/// The bound holds for everything: the first read, the writing, the cloud that never answers.
#[tokio::test(start_paused = true)]
async fn p16_a_cloud_that_never_answers_does_not_outlast_any_bound() {
    for operation in [Operation::Get, Operation::Terminate, Operation::Stop, Operation::Start] {
        let bench = bench(|cloud| cloud);
        let id = bench.spawn().await.compute.id;
        bench.cloud.inject(Rule::on(operation, Fault::NeverAnswers).always());
        let (ordinary, bound, begun) = (Permission::ordinary(), Duration::from_secs(40), bench.cloud.now());
        let error = match operation {
            Operation::Stop => bench.account.stop(&id, ordinary, bound).await.unwrap_err(),
            Operation::Start => bench.account.start(&id, bound).await.unwrap_err(),
            _ => bench.account.terminate_with(&id, ordinary, bound).await.unwrap_err(),
        };
        assert_eq!((error.kind(), bench.cloud.now().since(begun)), (ErrorKind::Timeout, bound), "{operation}");
        let ends = matches!(operation, Operation::Get | Operation::Terminate);
        assert_eq!(is_releasing(&bench.phase().await), ends, "{operation}: recorded before the cloud was asked");
        bench.cloud.heal();
        bench.account.terminate(&id).await.unwrap();
        assert!(bench.cloud.live().is_empty());
    }
}

/// A process that was stopped in mid-write holds the lock of all records. One thread drives everything here.
#[tokio::test]
async fn p16_a_process_that_stands_still_holds_up_no_other_past_its_bound() {
    let bench = bench(|cloud| cloud);
    let id = bench.spawn().await.compute.id;
    let held = atlas_core::files::FileLock::acquire(&bench.intents().join("lock")).unwrap();
    let begun = std::time::Instant::now();
    let ending = bench.account.terminate_with(&id, Permission::ordinary(), Duration::from_millis(200));
    let mut ticks = 0;
    let ticking = async {
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            ticks += 1;
        }
    };
    let error = tokio::select! { ended = ending => ended.unwrap_err(), () = ticking => unreachable!() };
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(begun.elapsed() < Duration::from_secs(5) && ticks > 3, "{:?}, {ticks} ticks", begun.elapsed());
    drop(held);
    bench.account.terminate(&id).await.unwrap();
    assert!(bench.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn p16_a_step_of_a_wedged_account_comes_to_an_end() {
    let bench = bench(|cloud| cloud);
    let id = bench.spawn().await.compute.id;
    bench.cloud.inject(Rule::on(Operation::Get, Fault::NeverAnswers).always());
    let begun = bench.cloud.now();
    assert_eq!(bench.try_settle().await.unwrap_err().kind(), ErrorKind::Timeout);
    let error = bench.account.terminate_soon(&id, Permission::ordinary()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(bench.cloud.now().since(begun) <= Duration::from_mins(6));
    assert!(is_releasing(&bench.phase().await));
}

/// What a server spawns on its runtime.
#[test]
fn s1_the_futures_of_an_account_may_move_between_threads() {
    fn moves<T: Send>(_: impl FnOnce(&Account) -> T) {}
    fn on<'a>(account: &'a Account, id: &'a ComputeId, record: &'a IntentRecord) {
        let (ordinary, bound) = (Permission::ordinary(), Duration::from_secs(1));
        moves(|_| account.terminate(id));
        moves(|_| account.terminate_soon(id, ordinary));
        moves(|_| account.stop(id, ordinary, bound));
        moves(|_| account.settle(record, bound));
        moves(|_| account.spawn(request(), Auth::Bearer));
    }
    let _ = on;
}

/// 200 is not done.
#[tokio::test(start_paused = true)]
async fn p15_a_yes_that_does_nothing_ends_in_a_time_out_and_settle_carries_on() {
    let bench = bench(|cloud| cloud);
    let id = bench.spawn().await.compute.id;
    bench.cloud.inject(Rule::on(Operation::Terminate, Fault::Ignores).always());
    let error = bench.account.terminate_with(&id, Permission::ordinary(), Duration::from_secs(40)).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Timeout, Some("terminate")));
    assert_eq!(error.leftovers(), std::slice::from_ref(&id));
    assert!(error.message().contains("not proven gone after 40s") && error.message().contains("atlas reap"), "{error}");
    assert_eq!(bench.cloud.live(), [id]);
    assert!(is_releasing(&bench.phase().await));
    assert_eq!(bench.settle().await, Settled::Releasing);
    bench.cloud.heal();
    assert_eq!(bench.settle().await, Settled::Releasing);
    assert_eq!(bench.settle().await, Settled::Closed(Proof::Gone), "another process ended it");
    assert!(bench.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_time_out_says_what_the_cloud_answered_last() {
    let bench = bench(|cloud| cloud);
    let id = bench.spawn().await.compute.id;
    bench.cloud.inject(Rule::on(Operation::Terminate, Fault::Errs).always());
    let error = bench.account.terminate(&id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.message().contains("the cloud failed inside (http 500)"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn p4_what_asking_again_cannot_mend_is_told_at_once_and_stays_recorded() {
    for fault in [Fault::Unauthorized, Fault::Forbidden] {
        let bench = bench(|cloud| cloud);
        let id = bench.spawn().await.compute.id;
        bench.inject(Operation::Terminate, fault.clone());
        let (begun, error) = (bench.cloud.now(), bench.account.terminate(&id).await.unwrap_err());
        assert_eq!(bench.cloud.now(), begun, "{fault}");
        assert!(error.message().contains("its record stays"), "{error}");
        assert!(is_releasing(&bench.phase().await));
        bench.account.terminate(&id).await.unwrap();
        assert!(bench.cloud.live().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn p4_a_cloud_that_is_busy_is_asked_again() {
    let bench = bench(|cloud| cloud);
    let id = bench.spawn().await.compute.id;
    let cloud = bench.cloud.clone();
    let busy = Wrapped::new(&bench.cloud).read(move |compute| match cloud.count(Operation::Get) {
        2..6 => Err(Error::conflict("the machine is starting: ask again when it is not").with_status(409)),
        _ => Ok(compute),
    });
    bench.over(Arc::new(busy)).terminate(&id).await.unwrap();
    assert!(bench.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn history_13_a_changed_hour_proves_nothing() {
    for back in [false, true] {
        let bench = bench(|cloud| cloud.gone(TEN_APART));
        let id = bench.spawn().await.compute.id;
        bench.inject(Operation::Terminate, Fault::Ignores);
        bench.inject(Operation::Terminate, Fault::Hides(Duration::from_secs(9)));
        let (ended, ()) = tokio::join!(bench.account.terminate(&id), async {
            pass(2).await;
            bench.clock.jump(Duration::from_hours(1), back);
        });
        ended.unwrap();
        assert!(bench.cloud.live().is_empty(), "back: {back}");
    }
}

#[tokio::test(start_paused = true)]
async fn history_13_a_changed_hour_neither_refuses_nor_prolongs_a_create() {
    for back in [false, true] {
        let bench = bench(|cloud| cloud);
        bench.spawn().await;
        bench.clock.jump(Duration::from_hours(1), back);
        bench.inject(Operation::Spawn, Fault::Errs);
        bench.spawn_fails().await;
        let open = bench.records().await.into_iter().find(|record| record.phase == IntentPhase::Open).unwrap();
        pass(1).await;
        for _ in 0..3 {
            bench.account.settle(&open, GRACE).await.unwrap();
            pass(2).await;
        }
        assert!(bench.records().await.iter().any(|record| is_closed(&record.phase)), "back: {back}");
    }
}

/// History 10: an id is used again.
#[tokio::test(start_paused = true)]
async fn p4_the_machine_of_a_stranger_at_our_old_id_is_not_ended() {
    let bench = bench(|cloud| cloud);
    let theirs = Mark::new(
        Deployment::default(),
        Installation::parse("zzzzzz").unwrap(),
        SpawnToken::generate(TokenKind::Plain, &SeededEntropy::new(8)),
        None,
    );
    let id = bench.spawn().await.compute.id;
    bench.cloud.reuse_id(&id, &theirs.to_string()).unwrap();
    bench.account.terminate(&id).await.unwrap();
    assert!(is_closed(&bench.phase().await), "ours is gone");
    let error = bench.account.terminate(&id).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Conflict, atlas_core::Effect::NotSent));
    assert!(error.message().contains("gave the id to another"), "{error}");
    assert_eq!(bench.cloud.count(Operation::Terminate), 0);
    let foreign = Permission::ordinary().foreign(true);
    bench.account.terminate_with(&id, foreign, Duration::from_mins(2)).await.unwrap();
    assert!(bench.cloud.live().is_empty(), "an operator said so");

    // While it is being ended.
    let bench = self::bench(|cloud| cloud);
    let id = bench.spawn().await.compute.id;
    bench.cloud.inject(Rule::on(Operation::Terminate, Fault::Ignores));
    bench.account.terminate_soon(&id, Permission::ordinary()).await.unwrap();
    bench.cloud.reuse_id(&id, &theirs.to_string()).unwrap();
    assert_eq!(bench.settle().await, Settled::Closed(Proof::Gone));
    // And while nobody asked for anything.
    let bench = self::bench(|cloud| cloud);
    let id = bench.spawn().await.compute.id;
    bench.cloud.reuse_id(&id, &theirs.to_string()).unwrap();
    assert_eq!(bench.settle().await, Settled::Closed(Proof::Gone));
    assert_eq!(bench.cloud.live(), [id]);
}

/// One that bears no mark may be a stranger's, or ours under a name that a human gave it: neither killed nor forgotten.
#[tokio::test(start_paused = true)]
async fn p4_an_unmarked_machine_at_our_id_waits_for_an_operator() {
    let bench = bench(|cloud| cloud);
    let id = bench.spawn().await.compute.id;
    bench.cloud.inject(Rule::on(Operation::Terminate, Fault::Ignores));
    bench.account.terminate_soon(&id, Permission::ordinary()).await.unwrap();
    bench.cloud.reuse_id(&id, "database").unwrap();
    let error = bench.try_settle().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.message().contains("\"database\"") && error.message().contains("--foreign"), "{error}");
    let error = bench.account.terminate(&id).await.unwrap_err();
    assert!(error.message().contains("--foreign"), "{error}");
    assert_eq!(bench.cloud.live(), std::slice::from_ref(&id));
    assert!(is_releasing(&bench.phase().await));
    let foreign = Permission::ordinary().foreign(true);
    bench.account.terminate_with(&id, foreign, Duration::from_mins(2)).await.unwrap();
    assert!(bench.cloud.live().is_empty());
}

/// History 10, for a machine that is known by its id alone: a stranger's, which an operator ends, and its id is used again.
#[tokio::test(start_paused = true)]
async fn p4_an_unmarked_machine_is_ended_only_while_it_looks_as_it_did() {
    let bench = bench(|cloud| cloud);
    let id = bench.cloud.foreign_machine("database");
    bench.cloud.inject(Rule::on(Operation::Terminate, Fault::Ignores));
    bench.account.terminate_soon(&id, Permission::ordinary().foreign(true)).await.unwrap();
    pass(5).await;
    bench.cloud.reuse_id(&id, "somebody-elses").unwrap();
    let error = bench.try_settle().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.message().contains("\"somebody-elses\""), "{error}");
    assert_eq!(bench.cloud.live(), [id]);
}

#[tokio::test(start_paused = true)]
async fn p4_what_nobody_knows_is_not_found_and_what_a_record_knows_is_a_success() {
    let bench = bench(|cloud| cloud.gone(TEN_APART));
    let error = bench.account.terminate(&ComputeId::new("never-was")).await.unwrap_err();
    assert!(error.is_not_found());
    let id = bench.spawn().await.compute.id;
    bench.cloud.vanish(&id).unwrap();
    bench.account.terminate(&id).await.unwrap();
    assert!(is_closed(&bench.phase().await));
    bench.account.terminate(&id).await.unwrap();
    bench.account.terminate_soon(&id, Permission::ordinary()).await.unwrap();
}

/// History 10: spawned, left at once, and the delete meets the lag of the create.
#[tokio::test(start_paused = true)]
async fn p4_a_machine_that_was_never_read_is_not_gone_within_the_settle_window() {
    for rule in [TEN_APART, GoneRule::NotFound] {
        let lags = |cloud: MockBuilder| {
            let window = Duration::from_secs(90);
            let cloud = cloud.gone(rule).settle_window(window).appears_after(Duration::from_secs(80));
            // The window counts from the answer, not from the intent.
            cloud.create_takes(window / 2).effect_at(Moment::Departure)
        };
        let bench = bench(lags);
        let id = bench.spawn().await.compute.id;
        let (ordinary, bound) = (Permission::ordinary(), Duration::from_mins(5));
        bench.account.terminate_with(&id, ordinary, bound).await.unwrap();
        assert!(bench.cloud.live().is_empty(), "{rule:?}");
    }
}

/// History 6, for one that was asked to go: it seems gone for an hour, and is not.
#[tokio::test(start_paused = true)]
async fn o4_one_that_comes_back_after_its_end_is_ended_again() {
    let comes_back = || async {
        let bench = bench(|cloud| cloud.gone(TEN_APART));
        let id = bench.spawn().await.compute.id;
        bench.inject(Operation::Terminate, Fault::Ignores);
        bench.inject(Operation::Terminate, Fault::Hides(Duration::from_hours(1)));
        bench.account.terminate(&id).await.unwrap();
        assert_eq!(bench.cloud.live(), std::slice::from_ref(&id), "the cloud's own proof was wrong");
        pass(3601).await;
        (bench, id)
    };
    let (bench, id) = comes_back().await;
    bench.account.terminate(&id).await.unwrap();
    assert!(bench.cloud.live().is_empty(), "asked for again, it is ended again");

    let (bench, id) = comes_back().await;
    let Settled::SeenAfterClose { rented, .. } = bench.settle().await else { panic!() };
    assert_eq!(rented.id, id);
    pass(31).await;
    bench.reap().await;
    pass(1).await;
    bench.reap().await;
    assert!(bench.cloud.live().is_empty());
}

/// History 6: the cloud gives it a new id while it is being ended.
#[tokio::test(start_paused = true)]
async fn p4_a_machine_that_is_moved_while_it_is_being_ended_is_followed() {
    for operation in [Operation::Get, Operation::Terminate] {
        for rule in [GoneRule::NotFound, TEN_APART] {
            let bench = bench(|cloud| cloud.migrates(true).gone(rule));
            let id = bench.spawn().await.compute.id;
            bench.cloud.inject(Rule::on(Operation::Terminate, Fault::Ignores));
            bench.cloud.inject(Rule::on(operation, Fault::Migrates).after(1));
            bench.cloud.inject(Rule::on(Operation::Find, Fault::LooksPartly));
            bench.account.terminate(&id).await.unwrap();
            assert!(bench.cloud.live().is_empty(), "{operation} {rule:?}");
        }
    }
}

/// The same, and the old id reads as terminated.
#[tokio::test(start_paused = true)]
async fn p4_a_moved_machine_is_not_gone_because_its_old_id_reads_terminated() {
    for searches_partly in [0, 2] {
        let bench = bench(|cloud| cloud.migrates(true));
        let id = bench.spawn().await.compute.id;
        bench.cloud.inject(Rule::on(Operation::Terminate, Fault::Ignores));
        let (cloud, old) = (bench.cloud.clone(), id.clone());
        let provider = Wrapped::new(&bench.cloud).read(move |mut compute| {
            // At the second read of its ending; the first has it.
            if compute.id == old && cloud.count(Operation::Terminate) > 0 {
                cloud.migrate(&old)?;
                cloud.inject(Rule::on(Operation::Find, Fault::LooksPartly).times(searches_partly));
                compute.status = ComputeStatus::Terminated;
            }
            Ok(compute)
        });
        bench.over(Arc::new(provider)).terminate(&id).await.unwrap();
        assert!(bench.cloud.live().is_empty(), "{searches_partly} searches that are not complete");
    }
}

/// The same on a disk that takes nothing: how long the old id was missing says nothing about the new one.
#[tokio::test(start_paused = true)]
async fn p4_on_a_full_disk_the_absence_of_an_old_id_does_not_count_for_the_new_one() {
    let bench = bench(|cloud| cloud.migrates(true).gone(TEN_APART));
    let id = bench.spawn().await.compute.id;
    let new = bench.cloud.migrate(&id).unwrap();
    bench.fill_disk();
    // Found under its new id after eleven seconds, and hidden for a moment at the first look there.
    bench.cloud.inject(Rule::on(Operation::Find, Fault::LooksPartly).times(8));
    bench.cloud.inject(Rule::on(Operation::Get, Fault::Hides(Duration::from_secs(8))).only(&new));
    bench.account.terminate(&id).await.unwrap();
    assert!(bench.cloud.live().is_empty());
}

/// History 16: the disk takes nothing at the ending.
#[tokio::test(start_paused = true)]
async fn a_full_disk_keeps_no_machine_alive() {
    for rule in [GoneRule::NotFound, TEN_APART] {
        let bench = bench(|cloud| cloud.gone(rule));
        let id = bench.spawn().await.compute.id;
        bench.fill_disk();
        bench.inject(Operation::Terminate, Fault::Errs);
        bench.account.terminate(&id).await.unwrap();
        assert!(bench.cloud.live().is_empty());
        bench.free_disk();
        assert!(is_bound(&bench.phase().await, &id));
        bench.reap().await;
        pass(11).await;
        bench.reap().await;
        assert!(is_closed(&bench.phase().await));
    }
    let bench = bench(|cloud| cloud);
    let id = bench.spawn().await.compute.id;
    bench.fill_disk();
    let error = bench.account.terminate_soon(&id, Permission::ordinary()).await.unwrap_err();
    assert!(error.message().contains("cannot lock"), "{error}");
    assert!(bench.cloud.live().is_empty(), "told, and ended all the same");
}

#[tokio::test(start_paused = true)]
async fn two_processes_may_end_the_same_machine_at_once() {
    for rule in [GoneRule::NotFound, TEN_APART] {
        let bench =
            bench(|cloud| cloud.gone(rule).terminating(Duration::from_secs(7)).delete_takes(Duration::from_secs(1)));
        let id = bench.spawn().await.compute.id;
        let (one, two) = (bench.other(), bench.other());
        let reaping = async {
            for _ in 0..30 {
                bench.reap().await;
                pass(1).await;
            }
        };
        let (first, second, ()) = tokio::join!(one.terminate(&id), two.terminate(&id), reaping);
        first.unwrap();
        second.unwrap();
        assert!(bench.cloud.live().is_empty());
        assert!(is_closed(&bench.phase().await));
    }
}

/// The same for a machine that no record knows: one receipt, not two.
#[tokio::test(start_paused = true)]
async fn two_processes_may_take_over_the_same_machine_at_once() {
    let bench = bench(|cloud| cloud.calls_take(Duration::from_secs(1)));
    let id = bench.machine_of("default", TokenKind::Plain, 3);
    let (one, two) = (bench.other(), bench.other());
    let (first, second) = tokio::join!(one.terminate(&id), two.terminate(&id));
    first.unwrap();
    second.unwrap();
    assert!(bench.cloud.live().is_empty());
    assert!(is_closed(&bench.phase().await));
}

/// A create whose answer is lost, ended by its id before anybody looked for it.
#[tokio::test(start_paused = true)]
async fn p4_an_unanswered_create_is_ended_under_its_own_intent() {
    let bench = bench(|cloud| cloud);
    bench.spawn_unseen(Fault::LosesAnswer).await;
    let id = bench.cloud.live().remove(0);
    let opened_at = bench.records().await[0].intent.opened_at;
    pass(5).await;
    bench.account.terminate(&id).await.unwrap();
    assert!(is_closed(&bench.phase().await));
    assert_eq!(bench.records().await[0].intent.opened_at, opened_at, "the one that there was");
}

#[tokio::test(start_paused = true)]
async fn terminate_soon_is_carried_on_by_settle() {
    let bench = bench(|cloud| cloud.terminating(Duration::from_secs(30)));
    let id = bench.spawn().await.compute.id;
    let begun = bench.cloud.now();
    bench.account.terminate_soon(&id, Permission::ordinary()).await.unwrap();
    assert_eq!(bench.cloud.now(), begun);
    assert!(is_releasing(&bench.phase().await));
    assert_eq!(bench.settle().await, Settled::Releasing);
    pass(31).await;
    assert_eq!(bench.settle().await, Settled::Closed(Proof::Gone));
}

/// A crash in mid-terminate: whoever waited is gone, the record is not.
#[tokio::test(start_paused = true)]
async fn a_dropped_terminate_is_carried_on() {
    let bench = bench(|cloud| cloud.terminating(Duration::from_secs(30)));
    let id = bench.spawn().await.compute.id;
    assert!(tokio::time::timeout(Duration::from_secs(2), bench.account.terminate(&id)).await.is_err());
    assert!(is_releasing(&bench.phase().await));
    pass(30).await;
    assert_eq!(bench.settle().await, Settled::Closed(Proof::Gone));
    assert!(bench.cloud.live().is_empty());
}
