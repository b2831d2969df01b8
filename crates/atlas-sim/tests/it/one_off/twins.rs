//! Several machines of one create: the cloud's doing, or a human's who cloned one (rules P3, O4, O6; history 15).

use atlas_core::{Permission, Proof};

use super::*;

async fn twins() -> (Bench, ComputeId, ComputeId) {
    let bench = bench(|cloud| cloud);
    bench.inject(Operation::Spawn, Fault::Duplicates);
    let first = bench.spawn().await.compute.id;
    let twin = bench.cloud.live().into_iter().find(|id| *id != first).unwrap();
    (bench, first, twin)
}

#[tokio::test(start_paused = true)]
async fn all_bear_a_plain_mark_so_all_are_shown_and_none_is_ended() {
    let (bench, first, twin) = twins().await;
    let mut shown = bench.shown().await;
    shown.sort();
    let mut both = vec![first.clone(), twin];
    both.sort();
    assert_eq!(shown, both);
    for _ in 0..10 {
        assert_eq!(found(bench.settle().await).id, first);
        pass(600).await;
    }
    assert_eq!(bench.cloud.live().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn of_several_without_an_answer_the_oldest_is_recorded_and_all_are_shown() {
    let bench = bench(|cloud| cloud);
    bench.inject(Operation::Spawn, Fault::Duplicates);
    bench.spawn_unseen(Fault::LosesAnswer).await;
    let machine = found(bench.settle().await);
    assert!(is_bound(&bench.phase().await, &machine.id));
    assert_eq!((bench.shown().await.len(), bench.cloud.live().len()), (2, 2));
    for id in bench.cloud.live() {
        bench.account.terminate(&id).await.unwrap();
    }
    assert!(bench.cloud.live().is_empty());
}

/// Ending the copy must neither forget the first one nor, later, take it for one that landed late.
#[tokio::test(start_paused = true)]
async fn ending_the_copy_leaves_the_first_one_and_its_record_alone() {
    let (bench, first, twin) = twins().await;
    bench.account.terminate(&twin).await.unwrap();
    assert_eq!(bench.cloud.live(), std::slice::from_ref(&first));
    for _ in 0..30 {
        bench.reap().await;
        pass(3600).await;
    }
    assert_eq!(bench.cloud.live(), std::slice::from_ref(&first));
    let records = bench.records().await;
    assert_eq!(records.len(), 1, "the receipt of the copy is a day old");
    assert!(is_bound(&records[0].phase, &first));
    bench.account.terminate(&first).await.unwrap();
    assert!(bench.cloud.live().is_empty());
}

/// A human clones a plain machine in the cloud's console and gives the first one back.
#[tokio::test(start_paused = true)]
async fn o6_a_copy_of_a_plain_machine_that_was_ended_is_shown_and_never_ended() {
    for migrates in [false, true] {
        let bench = bench(|cloud| cloud.migrates(migrates));
        let first = bench.spawn().await.compute.id;
        let copy = bench.cloud.clone_machine(&first).unwrap();
        bench.account.terminate(&first).await.unwrap();
        for _ in 0..30 {
            assert_eq!(bench.cloud.live(), std::slice::from_ref(&copy), "migrates: {migrates}");
            bench.reap().await;
            pass(3000).await;
        }
        bench.account.terminate(&copy).await.unwrap();
        assert!(bench.cloud.live().is_empty());
    }
}

/// Nobody was ever handed a machine of a create that was never answered: all that lands late goes.
#[tokio::test(start_paused = true)]
async fn o4_every_machine_of_a_create_that_landed_late_is_ended() {
    let bench = bench(|cloud| cloud);
    bench.inject(Operation::Spawn, Fault::LandsLate(Duration::from_hours(1)));
    bench.spawn_fails().await;
    for _ in 0..3 {
        bench.reap().await;
        pass(5).await;
    }
    assert!(is_closed(&bench.phase().await));
    pass(3600).await;
    bench.cloud.clone_machine(&bench.cloud.live()[0]).unwrap();
    for _ in 0..8 {
        bench.reap().await;
        pass(31).await;
    }
    assert!(bench.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn both_are_ended_when_both_are_named() {
    let (bench, first, twin) = twins().await;
    bench.cloud.inject(Rule::on(Operation::Terminate, Fault::Errs).times(3));
    let (one, two) = tokio::join!(bench.account.terminate(&first), bench.account.terminate(&twin));
    one.unwrap();
    two.unwrap();
    assert!(bench.cloud.live().is_empty());
    assert!(bench.records().await.iter().all(|record| is_closed(&record.phase)));
}

/// One record never takes another's machine for its own.
#[tokio::test(start_paused = true)]
async fn a_copy_that_is_being_ended_does_not_stand_for_a_first_one_that_vanished() {
    let (bench, first, twin) = twins().await;
    bench.cloud.inject(Rule::on(Operation::Terminate, Fault::Ignores).always());
    bench.account.terminate_soon(&twin, Permission::ordinary()).await.unwrap();
    bench.cloud.vanish(&first).unwrap();
    let records = bench.records().await;
    let record = records.iter().find(|record| record.compute.as_ref() == Some(&first)).unwrap();
    assert_eq!(bench.account.settle(record, GRACE).await.unwrap(), Settled::Closed(Proof::Gone));
    assert_eq!(bench.account.settle(record, GRACE).await.unwrap(), Settled::Closed(Proof::Gone));
    bench.cloud.heal();
    bench.reap().await;
    bench.reap().await;
    assert!(bench.cloud.live().is_empty());
    assert!(bench.records().await.iter().all(|record| is_closed(&record.phase)));
}
