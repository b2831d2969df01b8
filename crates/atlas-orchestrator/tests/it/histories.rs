//! The histories that no single rule's test tells whole. Those that one does bear their number there:
//! 4, 8, 9, 10, 12, 13, 15, 16, 19, 22, 23 in `promises`, 1, 14, 26 in `ownership`, 20 in `scale`, 25 in `crash`.

use atlas_auth::{Clock, SeededEntropy};
use atlas_core::{Auth, ComputeRequest};
use atlas_orchestrator::store::{Commit, Kind, Op, Row, RowKey, Store, WriteId};
use atlas_orchestrator::{Phase, ReapOptions, Reason, Why};
use atlas_sim::{Fault, Operation, Rule};

use crate::world::{World, hours, keep_alive, key_of, minutes, pass, ready, ready_with, request, seconds, view};

#[tokio::test(start_paused = true)]
async fn history_01_a_restored_backup_ends_nobody_and_hands_out_no_machine_twice() {
    let mut world = World::new();
    let orchestrator = world.open().await;
    let old = *ready(&orchestrator, "old").await.id();
    let backup = world.store.backup();
    let young = ready(&orchestrator, "young").await;
    let gone = ready(&orchestrator, "gone").await;
    orchestrator.end(gone.id()).await.unwrap();
    gone.ended().await.unwrap();
    world.restore(backup);
    let orchestrator = world.open().await;
    let session = orchestrator.session(old).await.unwrap();
    keep_alive(&orchestrator, &session, hours(2)).await;
    assert_eq!(view(&session).await.phase, Phase::Ready);
    assert_eq!(world.cloud.live().len(), 2, "young's machine is unknown to this store, so it is not its to end");
    let exposure = orchestrator.exposure().await.unwrap();
    assert_eq!(exposure.items.iter().filter(|item| item.why == Why::Alien).count(), 1);
    drop(young);
}

#[tokio::test(start_paused = true)]
async fn history_02_a_plain_spawn_killed_in_mid_create_leaves_a_record_and_no_sweep_ends_it() {
    let world = World::new();
    world.witness.look_away();
    let orchestrator = world.open().await;
    let atlas = world.atlas();
    let account = atlas.provider("mock").unwrap();
    world.cloud.inject(Rule::on(Operation::Spawn, Fault::NeverAnswers));
    let spawn = account.spawn(ComputeRequest::gpu("h100").image("app:1").http_port(8000), Auth::Bearer);
    assert!(tokio::time::timeout(seconds(1), spawn).await.is_err(), "killed while it waits");
    assert_eq!(account.records().await.unwrap().len(), 1);
    pass(hours(2)).await;
    let report = orchestrator.reap(ReapOptions::default().aliens(true)).await.unwrap();
    assert_eq!(report.findings[0].kind, atlas_orchestrator::FindingKind::Plain);
    assert_eq!(world.cloud.live().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn history_03_an_ended_session_shelters_no_machine_that_lands_later() {
    for fault in [Fault::LosesAnswer, Fault::LandsLate(seconds(40)), Fault::AppearsLate(minutes(3))] {
        let world = World::with(|cloud| cloud.settle_window(minutes(5)));
        world.cloud.inject(Rule::on(Operation::Spawn, fault.clone()));
        let orchestrator = world.open().await;
        let session = orchestrator.ensure("ada", request()).await.unwrap();
        pass(seconds(2)).await;
        orchestrator.end(session.id()).await.unwrap();
        pass(minutes(1)).await;
        let ended = session.ended().await.unwrap();
        assert_eq!(ended.receipt.unwrap().reason, Reason::Asked);
        pass(minutes(10)).await;
        assert!(world.cloud.live().is_empty(), "{fault}");
        assert_eq!(world.cloud.ledger().rents.len(), 1, "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn history_04_the_next_machine_is_not_made_while_the_first_create_may_still_land() {
    // A is stopped right after its intent, or right after sending; B takes over.
    for fault in [Fault::LandsLate(seconds(90)), Fault::NeverAnswers] {
        let mut world = World::with(|cloud| cloud.settle_window(minutes(3)));
        world.cloud.inject(Rule::on(Operation::Spawn, fault.clone()));
        let orchestrator = world.open().await;
        let id = *orchestrator.ensure("ada", request()).await.unwrap().id();
        pass(std::time::Duration::from_millis(10)).await;
        let orchestrator = world.reopen().await;
        let session = orchestrator.session(id).await.unwrap();
        session.ready().await.unwrap();
        keep_alive(&orchestrator, &session, minutes(10)).await;
        assert_eq!(world.cloud.ledger().rents.len(), 1, "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn history_04_last_weeks_intent_in_a_restored_backup_makes_nothing() {
    let mut world = World::new();
    world.cloud.inject(Rule::on(Operation::Spawn, Fault::LosesAnswer));
    let orchestrator = world.open().await;
    let id = *orchestrator.ensure("ada", request()).await.unwrap().id();
    pass(std::time::Duration::from_millis(1)).await;
    let backup = world.store.backup();
    let session = orchestrator.session(id).await.unwrap();
    session.ready().await.unwrap();
    orchestrator.end(&id).await.unwrap();
    session.ended().await.unwrap();
    world.kill();
    pass(hours(24 * 7)).await;
    world.restore(backup);
    let orchestrator = world.open().await;
    pass(minutes(30)).await;
    assert_eq!(world.cloud.ledger().rents.len(), 1, "a machine that nobody wants");
    assert_eq!(view(&orchestrator.session(id).await.unwrap()).await.phase, Phase::Ended);
}

#[tokio::test(start_paused = true)]
async fn history_05_the_keys_of_another_account_end_nothing_and_prove_nothing() {
    let world = World::with(|cloud| cloud.key("mine"));
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    world.cloud.use_key("theirs");
    orchestrator.end(session.id()).await.unwrap();
    pass(hours(3)).await;
    assert_eq!(view(&session).await.phase, Phase::Ending);
    assert_eq!(world.cloud.live().len(), 1);
    assert_eq!(world.cloud.count(Operation::Terminate), 0, "not even told, where it would be taken for a success");
    world.cloud.use_key("mine");
    session.ended().await.unwrap();
    assert!(world.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn history_06_an_hour_of_short_lists_and_404s_loses_nobody_if_all_are_gone() {
    let world = World::new();
    let orchestrator = world.open().await;
    let mut sessions = Vec::new();
    for user in 0..6 {
        sessions.push(ready(&orchestrator, &format!("user {user}")).await);
    }
    world.cloud.inject(Rule::on(Operation::Get, Fault::AnotherAccount).during(hours(1)));
    world.cloud.inject(Rule::on(Operation::List, Fault::AnotherAccount).during(hours(1)));
    world.cloud.inject(Rule::on(Operation::Find, Fault::AnotherAccount).during(hours(1)));
    for _ in 0..140 {
        for session in &sessions {
            orchestrator.touch(session.id()).unwrap();
        }
        pass(seconds(30)).await;
    }
    for session in &sessions {
        assert_eq!(view(session).await.phase, Phase::Ready);
    }
    assert_eq!(world.cloud.ledger().rents.len(), 6);
    // Lists that leave machines out, for an hour: nobody is harmed, and no strays are invented.
    world.cloud.inject(Rule::on(Operation::List, Fault::ListsShort).during(hours(1)));
    for _ in 0..140 {
        for session in &sessions {
            orchestrator.touch(session.id()).unwrap();
        }
        pass(seconds(30)).await;
    }
    assert_eq!(world.cloud.live().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn history_11_what_a_cloud_leaves_over_with_its_error_is_ended_by_its_id() {
    let world = World::new();
    world.cloud.inject(Rule::on(Operation::Spawn, Fault::LeavesLeftover));
    let orchestrator = world.open().await;
    let session = orchestrator.ensure("ada", request()).await.unwrap();
    let ended = session.ended().await.unwrap();
    let receipt = ended.receipt.unwrap();
    assert_eq!(receipt.reason, Reason::Failed);
    assert!(receipt.evidence.contains("answered an error"), "{}", receipt.evidence);
    assert_eq!(world.cloud.ledger().rents.len(), 1);
    assert!(world.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn history_12_after_three_days_down_exposure_tells_what_bills() {
    let mut world = World::new();
    let orchestrator = world.open().await;
    let id = *ready_with(&orchestrator, "ada", request().unlimited_lifetime()).await.id();
    world.cloud.inject(Rule::on(Operation::Spawn, Fault::NeverAnswers));
    orchestrator.ensure("bob", request()).await.unwrap();
    pass(seconds(1)).await;
    world.kill();
    pass(hours(72)).await;
    let orchestrator = world.opened(world.builder().without_background()).await;
    let exposure = orchestrator.exposure().await.unwrap();
    assert_eq!(exposure.items.iter().filter(|item| item.why == Why::Open).count(), 1, "{exposure:?}");
    world.kill();
    let orchestrator = world.open().await;
    let session = orchestrator.session(id).await.unwrap();
    let cost = view(&session).await.cost_so_far;
    assert!(cost.to_string().as_str() > "25.9", "{cost}: three days are billed");
}

#[tokio::test(start_paused = true)]
async fn history_17_a_rental_that_cannot_be_read_is_exposure_and_its_machine_is_not_ended() {
    for (format, body) in [(99, None), (1, Some("not a record"))] {
        let mut world = World::new();
        let orchestrator = world.open().await;
        let ada = ready(&orchestrator, "ada").await;
        let bob = ready(&orchestrator, "bob").await;
        let row = world.rows(Kind::RENTAL).await.remove(0);
        let mut other = row.clone();
        other.format = format;
        if let Some(body) = body {
            other.body = body.into();
        }
        write(&world, other).await;
        let orchestrator_again = world.reopen().await;
        let exposure = orchestrator_again.exposure().await.unwrap();
        assert!(
            exposure
                .items
                .iter()
                .any(|item| { matches!(item.why, Why::Unreadable { .. }) && item.provider == Some(world.provider()) }),
            "{exposure:?}"
        );
        for _ in 0..60 {
            drop((orchestrator_again.touch(ada.id()), orchestrator_again.touch(bob.id())));
            pass(minutes(2)).await;
        }
        assert_eq!(world.cloud.live().len(), 2);
        let report = orchestrator_again.reap(ReapOptions::default().aliens(true)).await.unwrap();
        assert!(
            report.findings.iter().all(|found| found.kind == atlas_orchestrator::FindingKind::Tracked),
            "{report:?}"
        );
        let untouched = world.rows(Kind::RENTAL).await.into_iter().find(|found| found.key == row.key).unwrap();
        assert_eq!(untouched.format, format, "nobody wrote over what he cannot read");
        drop(orchestrator);
    }
}

#[tokio::test(start_paused = true)]
async fn history_17_what_can_be_made_out_of_what_cannot_be_read_is_told_and_priced() {
    let mut world = World::new();
    let orchestrator = world.open().await;
    ready(&orchestrator, "ada").await;
    let mut row = world.rows(Kind::RENTAL).await.remove(0);
    row.format = 99;
    write(&world, row).await;
    // A one-off spawn whose record is of a later version, and one whose record says nothing at all.
    // What it records does not stand in the store.
    world.witness.look_away();
    let atlas = world.atlas();
    let account = atlas.provider("mock").unwrap();
    account.spawn(ComputeRequest::gpu("h100").image("app:1"), Auth::None).await.unwrap();
    let folder = world.folder.path().join("intents");
    let mut files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let file = files.find(|path| path.extension().is_some_and(|extension| extension == "json")).unwrap();
    let mut record: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    record["format"] = 99.into();
    std::fs::write(&file, record.to_string()).unwrap();
    let other = file.to_str().unwrap().replace(file.file_stem().unwrap().to_str().unwrap(), "zzz");
    std::fs::write(other, "?").unwrap();
    let orchestrator = world.reopen().await;
    let exposure = orchestrator.exposure().await.unwrap();
    let unreadable: Vec<_> = exposure.items.iter().filter(|item| matches!(item.why, Why::Unreadable { .. })).collect();
    assert_eq!(unreadable.len(), 3, "{exposure:?}");
    let told: Vec<_> = unreadable.iter().filter(|item| item.compute.is_some() && item.provider.is_some()).collect();
    let machines: std::collections::BTreeSet<_> = told.iter().filter_map(|item| item.compute.clone()).collect();
    assert_eq!(machines, world.cloud.live().iter().map(ToString::to_string).collect());
    assert_eq!(exposure.per_hour.to_string(), "0.720000", "{exposure:?}");
}

#[tokio::test(start_paused = true)]
async fn history_17_a_sighting_that_cannot_be_read_shelters_no_machine() {
    let mut world = World::new();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    world.cloud.clone_machine(&world.only_machine()).unwrap();
    keep_alive(&orchestrator, &session, seconds(70)).await;
    let mut sighting = world.rows(Kind::SIGHTING).await.remove(0);
    sighting.body = r#"{"first_seen":"of a later version","cost_per_hour":"0.36"}"#.into();
    write(&world, sighting).await;
    let exposure = orchestrator.exposure().await.unwrap();
    assert!(exposure.items.iter().any(|item| matches!(item.why, Why::Unreadable { .. })), "{exposure:?}");
    assert_eq!(exposure.per_hour.to_string(), "0.360000");
    keep_alive(&orchestrator, &session, minutes(5)).await;
    assert_eq!(world.cloud.live(), [view(&session).await.compute.unwrap()]);
    let orchestrator = world.reopen().await;
    assert!(orchestrator.exposure().await.unwrap().items.is_empty());
}

#[tokio::test(start_paused = true)]
async fn history_17_a_session_that_cannot_be_read_keeps_its_machine() {
    let mut world = World::new();
    let orchestrator = world.open().await;
    ready(&orchestrator, "ada").await;
    let mut row = world.rows(Kind::SESSION).await.remove(0);
    row.format = 99;
    write(&world, row).await;
    let orchestrator = world.reopen().await;
    pass(hours(3)).await;
    assert_eq!(world.cloud.live().len(), 1);
    let exposure = orchestrator.exposure().await.unwrap();
    assert!(exposure.items.iter().any(|item| matches!(item.why, Why::Unreadable { .. })), "{exposure:?}");
    assert!(orchestrator.ensure("ada", request()).await.is_err(), "her machine may be in use: there is no second one");
    assert_eq!(world.cloud.ledger().rents.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn history_17_a_row_of_a_kind_that_is_not_known_stops_nothing() {
    let mut world = World::new();
    world.open().await;
    write(&world, Row::new(RowKey::new(Kind::from_code(77), "later"), 3, "?")).await;
    write(&world, Row::new(RowKey::rental("no id at all"), 1, "?").in_phase("held").on_account("mock")).await;
    let orchestrator = world.reopen().await;
    ready(&orchestrator, "ada").await;
    assert_eq!(orchestrator.exposure().await.unwrap().items.len(), 1);
}

pub(crate) async fn write(world: &World, row: Row) {
    let mut commit = Commit::new(WriteId::new(world.clock.now(), &SeededEntropy::new(row.key.kind.code().into())));
    commit.ops.push(Op::Put(row));
    world.store.commit(commit).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn history_21_an_adoption_between_two_looks_of_the_reaper_wins() {
    let mut world = World::new();
    let orchestrator = world.open().await;
    ready(&orchestrator, "ada").await;
    world.lose_store();
    let operator = world.opened(world.builder().without_background()).await;
    let aliens = ReapOptions::default().aliens(true);
    operator.reap(aliens).await.unwrap();
    pass(minutes(3)).await;
    // The reaper's listing is under way when the operator adopts.
    world.cloud.inject(Rule::on(Operation::List, Fault::AnswersLate(seconds(5))));
    let reaping = tokio::spawn({
        let operator = operator.clone();
        async move { operator.reap(aliens).await.unwrap() }
    });
    pass(seconds(1)).await;
    operator.adopt(&world.provider(), &world.only_machine()).await.unwrap();
    let report = reaping.await.unwrap();
    assert_eq!(report.findings[0].kind, atlas_orchestrator::FindingKind::Tracked);
    assert_eq!(operator.finish_endings(seconds(10)).await.unwrap(), 0);
    assert_eq!(world.cloud.live().len(), 1);
}

// What was seen by running ExAtlas 0.5.0, line by line. Stops one after another and 600 at once stand in `scale`, the
// idle time-out of 15 seconds in `promises`, twenty machines over a restart in `life`.

#[tokio::test(start_paused = true)]
async fn seen_a_create_that_answers_500_or_times_out_after_the_cloud_acted_leaves_one_machine() {
    for fault in [Fault::ActsThenErrs, Fault::LosesAnswer, Fault::Garbles, Fault::NeverAnswers] {
        let world = World::new();
        world.cloud.inject(Rule::on(Operation::Spawn, fault.clone()).times(3));
        let orchestrator = world.open().await;
        let session = ready(&orchestrator, "ada").await;
        keep_alive(&orchestrator, &session, minutes(10)).await;
        assert_eq!(world.cloud.ledger().rents.len(), 1, "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn seen_a_second_node_beside_a_healthy_one_ends_nobody() {
    let world = World::new();
    let healthy = world.open().await;
    let mut sessions = Vec::new();
    for user in 0..20 {
        sessions.push(ready(&healthy, &format!("user {user}")).await);
    }
    // Another installation of the same deployment, with a store of its own.
    let mut second = World::new();
    second.cloud = world.cloud.clone();
    second.policy.aliens = atlas_core::config::AlienPolicy::Report;
    drop(second.atlas());
    let other = second.open().await;
    for _ in 0..60 {
        other.reap(ReapOptions::default()).await.unwrap();
        for session in &sessions {
            healthy.touch(session.id()).unwrap();
        }
        pass(minutes(1)).await;
    }
    for session in &sessions {
        assert_eq!(view(session).await.phase, Phase::Ready);
    }
    assert_eq!(world.cloud.live().len(), 20);
}

#[tokio::test(start_paused = true)]
async fn seen_a_sweep_while_a_create_is_being_answered_leaves_the_newborn_alone() {
    let mut world = World::with(|cloud| cloud.create_takes(seconds(60)));
    world.policy.reap_grace = seconds(10);
    world.policy.reap_interval = seconds(5);
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    let key = key_of(&session).await;
    keep_alive(&orchestrator, &session, minutes(5)).await;
    assert_eq!(key_of(&session).await, key);
    assert_eq!(world.cloud.ledger().rents.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn seen_one_failed_terminate_at_idle_end_leaks_nothing() {
    for fault in [Fault::Errs, Fault::LosesAnswer, Fault::Ignores, Fault::RateLimited(seconds(30)), Fault::FailsBefore]
    {
        let world = World::new();
        world.cloud.inject(Rule::on(Operation::Terminate, fault.clone()));
        let orchestrator = world.open().await;
        let session = ready(&orchestrator, "ada").await;
        let ended = session.ended().await.unwrap();
        assert_eq!(ended.receipt.unwrap().reason, Reason::Idle);
        assert!(world.cloud.live().is_empty(), "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn seen_four_crashes_in_five_seconds_end_nobody() {
    let mut world = World::new();
    let mut orchestrator = world.open().await;
    let mut ids = Vec::new();
    for user in 0..200 {
        ids.push(*ready(&orchestrator, &format!("user {user}")).await.id());
    }
    for _ in 0..4 {
        pass(seconds(1)).await;
        orchestrator = world.reopen().await;
    }
    pass(minutes(5)).await;
    assert_eq!(world.cloud.live().len(), 200);
    for id in ids {
        orchestrator.touch(&id).unwrap();
    }
    assert_eq!(world.cloud.ledger().rents.len(), 200);
}

#[tokio::test(start_paused = true)]
async fn history_11_each_of_several_leftovers_is_ended_by_its_id() {
    let world = World::new();
    world.witness.name_all_left_over();
    world.cloud.inject(Rule::on(Operation::Spawn, Fault::Duplicates));
    world.cloud.inject(Rule::on(Operation::Spawn, Fault::LeavesLeftover));
    // What a cloud leaves over need not bear our mark, so no search and no reaper would find it.
    world.cloud.inject(Rule::on(Operation::Find, Fault::Errs).always());
    world.cloud.inject(Rule::on(Operation::List, Fault::Errs).always());
    let orchestrator = world.open().await;
    let session = orchestrator.ensure("ada", request()).await.unwrap();
    let ended = session.ended().await.unwrap();
    assert_eq!(ended.receipt.unwrap().reason, Reason::Failed);
    pass(minutes(1)).await;
    assert_eq!(world.cloud.ledger().rents.len(), 2);
    assert!(world.cloud.live().is_empty());
    assert!(orchestrator.exposure().await.unwrap().items.is_empty());
}
