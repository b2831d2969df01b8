//! Carrying on what others left (rules O1, O4, P2; histories 2, 3, 6).

use atlas_core::{ComputeStatus, GoneRule, Permission, Proof};

use super::wrapped::Wrapped;
use super::*;

const TEN_APART: GoneRule = GoneRule::TwoNotFounds { apart: Duration::from_secs(10) };

/// Looks every few seconds until something else than `MayLand` comes out; says how long that took.
async fn look_until_settled(bench: &Bench) -> (Settled, Duration) {
    let begun = bench.cloud.now();
    loop {
        match bench.settle().await {
            Settled::MayLand { until } => assert!(until > bench.cloud.now(), "the next look must be later"),
            settled => return (settled, bench.cloud.now().since(begun)),
        }
        pass(7).await;
    }
}

#[tokio::test(start_paused = true)]
async fn p2_a_create_without_an_answer_is_absent_after_its_settle_window_and_two_listings() {
    for window in [0, 120, 3600] {
        let bench = bench(|cloud| cloud.settle_window(Duration::from_secs(window)));
        bench.inject(Operation::Spawn, Fault::Errs);
        bench.spawn_fails().await;
        let (settled, after) = look_until_settled(&bench).await;
        assert_eq!(settled, Settled::Closed(Proof::Absent));
        assert!(after >= Duration::from_secs(window), "{after:?} of {window} s");
        assert!(after <= Duration::from_secs(window + 30), "{after:?} of {window} s");
        assert!(bench.cloud.count(Operation::Find) >= 2);
    }
}

#[tokio::test(start_paused = true)]
async fn p2_a_search_that_did_not_look_everywhere_proves_nothing() {
    let bench = bench(|cloud| cloud);
    bench.inject(Operation::Spawn, Fault::Errs);
    bench.spawn_fails().await;
    bench.cloud.inject(Rule::on(Operation::Find, Fault::LooksPartly).times(5));
    for _ in 0..5 {
        assert!(matches!(bench.settle().await, Settled::MayLand { .. }));
        pass(60).await;
    }
    // Nor does one that fails.
    bench.inject(Operation::Find, Fault::Errs);
    bench.try_settle().await.unwrap_err();
    assert_eq!(bench.phase().await, IntentPhase::Open);
    assert_eq!(look_until_settled(&bench).await.0, Settled::Closed(Proof::Absent));
}

#[tokio::test(start_paused = true)]
async fn p2_two_looks_in_one_instant_are_one() {
    let bench = bench(|cloud| cloud);
    bench.inject(Operation::Spawn, Fault::Errs);
    bench.spawn_fails().await;
    for _ in 0..5 {
        assert!(matches!(bench.settle().await, Settled::MayLand { .. }));
    }
}

/// History 3: the create lands an hour later, and its cloud said that it might.
#[tokio::test(start_paused = true)]
async fn p2_what_lands_late_within_the_window_is_found_and_kept() {
    let bench = bench(|cloud| cloud.settle_window(Duration::from_mins(65)));
    bench.inject(Operation::Spawn, Fault::LandsLate(Duration::from_hours(1)));
    bench.spawn_fails().await;
    let opened = bench.records().await[0].intent.opened_at;
    let machine = found(look_until_settled(&bench).await.0);
    assert!(bench.cloud.now().since(opened) >= Duration::from_hours(1));
    for _ in 0..10 {
        pass(600).await;
        bench.reap().await;
    }
    assert_eq!(bench.cloud.live(), [machine.id], "a plain machine is never ended by itself");
}

/// History 3: it lands an hour later, which its cloud did not declare.
#[tokio::test(start_paused = true)]
async fn o4_what_lands_after_its_record_was_closed_is_ended_at_the_second_sighting() {
    let bench = bench(|cloud| cloud.terminating(Duration::from_secs(3)));
    bench.inject(Operation::Spawn, Fault::LandsLate(Duration::from_hours(1)));
    bench.spawn_fails().await;
    assert_eq!(look_until_settled(&bench).await.0, Settled::Closed(Proof::Absent));
    assert_eq!(bench.settle().await, Settled::Closed(Proof::Absent));
    pass(3600).await;
    let id = bench.cloud.live().remove(0);
    let Settled::SeenAfterClose { rented, due } = bench.settle().await else { panic!() };
    assert_eq!((&rented.id, due), (&id, bench.cloud.now().plus(GRACE)));
    pass(29).await;
    assert!(matches!(bench.settle().await, Settled::SeenAfterClose { .. }), "not before the grace is over");
    assert_eq!(bench.cloud.count(Operation::Terminate), 0);
    pass(1).await;
    assert_eq!(bench.settle().await, Settled::Releasing);
    assert!(is_releasing(&bench.phase().await));
    bench.settle().await;
    pass(4).await;
    assert_eq!(bench.settle().await, Settled::Closed(Proof::Gone));
    assert!(bench.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn o4_two_machines_seen_once_each_are_no_second_sighting() {
    let bench = bench(|cloud| cloud);
    bench.inject(Operation::Spawn, Fault::LandsLate(Duration::from_hours(1)));
    bench.spawn_fails().await;
    look_until_settled(&bench).await;
    pass(3600).await;
    let first = bench.cloud.live().remove(0);
    assert!(matches!(bench.settle().await, Settled::SeenAfterClose { .. }));
    let second = bench.cloud.clone_machine(&first).unwrap();
    bench.cloud.vanish(&first).unwrap();
    pass(60).await;
    let Settled::SeenAfterClose { rented, due } = bench.settle().await else { panic!() };
    assert_eq!((rented.id, due), (second, bench.cloud.now().plus(GRACE)));
}

#[tokio::test(start_paused = true)]
async fn o1_what_is_closed_is_remembered_for_a_day_and_what_lives_for_ever() {
    let bench = bench(|cloud| cloud);
    let kept = bench.spawn().await.compute.id;
    let ended = bench.spawn().await.compute.id;
    bench.account.terminate(&ended).await.unwrap();
    pass(24 * 3600 - 1).await;
    assert_eq!(bench.records().await.len(), 2);
    pass(1).await;
    let left = bench.records().await;
    assert_eq!(left.len(), 1);
    assert!(is_bound(&left[0].phase, &kept));
}

/// History 2: a colleague's plain machine, whoever looks at it how often.
#[tokio::test(start_paused = true)]
async fn o6_a_plain_machine_is_shown_and_never_ended_by_itself() {
    let bench = bench(|cloud| cloud.gone(TEN_APART));
    let id = bench.spawn().await.compute.id;
    for _ in 0..100 {
        assert_eq!(found(bench.settle().await).id, id);
        pass(3600).await;
    }
    bench.cloud.exit(&id, 0).unwrap();
    assert_eq!(found(bench.settle().await).id, id, "it bills on: its owner must see it");
    assert_eq!(bench.cloud.count(Operation::Terminate), 0);
}

#[tokio::test(start_paused = true)]
async fn p4_a_plain_machine_that_is_gone_is_closed_by_its_clouds_rule() {
    let bench = bench(|cloud| cloud.gone(TEN_APART));
    let id = bench.spawn().await.compute.id;
    bench.cloud.vanish(&id).unwrap();
    assert_eq!(bench.settle().await, Settled::Missing);
    pass(5).await;
    assert_eq!(bench.settle().await, Settled::Missing);
    pass(5).await;
    assert_eq!(bench.settle().await, Settled::Closed(Proof::Gone));
    // One that its cloud still remembers needs no second look.
    let bench = self::bench(|cloud| cloud.remembers(Duration::from_hours(1)));
    let id = bench.spawn().await.compute.id;
    bench.cloud.vanish(&id).unwrap();
    assert_eq!(bench.settle().await, Settled::Closed(Proof::Gone));
}

/// History 6: an hour of not-founds and short lists. Its user is still on it.
#[tokio::test(start_paused = true)]
async fn a_plain_machine_that_its_cloud_loses_sight_of_is_not_swept_when_it_returns() {
    let bench = bench(|cloud| cloud.gone(TEN_APART));
    let id = bench.spawn().await.compute.id;
    bench.cloud.hide(&id, Duration::from_hours(1)).unwrap();
    for _ in 0..60 {
        bench.reap().await;
        pass(61).await;
    }
    for _ in 0..10 {
        assert_eq!(found(bench.settle().await).id, id);
        pass(60).await;
    }
    assert_eq!((bench.cloud.live(), bench.cloud.count(Operation::Terminate)), (vec![id.clone()], 0));
    assert!(is_bound(&bench.phase().await, &id));
    bench.account.terminate(&id).await.unwrap();
    assert!(bench.cloud.live().is_empty());
}

/// History 6: the cloud moves it to a new id.
#[tokio::test(start_paused = true)]
async fn a_machine_that_its_cloud_moves_is_found_under_its_new_id() {
    let bench = bench(|cloud| cloud.migrates(true));
    let old = bench.spawn().await.compute.id;
    let new = bench.cloud.migrate(&old).unwrap();
    assert_eq!(found(bench.settle().await).id, new);
    assert!(is_bound(&bench.phase().await, &new));
    bench.account.terminate(&new).await.unwrap();
    assert!(bench.cloud.live().is_empty());
    // Ended by the id that its user knows, it is followed too.
    let bench = self::bench(|cloud| cloud.migrates(true));
    let old = bench.spawn().await.compute.id;
    bench.cloud.migrate(&old).unwrap();
    bench.account.terminate(&old).await.unwrap();
    assert!(bench.cloud.live().is_empty());
}

/// History 6: it was moved, and the search did not look where it went.
#[tokio::test(start_paused = true)]
async fn p4_a_search_that_did_not_look_everywhere_proves_no_plain_machine_gone() {
    for rule in [GoneRule::NotFound, TEN_APART] {
        let bench = bench(|cloud| cloud.migrates(true).gone(rule));
        let old = bench.spawn().await.compute.id;
        let new = bench.cloud.migrate(&old).unwrap();
        bench.cloud.inject(Rule::on(Operation::Find, Fault::LooksPartly).times(3));
        for _ in 0..3 {
            assert_eq!(bench.settle().await, Settled::Missing, "{rule:?}");
            pass(20).await;
        }
        assert_eq!(found(bench.settle().await).id, new);
        assert!(is_bound(&bench.phase().await, &new));
    }
}

/// What a cloud may show under the old id of a machine that it moved: the machine as over, or another one.
fn under_the_old_id(moved: &Compute) -> [Compute; 2] {
    let (mut over, mut another) = (moved.clone(), moved.clone());
    over.status = ComputeStatus::Terminated;
    let entropy = SeededEntropy::new(77);
    let token = SpawnToken::generate(TokenKind::Plain, &entropy);
    let mark = Mark::new(Deployment::parse("theirs").unwrap(), Installation::generate(&entropy), token, None);
    another.name = Some(mark.to_string());
    another.mark = Some(mark);
    [over, another]
}

/// History 6: the old id says that it is over, or is another machine's by now.
#[tokio::test(start_paused = true)]
async fn p4_what_stands_under_the_old_id_of_a_moved_machine_proves_no_end() {
    for case in 0..2 {
        for partly in [0, 2] {
            let bench = bench(|cloud| cloud.migrates(true));
            let machine = bench.spawn().await.compute;
            let shown = under_the_old_id(&machine)[case].clone();
            let new = bench.cloud.migrate(&machine.id).unwrap();
            let account = bench.over(Arc::new(Wrapped::new(&bench.cloud).shows(shown)));
            let settle = async || account.settle(&bench.records().await[0], GRACE).await.unwrap();
            bench.cloud.inject(Rule::on(Operation::Find, Fault::LooksPartly).times(partly));
            for _ in 0..partly {
                assert_eq!(settle().await, Settled::Missing, "case {case}");
            }
            assert_eq!(found(settle().await).id, new, "case {case}");
            assert!(is_bound(&bench.phase().await, &new));
        }
    }
}

/// The same, and it is being ended.
#[tokio::test(start_paused = true)]
async fn p4_a_moved_machine_is_ended_whatever_stands_under_its_old_id() {
    for case in 0..2 {
        let bench = bench(|cloud| cloud.migrates(true));
        let machine = bench.spawn().await.compute;
        bench.cloud.migrate(&machine.id).unwrap();
        let shown = under_the_old_id(&machine)[case].clone();
        let account = bench.over(Arc::new(Wrapped::new(&bench.cloud).shows(shown)));
        account.terminate(&machine.id).await.unwrap();
        assert!(bench.cloud.live().is_empty(), "case {case}");
        assert_eq!(bench.cloud.count(Operation::Terminate), 1, "what stands there is not told to end");
        assert!(is_closed(&bench.phase().await));
    }
}

/// An operator ends the stranger that has the old id: no word on what moved.
#[tokio::test(start_paused = true)]
async fn o6_a_stranger_that_is_ended_under_the_old_id_closes_no_record_of_what_moved() {
    for partly in [0, 1] {
        let bench = bench(|cloud| cloud.migrates(true));
        let machine = bench.spawn().await.compute;
        let new = bench.cloud.migrate(&machine.id).unwrap();
        let [_, another] = under_the_old_id(&machine);
        let account = bench.over(Arc::new(Wrapped::new(&bench.cloud).shows(another)));
        bench.cloud.inject(Rule::on(Operation::Find, Fault::LooksPartly).times(partly));
        account.terminate_soon(&machine.id, Permission::ordinary().foreign(true)).await.unwrap();
        let token = machine.mark.unwrap().token;
        let ours =
            |records: Vec<IntentRecord>| records.into_iter().find(|record| record.intent.token() == token).unwrap();
        let record = ours(bench.records().await);
        assert_eq!(found(account.settle(&record, GRACE).await.unwrap()).id, new, "{partly} searches not complete");
        assert!(is_bound(&ours(bench.records().await).phase, &new));
        assert_eq!(bench.cloud.live(), [new]);
    }
}

#[tokio::test(start_paused = true)]
async fn o1_what_is_releasing_is_carried_on_by_anybody() {
    let bench = bench(|cloud| cloud.gone(TEN_APART));
    let id = bench.spawn().await.compute.id;
    bench.cloud.inject(Rule::on(Operation::Terminate, Fault::LosesAnswer));
    bench.account.terminate_soon(&id, Permission::ordinary()).await.unwrap_err();
    let record = bench.records().await.remove(0);
    assert!(matches!(&record.phase, IntentPhase::Releasing { why, .. } if why == "asked"));
    assert_eq!(bench.settle().await, Settled::Releasing);
    pass(11).await;
    assert_eq!(bench.settle().await, Settled::Closed(Proof::Gone));
    assert_eq!(bench.settle().await, Settled::Closed(Proof::Gone), "it repeats safely");
    // So it does with the record as it was before.
    assert_eq!(bench.account.settle(&record, GRACE).await.unwrap(), Settled::Closed(Proof::Gone));
}

#[tokio::test(start_paused = true)]
async fn many_processes_that_settle_the_same_record_agree() {
    for fault in [Fault::Errs, Fault::LosesAnswer] {
        let bench = bench(|cloud| cloud.calls_take(Duration::from_millis(700)));
        bench.spawn_unseen(fault).await;
        let record = bench.records().await.remove(0);
        let accounts: Vec<_> = (0..5).map(|_| bench.other()).collect();
        for _ in 0..4 {
            let settling = accounts.iter().map(|account| account.settle(&record, GRACE));
            assert!(futures_util::future::join_all(settling).await.iter().all(Result::is_ok));
            pass(2).await;
        }
        let live = bench.cloud.live();
        assert_eq!(is_closed(&bench.phase().await), live.is_empty());
        assert_eq!(bench.cloud.count(Operation::Terminate), 0);
    }
}
