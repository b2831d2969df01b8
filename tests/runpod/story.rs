//! The main job on RunPod: a pod for a user, whose browser talks to it directly, and which goes when nobody is there.

use std::time::Duration;

use atlas_core::{Auth, Money};
use atlas_orchestrator::{Error, Phase, Reason};
use atlas_sim::server::{Server, Timing};
use reqwest::StatusCode;

use crate::hurry::Hurry;
use crate::page::{Page, SITE};
use crate::stage::{Stage, keep_alive, ready_with, request};

const TTL: Duration = Duration::from_mins(1);

/// How long a pod takes from its create until its port answers.
const COMES_UP: Duration = Duration::from_secs(20);

/// How much later than it could a machine may go, or its bill be closed: reads and their proofs take their time.
const SLACK: Duration = Duration::from_secs(30);

/// A cloud that takes its time, in three steps.
fn unhurried(server: Server) -> Server {
    let mut timing = Timing::default();
    timing.provisioning = Duration::from_secs(5);
    timing.starting = Duration::from_secs(10);
    timing.ports_after = Duration::from_secs(5);
    server.timing(timing)
}

#[tokio::test(start_paused = true)]
async fn a_user_gets_a_pod_keeps_it_over_a_deploy_and_is_ended_when_silent() {
    let stage = Stage::over_sockets(1, unhurried).await;
    let hurry = Hurry::begin();
    let page = Page::open();
    let orchestrator = stage.builder().open().await.unwrap();

    // Two tabs, one session; and nothing is handed out while the pod only says that it runs.
    let wants = || request().idle_ttl(TTL);
    let (one, two) = tokio::join!(orchestrator.ensure("ada", wants()), orchestrator.ensure("ada", wants()));
    let (session, two) = (one.unwrap(), two.unwrap());
    assert_eq!(session.id(), two.id());
    assert!(matches!(session.endpoint().await, Err(Error::NoEndpoint { .. })));
    let at = session.ready().await.unwrap();
    let born = stage.cloud().ledger().rents[0].started_at;
    assert!(stage.now().since(born) >= COMES_UP, "ready after {:?}", stage.now().since(born));
    let (url, key) = (at.first_http().unwrap().to_owned(), at.credentials.expose().to_owned());
    assert_eq!(at.compute, stage.only_pod());
    assert_eq!(page.pod_at(&at).await, at.compute.as_str());

    // What the page's script may do at another origin is the browser's to judge, by these headers.
    let preflight = page.preflight(&url).await;
    assert!(preflight.status().is_success(), "{preflight:?}");
    let allows = |name: &str| preflight.headers()[name].to_str().unwrap().to_ascii_lowercase();
    assert!(["*", SITE].contains(&allows("access-control-allow-origin").as_str()));
    assert!(allows("access-control-allow-headers").contains("authorization"));
    let answer = page.ask(&url, Some(&key)).await;
    assert!(answer.headers().contains_key("access-control-allow-origin"));

    // Without the key nobody is let in, and neither is a neighbour.
    let bob = ready_with(&orchestrator, "bob", wants()).await;
    let bobs = bob.endpoint().await.unwrap();
    let mut wrong = key.clone();
    wrong.replace_range(..1, if wrong.starts_with('A') { "B" } else { "A" });
    for refused in [None, Some(wrong.as_str()), Some(bobs.credentials.expose()), Some(stage.api_key.as_str())] {
        assert_eq!(page.status(&url, refused).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(page.status(bobs.first_http().unwrap(), Some(&key)).await, StatusCode::UNAUTHORIZED);

    // Who is there stays. Bob, who is silent, goes.
    keep_alive(&orchestrator, &session, TTL + SLACK).await;
    assert_eq!(page.pod_at(&at).await, at.compute.as_str());
    assert_eq!(bob.ended().await.unwrap().reason, Some(Reason::Idle));
    assert_eq!(stage.only_pod(), at.compute);

    // A deploy: the backend is no part of the way to the pod, and the next one takes over.
    orchestrator.shutdown(Duration::from_secs(10)).await.unwrap();
    assert_eq!(page.pod_at(&at).await, at.compute.as_str());
    let orchestrator = stage.builder().open().await.unwrap();
    let session = orchestrator.ensure("ada", wants()).await.unwrap();
    let again = session.ready().await.unwrap();
    assert_eq!((&again.compute, again.generation), (&at.compute, at.generation));
    assert_eq!((again.first_http().unwrap(), again.credentials.expose()), (url.as_str(), key.as_str()));
    keep_alive(&orchestrator, &session, TTL).await;
    assert_eq!(page.pod_at(&again).await, at.compute.as_str());

    // Everybody is silent: never too soon is a promise, not much too late another.
    orchestrator.touch(session.id()).unwrap();
    let touched = stage.now();
    let rate = session.view().await.unwrap().cost_per_hour;
    let told = session.ended().await.unwrap();
    assert_eq!((told.phase, told.reason), (Phase::Ended, Some(Reason::Idle)));
    assert!(matches!(orchestrator.touch(session.id()), Err(Error::Over { .. } | Error::NoSession(_))));
    assert_ne!(page.status(&url, Some(&key)).await, StatusCode::OK);

    let ledger = stage.cloud().ledger();
    assert_eq!((ledger.rents.len(), ledger.open().count()), (2, 0), "{ledger:?}");
    let rent = ledger.rents.iter().find(|rent| rent.id == at.compute).unwrap();
    let silent_for = rent.ended_at.unwrap().since(touched);
    assert!(silent_for >= TTL && silent_for <= TTL + SLACK, "ended after {silent_for:?}");
    let (billed, told) = (rent.cost, told.cost_so_far);
    assert!(
        billed > Money::ZERO && told >= billed && told <= billed + rate.for_span(SLACK),
        "told {told}, billed {billed}"
    );
    drop(hurry);
}

#[tokio::test(start_paused = true)]
async fn a_signed_address_opens_for_its_time_alone_and_outlives_a_crash_of_the_backend() {
    let mut stage = Stage::in_memory(2, unhurried).await;
    let orchestrator = stage.open().await;
    let users = stage.users();
    let wants = || request().auth(Auth::SignedUrl);
    let session = orchestrator.ensure("ada", wants()).await.unwrap();
    let neighbour = orchestrator.ensure("bob", wants()).await.unwrap();
    let (at, bobs) = (session.ready().await.unwrap(), neighbour.ready().await.unwrap());
    assert_eq!(at.credentials.expose(), "", "what signs never leaves the backend");

    let expires = stage.now().plus(Duration::from_mins(2));
    let signed = at.signed_url(8000, "GET", expires).unwrap();
    let url = at.url(8000).unwrap().to_owned();
    assert_eq!(users.status(signed.expose(), None).await, 200);
    assert_eq!(users.status(&url, None).await, 401);
    // The signature is of this pod and this path.
    let query = signed.expose().split_once('?').unwrap().1.to_owned();
    assert_eq!(users.status(&format!("{}?{query}", bobs.url(8000).unwrap()), None).await, 403);
    assert_eq!(users.status(&format!("{url}/count?{query}"), None).await, 403);
    assert_eq!(users.status(bobs.signed_url(8000, "GET", expires).unwrap().expose(), None).await, 200);

    // The next backend signs with the same key, so what was handed out still opens.
    let orchestrator = stage.reopen().await;
    let session = orchestrator.session(*session.id()).await.unwrap();
    let again = session.ready().await.unwrap();
    assert_eq!((&again.compute, again.generation), (&at.compute, at.generation));
    assert_eq!(users.status(signed.expose(), None).await, 200);
    assert_eq!(again.signed_url(8000, "GET", expires).unwrap().expose(), signed.expose());

    keep_alive(&orchestrator, &session, Duration::from_mins(2)).await;
    assert_eq!(users.status(signed.expose(), None).await, 403, "its time is over");
    let later = stage.now().plus(Duration::from_mins(2));
    assert_eq!(users.status(again.signed_url(8000, "GET", later).unwrap().expose(), None).await, 200);

    session.ended().await.unwrap();
    orchestrator.session(*neighbour.id()).await.unwrap().ended().await.unwrap();
    let ledger = stage.cloud().ledger();
    assert_eq!((ledger.rents.len(), ledger.open().count()), (2, 0));
    assert_ne!(users.status(again.signed_url(8000, "GET", later).unwrap().expose(), None).await, 200);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_dies_while_the_pod_is_made_finds_it_again() {
    let mut stage = Stage::in_memory(3, unhurried).await;
    // Before the create is heard, while it is answered, while the pod starts, when it listens but is not asked yet.
    for (user, alive_for) in [0, 1, 3, 10, 19].into_iter().enumerate() {
        let user = format!("user {user}");
        let orchestrator = stage.open().await;
        let session = *orchestrator.ensure(&user, request()).await.unwrap().id();
        tokio::time::sleep(Duration::from_secs(alive_for)).await;
        let orchestrator = stage.reopen().await;
        let again = orchestrator.ensure(&user, request()).await.unwrap();
        assert_eq!(*again.id(), session);
        let at = again.ready().await.unwrap();
        assert_eq!(at.compute, stage.only_pod(), "killed after {alive_for} s");
        assert_eq!(stage.users().status(at.first_http().unwrap(), at.credentials.bearer()).await, 200);
        orchestrator.end(&session).await.unwrap();
        again.ended().await.unwrap();
        assert_eq!(stage.cloud().ledger().open().count(), 0);
        stage.kill();
    }
    assert_eq!(stage.cloud().ledger().rents.len(), 5);
}
