//! Rules O1 to O6: what is ours, and what the reaper may end.

use atlas_core::config::AlienPolicy;
use atlas_core::{Auth, ComputeRequest, Deployment, Provider};
use atlas_orchestrator::store::suite::{Fault as StoreFault, FaultyStore};
use atlas_orchestrator::{FindingKind, Phase, ReapOptions, Reason, Why};
use atlas_sim::{Fault, Operation, Rule};
use std::sync::Arc;

use crate::world::{World, hours, keep_alive, minutes, pass, ready, ready_with, request, seconds, view};

/// The reaper when it is asked to act.
fn act() -> ReapOptions {
    ReapOptions::default()
}

#[tokio::test(start_paused = true)]
async fn o1_nothing_is_sent_that_is_not_on_disk() {
    let world = World::new();
    let store = Arc::new(FaultyStore::new(world.store.clone()));
    let orchestrator = world.open_over(store.clone()).await;
    // All but the session itself finds the disk full: the intent of the create cannot be written.
    store.next([StoreFault::None]);
    store.always(StoreFault::Full);
    let session = orchestrator.ensure("ada", request()).await.unwrap();
    pass(minutes(1)).await;
    assert_eq!(world.cloud.count(Operation::Spawn), 0);
    store.always(StoreFault::None);
    session.ready().await.unwrap();
    assert_eq!(world.cloud.count(Operation::Spawn), 1);
}

#[tokio::test(start_paused = true)]
async fn o2_a_machine_whose_mark_was_altered_is_an_error_and_is_ended_by_its_id() {
    for fault in [Fault::AltersName, Fault::CutsName(40)] {
        let world = World::new();
        world.cloud.inject(Rule::on(Operation::Spawn, fault));
        let orchestrator = world.open().await;
        let session = orchestrator.ensure("ada", request()).await.unwrap();
        let ended = session.ended().await.unwrap();
        assert_eq!(ended.receipt.unwrap().reason, Reason::Failed);
        assert_eq!(world.cloud.ledger().rents.len(), 1);
        assert!(world.cloud.live().is_empty(), "the machine that nobody could have known again");
    }
}

#[tokio::test(start_paused = true)]
async fn o2_a_name_that_reads_as_a_mark_is_refused_and_nothing_is_spent() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    let name = world.cloud.machines()[0].name.clone().unwrap();
    let compute = ComputeRequest::gpu("h100").image("app:1").name(name);
    let refused = orchestrator.ensure("bob", atlas_orchestrator::SessionRequest::new(compute)).await;
    assert_eq!(refused.unwrap_err().kind(), atlas_core::ErrorKind::Validation);
    pass(minutes(1)).await;
    assert_eq!(world.cloud.count(Operation::Spawn), 1);
    drop(session);
}

#[tokio::test(start_paused = true)]
async fn o3_another_accounts_not_found_proves_nothing_and_ends_nobody() {
    let world = World::with(|cloud| cloud.key("one"));
    let orchestrator = world.open().await;
    let ada = ready(&orchestrator, "ada").await;
    let bob = ready(&orchestrator, "bob").await;
    world.cloud.use_key("two");
    orchestrator.end(bob.id()).await.unwrap();
    keep_alive(&orchestrator, &ada, hours(2)).await;
    assert_eq!(view(&bob).await.phase, Phase::Ending, "a delete that answers 404 elsewhere ended nothing");
    assert_ne!(view(&ada).await.phase, Phase::Ended);
    assert_eq!(world.cloud.live().len(), 2);
    let exposure = orchestrator.exposure().await.unwrap();
    let releasing = exposure.items.iter().find(|item| matches!(item.why, Why::Releasing { .. })).unwrap();
    assert!(
        matches!(&releasing.why, Why::Releasing { failures, last_error: Some(_) } if *failures > 0),
        "{releasing:?}"
    );
    world.cloud.use_key("one");
    keep_alive(&orchestrator, &ada, minutes(5)).await;
    assert_eq!(view(&bob).await.phase, Phase::Ended);
    assert_eq!(view(&ada).await.phase, Phase::Ready);
}

#[tokio::test(start_paused = true)]
async fn o3_history_26_a_rotated_key_joins_by_a_listing_that_shows_a_live_machine() {
    let world = World::with(|cloud| cloud.key("one"));
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    world.cloud.rotate_key("two");
    keep_alive(&orchestrator, &session, minutes(30)).await;
    assert_eq!(view(&session).await.phase, Phase::Ready);
    orchestrator.end(session.id()).await.unwrap();
    session.ended().await.unwrap();
    assert!(world.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn o3_history_26_where_no_machine_vouches_an_operator_does() {
    let world = World::with(|cloud| cloud.key("one"));
    world.cloud.inject(Rule::on(Operation::Terminate, Fault::Errs).times(3));
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    let machine = world.only_machine();
    orchestrator.end(session.id()).await.unwrap();
    pass(seconds(1)).await;
    // The key is rotated and the machine gone before anything could show it under the new one.
    world.cloud.rotate_key("two");
    world.cloud.vanish(&machine).unwrap();
    pass(hours(1)).await;
    assert_eq!(view(&session).await.phase, Phase::Ending, "its end is unproven under a key that nothing vouches for");
    let rental = world.holders().await.into_keys().next().unwrap().parse().unwrap();
    orchestrator.join_scope(&world.provider(), rental).await.unwrap();
    pass(minutes(5)).await;
    assert_eq!(view(&session).await.phase, Phase::Ended);
}

#[tokio::test(start_paused = true)]
async fn o4_a_create_that_lands_after_its_end_is_seen_twice_and_ended() {
    let world = World::new();
    world.cloud.inject(Rule::on(Operation::Spawn, Fault::LandsLate(hours(1))));
    let orchestrator = world.open().await;
    let session = orchestrator.ensure("ada", request()).await.unwrap();
    pass(seconds(2)).await;
    orchestrator.end(session.id()).await.unwrap();
    session.ended().await.unwrap();
    pass(minutes(61)).await;
    assert_eq!(world.cloud.live().len(), 1, "it has landed, and one sighting ends nothing");
    let seen = orchestrator.exposure().await.unwrap();
    assert!(seen.items.iter().any(|item| item.why == Why::Stray), "{seen:?}");
    pass(minutes(5)).await;
    assert!(world.cloud.live().is_empty());
    assert!(orchestrator.exposure().await.unwrap().items.is_empty());
    let ledger = world.cloud.ledger();
    let rent = ledger.rents.last().unwrap();
    let lived = rent.ended_at.unwrap().since(rent.started_at);
    assert!(lived >= world.policy.reap_grace, "it was ended at the first sighting: after {lived:?}");
}

#[tokio::test(start_paused = true)]
async fn o4_a_one_shot_reap_remembers_what_the_last_one_saw() {
    let mut world = World::new();
    world.cloud.inject(Rule::on(Operation::Spawn, Fault::LandsLate(hours(1))));
    let orchestrator = world.open().await;
    let session = orchestrator.ensure("ada", request()).await.unwrap();
    pass(seconds(2)).await;
    orchestrator.end(session.id()).await.unwrap();
    session.ended().await.unwrap();
    world.kill();
    pass(hours(2)).await;

    let first = world.opened(world.builder().without_background()).await;
    let dry = first.reap(act().dry_run(true)).await.unwrap();
    assert!(matches!(dry.findings[0].kind, FindingKind::SeenOnce { .. }));
    let seen = first.reap(act()).await.unwrap();
    assert!(matches!(seen.findings[0].kind, FindingKind::SeenOnce { .. }), "{seen:?}");
    world.kill();
    pass(minutes(3)).await;

    let second = world.opened(world.builder().without_background()).await;
    let dry = second.reap(act().dry_run(true)).await.unwrap();
    assert!(matches!(dry.findings[0].kind, FindingKind::Ending { .. }));
    assert_eq!(second.finish_endings(seconds(5)).await.unwrap(), 0);
    assert_eq!(world.cloud.live().len(), 1, "a dry run ended something");
    let ending = second.reap(act()).await.unwrap();
    assert!(matches!(ending.findings[0].kind, FindingKind::Ending { .. }), "{ending:?}");
    assert_eq!(second.finish_endings(seconds(30)).await.unwrap(), 0);
    assert!(world.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn o4_a_live_sessions_machine_under_a_new_id_is_not_a_stray() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    // Reads by id fail for a quarter of an hour, so that only listings show the machine, under an id that is new.
    world.cloud.inject(Rule::on(Operation::Get, Fault::Errs).during(minutes(15)));
    let moved = world.cloud.migrate(&world.only_machine()).unwrap();
    keep_alive(&orchestrator, &session, minutes(30)).await;
    assert_eq!(world.cloud.live(), [moved]);
    assert_eq!(view(&session).await.phase, Phase::Ready);
}

#[tokio::test(start_paused = true)]
async fn o5_history_01_a_new_store_ends_nothing_and_reports_all() {
    let mut world = World::new();
    world.policy.aliens = AlienPolicy::EndAfter(hours(12));
    let orchestrator = world.open().await;
    for user in 0..20 {
        ready(&orchestrator, &format!("user {user}")).await;
    }
    world.lose_store();
    let orchestrator = world.open().await;
    let report = orchestrator.reap(ReapOptions::default().aliens(true)).await.unwrap();
    assert_eq!(report.findings.iter().filter(|found| matches!(found.kind, FindingKind::Alien { .. })).count(), 20);
    pass(hours(11)).await;
    assert_eq!(world.cloud.live().len(), 20);
    let exposure = orchestrator.exposure().await.unwrap();
    assert_eq!(exposure.items.iter().filter(|item| item.why == Why::Alien).count(), 20);
    assert_eq!(exposure.per_hour.to_string(), "7.200000", "they are priced");
    // The policy that was set explicitly ends them after its delay.
    pass(hours(2)).await;
    assert!(world.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn o5_without_a_policy_aliens_are_left_for_ever_and_an_operator_ends_them_at_the_second_look() {
    let mut world = World::new();
    let orchestrator = world.open().await;
    ready(&orchestrator, "ada").await;
    world.lose_store();
    let orchestrator = world.open().await;
    pass(hours(20)).await;
    assert_eq!(world.cloud.live().len(), 1);
    orchestrator.reap(ReapOptions::default().aliens(true)).await.unwrap();
    pass(minutes(1)).await;
    assert!(world.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn o5_an_adopted_alien_is_plain_from_then_on_and_no_reaper_ends_it() {
    let mut world = World::new();
    world.policy.aliens = AlienPolicy::EndAfter(minutes(10));
    let orchestrator = world.open().await;
    ready(&orchestrator, "ada").await;
    world.lose_store();
    let orchestrator = world.open().await;
    pass(minutes(5)).await;
    let machine = world.only_machine();
    let adopted = orchestrator.adopt(&world.provider(), &machine).await.unwrap();
    assert_eq!(adopted.compute, machine);
    assert!(orchestrator.adopt(&world.provider(), &machine).await.is_err(), "it is known now");
    pass(hours(6)).await;
    assert_eq!(world.cloud.live(), [machine]);
    let report = orchestrator.reap(act()).await.unwrap();
    assert_eq!(report.findings[0].kind, FindingKind::Tracked);
    assert!(orchestrator.exposure().await.unwrap().items.is_empty());
}

#[tokio::test(start_paused = true)]
async fn o5_an_operator_writes_off_what_no_cloud_will_confirm_and_says_why() {
    let world = World::with(|cloud| cloud.key("one"));
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    world.cloud.use_key("lost");
    let rental = view(&session).await.rental.unwrap();
    assert!(orchestrator.write_off(rental, "no").await.is_err(), "it serves a living session");
    orchestrator.end(session.id()).await.unwrap();
    pass(minutes(5)).await;
    assert_eq!(view(&session).await.phase, Phase::Ending);
    assert!(orchestrator.write_off(rental, "  ").await.is_err(), "without a reason");
    orchestrator.write_off(rental, "the account was closed").await.unwrap();
    assert_eq!(view(&session).await.phase, Phase::Ended);
    assert!(orchestrator.exposure().await.unwrap().items.is_empty());
}

#[tokio::test(start_paused = true)]
async fn o5_a_create_that_was_written_off_under_a_waiting_session_is_followed_by_another() {
    let world = World::new();
    world.cloud.inject(Rule::on(Operation::Spawn, Fault::Errs));
    world.cloud.inject(Rule::on(Operation::Find, Fault::Errs).always());
    let orchestrator = world.open().await;
    let session = orchestrator.ensure("ada", request()).await.unwrap();
    pass(minutes(1)).await;
    let rental = view(&session).await.rental.unwrap();
    orchestrator.write_off(rental, "the vendor says that it never landed").await.unwrap();
    session.ready().await.unwrap();
    assert_eq!(world.cloud.live().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn o6_plain_machines_are_shown_and_never_ended() {
    let world = World::new();
    let orchestrator = world.open().await;
    // A one-off spawn has its intent in a file, not in the store.
    world.witness.look_away();
    let account = world.atlas().provider("mock").unwrap();
    let plain = account
        .spawn(ComputeRequest::gpu("h100").image("app:1").http_port(8000), Auth::Bearer)
        .await
        .unwrap()
        .compute
        .id;
    let foreign = world.cloud.foreign_machine("database");
    pass(hours(5)).await;
    let report = orchestrator.reap(ReapOptions::default().aliens(true)).await.unwrap();
    let plain_findings: Vec<_> = report.findings.iter().filter(|found| found.kind == FindingKind::Plain).collect();
    assert_eq!(plain_findings.len(), 1, "{report:?}");
    pass(hours(5)).await;
    let mut live = world.cloud.live();
    live.sort();
    let mut expected = vec![plain, foreign];
    expected.sort();
    assert_eq!(live, expected);
}

#[tokio::test(start_paused = true)]
async fn o2_history_14_a_deployment_whose_name_begins_like_ours_is_not_ours() {
    let mut world = World::new();
    world.deployment = Deployment::parse("my-app-2").unwrap();
    let theirs = world.open().await;
    let session = ready(&theirs, "ada").await;
    // The other deployment has its own store and installation.
    let mut ours = World::new();
    ours.cloud = world.cloud.clone();
    ours.deployment = Deployment::parse("my-app").unwrap();
    let orchestrator = ours.open().await;
    let report = orchestrator.reap(ReapOptions::default().aliens(true)).await.unwrap();
    assert!(report.findings.is_empty(), "{report:?}");
    pass(minutes(5)).await;
    assert!(orchestrator.reap(ReapOptions::default().aliens(true)).await.unwrap().findings.is_empty());
    pass(minutes(4)).await;
    assert_eq!(world.cloud.live().len(), 1);
    assert_eq!(view(&session).await.phase, Phase::Ready);
    assert!(
        ours.cloud.list(&atlas_core::CallContext::new(), &atlas_core::ComputeFilter::all()).await.unwrap().len() == 1
    );
}

#[tokio::test(start_paused = true)]
async fn o2_a_provider_that_sets_only_the_name_has_its_machines_known() {
    let world = World::new();
    world.witness.show(|compute| compute.mark = None);
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    keep_alive(&orchestrator, &session, minutes(10)).await;
    assert_eq!(view(&session).await.phase, Phase::Ready);
    let report = orchestrator.reap(act()).await.unwrap();
    assert_eq!(report.findings[0].kind, FindingKind::Tracked);
    orchestrator.end(session.id()).await.unwrap();
    session.ended().await.unwrap();
    assert_eq!(world.cloud.ledger().rents.len(), 1);
    assert!(world.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn o6_an_adopted_machine_is_never_ended_stopped_or_started_by_itself() {
    #[derive(Debug, Clone, Copy)]
    enum Happens {
        Exits,
        Fails,
        Hides,
        IsStopped,
        IsCloned,
    }
    for happens in [Happens::Exits, Happens::Fails, Happens::Hides, Happens::IsStopped, Happens::IsCloned] {
        let mut world = World::new();
        let orchestrator = world.open().await;
        let session = ready(&orchestrator, "ada").await;
        let machine = world.only_machine();
        if let Happens::IsStopped = happens {
            orchestrator.stop(session.id()).await.unwrap();
            pass(seconds(5)).await;
        }
        world.lose_store();
        let orchestrator = world.open().await;
        let adopted = orchestrator.adopt(&world.provider(), &machine).await.unwrap();
        pass(minutes(2)).await;
        match happens {
            Happens::Exits => world.cloud.exit(&machine, 1).unwrap(),
            Happens::Fails => world.cloud.fail(&machine).unwrap(),
            Happens::Hides => world.cloud.hide(&machine, hours(1)).unwrap(),
            Happens::IsStopped => {}
            Happens::IsCloned => drop(world.cloud.clone_machine(&machine).unwrap()),
        }
        let (stops, starts) = (world.cloud.count(Operation::Stop), world.cloud.count(Operation::Start));
        pass(hours(3)).await;
        assert!(world.cloud.live().contains(&machine), "{happens:?}");
        assert_eq!(world.cloud.count(Operation::Terminate), 0, "{happens:?}");
        assert_eq!((world.cloud.count(Operation::Stop), world.cloud.count(Operation::Start)), (stops, starts));
        if let Happens::Exits | Happens::IsStopped = happens {
            orchestrator.end_rental(adopted.rental, "it is not needed any more").await.unwrap();
            pass(minutes(1)).await;
            assert!(world.cloud.live().is_empty(), "{happens:?}: an operator ends it");
            assert!(orchestrator.exposure().await.unwrap().items.is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn o6_a_sessions_rental_is_ended_with_its_session_only() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    let rental = view(&session).await.rental.unwrap();
    assert_eq!(orchestrator.end_rental(rental, "no").await.unwrap_err().kind(), atlas_core::ErrorKind::Conflict);
    assert_eq!(view(&session).await.phase, Phase::Ready);
}

#[tokio::test(start_paused = true)]
async fn o6_p5_dead_adopted_machines_keep_no_session_from_being_lost() {
    let mut world = World::new();
    let orchestrator = world.open().await;
    for user in 0..3 {
        ready(&orchestrator, &format!("user {user}")).await;
    }
    let adopted = world.cloud.live();
    world.lose_store();
    let orchestrator = world.open().await;
    for machine in &adopted {
        orchestrator.adopt(&world.provider(), machine).await.unwrap();
    }
    pass(minutes(1)).await;
    for machine in &adopted {
        world.cloud.vanish(machine).unwrap();
    }
    let session = ready(&orchestrator, "ada").await;
    keep_alive(&orchestrator, &session, minutes(5)).await;
    let machine = world.only_machine();
    world.cloud.vanish(&machine).unwrap();
    keep_alive(&orchestrator, &session, minutes(14)).await;
    assert_eq!(session.ended().await.unwrap().receipt.unwrap().reason, Reason::Lost);
}

#[tokio::test(start_paused = true)]
async fn o3_p14_a_held_machine_of_which_nothing_is_heard_is_exposure() {
    let world = World::with(|cloud| cloud.key("one"));
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    for silence in ["another key", "refused", "down"] {
        match silence {
            "another key" => world.cloud.use_key("two"),
            "refused" => world.cloud.inject(Rule::on(Operation::Get, Fault::Unauthorized).during(minutes(30))),
            _ => world.cloud.inject(Rule::on(Operation::Get, Fault::FailsBefore).during(minutes(30))),
        }
        keep_alive(&orchestrator, &session, minutes(20)).await;
        let exposure = orchestrator.exposure().await.unwrap();
        assert_eq!(exposure.items.len(), 1, "{silence}: {exposure:?}");
        assert!(matches!(exposure.items[0].why, Why::Unreachable { .. }), "{silence}: {exposure:?}");
        assert_eq!(exposure.per_hour.to_string(), "0.360000");
        world.cloud.use_key("one");
        keep_alive(&orchestrator, &session, minutes(12)).await;
        assert!(orchestrator.exposure().await.unwrap().items.is_empty(), "{silence} is over");
        assert_eq!(view(&session).await.phase, Phase::Ready);
    }
}

#[tokio::test(start_paused = true)]
async fn o3_what_was_joined_at_one_account_proves_nothing_at_the_next() {
    let mut world = World::with(|cloud| cloud.key("a"));
    let orchestrator = world.open().await;
    let ada = ready_with(&orchestrator, "ada", request().idle_ttl(hours(9))).await;
    // The key is rotated, and a listing vouches for the new one.
    world.cloud.rotate_key("b");
    keep_alive(&orchestrator, &ada, minutes(5)).await;
    // Then the account is exchanged for another one, which has a session of its own, and its key is rotated too.
    world.cloud.use_key("x");
    let bob = ready_with(&orchestrator, "bob", request().idle_ttl(hours(9))).await;
    world.cloud.rotate_key("y");
    keep_alive(&orchestrator, &bob, minutes(5)).await;
    assert_eq!(view(&bob).await.phase, Phase::Ready);
    orchestrator.end(ada.id()).await.unwrap();
    pass(hours(1)).await;
    assert_eq!(view(&ada).await.phase, Phase::Ending, "the other account's not-founds proved her machine gone");
    // What was joined is known to the next opening too, and no more than that.
    let orchestrator = world.reopen().await;
    pass(hours(1)).await;
    let (ada, bob) = (orchestrator.session(*ada.id()).await.unwrap(), orchestrator.session(*bob.id()).await.unwrap());
    assert_eq!(view(&ada).await.phase, Phase::Ending);
    assert_eq!(view(&bob).await.phase, Phase::Ready);
    world.cloud.use_key("b");
    pass(minutes(5)).await;
    assert_eq!(view(&ada).await.phase, Phase::Ended);
}

#[tokio::test(start_paused = true)]
async fn o5_a_create_that_is_under_way_cannot_be_written_off() {
    let world = World::with(|cloud| cloud.create_takes(seconds(20)));
    let orchestrator = world.open().await;
    let session = orchestrator.ensure("ada", request()).await.unwrap();
    pass(seconds(5)).await;
    let rental = view(&session).await.rental.unwrap();
    let refused = orchestrator.write_off(rental, "it takes too long").await.unwrap_err();
    assert_eq!(refused.kind(), atlas_core::ErrorKind::Conflict);
    session.ready().await.unwrap();
    assert_eq!(world.cloud.ledger().rents.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn o4_what_lands_when_its_token_is_forgotten_is_alien_exposure_and_ended_by_nobody_but_an_operator() {
    let world = World::new();
    world.cloud.inject(Rule::on(Operation::Spawn, Fault::LandsLate(hours(47))));
    let orchestrator = world.open().await;
    // Two days are remembered, and one that lands at their end is still known.
    let known = orchestrator.ensure("known", request()).await.unwrap();
    pass(std::time::Duration::from_millis(20)).await;
    orchestrator.end(known.id()).await.unwrap();
    world.cloud.inject(Rule::on(Operation::Spawn, Fault::LandsLate(hours(50))));
    let forgotten = orchestrator.ensure("forgotten", request()).await.unwrap();
    pass(std::time::Duration::from_millis(20)).await;
    orchestrator.end(forgotten.id()).await.unwrap();
    pass(hours(47) + minutes(5)).await;
    assert_eq!(world.cloud.ledger().rents.len(), 1);
    assert!(world.cloud.live().is_empty(), "seen twice, and ended");
    pass(hours(10)).await;
    let machine = world.only_machine();
    let exposure = orchestrator.exposure().await.unwrap();
    let told: Vec<_> = exposure.items.iter().map(|item| (item.why.clone(), item.compute.clone())).collect();
    assert_eq!(told, [(Why::Alien, Some(machine.to_string()))]);
    assert_eq!(exposure.per_hour.to_string(), "0.360000");
    orchestrator.reap(act().aliens(true)).await.unwrap();
    pass(minutes(1)).await;
    assert!(world.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn o4_a_twin_that_became_the_sessions_machine_while_the_reaper_looked_is_not_ended() {
    let mut world = World::new();
    world.policy.watch_interval = seconds(5);
    world.policy.reap_interval = hours(9);
    world.cloud.inject(Rule::on(Operation::Spawn, Fault::Duplicates));
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    let first = view(&session).await.compute.unwrap();
    let report = orchestrator.reap(act()).await.unwrap();
    assert_eq!(report.findings.iter().filter(|found| matches!(found.kind, FindingKind::SeenOnce { .. })).count(), 1);
    keep_alive(&orchestrator, &session, minutes(5)).await;
    // The listing that shows both is on its way for a while; meanwhile the first is lost, and its user has the twin.
    world.cloud.inject(Rule::on(Operation::List, Fault::AnswersLate(seconds(25))));
    let reaping = tokio::spawn({
        let orchestrator = orchestrator.clone();
        async move { orchestrator.reap(act()).await.unwrap() }
    });
    pass(seconds(1)).await;
    world.cloud.vanish(&first).unwrap();
    keep_alive(&orchestrator, &session, seconds(40)).await;
    let report = reaping.await.unwrap();
    let twin = world.only_machine();
    let of_twin = report.findings.iter().find(|found| found.compute == twin.to_string()).unwrap();
    assert_eq!(of_twin.kind, FindingKind::Tracked, "judged by the store as it stands after the listing");
    keep_alive(&orchestrator, &session, minutes(10)).await;
    assert_eq!((view(&session).await.phase, world.cloud.live()), (Phase::Ready, vec![twin]));
}

#[tokio::test(start_paused = true)]
async fn o4_two_reapers_at_once_make_one_rental_of_one_stray() {
    let mut world = World::new();
    world.policy.reap_interval = hours(9);
    world.cloud.inject(Rule::on(Operation::Spawn, Fault::Duplicates));
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    orchestrator.reap(act()).await.unwrap();
    keep_alive(&orchestrator, &session, minutes(5)).await;
    world.cloud.inject(Rule::on(Operation::List, Fault::AnswersLate(seconds(5))).times(2));
    let (one, other) = tokio::join!(orchestrator.reap(act()), orchestrator.reap(act()));
    for report in [one, other] {
        assert!(report.unwrap().unread.is_empty());
    }
    keep_alive(&orchestrator, &session, minutes(1)).await;
    assert_eq!(world.cloud.live(), [view(&session).await.compute.unwrap()]);
    assert_eq!(world.phases().await, [("closed".to_owned(), 1), ("held".to_owned(), 1)].into());
}
