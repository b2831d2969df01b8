//! A network volume is a rental as a machine is (rules O1 to O6, P2, P4): recorded, found again, ended until it is proven.
//! It holds data, so that none ends which its maker was told of.

use atlas_core::{
    Capability, Effect, ErrorKind, GoneRule, Permission, Proof, RentalKind, Volume, VolumeId, VolumeRequest,
};

use super::*;

const TEN_APART: GoneRule = GoneRule::TwoNotFounds { apart: Duration::from_secs(10) };

fn asked() -> VolumeRequest {
    VolumeRequest::new("mock-east", 100).name("data")
}

impl Bench {
    async fn make(&self) -> Volume {
        self.account.create_volume(asked()).await.unwrap()
    }

    async fn make_fails(&self) -> Error {
        self.account.create_volume(asked()).await.unwrap_err()
    }

    /// Fails by `fault`, and no look finds in time what came of it.
    async fn make_unseen(&self, fault: Fault) -> Error {
        const LOOKS: Duration = Duration::from_secs(21);
        self.inject(Operation::CreateVolume, fault);
        self.cloud.inject(Rule::on(Operation::ListVolumes, Fault::Errs).during(LOOKS));
        let error = self.make_fails().await;
        pass(LOOKS.as_secs()).await;
        error
    }

    /// What bills, by the cloud's own books; oldest first.
    fn volumes(&self) -> Vec<VolumeId> {
        self.cloud.volumes().into_iter().map(|volume| volume.id).collect()
    }

    /// Looks every few seconds until something else than `MayLand` comes out.
    async fn settle_at_last(&self) -> Settled {
        loop {
            match self.settle().await {
                Settled::MayLand { until } => assert!(until > self.cloud.now(), "the next look must be later"),
                settled => return settled,
            }
            pass(7).await;
        }
    }
}

fn is_of(rented: &Rented, volume: &VolumeId) -> bool {
    rented.kind == RentalKind::Volume && rented.id.as_str() == volume.as_str()
}

#[tokio::test(start_paused = true)]
async fn o1_a_volume_is_recorded_kept_and_ended_when_it_is_asked() {
    let bench = bench(|cloud| cloud);
    let volume = bench.make().await;
    let record = bench.records().await.remove(0);
    assert_eq!((record.intent.kind, record.intent.price), (RentalKind::Volume, volume.cost_per_hour));
    assert_eq!(Some(record.intent.token()), volume.mark().map(|mark| mark.token));
    for _ in 0..20 {
        assert!(is_of(&found(bench.settle().await), &volume.id));
        pass(3600).await;
    }
    assert_eq!((bench.volumes(), bench.cloud.count(Operation::DeleteVolume)), (vec![volume.id.clone()], 0));
    assert_eq!(bench.account.get_volume(&volume.id).await.unwrap(), volume);
    assert_eq!(bench.account.grow_volume(&volume.id, 200).await.unwrap().size_gb, 200);
    let listed = bench.account.list_volumes().await.unwrap();
    assert_eq!(listed.iter().map(|volume| volume.size_gb).collect::<Vec<_>>(), [200]);
    bench.account.delete_volume(&volume.id).await.unwrap();
    assert!(bench.volumes().is_empty() && is_closed(&bench.phase().await));
    bench.account.delete_volume(&volume.id).await.unwrap();
    assert!(bench.account.get_volume(&volume.id).await.unwrap_err().is_not_found());
    // Nobody knows this one.
    assert!(bench.account.delete_volume(&VolumeId::new("never")).await.unwrap_err().is_not_found());
    let wrong = bench.account.delete_volume(&VolumeId::new("../pods")).await.unwrap_err();
    assert_eq!((wrong.kind(), wrong.effect()), (ErrorKind::Validation, Effect::NotSent));
}

#[tokio::test(start_paused = true)]
async fn o1_a_volume_whose_create_was_never_answered_is_found_and_kept() {
    for fault in [Fault::LosesAnswer, Fault::ActsThenErrs, Fault::Garbles] {
        let bench = bench(|cloud| cloud);
        assert_eq!(bench.make_unseen(fault.clone()).await.effect(), Effect::Unknown, "{fault}");
        assert_eq!(bench.phase().await, IntentPhase::Open);
        let made = bench.volumes().remove(0);
        assert!(is_of(&found(bench.settle().await), &made), "{fault}");
        for _ in 0..20 {
            bench.reap().await;
            pass(3600).await;
        }
        assert_eq!(bench.volumes(), std::slice::from_ref(&made));
        let counts = [Operation::CreateVolume, Operation::DeleteVolume].map(|operation| bench.cloud.count(operation));
        assert_eq!(counts, [1, 0], "{fault}: sent once, and ended by nobody");
        bench.account.delete_volume(&made).await.unwrap();
        assert!(bench.volumes().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn p2_a_create_without_an_answer_is_absent_after_its_window_and_two_listings() {
    for window in [0, 120, 3600] {
        let bench = bench(|cloud| cloud.settle_window(Duration::from_secs(window)));
        bench.inject(Operation::CreateVolume, Fault::Errs);
        bench.make_fails().await;
        let began = bench.cloud.now();
        assert_eq!(bench.settle_at_last().await, Settled::Closed(Proof::Absent));
        let after = bench.cloud.now().since(began);
        assert!((window..=window + 30).contains(&after.as_secs()), "{after:?} of {window} s");
        assert!(bench.cloud.count(Operation::ListVolumes) >= 2);
    }
}

#[tokio::test(start_paused = true)]
async fn p2_a_listing_that_fails_proves_nothing() {
    let bench = bench(|cloud| cloud);
    bench.make_unseen(Fault::LosesAnswer).await;
    bench.cloud.inject(Rule::on(Operation::ListVolumes, Fault::Errs).times(4));
    for _ in 0..4 {
        bench.try_settle().await.unwrap_err();
        pass(120).await;
    }
    assert_eq!(bench.phase().await, IntentPhase::Open);
    found(bench.settle().await);
}

/// It may have been made while the answer was on its way.
#[tokio::test(start_paused = true)]
async fn p2_p4_a_listing_tells_of_the_moment_at_which_it_was_asked_for() {
    let slow = Fault::AnswersLate(Duration::from_mins(1));
    let bench = bench(|cloud| cloud.settle_window(Duration::from_mins(2)));
    bench.inject(Operation::CreateVolume, Fault::Errs);
    bench.make_fails().await;
    assert!(matches!(bench.settle().await, Settled::MayLand { .. }));
    pass(90).await;
    bench.inject(Operation::ListVolumes, slow.clone());
    assert!(matches!(bench.settle().await, Settled::MayLand { .. }), "it ended past the window, and began within it");
    pass(2).await;
    assert!(matches!(bench.settle().await, Settled::MayLand { .. }), "one listing that counts");
    pass(2).await;
    assert_eq!(bench.settle().await, Settled::Closed(Proof::Absent));
    // The same of what must be gone.
    let bench = self::bench(|cloud| cloud.gone(TEN_APART));
    let volume = bench.make().await;
    bench.cloud.delete_volume(&atlas_core::CallContext::new(), &volume.id).await.unwrap();
    let asked = bench.cloud.now();
    bench.inject(Operation::ListVolumes, slow);
    assert_eq!(bench.settle().await, Settled::Missing);
    assert!(bench.cloud.now() > asked);
    assert_eq!(bench.records().await[0].absence.since(), Some(asked));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_closes_the_record_at_once() {
    let refusals = [
        (Fault::FailsBefore, Proof::NotSent),
        (Fault::QuotaReached, Proof::Refused),
        (Fault::Unauthorized, Proof::Refused),
    ];
    for (fault, proof) in refusals {
        let bench = bench(|cloud| cloud);
        bench.inject(Operation::CreateVolume, fault.clone());
        let error = bench.make_fails().await;
        assert!(error.provider().is_some() && error.operation() == Some("create_volume"), "{error}");
        assert!(matches!(bench.phase().await, IntentPhase::Closed { proof: is, .. } if is == proof), "{fault}");
        assert!(bench.volumes().is_empty());
    }
}

/// Whoever made it may have found it in the listing and filled it.
#[tokio::test(start_paused = true)]
async fn o4_a_volume_that_lands_after_its_record_was_closed_is_followed_and_kept() {
    for fault in [Fault::LandsLate(Duration::from_hours(1)), Fault::AppearsLate(Duration::from_hours(1))] {
        let bench = bench(|cloud| cloud);
        let is_lost = matches!(fault, Fault::AppearsLate(_));
        bench.inject(Operation::CreateVolume, fault);
        if is_lost {
            bench.inject(Operation::CreateVolume, Fault::LosesAnswer);
        }
        bench.make_fails().await;
        assert_eq!(bench.settle_at_last().await, Settled::Closed(Proof::Absent));
        pass(3600).await;
        let late = bench.volumes().remove(0);
        for _ in 0..30 {
            assert!(is_of(&found(bench.settle().await), &late));
            pass(3600).await;
        }
        assert!(is_bound(&bench.phase().await, &ComputeId::new(late.as_str())));
        assert_eq!((bench.volumes(), bench.cloud.count(Operation::DeleteVolume)), (vec![late.clone()], 0));
        // It ends on somebody's word, as any other; and comes back no more.
        bench.account.delete_volume(&late).await.unwrap();
        assert!(bench.volumes().is_empty() && is_closed(&bench.phase().await));
    }
}

/// Of two that land late one is followed; when it is deleted the other stays, for nobody asked to end that one.
#[tokio::test(start_paused = true)]
async fn p3_the_twin_of_a_late_volume_outlives_it() {
    let bench = bench(|cloud| cloud);
    bench.inject(Operation::CreateVolume, Fault::Duplicates);
    bench.inject(Operation::CreateVolume, Fault::LosesAnswer);
    bench.cloud.inject(Rule::on(Operation::ListVolumes, Fault::Hides(Duration::from_hours(1))).times(1));
    bench.make_fails().await;
    assert_eq!(bench.settle_at_last().await, Settled::Closed(Proof::Absent));
    pass(3600).await;
    let followed = found(bench.settle().await);
    let both = bench.volumes();
    assert_eq!(both.len(), 2);
    bench.account.delete_volume(&VolumeId::new(followed.id.as_str())).await.unwrap();
    for _ in 0..10 {
        bench.reap().await;
        pass(3600).await;
    }
    let twin = both.into_iter().filter(|id| id.as_str() != followed.id.as_str()).collect::<Vec<_>>();
    assert_eq!(bench.volumes(), twin);
}

#[tokio::test(start_paused = true)]
async fn p2_what_lands_late_within_the_window_is_found_and_kept() {
    let bench = bench(|cloud| cloud.settle_window(Duration::from_mins(65)));
    bench.inject(Operation::CreateVolume, Fault::LandsLate(Duration::from_hours(1)));
    bench.make_fails().await;
    let late = found(bench.settle_at_last().await);
    for _ in 0..10 {
        pass(3600).await;
        bench.reap().await;
    }
    assert_eq!(bench.volumes().len(), 1);
    assert!(is_of(&late, &bench.volumes()[0]));
}

/// Its sender is killed after the cloud has acted, and before it could write the answer down.
#[tokio::test(start_paused = true)]
async fn o1_a_kill_in_mid_create_leaves_a_record_that_leads_to_the_volume() {
    let bench = bench(|cloud| cloud);
    bench.inject(Operation::CreateVolume, Fault::NeverAnswers);
    let (account, state) = (bench.account.clone(), bench.other());
    let sender = tokio::spawn(async move { account.create_volume(asked()).await });
    pass(1).await;
    let record = state.records().await.unwrap().remove(0);
    assert_eq!(state.settle(&record, GRACE).await.unwrap(), Settled::BeingSent, "its sender lives");
    sender.abort();
    sender.await.unwrap_err();
    let made = bench.volumes().remove(0);
    assert!(is_of(&found(bench.settle().await), &made));
    assert_eq!(bench.cloud.count(Operation::CreateVolume), 1);
}

#[tokio::test(start_paused = true)]
async fn p3_of_two_volumes_of_one_token_the_oldest_is_recorded_and_both_are_kept() {
    for lost in [false, true] {
        let bench = bench(|cloud| cloud);
        bench.inject(Operation::CreateVolume, Fault::Duplicates);
        if lost {
            bench.inject(Operation::CreateVolume, Fault::LosesAnswer);
        }
        bench.make().await;
        let both = bench.volumes();
        assert_eq!(both.len(), 2, "the cloud made one too many");
        let kept = found(bench.settle().await);
        for _ in 0..10 {
            assert_eq!(found(bench.settle().await).id, kept.id);
            pass(3600).await;
        }
        assert_eq!((bench.volumes(), bench.cloud.count(Operation::DeleteVolume)), (both.clone(), 0), "lost: {lost}");
        // The one that no record names is ended under a record of its own, and the first one's stays.
        let twin = both.iter().find(|id| id.as_str() != kept.id.as_str()).unwrap();
        bench.account.delete_volume(twin).await.unwrap();
        for _ in 0..30 {
            bench.reap().await;
            pass(3600).await;
        }
        assert_eq!(bench.volumes(), [VolumeId::new(kept.id.as_str())]);
        assert!(is_bound(&bench.phase().await, &kept.id));
        bench.account.delete_volume(&VolumeId::new(kept.id.as_str())).await.unwrap();
        assert!(bench.volumes().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn p15_a_delete_that_fails_or_does_nothing_is_carried_on_until_it_is_proven() {
    for fault in [Fault::Errs, Fault::Ignores, Fault::FailsBefore, Fault::RateLimited(Duration::from_secs(1))] {
        let bench = bench(|cloud| cloud.gone(TEN_APART));
        let volume = bench.make().await;
        bench.cloud.inject(Rule::on(Operation::DeleteVolume, fault.clone()).always());
        let bound = Duration::from_secs(20);
        let error = bench.account.delete_volume_with(&volume.id, Permission::ordinary(), bound).await.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Timeout, Some("delete_volume")), "{fault}");
        assert_eq!(error.leftovers(), [ComputeId::new(volume.id.as_str())]);
        let words = error.to_string();
        assert!(words.contains(&format!("volume {} is not proven gone", volume.id)), "{words}");
        assert!(words.contains("`atlas reap` carries it on"), "{words}");
        assert!(is_releasing(&bench.phase().await));
        // Whether the next process is told of the failure or not: the record stays.
        let seen = bench.try_settle().await;
        assert!(matches!(seen, Err(_) | Ok(Settled::Releasing)), "{fault}: {seen:?}");
        assert_eq!(bench.volumes(), std::slice::from_ref(&volume.id), "{fault}");
        assert!(is_releasing(&bench.phase().await), "{fault}");
        bench.cloud.heal();
        for _ in 0..3 {
            bench.reap().await;
            pass(11).await;
        }
        assert!(bench.volumes().is_empty() && is_closed(&bench.phase().await), "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn p4_one_look_proves_no_volume_gone_and_a_lost_answer_no_end() {
    for rule in [TEN_APART, GoneRule::StatusOnly] {
        let bench = bench(|cloud| cloud.gone(rule));
        let volume = bench.make().await;
        bench.inject(Operation::DeleteVolume, Fault::LosesAnswer);
        bench.account.delete_volume_soon(&volume.id, Permission::ordinary()).await.unwrap_err();
        assert_eq!(bench.settle().await, Settled::Releasing, "{rule:?}");
        assert_eq!(bench.settle().await, Settled::Releasing, "{rule:?}");
        pass(11).await;
        assert_eq!(bench.settle().await, Settled::Closed(Proof::Gone), "{rule:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn c6_a_cloud_without_volumes_is_asked_nothing_and_nothing_is_recorded() {
    let bench = bench(|cloud| cloud.without(Capability::NetworkVolumes));
    let error = bench.make_fails().await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unsupported, Effect::NotSent));
    assert!(error.to_string().contains("network_volumes"), "{error}");
    let wrong = self::bench(|cloud| cloud);
    for request in [VolumeRequest::new("mock-east", 0), VolumeRequest::new("moon", 10), asked().name("no spaces")] {
        let error = wrong.account.create_volume(request).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Validation, Effect::NotSent), "{error}");
    }
    for bench in [&bench, &wrong] {
        assert!(bench.records().await.is_empty() && bench.cloud.calls().is_empty());
        assert!(!bench.intents().exists());
    }
}

#[tokio::test(start_paused = true)]
async fn o1_a_disk_that_takes_no_record_lets_no_create_out() {
    let bench = bench(|cloud| cloud);
    std::fs::write(bench.intents(), "in the way").unwrap();
    let error = bench.make_fails().await;
    assert_eq!(error.effect(), Effect::NotSent, "{error}");
    assert!(bench.cloud.calls().is_empty());
}

/// History 5: the key of another account sees nothing, and that proves nothing.
#[tokio::test(start_paused = true)]
async fn o3_the_key_of_another_account_proves_no_volume_absent_and_none_gone() {
    let keyed = || bench(|cloud| cloud.key("first").gone(GoneRule::NotFound));
    let bench = keyed();
    bench.make_unseen(Fault::LosesAnswer).await;
    bench.cloud.use_key("another");
    for _ in 0..4 {
        assert_eq!(bench.try_settle().await.unwrap_err().kind(), ErrorKind::Conflict);
        pass(60).await;
    }
    bench.cloud.use_key("first");
    let kept = found(bench.settle().await);
    bench.cloud.use_key("another");
    let id = VolumeId::new(kept.id.as_str());
    for _ in 0..4 {
        assert_eq!(bench.try_settle().await.unwrap_err().kind(), ErrorKind::Conflict);
        assert_eq!(bench.account.delete_volume(&id).await.unwrap_err().kind(), ErrorKind::Conflict);
        pass(60).await;
    }
    assert!(is_bound(&bench.phase().await, &kept.id));
    assert_eq!((bench.volumes(), bench.cloud.count(Operation::DeleteVolume)), (vec![id], 0));
}

/// History 26: a volume alone shows that a new key is of the same account.
#[tokio::test(start_paused = true)]
async fn o3_a_rotated_key_joins_the_old_one_when_its_listing_shows_a_volume_of_it() {
    let bench = bench(|cloud| cloud.key("first").gone(GoneRule::NotFound));
    let volume = bench.make().await;
    bench.cloud.rotate_key("second");
    assert!(is_of(&found(bench.settle().await), &volume.id));
    bench.account.delete_volume(&volume.id).await.unwrap();
    assert!(bench.volumes().is_empty());
    // Without it there is nothing to show.
    let bench = self::bench(|cloud| cloud.key("first").gone(GoneRule::NotFound));
    let gone = bench.make().await;
    bench.cloud.delete_volume(&atlas_core::CallContext::new(), &gone.id).await.unwrap();
    bench.cloud.foreign_volume("data", "mock-east", 10);
    bench.cloud.rotate_key("second");
    assert_eq!(bench.try_settle().await.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test(start_paused = true)]
async fn o2_a_volume_that_lost_its_mark_is_ended_again() {
    for fault in [Fault::AltersName, Fault::CutsName(30), Fault::LeavesLeftover] {
        let bench = bench(|cloud| cloud);
        bench.inject(Operation::CreateVolume, fault.clone());
        let error = bench.make_fails().await;
        assert!(error.leftovers().is_empty(), "{fault}: {error}");
        assert!(bench.volumes().is_empty() && is_closed(&bench.phase().await), "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn o6_volumes_of_others_are_left_alone_unless_an_operator_says_so() {
    let bench = bench(|cloud| cloud);
    let theirs = bench.cloud.foreign_volume("data", "mock-east", 10);
    let error = bench.account.delete_volume(&theirs).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Validation && error.to_string().contains("--foreign to delete it"), "{error}");
    bench.reap().await;
    assert_eq!(bench.cloud.count(Operation::DeleteVolume), 0);
    let bound = Duration::from_mins(1);
    bench.account.delete_volume_with(&theirs, Permission::ordinary().foreign(true), bound).await.unwrap();
    assert!(bench.volumes().is_empty());
    let record = bench.records().await.remove(0);
    assert_eq!((record.receipt.as_deref(), record.intent.kind), (Some("asked, as foreign"), RentalKind::Volume));
}

/// Somebody gave it another name in the cloud's console: the refusal to end it stands while it is not seen under its own.
#[tokio::test(start_paused = true)]
async fn o6_a_renamed_volume_is_not_ended_when_a_listing_misses_it() {
    for is_seen_first in [false, true] {
        let bench = bench(|cloud| cloud.gone(TEN_APART));
        let volume = bench.make().await;
        bench.cloud.rename_volume(&volume.id, "weights").unwrap();
        if is_seen_first {
            // Its name was learnt by a look, and the listing misses it from the very beginning of its ending.
            assert!(is_of(&found(bench.settle().await), &volume.id));
        } else {
            let refused = bench.account.delete_volume(&volume.id).await.unwrap_err();
            assert_eq!((refused.kind(), refused.effect()), (ErrorKind::Conflict, Effect::NotSent), "{refused}");
            assert!(refused.to_string().contains("say --foreign"), "{refused}");
        }
        bench.inject(Operation::ListVolumes, Fault::Hides(Duration::from_hours(1)));
        let bound = Duration::from_mins(1);
        let _ = bench.account.delete_volume_with(&volume.id, Permission::ordinary(), bound).await;
        for _ in 0..5 {
            let _ = bench.try_settle().await;
            pass(3).await;
        }
        assert_eq!(bench.cloud.count(Operation::DeleteVolume), 0, "seen first: {is_seen_first}");
        assert_eq!(bench.volumes(), [volume.id]);
    }
    let bench = bench(|cloud| cloud.gone(TEN_APART));
    let volume = bench.make().await;
    bench.cloud.rename_volume(&volume.id, "weights").unwrap();
    bench.account.delete_volume(&volume.id).await.unwrap_err();
    let bound = Duration::from_mins(1);
    bench.account.delete_volume_with(&volume.id, Permission::ordinary().foreign(true), bound).await.unwrap();
    assert!(bench.volumes().is_empty(), "an operator's word ends it");
}

/// Whoever asked was told that it is not deleted, and may fill it since: a refused ending is no word any more.
#[tokio::test(start_paused = true)]
async fn o6_a_volume_whose_end_was_refused_is_kept_when_it_has_its_name_again() {
    for waits in [true, false] {
        for was_sent in [false, true] {
            let bench = bench(|cloud| cloud.gone(TEN_APART));
            let volume = bench.make().await;
            let id = ComputeId::new(volume.id.as_str());
            if was_sent {
                bench.inject(Operation::DeleteVolume, Fault::Ignores);
                bench.account.delete_volume_soon(&volume.id, Permission::ordinary()).await.unwrap();
            }
            let sent = bench.cloud.count(Operation::DeleteVolume);
            bench.cloud.rename_volume(&volume.id, "weights").unwrap();
            let refused = if waits {
                bench.account.delete_volume(&volume.id).await.unwrap_err()
            } else {
                bench.account.delete_volume_soon(&volume.id, Permission::ordinary()).await.unwrap_err()
            };
            assert!(refused.to_string().contains("is kept until that is asked for again"), "{refused}");
            assert!(!refused.to_string().contains("atlas reap"), "{refused}");
            assert!(is_of(&found(bench.settle().await), &volume.id), "it is shown");
            bench.cloud.rename_volume(&volume.id, volume.name.as_deref().unwrap()).unwrap();
            for _ in 0..5 {
                assert!(is_of(&found(bench.settle().await), &volume.id));
                pass(60).await;
            }
            assert_eq!(bench.cloud.count(Operation::DeleteVolume), sent, "no reap ends it, waits: {waits}");
            assert!(is_bound(&bench.phase().await, &id));
            bench.account.delete_volume(&volume.id).await.unwrap();
            assert!(bench.volumes().is_empty(), "asked for again, it is ended");
        }
    }
}

/// Whoever asked was told that it is in use: what its machine puts on it afterwards is not deleted with it.
#[tokio::test(start_paused = true)]
async fn o6_a_volume_in_use_is_not_deleted_when_its_machine_has_ended() {
    for waits in [true, false] {
        let bench = bench(|cloud| cloud.gone(TEN_APART));
        let volume = bench.make().await;
        let id = ComputeId::new(volume.id.as_str());
        let mounts = || request().network_volume(volume.id.as_str());
        let user = bench.account.spawn(mounts(), Auth::Bearer).await.unwrap().compute.id;
        let began = bench.cloud.now();
        let refused = if waits {
            bench.account.delete_volume(&volume.id).await.unwrap_err()
        } else {
            bench.account.delete_volume_soon(&volume.id, Permission::ordinary()).await.unwrap_err()
        };
        assert_eq!((refused.kind(), refused.effect()), (ErrorKind::Conflict, Effect::Rejected), "{refused}");
        assert!(bench.cloud.now().since(began) < Duration::from_secs(30), "it is not asked again: {refused}");
        for says in ["in use", user.as_str(), "nothing deletes it later", "then delete it again"] {
            assert!(refused.to_string().contains(says), "no {says:?} in: {refused}");
        }
        assert!(!refused.to_string().contains("atlas reap"), "{refused}");
        let sent = bench.cloud.count(Operation::DeleteVolume);
        // It is mounted again, and both machines end.
        let another = bench.account.spawn(mounts(), Auth::Bearer).await.unwrap().compute.id;
        for machine in [user, another] {
            bench.reap().await;
            bench.account.terminate(&machine).await.unwrap();
        }
        for _ in 0..5 {
            bench.reap().await;
            pass(60).await;
        }
        assert_eq!((bench.volumes(), bench.cloud.count(Operation::DeleteVolume)), (vec![volume.id.clone()], sent));
        let record = bench.records().await.into_iter().find(|record| record.intent.kind == RentalKind::Volume);
        assert!(is_bound(&record.unwrap().phase, &id), "waits: {waits}");
        bench.account.delete_volume(&volume.id).await.unwrap();
        assert!(bench.volumes().is_empty(), "asked for again, it is ended");
    }
}

/// A delete that the cloud took and forgot is said again by the reaper, which learns that it is in use by now.
#[tokio::test(start_paused = true)]
async fn o6_a_reaper_that_is_told_of_a_use_takes_the_ending_back() {
    let bench = bench(|cloud| cloud.gone(TEN_APART));
    let volume = bench.make().await;
    let id = ComputeId::new(volume.id.as_str());
    bench.inject(Operation::DeleteVolume, Fault::Ignores);
    bench.account.delete_volume_soon(&volume.id, Permission::ordinary()).await.unwrap();
    let ending = bench.records().await.remove(0);
    assert!(is_releasing(&ending.phase));
    let mounts = request().network_volume(volume.id.as_str());
    let user = bench.account.spawn(mounts, Auth::Bearer).await.unwrap().compute.id;
    let refused = bench.other().settle(&ending, GRACE).await.unwrap_err();
    assert!(refused.to_string().contains("in use"), "{refused}");
    bench.account.terminate(&user).await.unwrap();
    for _ in 0..5 {
        bench.reap().await;
        pass(60).await;
    }
    assert_eq!(bench.volumes(), [volume.id]);
    let records = bench.records().await;
    assert!(records.iter().any(|record| is_bound(&record.phase, &id)), "{records:?}");
}

/// Nothing was recorded of the ending, and nothing is asked a second time.
#[tokio::test(start_paused = true)]
async fn o6_a_volume_in_use_is_kept_where_the_disk_takes_no_record() {
    let bench = bench(|cloud| cloud.gone(TEN_APART));
    let volume = bench.make().await;
    let mounts = request().network_volume(volume.id.as_str());
    bench.account.spawn(mounts, Auth::Bearer).await.unwrap();
    bench.fill_disk();
    let refused = bench.account.delete_volume(&volume.id).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused}");
    assert!(refused.to_string().contains("nothing deletes it later"), "{refused}");
    assert_eq!(bench.cloud.count(Operation::DeleteVolume), 1);
    bench.free_disk();
    assert!(bench.records().await.iter().all(|record| matches!(record.phase, IntentPhase::Bound { .. })));
}

/// An ending that only failed goes on, and so does one of a volume that was renamed before.
#[tokio::test(start_paused = true)]
async fn p15_a_volumes_end_that_a_cloud_failed_is_not_taken_back() {
    let bench = bench(|cloud| cloud.gone(TEN_APART));
    let volume = bench.make().await;
    bench.cloud.rename_volume(&volume.id, "weights").unwrap();
    assert!(is_of(&found(bench.settle().await), &volume.id));
    bench.cloud.rename_volume(&volume.id, volume.name.as_deref().unwrap()).unwrap();
    bench.inject(Operation::ListVolumes, Fault::Errs);
    bench.account.delete_volume_soon(&volume.id, Permission::ordinary()).await.unwrap_err();
    assert!(is_releasing(&bench.phase().await));
    for _ in 0..6 {
        bench.reap().await;
        pass(11).await;
    }
    assert!(bench.volumes().is_empty() && is_closed(&bench.phase().await));
}

/// History 6: an hour in which its cloud does not show it.
#[tokio::test(start_paused = true)]
async fn a_volume_that_its_cloud_loses_sight_of_is_not_swept_when_it_returns() {
    let bench = bench(|cloud| cloud.gone(TEN_APART));
    let volume = bench.make().await;
    bench.inject(Operation::ListVolumes, Fault::Hides(Duration::from_hours(1)));
    for _ in 0..60 {
        bench.reap().await;
        pass(61).await;
    }
    for _ in 0..10 {
        assert!(is_of(&found(bench.settle().await), &volume.id));
        pass(60).await;
    }
    assert_eq!((bench.volumes(), bench.cloud.count(Operation::DeleteVolume)), (vec![volume.id], 0));
}

/// Somebody deletes it in the cloud's console.
#[tokio::test(start_paused = true)]
async fn p4_a_volume_that_somebody_else_deleted_is_closed_by_its_clouds_rule() {
    let bench = bench(|cloud| cloud.gone(TEN_APART));
    let volume = bench.make().await;
    bench.cloud.delete_volume(&atlas_core::CallContext::new(), &volume.id).await.unwrap();
    assert_eq!(bench.settle().await, Settled::Missing);
    pass(5).await;
    assert_eq!(bench.settle().await, Settled::Missing);
    pass(5).await;
    assert_eq!(bench.settle().await, Settled::Closed(Proof::Gone));
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_is_not_shown_yet_is_asked_for_again() {
    let bench = bench(|cloud| {
        cloud.appears_after(Duration::from_secs(20)).settle_window(Duration::from_mins(1)).gone(TEN_APART)
    });
    let volume = bench.make().await;
    assert_eq!(bench.account.get_volume(&volume.id).await.unwrap().id, volume.id);
    let hidden = bench.make().await;
    bench.account.delete_volume(&hidden.id).await.unwrap();
    assert_eq!(bench.volumes(), [volume.id], "a delete of what is not shown yet is said until it is proven");
}

/// Forty volumes, each with a fault in its create and one in its delete: in the end the cloud's books and the records tell
/// the same, and nothing was ended that its maker was told of and had not given up.
#[tokio::test(start_paused = true)]
async fn whatever_goes_wrong_no_volume_bills_without_a_record_and_none_in_use_is_ended() {
    let creates = [
        None,
        Some(Fault::Errs),
        Some(Fault::LosesAnswer),
        Some(Fault::FailsBefore),
        Some(Fault::ActsThenErrs),
        Some(Fault::LandsLate(Duration::from_secs(90))),
        Some(Fault::AppearsLate(Duration::from_secs(45))),
        Some(Fault::LeavesLeftover),
    ];
    let deletes = [None, Some(Fault::Errs), Some(Fault::LosesAnswer), Some(Fault::Ignores), Some(Fault::FailsBefore)];
    let bench = bench(|cloud| cloud.settle_window(Duration::from_mins(2)).gone(TEN_APART));
    let mut kept = Vec::new();
    for (number, (create, delete)) in
        creates.iter().flat_map(|create| deletes.iter().map(move |delete| (create, delete))).enumerate()
    {
        if let Some(fault) = create {
            bench.inject(Operation::CreateVolume, fault.clone());
        }
        let made = bench.account.create_volume(asked()).await;
        bench.cloud.heal();
        let Ok(volume) = made else { continue };
        if number % 2 == 0 {
            kept.push(volume.id);
            continue;
        }
        if let Some(fault) = delete {
            bench.inject(Operation::DeleteVolume, fault.clone());
        }
        let _ = bench.account.delete_volume_soon(&volume.id, Permission::ordinary()).await;
        bench.cloud.heal();
    }
    for _ in 0..30 {
        bench.reap().await;
        pass(13).await;
    }
    let records = bench.records().await;
    let bound: Vec<_> = records
        .iter()
        .filter(|record| record.is_living())
        .map(|record| VolumeId::new(record.compute.as_ref().expect("nothing is open any more").as_str()))
        .collect();
    let mut living = bench.volumes();
    for id in &kept {
        assert!(living.contains(id), "{id} was in use and is gone");
    }
    let (mut bound, few) = (bound, records.len());
    living.sort();
    bound.sort();
    assert_eq!(living, bound, "what bills is what is recorded");
    assert_eq!(few, creates.len() * deletes.len(), "a record for each create");
}
