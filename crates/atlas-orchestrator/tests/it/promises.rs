//! Rules P1 to P7, P9 to P12 and P14 to P16, one by one. P13 stands in `events`, P16 at scale in `scale`.

use std::sync::Arc;

use atlas_core::{ComputeStatus, GoneRule};
use atlas_orchestrator::store::Kind;
use atlas_orchestrator::store::suite::{Fault as StoreFault, FaultyStore};
use atlas_orchestrator::{Error, NoEndpoint, OnLoss, Phase, Reason, Unready, Why};
use atlas_sim::{Fault, Operation, Outcome, Rule};

use crate::world::{
    World, hours, keep_alive, key_of, minutes, numbered, pass, ready, ready_with, request, seconds, told, view,
    why_not, words,
};

const TWO_NOT_FOUNDS: GoneRule = GoneRule::TwoNotFounds { apart: std::time::Duration::from_secs(10) };

#[tokio::test(start_paused = true)]
async fn p1_an_ending_is_one_commit_with_its_event_its_key_and_its_receipt() {
    let world = World::with(|cloud| cloud.delete_takes(seconds(1)));
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    let mut events = orchestrator.events().await.unwrap();
    told(&mut events);
    orchestrator.end_because(session.id(), "the demo is over", "grace").await.unwrap();
    // The cloud has not answered yet: all of it stands in the commit that `end` waited for.
    let ending = view(&session).await;
    let receipt = ending.receipt.unwrap();
    assert_eq!(
        (ending.phase, receipt.reason, &*receipt.evidence, &*receipt.asked_by),
        (Phase::Ending, Reason::Asked, "the demo is over", "grace")
    );
    assert_eq!(words(&told(&mut events)), ["terminating"]);
    assert_eq!(world.phases().await["releasing"], 1);
    let next = orchestrator.ensure("ada", request()).await.unwrap();
    assert_ne!(next.id(), session.id(), "the key is free");
}

#[tokio::test(start_paused = true)]
async fn p1_a_session_has_ended_only_when_all_its_machines_are_proven_gone() {
    let world = World::new();
    world.cloud.inject(Rule::on(Operation::Terminate, Fault::Ignores).during(hours(1)));
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    orchestrator.end(session.id()).await.unwrap();
    for _ in 0..11 {
        pass(minutes(5)).await;
        assert_eq!(view(&session).await.phase, Phase::Ending, "200 is not done");
    }
    pass(minutes(10)).await;
    assert_eq!(view(&session).await.phase, Phase::Ended);
    // An ending is irrevocable, and all who come later are told.
    orchestrator.end(session.id()).await.unwrap();
    assert!(matches!(orchestrator.stop(session.id()).await, Err(Error::Over { .. })));
    assert!(matches!(orchestrator.resume(session.id()).await, Err(Error::Over { .. })));
    assert!(matches!(session.ready().await, Err(Error::Over { reason: Reason::Asked, .. })));
    assert!(orchestrator.touch(session.id()).is_err());
}

#[tokio::test(start_paused = true)]
async fn p2_absence_is_believed_only_after_the_settle_window_and_two_complete_listings() {
    let world = World::with(|cloud| cloud.settle_window(minutes(2)).appears_after(seconds(90)));
    world.cloud.inject(Rule::on(Operation::Spawn, Fault::LosesAnswer));
    let orchestrator = world.open().await;
    let session = orchestrator.ensure("ada", request()).await.unwrap();
    session.ready().await.unwrap();
    assert_eq!(world.cloud.ledger().rents.len(), 1, "it was there all the time, and nobody could see it");
}

#[tokio::test(start_paused = true)]
async fn p2_a_search_that_looked_only_partly_proves_nothing() {
    let world = World::new();
    world.cloud.inject(Rule::on(Operation::Spawn, Fault::LosesAnswer));
    world.cloud.inject(Rule::on(Operation::Find, Fault::LooksPartly).during(minutes(5)));
    let orchestrator = world.open().await;
    let session = orchestrator.ensure("ada", request()).await.unwrap();
    pass(minutes(4)).await;
    assert_eq!(world.cloud.count(Operation::Spawn), 1);
    session.ready().await.unwrap();
    assert_eq!(world.cloud.ledger().rents.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn p2_the_next_create_bears_a_new_token() {
    let world = World::new();
    world.cloud.inject(Rule::on(Operation::Spawn, Fault::Errs).times(3));
    let orchestrator = world.open().await;
    ready(&orchestrator, "ada").await;
    let tokens: std::collections::BTreeSet<_> =
        world.cloud.calls().iter().filter(|call| call.operation == Operation::Spawn).map(|call| call.token).collect();
    assert_eq!(tokens.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn p2_history_04_a_sender_that_slept_past_its_time_sends_nothing() {
    let mut world = World::new();
    world.policy.may_send_for = seconds(5);
    let store = Arc::new(FaultyStore::new(world.store.clone()));
    let orchestrator = world.open_over(store.clone()).await;
    // The intent's commit is answered only after some ten seconds: far beyond what was allowed.
    store.next([StoreFault::None]);
    store.next([StoreFault::Unknown; 24]);
    let session = orchestrator.ensure("ada", request()).await.unwrap();
    session.ready().await.unwrap();
    let calls = world.cloud.calls();
    let sent: Vec<_> = calls.iter().filter(|call| call.operation == Operation::Spawn).collect();
    assert_eq!(sent.len(), 1, "{sent:?}");
    let closed = world.rows(Kind::RENTAL).await.into_iter().filter(|row| row.phase == "closed").count();
    assert_eq!(closed, 1, "{:?}: the first rental was closed as never sent", world.phases().await);
}

#[tokio::test(start_paused = true)]
async fn p2_a_create_whose_result_cannot_be_written_is_ended_by_its_own_caller() {
    let world = World::with(|cloud| cloud.create_takes(seconds(5)));
    world.witness.look_away();
    let store = Arc::new(FaultyStore::new(world.store.clone()));
    let orchestrator = world.open_over(store.clone()).await;
    let session = orchestrator.ensure("ada", request()).await.unwrap();
    pass(seconds(1)).await;
    store.always(StoreFault::Unavailable);
    pass(minutes(2)).await;
    assert_eq!(world.cloud.ledger().rents.len(), 1);
    assert!(world.cloud.live().is_empty(), "its caller ended what it could not record");
    store.always(StoreFault::None);
    session.ready().await.unwrap();
    assert_eq!(world.cloud.live().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn p3_history_15_of_two_found_the_oldest_is_bound_and_the_other_ended() {
    let world = World::new();
    world.cloud.inject(Rule::on(Operation::Spawn, Fault::Duplicates));
    world.cloud.inject(Rule::on(Operation::Spawn, Fault::LosesAnswer));
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    pass(seconds(5)).await;
    assert_eq!(world.cloud.live().len(), 1, "the search that found both releases one, whatever the reaper does");
    keep_alive(&orchestrator, &session, minutes(10)).await;
    let ledger = world.cloud.ledger();
    assert_eq!(ledger.rents.len(), 2);
    assert_eq!(world.only_machine(), view(&session).await.compute.unwrap());
    assert_eq!(view(&session).await.phase, Phase::Ready);
}

#[tokio::test(start_paused = true)]
async fn p3_history_15_a_twin_beside_a_bound_machine_is_found_by_the_reaper() {
    let world = World::new();
    world.cloud.inject(Rule::on(Operation::Spawn, Fault::Duplicates));
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    let machine = view(&session).await.compute.unwrap();
    keep_alive(&orchestrator, &session, minutes(10)).await;
    assert_eq!(world.only_machine(), machine);
    // A human clones machine, name and environment in the cloud's console.
    world.cloud.clone_machine(&machine).unwrap();
    keep_alive(&orchestrator, &session, minutes(10)).await;
    assert_eq!(world.only_machine(), machine);
    assert_eq!(view(&session).await.phase, Phase::Ready);
}

#[tokio::test(start_paused = true)]
async fn p4_a_terminate_that_fails_for_days_is_tried_with_back_off_priced_visible_and_told_sparingly() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    let mut events = orchestrator.events().await.unwrap();
    world.cloud.inject(Rule::on(Operation::Terminate, Fault::Errs).during(hours(12)));
    orchestrator.end(session.id()).await.unwrap();
    pass(hours(11)).await;
    assert_eq!(view(&session).await.phase, Phase::Ending);
    let tries = world.cloud.count(Operation::Terminate);
    assert!((600..2_000).contains(&tries), "{tries} tries in eleven hours");
    let exposure = orchestrator.exposure().await.unwrap();
    assert_eq!(exposure.items.len(), 1);
    assert_eq!(exposure.per_hour.to_string(), "0.360000");
    let Why::Releasing { failures, last_error } = &exposure.items[0].why else { panic!("{exposure:?}") };
    assert!(*failures > 600 && last_error.as_ref().unwrap().contains("failed inside"), "{exposure:?}");
    let failed = words(&told(&mut events)).iter().filter(|word| *word == "terminate_failed").count();
    assert!((5..20).contains(&failed), "{failed} events of one machine");
    pass(hours(2)).await;
    assert_eq!(view(&session).await.phase, Phase::Ended);
    assert!(world.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn p4_one_not_found_does_not_close_where_the_cloud_needs_two_and_a_listing() {
    let world = World::with(|cloud| cloud.gone(TWO_NOT_FOUNDS));
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    let machine = world.only_machine();
    // For eight seconds nothing shows the machine, which the cloud does not end.
    world.cloud.inject(Rule::on(Operation::Terminate, Fault::Ignores).during(minutes(20)));
    world.cloud.hide(&machine, seconds(8)).unwrap();
    orchestrator.end(session.id()).await.unwrap();
    pass(seconds(7)).await;
    assert_eq!(view(&session).await.phase, Phase::Ending, "two not-founds must be ten seconds apart");
    pass(minutes(10)).await;
    assert_eq!(view(&session).await.phase, Phase::Ending);
    world.cloud.vanish(&machine).unwrap();
    let ended = session.ended().await.unwrap();
    assert_eq!(ended.phase, Phase::Ended);
}

#[tokio::test(start_paused = true)]
async fn p4_where_only_a_status_proves_a_not_found_never_does() {
    let world = World::with(|cloud| cloud.gone(GoneRule::StatusOnly));
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    orchestrator.end(session.id()).await.unwrap();
    pass(hours(5)).await;
    assert_eq!(view(&session).await.phase, Phase::Ending, "this cloud forgets at once, and only its word would prove");
    assert_eq!(orchestrator.exposure().await.unwrap().items.len(), 1);

    let world = World::with(|cloud| cloud.gone(GoneRule::StatusOnly).remembers(hours(1)));
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    orchestrator.end(session.id()).await.unwrap();
    assert_eq!(session.ended().await.unwrap().phase, Phase::Ended);
}

#[tokio::test(start_paused = true)]
async fn p4_history_10_a_machine_never_read_back_cannot_be_gone_within_its_settle_window() {
    let world = World::with(|cloud| cloud.settle_window(minutes(2)).appears_after(seconds(100)));
    let orchestrator = world.open().await;
    let session = orchestrator.ensure("ada", request()).await.unwrap();
    pass(seconds(1)).await;
    assert_eq!(world.cloud.live().len(), 1);
    orchestrator.end(session.id()).await.unwrap();
    pass(seconds(60)).await;
    assert_eq!(view(&session).await.phase, Phase::Ending, "404 is not gone: it has not appeared yet");
    session.ended().await.unwrap();
    assert!(world.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn p4_history_10_a_stranger_under_a_reused_id_is_not_ended() {
    // Once with a name of nobody, once with the mark of another create.
    let elsewhere = World::new();
    let other = elsewhere.open().await;
    ready(&other, "eve").await;
    ready(&other, "mallory").await;
    let marked = elsewhere.cloud.machines()[1].name.clone().unwrap();
    for name in ["database", &marked] {
        let world = World::new();
        let orchestrator = world.open().await;
        let session = ready(&orchestrator, "ada").await;
        let machine = world.only_machine();
        world.cloud.inject(Rule::on(Operation::Terminate, Fault::Errs).times(5));
        orchestrator.end(session.id()).await.unwrap();
        pass(seconds(1)).await;
        world.cloud.reuse_id(&machine, name).unwrap();
        world.cloud.heal();
        let ended = session.ended().await.unwrap();
        assert_eq!(ended.phase, Phase::Ended);
        pass(minutes(10)).await;
        assert_eq!(world.cloud.live(), [machine], "a stranger's machine was ended ({name})");
    }
}

#[tokio::test(start_paused = true)]
async fn p4_history_10_a_stranger_under_a_live_sessions_id_is_not_its_machine() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    let machine = world.only_machine();
    world.cloud.reuse_id(&machine, "database").unwrap();
    keep_alive(&orchestrator, &session, minutes(5)).await;
    assert_eq!(view(&session).await.phase, Phase::Missing);
    keep_alive(&orchestrator, &session, minutes(9)).await;
    let ended = session.ended().await.unwrap();
    assert_eq!(ended.receipt.unwrap().reason, Reason::Lost);
    assert_eq!(world.cloud.live(), [machine]);
}

#[tokio::test(start_paused = true)]
async fn p5_a_machine_that_is_hidden_for_ten_minutes_is_missing_billed_and_comes_back() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    let key = key_of(&session).await;
    world.cloud.hide(&world.only_machine(), minutes(10)).unwrap();
    keep_alive(&orchestrator, &session, minutes(5)).await;
    let missing = view(&session).await;
    assert_eq!(missing.phase, Phase::Missing);
    assert!(missing.cost_per_hour > atlas_core::Money::ZERO, "billed on");
    assert!(matches!(why_not(&session).await, NoEndpoint::Missing { .. }), "nobody knows what answers there");
    keep_alive(&orchestrator, &session, minutes(6)).await;
    assert_eq!(view(&session).await.phase, Phase::Ready);
    assert_eq!(key_of(&session).await, key);
}

#[tokio::test(start_paused = true)]
async fn p5_history_06_what_is_missing_for_a_quarter_of_an_hour_is_lost_and_told_once_more_to_end() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    let machine = world.only_machine();
    world.cloud.hide(&machine, hours(1)).unwrap();
    keep_alive(&orchestrator, &session, minutes(14)).await;
    assert_eq!(view(&session).await.phase, Phase::Missing);
    let ended = session.ended().await.unwrap();
    assert_eq!(ended.receipt.unwrap().reason, Reason::Lost);
    let last = world.cloud.calls().into_iter().rfind(|call| call.operation == Operation::Terminate).unwrap();
    assert_eq!(last.compute, Some(machine), "lost passes through releasing: one more terminate");
    // It returns after all, and belongs to nobody: seen twice, and ended.
    pass(hours(1)).await;
    assert!(world.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn p5_a_search_that_was_not_complete_makes_nobody_lost() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    world.cloud.hide(&world.only_machine(), hours(2)).unwrap();
    world.cloud.inject(Rule::on(Operation::Find, Fault::LooksPartly).during(hours(2)));
    keep_alive(&orchestrator, &session, hours(2) + minutes(2)).await;
    assert_eq!(view(&session).await.phase, Phase::Ready);
}

#[tokio::test(start_paused = true)]
async fn p5_a_migrated_machine_is_followed_to_its_new_id() {
    let world = World::with(|cloud| cloud.migrates(true));
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    let before = session.endpoint().await.unwrap();
    let moved = world.cloud.migrate(&world.only_machine()).unwrap();
    keep_alive(&orchestrator, &session, minutes(2)).await;
    let after = session.ready().await.unwrap();
    assert_eq!(after.compute, moved);
    assert!(after.generation > before.generation);
    assert_eq!(after.credentials.expose(), before.credentials.expose());
    keep_alive(&orchestrator, &session, minutes(10)).await;
    assert_eq!(world.cloud.live(), [moved]);
}

#[tokio::test(start_paused = true)]
async fn p5_reads_that_deny_what_listings_show_take_nothing_from_anybody() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    // Under a scripted cloud whose `get` is wrong for an hour: the search by token shows the machine under its very id.
    let machine = world.only_machine();
    world.cloud.inject(Rule::on(Operation::Get, Fault::AnotherAccount).only(&machine).during(hours(1)));
    let spawned = world.cloud.count(Operation::Spawn);
    keep_alive(&orchestrator, &session, hours(1) + minutes(2)).await;
    assert_eq!(view(&session).await.phase, Phase::Ready);
    assert_eq!(world.cloud.count(Operation::Spawn), spawned);
    assert_eq!(world.cloud.live(), [machine]);
}

#[tokio::test(start_paused = true)]
async fn p5_if_many_vanish_at_once_nothing_there_is_lost() {
    let world = World::new();
    let orchestrator = world.open().await;
    let mut sessions = Vec::new();
    for user in 0..8 {
        sessions.push(ready(&orchestrator, &format!("user {user}")).await);
    }
    let mut events = orchestrator.events().await.unwrap();
    for machine in world.cloud.live() {
        world.cloud.hide(&machine, hours(3)).unwrap();
    }
    for _ in 0..(3 * 12) {
        for session in &sessions {
            orchestrator.touch(session.id()).unwrap();
        }
        pass(minutes(5)).await;
    }
    pass(minutes(2)).await;
    for session in &sessions {
        assert_eq!(view(session).await.phase, Phase::Ready);
    }
    let words = words(&told(&mut events));
    let told_many = words.iter().filter(|word| *word == "many_missing").count();
    assert!((1..=16).contains(&told_many), "{told_many} times");
    assert!(!words.contains(&"lost".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn p5_a_lost_session_that_shall_be_replaced_gets_another_machine_with_other_keys() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready_with(&orchestrator, "ada", request().on_loss(OnLoss::Replace)).await;
    let key = key_of(&session).await;
    world.cloud.vanish(&world.only_machine()).unwrap();
    keep_alive(&orchestrator, &session, minutes(17)).await;
    let endpoint = session.ready().await.unwrap();
    assert_ne!(endpoint.credentials.expose(), key);
    assert_eq!(world.cloud.live(), [endpoint.compute]);
    orchestrator.end(session.id()).await.unwrap();
    session.ended().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn p6_stop_and_start_keep_the_keys_and_any_opening_hands_them_out_again() {
    let mut world = World::new();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    let id = *session.id();
    let key = key_of(&session).await;
    orchestrator.stop(&id).await.unwrap();
    pass(seconds(5)).await;
    assert_eq!(view(&session).await.phase, Phase::Stopped);
    let orchestrator = world.reopen().await;
    orchestrator.resume(&id).await.unwrap();
    let session = orchestrator.session(id).await.unwrap();
    assert_eq!(session.ready().await.unwrap().credentials.expose(), key);
    orchestrator.end(&id).await.unwrap();
    assert_ne!(key_of(&ready(&orchestrator, "ada").await).await, key, "a new rental has new keys");
}

#[tokio::test(start_paused = true)]
async fn p6_history_23_a_missing_or_wrong_master_key_hands_out_no_key_and_goes_on_ending_machines() {
    for wrong in [false, true] {
        let mut world = World::new();
        let orchestrator = world.open().await;
        let ada = ready(&orchestrator, "ada").await;
        let bob = ready_with(&orchestrator, "bob", request().idle_ttl(hours(5))).await;
        let key = key_of(&bob).await;
        let file = world.folder.path().join("master.key");
        let right = std::fs::read(&file).unwrap();
        world.kill();
        std::fs::remove_file(&file).unwrap();
        if wrong {
            let other = World::new();
            drop(other.atlas());
            other.open().await;
            std::fs::copy(other.folder.path().join("master.key"), &file).unwrap();
        }
        let orchestrator = world.open().await;
        assert_eq!(file.exists(), wrong, "a missing key is never remade");
        let (ada, bob) =
            (orchestrator.session(*ada.id()).await.unwrap(), orchestrator.session(*bob.id()).await.unwrap());
        assert!(matches!(bob.endpoint().await, Err(Error::NoMasterKey(_))));
        assert!(matches!(orchestrator.ensure("eve", request()).await, Err(Error::NoMasterKey(_))));
        let exposure = orchestrator.exposure().await.unwrap();
        assert!(exposure.items.iter().any(|item| matches!(item.why, Why::NoMasterKey { .. })), "{exposure:?}");
        assert_eq!(ada.ended().await.unwrap().receipt.unwrap().reason, Reason::Idle);
        assert_eq!(view(&bob).await.phase, Phase::Ready);
        assert_eq!(world.cloud.live().len(), 1);
        // The right key comes back, and bob's key with it.
        world.kill();
        std::fs::write(&file, &right).unwrap();
        let orchestrator = world.open().await;
        assert_eq!(key_of(&orchestrator.session(*bob.id()).await.unwrap()).await, key);
    }
}

#[tokio::test(start_paused = true)]
async fn p6_a_key_that_was_lost_together_with_the_store_is_not_remade_either() {
    let mut world = World::new();
    let orchestrator = world.open().await;
    ready(&orchestrator, "ada").await;
    world.lose_store();
    let file = world.folder.path().join("master.key");
    let right = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let intents = world.folder.path().join("intents");
    std::fs::create_dir(&intents).unwrap();
    std::fs::write(intents.join("somebodys.json"), "{}").unwrap();
    let orchestrator = world.open().await;
    assert!(!file.exists());
    assert!(matches!(orchestrator.ensure("ada", request()).await, Err(Error::NoMasterKey(_))));
    pass(minutes(10)).await;
    assert_eq!(world.cloud.live().len(), 1, "a store that was just made ends nothing");
    // It comes back, and the store learns by which key it is known.
    world.kill();
    std::fs::write(&file, &right).unwrap();
    let orchestrator = world.open().await;
    ready(&orchestrator, "ada").await;
    world.kill();
    std::fs::remove_file(&file).unwrap();
    let orchestrator = world.open().await;
    assert!(matches!(orchestrator.ensure("eve", request()).await, Err(Error::NoMasterKey(_))));
    assert!(!file.exists());
}

#[tokio::test(start_paused = true)]
async fn p7_an_idle_time_out_of_fifteen_seconds_ends_in_time() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready_with(&orchestrator, "ada", request().idle_ttl(seconds(15))).await;
    keep_alive(&orchestrator, &session, seconds(60)).await;
    let touched = tokio::time::Instant::now();
    orchestrator.touch(session.id()).unwrap();
    session.ended().await.unwrap();
    let lasted = touched.elapsed();
    assert!(lasted >= seconds(15) && lasted <= seconds(18), "{lasted:?}");
}

#[tokio::test(start_paused = true)]
async fn p7_history_12_three_days_down_end_nobody_as_idle_and_lifetimes_count_on() {
    let mut world = World::new();
    let orchestrator = world.open().await;
    let ada = *ready_with(&orchestrator, "ada", request().max_lifetime(hours(200))).await.id();
    let bob = *ready_with(&orchestrator, "bob", request().max_lifetime(hours(24))).await.id();
    pass(minutes(8)).await;
    world.kill();
    pass(hours(72)).await;
    let orchestrator = world.open().await;
    let mut events = orchestrator.events().await.unwrap();
    let bob = orchestrator.session(bob).await.unwrap().ended().await.unwrap();
    assert_eq!(bob.receipt.unwrap().reason, Reason::Lifetime);
    let ada = orchestrator.session(ada).await.unwrap();
    pass(minutes(1)).await;
    assert_eq!(view(&ada).await.phase, Phase::Ready, "nobody could touch it while Atlas was down");
    // Its eight minutes of silence count all the same.
    pass(minutes(2)).await;
    assert_eq!(ada.ended().await.unwrap().receipt.unwrap().reason, Reason::Idle);
    told(&mut events);
}

#[tokio::test(start_paused = true)]
async fn p7_a_process_that_dies_every_five_minutes_still_sees_who_is_idle() {
    let mut world = World::new();
    let orchestrator = world.open().await;
    ready(&orchestrator, "ada").await;
    for _ in 0..3 {
        pass(minutes(5)).await;
        world.reopen().await;
    }
    let live = world.cloud.live();
    assert!(live.is_empty(), "silent for a quarter of an hour, and still there: {live:?}");
}

#[tokio::test(start_paused = true)]
async fn p7_history_13_a_wall_clock_that_jumps_a_day_ends_nobody() {
    for back in [false, true] {
        let world = World::new();
        let orchestrator = world.open().await;
        let session = ready_with(&orchestrator, "ada", request().max_lifetime(hours(3))).await;
        pass(minutes(1)).await;
        world.clock.jump(hours(24), back);
        pass(minutes(8)).await;
        assert_eq!(view(&session).await.phase, Phase::Ready);
        keep_alive(&orchestrator, &session, minutes(160)).await;
        assert_eq!(view(&session).await.phase, Phase::Ready);
        // And neither idle time nor lifetime has stopped.
        pass(minutes(12)).await;
        assert_eq!(view(&session).await.phase, Phase::Ended);
    }
}

#[tokio::test(start_paused = true)]
async fn p7_history_13_a_wall_clock_set_back_over_a_restart_stops_no_deadline() {
    let mut world = World::new();
    let orchestrator = world.open().await;
    let id = *ready_with(&orchestrator, "ada", request().max_lifetime(hours(2))).await.id();
    pass(minutes(5)).await;
    world.clock.jump(hours(24), true);
    let orchestrator = world.reopen().await;
    let session = orchestrator.session(id).await.unwrap();
    keep_alive(&orchestrator, &session, minutes(110)).await;
    assert_eq!(view(&session).await.phase, Phase::Ready);
    pass(minutes(9)).await;
    assert_eq!(session.ended().await.unwrap().receipt.unwrap().reason, Reason::Lifetime);
}

#[tokio::test(start_paused = true)]
async fn p7_history_08_whoever_touches_in_the_last_moment_stays_and_whoever_is_late_is_told() {
    // The very end of the time-out, around each tick of the clocks.
    for early in 0..40 {
        let world = World::new();
        let orchestrator = world.open().await;
        let session = ready_with(&orchestrator, "ada", request().idle_ttl(seconds(5))).await;
        pass(std::time::Duration::from_millis(4_000 + early * 75)).await;
        let touched = orchestrator.touch(session.id());
        pass(seconds(3)).await;
        let phase = view(&session).await.phase;
        assert_eq!(touched.is_ok(), phase == Phase::Ready, "touched {touched:?}, and it is {phase}");
    }
}

#[tokio::test(start_paused = true)]
async fn p9_history_09_a_stopper_that_sleeps_does_not_stop_whoever_came_back() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    world.witness.let_stops_sleep(20);
    orchestrator.stop(session.id()).await.unwrap();
    // Whoever is about to stop the machine sleeps, and the user comes back.
    pass(seconds(10)).await;
    orchestrator.resume(session.id()).await.unwrap();
    session.ready().await.unwrap();
    assert!(world.cloud.count(Operation::Stop) == 1, "it was ready before the stop that was under way had landed");
    keep_alive(&orchestrator, &session, minutes(3)).await;
    assert_eq!(view(&session).await.phase, Phase::Ready);
    assert_eq!(world.cloud.machines()[0].status, ComputeStatus::Running);
    let switches: Vec<_> = world
        .cloud
        .calls()
        .iter()
        .filter(|call| matches!(call.operation, Operation::Stop | Operation::Start))
        .map(|call| call.operation)
        .collect();
    assert_eq!(switches, [Operation::Stop, Operation::Start]);
}

#[tokio::test(start_paused = true)]
async fn p9_a_lost_answer_to_a_stop_or_a_start_is_repaired_by_a_read() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    for fault in [Fault::LosesAnswer, Fault::Errs, Fault::Ignores, Fault::ActsThenErrs] {
        world.cloud.inject(Rule::on(Operation::Stop, fault.clone()));
        world.cloud.inject(Rule::on(Operation::Start, fault));
        orchestrator.stop(session.id()).await.unwrap();
        pass(seconds(10)).await;
        assert_eq!(view(&session).await.phase, Phase::Stopped);
        assert_eq!(why_not(&session).await, NoEndpoint::Stopped, "it must be resumed first");
        orchestrator.resume(session.id()).await.unwrap();
        session.ready().await.unwrap();
    }
    assert_eq!(world.cloud.ledger().rents.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn p9_a_cloud_that_lies_about_a_stop_for_a_minute_stops_nobody() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    world.cloud.inject(Rule::on(Operation::Get, Fault::LiesStatus(ComputeStatus::Stopped)).during(minutes(2)));
    keep_alive(&orchestrator, &session, minutes(5)).await;
    assert_eq!(view(&session).await.phase, Phase::Ready);
    assert_eq!(world.cloud.count(Operation::Stop), 0, "nobody had asked for a stop");
    // Idle time counts again.
    pass(minutes(12)).await;
    assert_eq!(view(&session).await.phase, Phase::Ended);
}

#[tokio::test(start_paused = true)]
async fn p10_a_hundred_callers_with_faults_get_one_session_and_leave_one_machine() {
    for (seed, fault) in [Fault::LosesAnswer, Fault::ActsThenErrs, Fault::Garbles, Fault::Errs, Fault::CapacityGone]
        .into_iter()
        .enumerate()
    {
        let world = World::with(|cloud| cloud.seed(u64::try_from(seed).unwrap()).create_takes(seconds(2)));
        world.cloud.inject(Rule::on(Operation::Spawn, fault));
        let store = Arc::new(FaultyStore::new(world.store.clone()));
        let orchestrator = world.open_over(store.clone()).await;
        store.next([StoreFault::Lost, StoreFault::None, StoreFault::Unknown, StoreFault::Lost]);
        let callers: Vec<_> = (0..100)
            .map(|caller| {
                let orchestrator = orchestrator.clone();
                tokio::spawn(async move {
                    pass(std::time::Duration::from_millis(caller * 7 % 50)).await;
                    let session = orchestrator.ensure("ada", request()).await.unwrap();
                    let endpoint = session.ready().await.unwrap();
                    (*session.id(), endpoint.credentials.expose().to_owned(), endpoint.compute)
                })
            })
            .collect();
        let mut answers = std::collections::BTreeSet::new();
        for caller in callers {
            answers.insert(caller.await.unwrap());
        }
        assert_eq!(answers.len(), 1, "{answers:?}");
        pass(minutes(5)).await;
        assert_eq!(world.cloud.live().len(), 1);
        assert!(world.cloud.ledger().most_at_once().values().all(|most| *most == 1));
    }
}

#[tokio::test(start_paused = true)]
async fn p10_ensure_is_a_durable_touch() {
    let mut world = World::new();
    let orchestrator = world.open().await;
    let id = *ready(&orchestrator, "ada").await.id();
    pass(minutes(9)).await;
    assert_eq!(*orchestrator.ensure("ada", request()).await.unwrap().id(), id);
    // Nothing else ran: the touch was on disk before `ensure` returned.
    let orchestrator = world.reopen().await;
    pass(minutes(9)).await;
    assert_eq!(view(&orchestrator.session(id).await.unwrap()).await.phase, Phase::Ready);
}

#[tokio::test(start_paused = true)]
async fn p10_a_differing_request_gets_the_live_session_with_the_differences() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    let mut other = request().idle_ttl(minutes(3)).ready_path("/health");
    let same = orchestrator.ensure("ada", other.clone()).await.unwrap();
    assert_eq!((same.id(), same.differs()), (session.id(), &["idle_ttl", "ready_path"][..]));
    other = request();
    assert!(orchestrator.ensure("ada", other).await.unwrap().differs().is_empty());
}

#[tokio::test(start_paused = true)]
async fn p10_history_08_ensure_does_not_wait_for_an_ending_that_fails_for_days() {
    let world = World::new();
    world.cloud.inject(Rule::on(Operation::Terminate, Fault::Errs).during(hours(72)));
    let orchestrator = world.open().await;
    let first = ready(&orchestrator, "ada").await;
    orchestrator.end(first.id()).await.unwrap();
    let asked = tokio::time::Instant::now();
    let second = ready(&orchestrator, "ada").await;
    assert!(asked.elapsed() < seconds(2));
    assert_ne!(first.id(), second.id());
}

#[tokio::test(start_paused = true)]
async fn p10_history_19_a_wrong_ready_path_does_not_rent_for_ever() {
    let mut world = World::with(|cloud| cloud.startup(seconds(6)));
    world.policy.start_timeout = minutes(1);
    let wrong = request().ready_path("/nowhere");
    let mut orchestrator = world.open().await;
    let mut refused = 0;
    // A page that asks again every five seconds, for two hours, over a restart.
    for round in 0..1_440 {
        match orchestrator.ensure("ada", wrong.clone()).await {
            Ok(_) => {}
            Err(Error::BackingOff { failures, last, .. }) => {
                refused += 1;
                assert!(failures > 0 && last.contains("not ready after 1m"), "{last}");
            }
            Err(other) => panic!("{other}"),
        }
        pass(seconds(5)).await;
        for machine in world.cloud.live() {
            world.cloud.set_path_answer(&machine, "/nowhere", 404).unwrap();
        }
        if round == 700 {
            orchestrator = world.reopen().await;
        }
    }
    let rents = world.cloud.ledger().rents.len();
    assert!((5..40).contains(&rents), "{rents} machines in two hours, {refused} refusals");
    assert!(refused > 700, "{refused}");
}

#[tokio::test(start_paused = true)]
async fn p10_history_19_a_cloud_that_fails_every_create_is_not_stormed() {
    for fault in [Fault::Errs, Fault::CapacityGone, Fault::RateLimited(seconds(1)), Fault::FailsBefore] {
        let world = World::new();
        world.cloud.inject(Rule::on(Operation::Spawn, fault.clone()).during(minutes(19)));
        let orchestrator = world.open().await;
        let session = orchestrator.ensure("ada", request()).await.unwrap();
        pass(minutes(18)).await;
        let creates = world.cloud.count(Operation::Spawn);
        assert!((10..60).contains(&creates), "{creates} creates in eighteen minutes of {fault}");
        session.ready().await.unwrap();
        assert_eq!(world.cloud.live().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn p11_cost_so_far_is_never_below_the_clouds_bill() {
    let world = World::with(|cloud| {
        cloud
            .startup(seconds(20))
            .stopping(seconds(7))
            .terminating(seconds(13))
            .create_takes(seconds(3))
            .price_per_hour(atlas_core::Money::parse("3.6").unwrap())
            .stopped_price(atlas_core::Money::parse("0.36").unwrap())
    });
    let orchestrator = world.open().await;
    let session = orchestrator.ensure("ada", request()).await.unwrap();
    // While a create is not answered, nobody knows its price.
    session.ready().await.unwrap();
    let mut worst = atlas_core::Money::ZERO;
    let check = async |worst: &mut atlas_core::Money| {
        for _ in 0..60 {
            pass(seconds(1)).await;
            let told = view(&session).await.cost_so_far;
            let billed = world.bill();
            assert!(told >= billed, "told {told}, billed {billed}");
            let over = told.as_micros() - billed.as_micros();
            *worst = (*worst).max(atlas_core::Money::from_micros(over));
        }
    };
    check(&mut worst).await;
    for _ in 0..3 {
        orchestrator.stop(session.id()).await.unwrap();
        check(&mut worst).await;
        orchestrator.resume(session.id()).await.unwrap();
        check(&mut worst).await;
    }
    orchestrator.end(session.id()).await.unwrap();
    let receipt = view(&session).await.receipt.unwrap();
    check(&mut worst).await;
    let ended = session.ended().await.unwrap();
    assert!(receipt.cost <= ended.cost_so_far);
    assert!(ended.cost_so_far >= world.bill());
    // Two cents at a tenth of a cent a second: twenty seconds in seven switches.
    assert!(worst <= atlas_core::Money::parse("0.02").unwrap(), "{worst} too much");
}

#[tokio::test(start_paused = true)]
async fn p11_accrual_runs_until_the_end_is_proven() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    world.cloud.inject(Rule::on(Operation::Terminate, Fault::Errs).during(hours(10)));
    orchestrator.end(session.id()).await.unwrap();
    pass(hours(9)).await;
    assert!(view(&session).await.cost_so_far >= world.bill());
    session.ended().await.unwrap();
    let cost = view(&session).await.cost_so_far;
    assert!(cost >= world.bill());
    pass(hours(3)).await;
    assert_eq!(view(&session).await.cost_so_far, cost);
}

#[tokio::test(start_paused = true)]
async fn p12_history_22_a_resume_publishes_new_ports_under_a_higher_generation_and_no_key_strays() {
    let world =
        World::with(|cloud| cloud.moves_ports(true).startup(seconds(15)).without(atlas_core::Capability::HttpProxy));
    let orchestrator = world.open().await;
    let open = atlas_orchestrator::SessionRequest::new(
        atlas_core::ComputeRequest::gpu("h100").image("app:1").http_port(8000).allow_plain_http(true),
    )
    .auth(atlas_core::Auth::Bearer)
    .idle_ttl(hours(2));
    let session = ready_with(&orchestrator, "ada", open).await;
    let mut before = session.endpoint().await.unwrap();
    for _ in 0..4 {
        orchestrator.stop(session.id()).await.unwrap();
        assert_eq!(why_not(&session).await, NoEndpoint::Stopping, "forgotten in the very commit");
        pass(seconds(30)).await;
        orchestrator.resume(session.id()).await.unwrap();
        assert!(matches!(why_not(&session).await, NoEndpoint::Starting { .. }), "the old port may be a stranger's");
        let after = session.ready().await.unwrap();
        assert!(after.generation > before.generation);
        assert_ne!(after.url(8000).unwrap(), before.url(8000).unwrap());
        assert_eq!(after.credentials.expose(), before.credentials.expose());
        before = after;
    }
    assert_eq!(world.cloud.keys_at_strangers(), []);
}

#[tokio::test(start_paused = true)]
async fn c12_an_open_line_that_shows_itself_after_the_create_gets_no_key_and_is_not_ready() {
    use atlas_core::{Auth, Capability, ComputeRequest};
    use atlas_orchestrator::SessionRequest;
    let compute = || ComputeRequest::gpu("h100").image("app:1").http_port(8000);
    for (compute, auth, is_ready) in [
        (compute(), Auth::Bearer, false),
        (compute().allow_plain_http(true), Auth::Bearer, true),
        (compute(), Auth::None, true),
    ] {
        // The create is answered before the machine has an address, so only a later read can show that it has no TLS.
        let world = World::with(|cloud| cloud.without(Capability::HttpProxy).startup(seconds(15)));
        let orchestrator = world.open().await;
        let request = SessionRequest::new(compute).auth(auth).start_timeout(minutes(3));
        let session = orchestrator.ensure("ada", request).await.unwrap();
        pass(minutes(1)).await;
        let shown = view(&session).await;
        assert_eq!((shown.phase == Phase::Ready, session.endpoint().await.is_ok()), (is_ready, is_ready));
        assert_eq!(world.cloud.asked().is_empty(), !is_ready, "no key travels to be asked for readiness either");
        if !is_ready {
            let error = shown.last_error.unwrap();
            assert!(error.contains("port 8000") && error.contains("allow_plain_http"), "{error}");
            assert_eq!(session.ended().await.unwrap().reason, Some(Reason::StartTimeout));
            assert!(world.cloud.live().is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p12_neither_the_proxys_answer_nor_a_refusal_nor_a_wrong_path_is_readiness() {
    // The proxy answers for a machine whose ports are still shut.
    let world = World::with(|cloud| cloud.answers_after(minutes(2)));
    let orchestrator = world.open().await;
    let session = orchestrator.ensure("ada", request()).await.unwrap();
    pass(minutes(1)).await;
    assert_eq!(view(&session).await.phase, Phase::Starting);
    let shut = NoEndpoint::Starting { unready: Some(Unready::Answer { status: 502 }), last_error: None };
    assert_eq!(why_not(&session).await, shut);
    session.ready().await.unwrap();

    for (path, answer, is_ready) in [
        (None, 200, true),
        (None, 404, true),
        (None, 500, false),
        (None, 503, false),
        (None, 401, false),
        (None, 403, false),
        (Some("/health"), 200, true),
        (Some("/health"), 204, true),
        (Some("/health"), 302, false),
        (Some("/health"), 404, false),
    ] {
        let world = World::with(|cloud| cloud.startup(seconds(5)));
        let orchestrator = world.open().await;
        let asked = path.map_or_else(request, |path| request().ready_path(path));
        let session = orchestrator.ensure("ada", asked).await.unwrap();
        pass(seconds(1)).await;
        let machine = world.only_machine();
        world.cloud.set_answer(&machine, answer).unwrap();
        pass(minutes(1)).await;
        let phase = view(&session).await.phase;
        assert_eq!(phase == Phase::Ready, is_ready, "{path:?} answers {answer}: {phase}");
    }
}

#[tokio::test(start_paused = true)]
async fn p12_before_ready_only_the_start_timeout_counts_and_idle_time_starts_at_ready() {
    let world = World::with(|cloud| cloud.answers_after(minutes(15)));
    let orchestrator = world.open().await;
    let session = orchestrator.ensure("ada", request()).await.unwrap();
    pass(minutes(14)).await;
    assert_eq!(view(&session).await.phase, Phase::Starting, "ten minutes without a touch are nothing before ready");
    session.ready().await.unwrap();
    pass(minutes(9)).await;
    assert_eq!(view(&session).await.phase, Phase::Ready);
    pass(minutes(2)).await;
    assert_eq!(view(&session).await.phase, Phase::Ended);
}

#[tokio::test(start_paused = true)]
async fn p12_a_start_that_takes_too_long_fails_and_its_machine_goes() {
    let world = World::with(|cloud| cloud.answers_after(hours(9)));
    let orchestrator = world.open().await;
    let session = orchestrator.ensure("ada", request().start_timeout(minutes(3))).await.unwrap();
    let began = tokio::time::Instant::now();
    let ended = session.ended().await.unwrap();
    assert_eq!(ended.receipt.unwrap().reason, Reason::StartTimeout);
    assert!(began.elapsed() < minutes(3) + seconds(10));
    assert!(world.cloud.live().is_empty());
    // The same where no machine is to be had at all.
    world.cloud.set_capacity("h100", 0);
    pass(minutes(1)).await;
    let session = orchestrator.ensure("bob", request().start_timeout(minutes(3))).await.unwrap();
    assert_eq!(session.ended().await.unwrap().receipt.unwrap().reason, Reason::StartTimeout);
}

#[tokio::test(start_paused = true)]
async fn a_maximum_life_ends_even_who_is_in_use() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready_with(&orchestrator, "ada", request().max_lifetime(hours(1))).await;
    keep_alive(&orchestrator, &session, minutes(59)).await;
    assert_eq!(view(&session).await.phase, Phase::Ready);
    pass(minutes(1) + seconds(2)).await;
    assert_eq!(view(&session).await.receipt.unwrap().reason, Reason::Lifetime);
    // Stopping does not prolong it.
    let session = ready_with(&orchestrator, "bob", request().max_lifetime(hours(1))).await;
    orchestrator.stop(session.id()).await.unwrap();
    pass(minutes(59)).await;
    assert_eq!(view(&session).await.phase, Phase::Stopped, "idle time stands still while it is stopped");
    let ended = session.ended().await.unwrap();
    assert_eq!(ended.receipt.unwrap().reason, Reason::Lifetime);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_breaks_or_ends_by_itself_ends_its_session_with_the_reason() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    world.cloud.exit(&world.only_machine(), 137).unwrap();
    let receipt = session.ended().await.unwrap().receipt.unwrap();
    assert_eq!(receipt.reason, Reason::Failed);
    assert!(receipt.evidence.contains("with code 137"), "{}", receipt.evidence);
    let session = ready(&orchestrator, "bob").await;
    world.cloud.fail(&world.only_machine()).unwrap();
    let receipt = session.ended().await.unwrap().receipt.unwrap();
    assert!(receipt.evidence.contains("broke"), "{}", receipt.evidence);
    assert!(world.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn p14_shutdown_refuses_touches_stores_activity_and_leaves_machines_running() {
    let mut world = World::new();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    pass(minutes(9)).await;
    orchestrator.touch(session.id()).unwrap();
    orchestrator.shutdown(seconds(5)).await.unwrap();
    assert!(matches!(orchestrator.touch(session.id()), Err(Error::Closed)));
    assert!(matches!(orchestrator.ensure("bob", request()).await, Err(Error::Closed)));
    pass(hours(1)).await;
    assert_eq!(world.cloud.live().len(), 1);
    let orchestrator = world.reopen().await;
    pass(minutes(9)).await;
    assert_eq!(view(&orchestrator.session(*session.id()).await.unwrap()).await.phase, Phase::Ready);
}

#[tokio::test(start_paused = true)]
async fn p14_shutdown_ends_all_only_if_told_and_says_whether_all_are_gone() {
    let world = World::with(|cloud| cloud.delete_takes(seconds(3)));
    let orchestrator = world.open().await;
    for user in 0..5 {
        ready(&orchestrator, &format!("user {user}")).await;
    }
    assert!(orchestrator.shutdown_and_end_all(minutes(1)).await.unwrap());
    assert!(world.cloud.live().is_empty());

    let mut world = World::new();
    world.cloud.inject(Rule::on(Operation::Terminate, Fault::Errs).during(minutes(10)));
    let orchestrator = world.open().await;
    ready(&orchestrator, "ada").await;
    assert!(!orchestrator.shutdown_and_end_all(minutes(1)).await.unwrap(), "the cloud does not end it");
    assert_eq!(world.cloud.live().len(), 1);
    world.reopen().await;
    pass(minutes(15)).await;
    assert!(world.cloud.live().is_empty(), "the next opening carried the ending on");
}

#[tokio::test(start_paused = true)]
async fn p14_a_callers_future_that_is_dropped_stops_nothing() {
    let world = World::with(|cloud| cloud.create_takes(seconds(10)).delete_takes(seconds(10)));
    let orchestrator = world.open().await;
    let gone = tokio::time::timeout(seconds(3), async {
        let session = orchestrator.ensure("ada", request()).await.unwrap();
        session.ready().await.unwrap();
    });
    assert!(gone.await.is_err());
    pass(seconds(30)).await;
    let session = orchestrator.ensure("ada", request()).await.unwrap();
    assert_eq!(view(&session).await.phase, Phase::Ready);
    let gone = tokio::time::timeout(seconds(3), async {
        orchestrator.end(session.id()).await.unwrap();
        session.ended().await.unwrap();
    });
    assert!(gone.await.is_err());
    pass(seconds(30)).await;
    assert!(world.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn p14_an_account_that_is_gone_from_the_configuration_is_exposure_and_no_reason_not_to_start() {
    let mut world = World::new();
    let orchestrator = world.open().await;
    let id = *ready(&orchestrator, "ada").await.id();
    world.kill();
    world.configured = false;
    let orchestrator = world.open().await;
    pass(minutes(5)).await;
    let exposure = orchestrator.exposure().await.unwrap();
    assert!(
        exposure.items.iter().any(|item| item.compute.is_some() && matches!(item.why, Why::Unreachable { .. })),
        "{exposure:?}"
    );
    assert_eq!(world.cloud.live().len(), 1);
    // Nobody can touch that machine's end, and nobody forgets it: back in the configuration, all goes on.
    world.kill();
    world.configured = true;
    let orchestrator = world.open().await;
    let session = orchestrator.session(id).await.unwrap();
    pass(minutes(20)).await;
    assert_eq!(view(&session).await.phase, Phase::Ended);
    assert!(world.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn p15_what_a_cloud_says_of_an_action_is_believed_only_when_a_read_shows_it() {
    let world = World::new();
    world.cloud.inject(Rule::on(Operation::Spawn, Fault::Ignores));
    let orchestrator = world.open().await;
    let session = orchestrator.ensure("ada", request().on_loss(OnLoss::Replace)).await.unwrap();
    pass(minutes(5)).await;
    assert_ne!(view(&session).await.phase, Phase::Ready, "the cloud said yes and made nothing");
    session.ready().await.unwrap();
    assert_eq!(world.cloud.live().len(), 1);
    let started = world.cloud.calls().into_iter().filter(|call| call.operation == Operation::Spawn);
    assert!(started.into_iter().all(|call| call.outcome == Outcome::Done));
}

#[tokio::test(start_paused = true)]
async fn history_16_on_a_full_disk_endings_still_go_through() {
    for gone in [GoneRule::NotFound, TWO_NOT_FOUNDS] {
        let world = World::with(|cloud| cloud.gone(gone));
        let store = Arc::new(FaultyStore::new(world.store.clone()));
        let orchestrator = world.open_over(store.clone()).await;
        let asked = ready(&orchestrator, "asked").await;
        let idle = ready(&orchestrator, "idle").await;
        let lifetime = ready_with(&orchestrator, "lifetime", request().max_lifetime(minutes(5))).await;
        let used = ready_with(&orchestrator, "used", request().idle_ttl(hours(9))).await;
        world.cloud.inject(Rule::on(Operation::Spawn, Fault::LosesAnswer));
        let unknown = orchestrator.ensure("unknown", request()).await.unwrap();
        pass(std::time::Duration::from_millis(100)).await;
        store.always(StoreFault::Full);
        let terminates = world.cloud.count(Operation::Terminate);
        orchestrator.end(asked.id()).await.unwrap();
        orchestrator.end(unknown.id()).await.unwrap();
        pass(minutes(12)).await;
        for session in [&asked, &idle, &lifetime, &unknown] {
            assert_eq!(view(session).await.phase, Phase::Ended);
        }
        assert_eq!(view(&used).await.phase, Phase::Ready);
        assert_eq!(world.cloud.live().len(), 1);
        let told = world.cloud.count(Operation::Terminate) - terminates;
        assert!(told <= 12, "{told} terminates for four machines");
        store.always(StoreFault::None);
        pass(minutes(1)).await;
        assert_eq!(view(&used).await.phase, Phase::Ready);
    }
}

#[tokio::test(start_paused = true)]
async fn p1_a_store_that_cannot_write_ends_nobody_and_forgets_nobody() {
    let world = World::new();
    let store = Arc::new(FaultyStore::new(world.store.clone()));
    let orchestrator = world.open_over(store.clone()).await;
    let session = ready(&orchestrator, "ada").await;
    let mut events = orchestrator.events().await.unwrap();
    store.always(StoreFault::Unavailable);
    pass(minutes(30)).await;
    assert_eq!(view(&session).await.phase, Phase::Ready, "an ending that is not written is none");
    assert_eq!(world.cloud.live().len(), 1);
    assert!(numbered(&told(&mut events)).is_empty());
    store.always(StoreFault::None);
    // A touch in time takes back what could not be written.
    let touched = orchestrator.touch(session.id());
    pass(seconds(5)).await;
    assert_eq!(touched.is_ok(), view(&session).await.phase == Phase::Ready);
}

#[tokio::test(start_paused = true)]
async fn p4_history_10_the_settle_window_counts_from_the_answer_of_the_create() {
    let world = World::with(|cloud| {
        cloud
            .create_takes(seconds(90))
            .effect_at(atlas_sim::Moment::Departure)
            .settle_window(minutes(2))
            .appears_after(seconds(100))
    });
    let orchestrator = world.open().await;
    let session = orchestrator.ensure("ada", request()).await.unwrap();
    pass(seconds(91)).await;
    orchestrator.end(session.id()).await.unwrap();
    pass(seconds(60)).await;
    assert_eq!(view(&session).await.phase, Phase::Ending, "it was made a minute ago, and may not be seen for two");
    session.ended().await.unwrap();
    assert!(world.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn p12_a_machine_whose_port_is_not_listed_yet_is_not_ready() {
    let world = World::new();
    world.witness.show(|compute| compute.ports.clear());
    let orchestrator = world.open().await;
    let session = orchestrator.ensure("ada", request()).await.unwrap();
    pass(minutes(1)).await;
    assert_eq!(view(&session).await.phase, Phase::Starting);
    let hidden = NoEndpoint::Starting { unready: Some(Unready::NoAddress), last_error: None };
    assert_eq!(why_not(&session).await, hidden);
    world.witness.show(|_| {});
    session.ready().await.unwrap().url(8000).unwrap();
}

#[tokio::test(start_paused = true)]
async fn p12_whoever_asks_in_vain_is_told_why_there_is_no_endpoint() {
    let world = World::with(|cloud| cloud.create_takes(seconds(10)).startup(minutes(1)).capacity("h100", 0));
    let orchestrator = world.open().await;
    let session = orchestrator.ensure("ada", request()).await.unwrap();
    pass(seconds(5)).await;
    assert_eq!(why_not(&session).await, NoEndpoint::Spawning { last_error: None });
    pass(seconds(5) + std::time::Duration::from_millis(100)).await;
    let NoEndpoint::Pausing { why, until } = why_not(&session).await else { panic!() };
    assert!(why.contains("no h100 is free") && until > world.cloud.now(), "{why} {until}");
    world.cloud.set_capacity("h100", 1);
    pass(seconds(30)).await;
    let status =
        NoEndpoint::Starting { unready: Some(Unready::Status { status: ComputeStatus::Starting }), last_error: None };
    assert_eq!(why_not(&session).await, status);
    let told = session.endpoint().await.unwrap_err();
    assert_eq!(told.kind(), atlas_core::ErrorKind::Conflict);
    let words = format!(
        "session {} has no endpoint: its machine is starting: its cloud says that it is starting",
        session.id()
    );
    assert_eq!(told.to_string(), words);
    session.ready().await.unwrap();
    let began = world.cloud.now();
    world.cloud.hide(&world.only_machine(), minutes(5)).unwrap();
    pass(seconds(31)).await;
    let NoEndpoint::Missing { since } = why_not(&session).await else { panic!() };
    assert!(since > began);
    // A rental that cannot be read is nobody else's reason.
    let mut row = world.rows(Kind::RENTAL).await.into_iter().find(|row| row.phase == "missing").unwrap();
    row.format = 99;
    crate::histories::write(&world, row).await;
    assert_eq!(why_not(&session).await, NoEndpoint::Unreadable);
    assert!(matches!(session.ready().await, Err(Error::NoEndpoint { .. })), "no waiting mends that");
}

#[tokio::test(start_paused = true)]
async fn p12_other_ports_are_asked_before_they_are_handed_out() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    let before = session.endpoint().await.unwrap();
    // A stranger's port: nobody there knows the key.
    world.witness.show(|compute| compute.ports[0].url = Some("https://stranger.example/".to_owned()));
    keep_alive(&orchestrator, &session, minutes(3)).await;
    assert!(matches!(why_not(&session).await, NoEndpoint::Starting { .. }));
    world.witness.show(|_| {});
    let after = session.ready().await.unwrap();
    assert!(after.generation > before.generation);
    assert_eq!(after.url(8000).unwrap(), before.url(8000).unwrap());
}

#[tokio::test(start_paused = true)]
async fn p10_a_lifetime_that_ends_before_any_machine_is_no_failed_start() {
    let world = World::with(|cloud| cloud.capacity("h100", 0));
    let orchestrator = world.open().await;
    let short = request().max_lifetime(minutes(2));
    let session = orchestrator.ensure("ada", short.clone()).await.unwrap();
    assert_eq!(session.ended().await.unwrap().receipt.unwrap().reason, Reason::Lifetime);
    let next = orchestrator.ensure("ada", short).await.unwrap();
    assert_ne!(next.id(), session.id());
}

#[tokio::test(start_paused = true)]
async fn p14_history_12_a_store_that_cannot_say_what_it_is_is_opened_and_driven_all_the_same() {
    let mut world = World::new();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    let mut about = world.rows(Kind::META).await.into_iter().find(|row| row.key.id == "store").unwrap();
    about.body = "?".into();
    crate::histories::write(&world, about).await;
    let orchestrator = world.reopen().await;
    let session = orchestrator.session(*session.id()).await.unwrap();
    assert!(matches!(session.endpoint().await, Err(Error::NoMasterKey(_))));
    assert_eq!(session.ended().await.unwrap().receipt.unwrap().reason, Reason::Idle);
    assert!(world.cloud.live().is_empty());
}
