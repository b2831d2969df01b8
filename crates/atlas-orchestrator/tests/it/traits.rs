//! Rule C13: what a cloud declares of itself, and what the orchestrator makes of it. What proves a machine gone and what a
//! stopped one costs stand in `promises`.

use atlas_core::{Billing, Capability, ComputeRequest, ComputeStatus, GoneRule, Money};
use atlas_orchestrator::store::Kind;
use atlas_orchestrator::{Phase, Reason, Session, SessionRequest, Why};
use atlas_sim::{Fault, Operation, Outcome, Rule};

use crate::histories::write;
use crate::world::{World, hours, keep_alive, minutes, pass, ready, request, seconds, view};

#[tokio::test(start_paused = true)]
async fn c13_creates_of_an_account_are_not_sent_faster_than_its_cloud_allows() {
    let world = World::with(|cloud| cloud.launch_pace(3, seconds(10)));
    let orchestrator = world.open().await;
    let began = tokio::time::Instant::now();
    let mut sessions: Vec<Session> = Vec::new();
    for user in 0..30 {
        sessions.push(orchestrator.ensure(&format!("user {user}"), request()).await.unwrap());
    }
    // Whoever waits for a turn keeps nobody from ending, and takes no machine with them.
    let gone = sessions.split_off(29).remove(0);
    orchestrator.end(gone.id()).await.unwrap();
    gone.ended().await.unwrap();
    assert!(began.elapsed() < seconds(1), "{:?}", began.elapsed());
    for session in &sessions {
        session.ready().await.unwrap();
    }
    assert!(began.elapsed() < seconds(10 * 9 + 1), "no slower than allowed: {:?}", began.elapsed());
    let calls = world.cloud.calls();
    let sent: Vec<_> = calls.iter().filter(|call| call.operation == Operation::Spawn).collect();
    assert_eq!(sent.len(), 29);
    assert!(sent.iter().all(|call| call.outcome == Outcome::Done), "the cloud had to refuse none");
    for four in sent.windows(4) {
        assert!(
            four[3].at.since(four[0].at) >= seconds(10),
            "{:?}",
            four.iter().map(|call| call.at).collect::<Vec<_>>()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn c13_who_waits_for_a_turn_is_given_up_in_time() {
    let world = World::with(|cloud| cloud.launch_pace(1, minutes(10)));
    let orchestrator = world.open().await;
    ready(&orchestrator, "first").await;
    let began = tokio::time::Instant::now();
    let second = orchestrator.ensure("second", request().start_timeout(minutes(3))).await.unwrap();
    assert_eq!(second.ended().await.unwrap().receipt.unwrap().reason, Reason::StartTimeout);
    assert!(began.elapsed() < minutes(3) + seconds(5), "{:?}", began.elapsed());
    // Nothing was sent for it: that is no failed start, and holds nobody up.
    orchestrator.ensure("second", request()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn c13_the_turns_of_those_who_went_away_are_the_next_ones() {
    let world = World::with(|cloud| cloud.launch_pace(1, minutes(1)));
    let orchestrator = world.open().await;
    ready(&orchestrator, "first").await;
    for user in 0..10 {
        let session = orchestrator.ensure(&format!("user {user}"), request()).await.unwrap();
        pass(seconds(1)).await;
        orchestrator.end(session.id()).await.unwrap();
    }
    let began = tokio::time::Instant::now();
    ready(&orchestrator, "last").await;
    assert!(began.elapsed() <= minutes(1), "it waited for nobody: {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn c13_what_is_refused_without_being_sent_takes_nobodys_turn() {
    for is_unsealable in [false, true] {
        let mut world = World::with(|cloud| cloud.launch_pace(1, minutes(10)));
        let maker = world.opened(world.builder().without_background()).await;
        let mut bad = Vec::new();
        for user in 0..5 {
            let compute = ComputeRequest::gpu("h100").image("app:0").http_port(8000).env("MODEL", "small");
            bad.push(maker.ensure(&format!("bad {user}"), SessionRequest::new(compute)).await.unwrap());
            pass(seconds(1)).await;
        }
        maker.ensure("good", request()).await.unwrap();
        if is_unsealable {
            // Each has what was sealed for another.
            let mut rows = world.rows(Kind::SESSION).await;
            rows.retain(|row| String::from_utf8_lossy(&row.body).contains("app:0"));
            let mut bodies: Vec<serde_json::Value> =
                rows.iter().map(|row| serde_json::from_slice(&row.body).unwrap()).collect();
            let mut sealed: Vec<_> = bodies.iter().map(|body| body["private"].clone()).collect();
            assert!(sealed.iter().all(|sealed| !sealed.is_null()));
            sealed.rotate_left(1);
            for ((mut row, body), sealed) in rows.into_iter().zip(&mut bodies).zip(sealed) {
                body["private"] = sealed;
                row.body = body.to_string().into();
                write(&world, row).await;
                pass(seconds(1)).await;
            }
        } else {
            world.witness.refuse_image("app:0");
        }
        let orchestrator = world.reopen().await;
        let good = orchestrator.ensure("good", request()).await.unwrap();
        let began = tokio::time::Instant::now();
        good.ready().await.unwrap();
        assert!(began.elapsed() < minutes(1), "unsealable: {is_unsealable}, {:?}", began.elapsed());
        for session in &bad {
            let shown = orchestrator.session(*session.id()).await.unwrap().view().await.unwrap();
            let expected = if is_unsealable { Phase::Waiting } else { Phase::Ended };
            assert_eq!((shown.phase, shown.compute), (expected, None));
        }
        let rows = world.rows(Kind::SESSION).await;
        let told = rows.iter().filter(|row| String::from_utf8_lossy(&row.body).contains("do not open")).count();
        assert_eq!(told, if is_unsealable { 5 } else { 0 }, "each was looked at");
        assert_eq!(world.cloud.count(Operation::Spawn), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn c13_where_names_are_unique_a_name_that_is_taken_is_our_own_machines() {
    let world = World::with(|cloud| cloud.unique_names(true));
    world.witness.repeat_creates();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    keep_alive(&orchestrator, &session, minutes(5)).await;
    assert_eq!((view(&session).await.phase, view(&session).await.compute), (Phase::Ready, Some(world.only_machine())));
    assert_eq!(world.cloud.ledger().rents.len(), 1, "the second was refused for the sake of the first");
}

#[tokio::test(start_paused = true)]
async fn c13_a_machine_that_moves_while_it_is_ended_is_followed() {
    for gone in [GoneRule::NotFound, GoneRule::TwoNotFounds { apart: seconds(10) }] {
        let world = World::with(|cloud| cloud.migrates(true).gone(gone));
        let orchestrator = world.open().await;
        let session = ready(&orchestrator, "ada").await;
        world.cloud.migrate(&world.only_machine()).unwrap();
        orchestrator.end(session.id()).await.unwrap();
        let ended = session.ended().await.unwrap();
        assert!(world.cloud.live().is_empty(), "{gone:?}: ended under its new id before its session was");
        assert!(ended.cost_so_far >= world.bill());
        // The same where the word to end it crosses its way, and the search is not complete at first.
        let session = ready(&orchestrator, "bob").await;
        let machine = world.only_machine();
        world.cloud.inject(Rule::on(Operation::Terminate, Fault::Migrates).only(&machine));
        world.cloud.inject(Rule::on(Operation::Find, Fault::LooksPartly).times(2));
        orchestrator.end(session.id()).await.unwrap();
        session.ended().await.unwrap();
        assert!(world.cloud.live().is_empty(), "{gone:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn c13_a_machine_that_moved_after_its_proof_is_counted_without_a_gap() {
    let world = World::with(|cloud| cloud.migrates(true).price_per_hour(Money::parse("3.6").unwrap()));
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    let machine = world.only_machine();
    // Denied for as long as it takes to believe that; then it is there again, under another id.
    world.cloud.hide(&machine, minutes(30)).unwrap();
    world.cloud.inject(Rule::on(Operation::Terminate, Fault::Ignores));
    orchestrator.end(session.id()).await.unwrap();
    session.ended().await.unwrap();
    pass(minutes(20)).await;
    world.cloud.migrate(&machine).unwrap();
    pass(minutes(30)).await;
    assert!(world.cloud.live().is_empty());
    let (told, billed) = (view(&session).await.cost_so_far, world.bill());
    assert!(told >= billed, "told {told}, billed {billed}");
}

#[tokio::test(start_paused = true)]
async fn p5_a_twin_that_is_being_ended_is_not_given_to_whoever_loses_the_first() {
    let world = World::new();
    world.cloud.inject(Rule::on(Operation::Spawn, Fault::Duplicates));
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    let machine = view(&session).await.compute.unwrap();
    world.cloud.inject(Rule::on(Operation::Terminate, Fault::Errs).during(hours(1)));
    keep_alive(&orchestrator, &session, minutes(10)).await;
    world.cloud.vanish(&machine).unwrap();
    keep_alive(&orchestrator, &session, minutes(5)).await;
    assert_eq!(view(&session).await.phase, Phase::Missing, "it is not handed what is told to end all the time");
    keep_alive(&orchestrator, &session, minutes(9)).await;
    assert_eq!(session.ended().await.unwrap().receipt.unwrap().reason, Reason::Lost);
    pass(hours(2)).await;
    assert!(world.cloud.live().is_empty());
    // The first one's end was proven only when the cloud could be told again.
    let (told, billed) = (view(&session).await.cost_so_far, world.bill());
    let over = Money::parse("0.36").unwrap().for_span(minutes(65));
    assert!(told >= billed && told <= billed + over, "told {told}, billed {billed}");
}

#[tokio::test(start_paused = true)]
async fn c2_what_is_found_stopped_where_nothing_can_start_it_is_exposure_and_ends_with_its_users_silence() {
    let world = World::with(|cloud| cloud.without(Capability::StopResume).stopped_bills(Billing::Unknown));
    let orchestrator = world.open().await;
    let (silent, waiting) = (ready(&orchestrator, "silent").await, ready(&orchestrator, "waiting").await);
    let machine = view(&waiting).await.compute.unwrap();
    for operation in [Operation::Get, Operation::List] {
        world.cloud.inject(Rule::on(operation, Fault::LiesStatus(ComputeStatus::Stopped)).during(minutes(15)));
    }
    keep_alive(&orchestrator, &waiting, minutes(5)).await;
    assert_eq!(view(&waiting).await.phase, Phase::Stopped);
    let exposure = orchestrator.exposure().await.unwrap();
    assert_eq!(exposure.items.iter().filter(|item| item.why == Why::Stopped).count(), 2, "{exposure:?}");
    assert_eq!(exposure.per_hour.to_string(), "0.720000");
    keep_alive(&orchestrator, &waiting, minutes(6)).await;
    assert_eq!(silent.ended().await.unwrap().receipt.unwrap().reason, Reason::Idle);
    // Whoever is still there has it back when somebody else starts it.
    keep_alive(&orchestrator, &waiting, minutes(6)).await;
    assert_eq!(view(&waiting).await.phase, Phase::Ready);
    assert_eq!(world.cloud.live(), [machine]);
    assert!(orchestrator.exposure().await.unwrap().items.is_empty());
}
