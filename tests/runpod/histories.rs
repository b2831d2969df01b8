//! Histories in which machines leak or users are killed, played over the HTTP face of a cloud that behaves as RunPod was
//! seen to behave, or worse.

use std::time::Duration;

use atlas_core::{Auth, ComputeRequest};
use atlas_orchestrator::{Error, OnLoss, Orchestrator, Phase, Reason, Session, Why};
use atlas_sim::server::{RateLimits, Reach};
use atlas_sim::{Fault, Operation, Rule, WireFault};
use http::Method;
use serde_json::json;

use crate::stage::{Stage, keep_alive, ready, ready_with, request};

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A cloud with these faults, and an orchestrator over it.
async fn stage(rules: Vec<Rule>) -> (Stage, Orchestrator) {
    let stage = Stage::in_memory(31, |server| server).await;
    for rule in rules {
        stage.cloud().inject(rule);
    }
    let orchestrator = stage.open().await;
    (stage, orchestrator)
}

/// Whether the user of a session reaches the pod.
async fn reaches(stage: &Stage, session: &Session) -> bool {
    let at = session.endpoint().await.expect("a ready session");
    stage.users().status(at.first_http().unwrap(), at.credentials.bearer()).await == 200
}

/// Ends a session, after which nothing of it may bill.
async fn ends_clean(stage: &Stage, orchestrator: &Orchestrator, session: &Session) {
    orchestrator.end(session.id()).await.unwrap();
    session.ended().await.unwrap();
    assert_eq!(stage.cloud().ledger().open().count(), 0, "{:?}", stage.cloud().ledger());
}

#[tokio::test(start_paused = true)]
async fn p2_a_create_whose_answer_is_lost_is_found_and_never_sent_again() {
    for fault in [
        Fault::LosesAnswer,
        Fault::ActsThenErrs,
        Fault::Garbles,
        Fault::NeverAnswers,
        Fault::LandsLate(seconds(60)),
        Fault::AppearsLate(seconds(100)),
        Fault::Wire(WireFault::NullBody),
    ] {
        let (stage, orchestrator) = stage(vec![Rule::on(Operation::Spawn, fault.clone())]).await;
        let session = ready(&orchestrator, "ada").await;
        assert!(reaches(&stage, &session).await, "{fault}");
        keep_alive(&orchestrator, &session, minutes(8)).await;
        assert_eq!(stage.cloud().ledger().rents.len(), 1, "{fault}");
        ends_clean(&stage, &orchestrator, &session).await;
    }
}

#[tokio::test(start_paused = true)]
async fn p2_a_lost_answer_and_listings_that_lag_behind_make_no_second_pod() {
    let listings = Rule::on(Operation::List, Fault::ListsShort).during(seconds(90));
    let lost = Rule::on(Operation::Spawn, Fault::LosesAnswer);
    let (stage, orchestrator) = stage(vec![lost, listings]).await;
    let session = ready(&orchestrator, "ada").await;
    keep_alive(&orchestrator, &session, minutes(5)).await;
    assert_eq!(stage.cloud().ledger().rents.len(), 1);
    ends_clean(&stage, &orchestrator, &session).await;
}

#[tokio::test(start_paused = true)]
async fn c8_a_pod_that_an_error_names_as_left_over_is_ended() {
    let (stage, orchestrator) = stage(vec![Rule::on(Operation::Spawn, Fault::LeavesLeftover)]).await;
    let session = ready(&orchestrator, "ada").await;
    assert!(reaches(&stage, &session).await);
    keep_alive(&orchestrator, &session, minutes(8)).await;
    assert_eq!(stage.only_pod(), session.view().await.unwrap().compute.unwrap());
    ends_clean(&stage, &orchestrator, &session).await;
}

#[tokio::test(start_paused = true)]
async fn history_03_a_create_that_lands_after_its_session_was_ended_shelters_nowhere() {
    // Within the window in which it may still appear, and long after it.
    for late in [seconds(90), minutes(7)] {
        let (stage, orchestrator) = stage(vec![Rule::on(Operation::Spawn, Fault::LandsLate(late))]).await;
        let session = orchestrator.ensure("ada", request()).await.unwrap();
        tokio::time::sleep(seconds(5)).await;
        orchestrator.end(session.id()).await.unwrap();
        session.ended().await.unwrap();
        assert_eq!(stage.cloud().ledger().open().count(), 0);
        tokio::time::sleep(minutes(15)).await;
        let ledger = stage.cloud().ledger();
        assert_eq!((ledger.rents.len(), ledger.open().count()), (1, 0), "late by {late:?}: {ledger:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn p4_a_delete_that_is_accepted_and_not_done_is_sent_until_the_pod_is_gone() {
    for fault in [Fault::Ignores, Fault::LandsLate(minutes(4)), Fault::ActsThenErrs, Fault::LosesAnswer] {
        let (stage, orchestrator) = stage(vec![Rule::on(Operation::Terminate, fault.clone()).times(4)]).await;
        let session = ready(&orchestrator, "ada").await;
        ends_clean(&stage, &orchestrator, &session).await;
        assert_eq!(stage.cloud().ledger().rents.len(), 1, "{fault}");
    }
    // A pod that reads still show long after it went is no reason to wait for ever, or to take it for a live one.
    let lagging = Stage::in_memory(32, |server| {
        let mut timing = atlas_sim::server::Timing::default();
        timing.delete_lag = minutes(3);
        server.timing(timing)
    })
    .await;
    let orchestrator = lagging.open().await;
    let session = ready(&orchestrator, "ada").await;
    ends_clean(&lagging, &orchestrator, &session).await;
}

#[tokio::test(start_paused = true)]
async fn p4_history_10_a_session_that_is_ended_at_once_is_not_gone_while_reads_do_not_show_its_pod() {
    let (stage, orchestrator) = stage(vec![Rule::on(Operation::Spawn, Fault::AppearsLate(seconds(45)))]).await;
    let session = orchestrator.ensure("ada", request()).await.unwrap();
    tokio::time::sleep(seconds(2)).await;
    assert_eq!(stage.cloud().ledger().open().count(), 1, "it bills, and nobody sees it");
    ends_clean(&stage, &orchestrator, &session).await;
    tokio::time::sleep(minutes(10)).await;
    assert_eq!(stage.cloud().ledger().open().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn p3_history_15_of_two_pods_of_one_create_the_user_keeps_one_and_the_other_goes() {
    for fault in [Fault::Duplicates, Fault::LosesAnswer] {
        let (stage, orchestrator) = stage(vec![Rule::on(Operation::Spawn, Fault::Duplicates)]).await;
        if fault == Fault::LosesAnswer {
            stage.cloud().inject(Rule::on(Operation::Spawn, fault.clone()));
        }
        let session = ready(&orchestrator, "ada").await;
        assert_eq!(stage.cloud().ledger().rents.len(), 2);
        keep_alive(&orchestrator, &session, minutes(10)).await;
        assert_eq!(stage.only_pod(), session.view().await.unwrap().compute.unwrap(), "{fault}");
        assert!(reaches(&stage, &session).await, "{fault}");
        ends_clean(&stage, &orchestrator, &session).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_narrow_rate_limit_makes_everybody_wait_and_harms_nobody() {
    let stage = Stage::in_memory(33, |server| server.rate_limits(RateLimits::new(60, 100_000, 1_000_000))).await;
    let orchestrator = stage.open().await;
    let mut sessions = Vec::new();
    for user in 0..20 {
        sessions.push(orchestrator.ensure(&format!("user {user}"), request()).await.unwrap());
    }
    for session in &sessions {
        session.ready().await.unwrap();
    }
    let until = stage.now().plus(minutes(10));
    while stage.now() < until {
        for session in &sessions {
            orchestrator.touch(session.id()).unwrap();
        }
        tokio::time::sleep(seconds(20)).await;
    }
    for session in &sessions {
        assert_eq!(session.view().await.unwrap().phase, Phase::Ready);
        assert!(reaches(&stage, session).await);
        orchestrator.end(session.id()).await.unwrap();
    }
    for session in &sessions {
        session.ended().await.unwrap();
    }
    let ledger = stage.cloud().ledger();
    assert_eq!((ledger.rents.len(), ledger.open().count()), (20, 0));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_revoked_ends_nobody_and_closes_nothing() {
    let (stage, orchestrator) = stage(Vec::new()).await;
    let (ada, bob) = (ready(&orchestrator, "ada").await, ready(&orchestrator, "bob").await);
    stage.happens(Method::DELETE, &format!("/keys/{}", stage.api_key), &json!({})).await;
    keep_alive(&orchestrator, &ada, minutes(40)).await;
    assert_eq!(ada.view().await.unwrap().phase, Phase::Ready);
    assert!(reaches(&stage, &ada).await);
    // Bob was silent: his session is over, and his pod is owed until the cloud can be asked again.
    let bobs = bob.view().await.unwrap();
    assert_eq!((bobs.phase, bobs.reason), (Phase::Ending, Some(Reason::Idle)));
    assert_eq!(stage.cloud().ledger().open().count(), 2);
    assert!(bobs.last_error.unwrap().contains("401"), "{:?}", bob.view().await.unwrap().last_error);

    stage.cloud().add_key(&stage.api_key, "main", Reach::All);
    keep_alive(&orchestrator, &ada, minutes(3)).await;
    assert_eq!(bob.view().await.unwrap().phase, Phase::Ended);
    assert_eq!(stage.only_pod(), ada.view().await.unwrap().compute.unwrap());
    ends_clean(&stage, &orchestrator, &ada).await;
}

#[tokio::test(start_paused = true)]
async fn o3_history_26_a_rotated_key_takes_over_what_the_old_one_rented() {
    let (mut stage, orchestrator) = stage(Vec::new()).await;
    let session = ready(&orchestrator, "ada").await;
    let before = session.endpoint().await.unwrap();
    stage.cloud().add_key("rpa_ROTATED", "main", Reach::All);
    stage.happens(Method::DELETE, &format!("/keys/{}", stage.api_key), &json!({})).await;
    stage.api_key = "rpa_ROTATED".to_owned();
    let orchestrator = stage.reopen().await;
    let session = orchestrator.session(*session.id()).await.unwrap();
    keep_alive(&orchestrator, &session, minutes(30)).await;
    let after = session.ready().await.unwrap();
    assert_eq!((after.compute, after.generation), (before.compute, before.generation));
    assert_eq!(after.credentials.expose(), before.credentials.expose());
    assert!(reaches(&stage, &session).await);
    ends_clean(&stage, &orchestrator, &session).await;
}

#[tokio::test(start_paused = true)]
async fn o3_history_05_what_another_account_does_not_find_is_not_gone() {
    let (mut stage, orchestrator) = stage(Vec::new()).await;
    let (ada, bob) = (ready(&orchestrator, "ada").await, ready(&orchestrator, "bob").await);
    let right = std::mem::replace(&mut stage.api_key, "rpa_SOMEBODY_ELSES".to_owned());
    stage.cloud().add_key(&stage.api_key, "other", Reach::All);
    let orchestrator = stage.reopen().await;
    let (ada, bob) = (*ada.id(), *bob.id());
    orchestrator.end(&bob).await.unwrap();
    let session = orchestrator.session(ada).await.unwrap();
    keep_alive(&orchestrator, &session, minutes(40)).await;
    assert_eq!(stage.cloud().ledger().open().count(), 2);
    assert_eq!(orchestrator.session(bob).await.unwrap().view().await.unwrap().phase, Phase::Ending);

    stage.api_key = right;
    let orchestrator = stage.reopen().await;
    let session = orchestrator.session(ada).await.unwrap();
    keep_alive(&orchestrator, &session, minutes(3)).await;
    assert_eq!(orchestrator.session(bob).await.unwrap().view().await.unwrap().phase, Phase::Ended);
    assert_eq!(session.view().await.unwrap().phase, Phase::Ready);
    assert!(reaches(&stage, &session).await);
    ends_clean(&stage, &orchestrator, &session).await;
}

#[tokio::test(start_paused = true)]
async fn p12_a_running_pod_behind_a_proxy_that_says_502_is_not_handed_out() {
    let stage = Stage::in_memory(34, |server| {
        let mut timing = atlas_sim::server::Timing::default();
        timing.ports_after = minutes(4);
        server.timing(timing)
    })
    .await;
    let orchestrator = stage.open().await;
    let session = orchestrator.ensure("ada", request()).await.unwrap();
    tokio::time::sleep(minutes(3)).await;
    let pod = stage.only_pod();
    assert_eq!(stage.manage(Method::GET, &format!("/pods/{pod}"), &json!({})).await["status"], "RUNNING");
    assert_eq!(session.view().await.unwrap().phase, Phase::Starting);
    assert!(matches!(session.endpoint().await, Err(Error::NoEndpoint { .. })));
    session.ready().await.unwrap();
    assert!(reaches(&stage, &session).await);

    // Later its application breaks. That is between its user and it: who is there is not ended for it.
    stage.happens(Method::POST, &format!("/pods/{pod}/answer"), &json!({ "status": 502 })).await;
    keep_alive(&orchestrator, &session, minutes(20)).await;
    assert_eq!(stage.only_pod(), pod);
    assert!(matches!(session.view().await.unwrap().phase, Phase::Ready | Phase::Starting));
    ends_clean(&stage, &orchestrator, &session).await;
}

#[tokio::test(start_paused = true)]
async fn p10_history_19_a_pod_that_never_answers_is_given_up_and_ended() {
    let stage = Stage::in_memory(35, |server| {
        let mut timing = atlas_sim::server::Timing::default();
        timing.ports_after = Duration::from_hours(9);
        server.timing(timing)
    })
    .await;
    let orchestrator = stage.open().await;
    let wanted = request().start_timeout(minutes(5));
    let session = orchestrator.ensure("ada", wanted).await.unwrap();
    let ended = session.ended().await.unwrap();
    assert_eq!(ended.reason, Some(Reason::StartTimeout));
    let ledger = stage.cloud().ledger();
    assert_eq!((ledger.rents.len(), ledger.open().count()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn p5_what_befalls_a_pod_befalls_its_bill_too() {
    // A container that ends is started again by the cloud, and nobody is ended for it.
    let (stage, orchestrator) = stage(Vec::new()).await;
    let session = ready(&orchestrator, "exits").await;
    let pod = stage.only_pod();
    stage.happens(Method::POST, &format!("/pods/{pod}/exit"), &json!({})).await;
    keep_alive(&orchestrator, &session, minutes(5)).await;
    assert_eq!((session.view().await.unwrap().phase, stage.only_pod()), (Phase::Ready, pod));
    ends_clean(&stage, &orchestrator, &session).await;

    // One that broke bills on until somebody ends it: Atlas does, once that is sure.
    let session = ready(&orchestrator, "breaks").await;
    let pod = stage.only_pod();
    stage.happens(Method::POST, &format!("/pods/{pod}/fail"), &json!({})).await;
    let told = session.ended().await.unwrap();
    assert_eq!(told.reason, Some(Reason::Failed));
    assert_eq!(stage.cloud().ledger().open().count(), 0);

    // One that somebody stopped in the console bills its disk: it goes with its session all the same.
    let session = ready(&orchestrator, "stopped").await;
    let pod = stage.only_pod();
    stage.manage(Method::POST, &format!("/pods/{pod}/action"), &json!({ "action": "stop" })).await;
    tokio::time::sleep(minutes(2)).await;
    assert_eq!(stage.cloud().ledger().open().count(), 1, "the disk bills");
    ends_clean(&stage, &orchestrator, &session).await;
}

#[tokio::test(start_paused = true)]
async fn p5_history_06_a_pod_that_moves_is_followed_and_one_that_hides_is_waited_for() {
    let (stage, orchestrator) = stage(Vec::new()).await;
    let session = ready(&orchestrator, "moves").await;
    let old = stage.only_pod();
    let moved = stage.happens(Method::POST, &format!("/pods/{old}/migrate"), &json!({})).await;
    keep_alive(&orchestrator, &session, minutes(20)).await;
    let at = session.endpoint().await.unwrap();
    assert_eq!(at.compute.as_str(), moved["id"].as_str().unwrap());
    assert!(reaches(&stage, &session).await);
    ends_clean(&stage, &orchestrator, &session).await;

    let session = ready(&orchestrator, "hides").await;
    let pod = stage.only_pod();
    stage.happens(Method::POST, &format!("/pods/{pod}/hide"), &json!({ "span": "10m" })).await;
    keep_alive(&orchestrator, &session, minutes(5)).await;
    assert_eq!(session.view().await.unwrap().phase, Phase::Missing);
    keep_alive(&orchestrator, &session, minutes(10)).await;
    assert_eq!((session.view().await.unwrap().phase, stage.only_pod()), (Phase::Ready, pod));
    ends_clean(&stage, &orchestrator, &session).await;
}

#[tokio::test(start_paused = true)]
async fn p5_a_pod_that_vanished_is_lost_in_the_end_and_replaced_where_that_was_wanted() {
    let (stage, orchestrator) = stage(Vec::new()).await;
    let session = ready(&orchestrator, "ends").await;
    let pod = stage.only_pod();
    stage.happens(Method::POST, &format!("/pods/{pod}/vanish"), &json!({})).await;
    keep_alive(&orchestrator, &session, minutes(14)).await;
    assert_eq!(session.view().await.unwrap().phase, Phase::Missing);
    assert_eq!(session.ended().await.unwrap().reason, Some(Reason::Lost));

    let session = ready_with(&orchestrator, "goes on", request().on_loss(OnLoss::Replace)).await;
    let before = session.endpoint().await.unwrap();
    stage.happens(Method::POST, &format!("/pods/{}/vanish", before.compute), &json!({})).await;
    keep_alive(&orchestrator, &session, minutes(25)).await;
    let after = session.endpoint().await.unwrap();
    assert_eq!(stage.only_pod(), after.compute);
    assert!(after.compute != before.compute && after.generation > before.generation);
    assert_ne!(after.credentials.expose(), before.credentials.expose());
    assert!(reaches(&stage, &session).await);
    ends_clean(&stage, &orchestrator, &session).await;
}

#[tokio::test(start_paused = true)]
async fn o5_history_01_a_store_that_was_just_made_ends_nothing_of_another() {
    let (stage, orchestrator) = stage(Vec::new()).await;
    let mut sessions = Vec::new();
    for user in 0..5 {
        sessions.push(ready(&orchestrator, &format!("user {user}")).await);
    }
    let stranger = stage.elsewhere();
    let second = stranger.open().await;
    let until = stage.now().plus(minutes(20));
    while stage.now() < until {
        for session in &sessions {
            orchestrator.touch(session.id()).unwrap();
        }
        tokio::time::sleep(seconds(20)).await;
    }
    assert_eq!(stage.cloud().ledger().open().count(), 5);
    let exposure = second.exposure().await.unwrap();
    assert_eq!(exposure.items.iter().filter(|item| item.why == Why::Alien).count(), 5);
    // Its own work goes on beside it.
    let own = ready(&second, "ada").await;
    second.end(own.id()).await.unwrap();
    own.ended().await.unwrap();
    assert_eq!(stage.cloud().ledger().open().count(), 5);
    assert!(reaches(&stage, &sessions[0]).await);
}

#[tokio::test(start_paused = true)]
async fn a_gpu_that_is_out_of_stock_is_passed_over_and_rented_once() {
    let stage = Stage::in_memory(36, |server| server).await;
    let orchestrator = stage.open().await;
    stage.happens(Method::POST, "/stock", &json!({ "gpu": "NVIDIA L4", "count": 0 })).await;
    let compute = ComputeRequest::gpu("l4").or("rtx_4090").image("ghcr.io/me/app:1").http_port(8000);
    let wanted = atlas_orchestrator::SessionRequest::new(compute).auth(Auth::Bearer);
    let session = ready_with(&orchestrator, "ada", wanted).await;
    assert_eq!(stage.cloud().ledger().rents.len(), 1);
    assert!(reaches(&stage, &session).await);
    ends_clean(&stage, &orchestrator, &session).await;

    // Where nothing is free nothing is rented, and the pod comes when there is one.
    let waiting = orchestrator.ensure("bob", request()).await.unwrap();
    tokio::time::sleep(minutes(2)).await;
    assert_eq!(stage.cloud().ledger().open().count(), 0);
    assert_eq!(waiting.view().await.unwrap().phase, Phase::Waiting);
    stage.happens(Method::DELETE, "/stock", &json!({})).await;
    waiting.ready().await.unwrap();
    ends_clean(&stage, &orchestrator, &waiting).await;
}
