//! The stack over scripts: what is repeated, what is said about the effect, what is never shown.

use std::sync::Arc;
use std::time::Duration;

use atlas_auth::{Secret, SeededEntropy, Timestamp};
use http::{HeaderName, Method};
use url::Url;

use crate::http::{HttpClient, Lane, Repeat, Request};
use crate::testing::{Reply, ScriptedTransport, TokioClock};
use crate::{CallContext, Effect, Error, ErrorKind, ProviderId};

pub(super) const CANARY: &str = "canary-77aa";

fn url(path: &str) -> Url {
    Url::parse("https://cloud.invalid").unwrap().join(path).unwrap()
}

pub(super) fn client(cloud: &ScriptedTransport) -> HttpClient {
    HttpClient::builder(&ProviderId::parse("cloud").unwrap(), "test", Arc::new(cloud.clone()))
        .key(Some(Secret::new(CANARY)))
        .clock(Arc::new(TokioClock::new(Timestamp::from_seconds(1_800_000_000))))
        .entropy(Arc::new(SeededEntropy::new(7)))
        .build()
}

pub(super) fn create() -> Request {
    Request::post(url("/machines"), "spawn").json(&serde_json::json!({"secret": CANARY})).unwrap().lane(Lane::Create)
}

pub(super) fn read() -> Request {
    Request::get(url("/machines/1?token=canary-77aa"), "get")
}

async fn failed(client: &HttpClient, request: Request) -> Error {
    client.send(&CallContext::new(), request).await.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn a_create_is_never_sent_twice_on_a_guess() {
    for reply in [Reply::lost(), Reply::new(500, ""), Reply::new(504, ""), Reply::new(502, "")] {
        let cloud = ScriptedTransport::new().then(reply.clone());
        let error = failed(&client(&cloud), create()).await;
        assert_eq!((cloud.count(), error.effect()), (1, Effect::Unknown), "{reply:?}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_in_html_is_no_success() {
    let page = || Reply::new(200, "<html>Just a moment...</html>").header("content-type", "text/html; charset=UTF-8");
    let cloud = ScriptedTransport::new().then(page());
    let error = failed(&client(&cloud), create()).await;
    assert_eq!((cloud.count(), error.kind(), error.effect()), (1, ErrorKind::Provider, Effect::Unknown), "{error}");
    let end = || Request::delete(url("/machines/1"), "terminate");
    let cloud = ScriptedTransport::new().then(page()).reply(204, "");
    client(&cloud).done(&CallContext::new(), end()).await.unwrap();
    assert_eq!(cloud.count(), 2, "whoever answered, it was not the cloud: the machine is ended by the second word");
}

#[tokio::test(start_paused = true)]
async fn a_create_that_provably_did_nothing_is_sent_again() {
    for reply in [Reply::unreachable(), Reply::new(429, "").header("retry-after", "3")] {
        let cloud = ScriptedTransport::new().then(reply).reply(201, "{}");
        client(&cloud).send(&CallContext::new(), create()).await.unwrap();
        assert_eq!(cloud.count(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_safe_is_repeated_three_times_and_then_given_up() {
    for repeat in [Repeat::Safe, Repeat::Keyed] {
        let cloud = (0..4).fold(ScriptedTransport::new(), |cloud, _| cloud.reply(503, ""));
        let error = failed(&client(&cloud), create().repeat(repeat)).await;
        assert_eq!((cloud.count(), error.kind(), error.status()), (4, ErrorKind::Provider, Some(503)));
    }
    let cloud = ScriptedTransport::new().reply(503, "");
    let error = client(&cloud).send(&CallContext::new().with_retries(0), read()).await.unwrap_err();
    assert_eq!((cloud.count(), error.status()), (1, Some(503)));
}

#[tokio::test(start_paused = true)]
async fn the_cloud_is_given_the_time_that_it_asked_for() {
    let began = TokioClock::new(Timestamp::EPOCH);
    let cloud = ScriptedTransport::new().then(Reply::new(429, "").header("retry-after", "17")).reply(200, "{}");
    client(&cloud).send(&CallContext::new(), read()).await.unwrap();
    assert!(atlas_auth::Clock::monotonic(&began) >= Duration::from_secs(17));

    // As a date, too: the clock of the test began at 2027-01-15T08:00:00Z.
    let began = TokioClock::new(Timestamp::EPOCH);
    let reply = Reply::new(503, "").header("retry-after", "Fri, 15 Jan 2027 08:00:40 GMT");
    let cloud = ScriptedTransport::new().then(reply).reply(200, "{}");
    client(&cloud).send(&CallContext::new(), read()).await.unwrap();
    assert!(atlas_auth::Clock::monotonic(&began) >= Duration::from_secs(40));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_the_call_has_no_time_for_is_told_at_once() {
    let cloud = ScriptedTransport::new().then(Reply::new(429, "").header("retry-after", "600"));
    let error = failed(&client(&cloud), read()).await;
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::RateLimited, Some(Duration::from_mins(10))));
    assert_eq!(cloud.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_bounds_the_whole_call_and_says_whether_the_cloud_may_have_acted() {
    let cloud = ScriptedTransport::new().then(Reply::never());
    let context = CallContext::new().with_timeout(Duration::from_secs(5));
    let error = client(&cloud).send(&context, create()).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, Effect::Unknown));

    // Refused, and out of time before it could be said again: provably nothing.
    let cloud = ScriptedTransport::new().then(Reply::new(429, "").header("retry-after", "4")).then(Reply::never());
    let context = CallContext::new().with_timeout(Duration::from_secs(5)).with_retries(1);
    let error = client(&cloud).send(&context, create()).await.unwrap_err();
    assert_eq!((error.effect(), cloud.count()), (Effect::Unknown, 2), "the second may have arrived");

    // Refused, and out of time while waiting to say it again: provably nothing.
    let cloud = (0..9).fold(ScriptedTransport::new(), |cloud, _| cloud.then(Reply::unreachable()));
    let context = CallContext::new().with_timeout(Duration::from_millis(1)).with_retries(9);
    let error = client(&cloud).send(&context, create()).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, Effect::NotSent));
}

#[tokio::test(start_paused = true)]
async fn one_try_that_hangs_leaves_time_for_another() {
    let cloud = ScriptedTransport::new().then(Reply::never()).reply(200, "{}");
    client(&cloud).send(&CallContext::new(), read()).await.unwrap();
    assert_eq!(cloud.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_may_bring_its_own_key_and_its_own_connection() {
    let (account, own) = (ScriptedTransport::new(), ScriptedTransport::new().reply(200, "{}"));
    let context = CallContext::new().with_key(Secret::new("other")).with_transport(Arc::new(own.clone()));
    client(&account).send(&context, read()).await.unwrap();
    assert_eq!((account.count(), own.count()), (0, 1));
    let sent = own.sent();
    let value = &sent[0].headers()["authorization"];
    assert_eq!(value, "Bearer other");
    assert!(value.is_sensitive());
}

#[tokio::test(start_paused = true)]
async fn without_a_key_nothing_is_sent() {
    let cloud = ScriptedTransport::new();
    let client = HttpClient::builder(&ProviderId::parse("cloud").unwrap(), "test", Arc::new(cloud.clone()))
        .key_variable("CLOUD_KEY")
        .build();
    let error = failed(&client, read()).await;
    assert_eq!((error.kind(), error.effect(), cloud.count()), (ErrorKind::Unauthorized, Effect::NotSent, 0));
    assert!(error.to_string().contains("CLOUD_KEY"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_in_html_is_not_the_clouds_own() {
    let reply = Reply::new(403, "<html>1010</html>").header("content-type", "text/html; charset=UTF-8");
    let cloud = ScriptedTransport::new().then(reply);
    let error = client(&cloud).send(&CallContext::new().with_retries(0), read()).await.unwrap_err();
    assert_eq!((error.kind(), error.effect(), error.status()), (ErrorKind::Provider, Effect::Unknown, Some(403)));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_read_is_decode_and_is_not_quoted() {
    let cloud = ScriptedTransport::new().reply(200, r#"{"id": "canary-77aa""#);
    let error = client(&cloud).json::<serde_json::Value>(&CallContext::new(), create()).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Decode, Effect::Unknown));
    assert!(!format!("{error} {error:?}").contains(CANARY));
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_request_but_its_path_is_ever_shown() {
    let cloud = ScriptedTransport::new().reply(400, "{}");
    let request = create().secret_header(HeaderName::from_static("x-key"), &Secret::new(CANARY)).unwrap();
    let shown = format!("{:?} {:?}", request, read());
    assert_eq!(shown, "POST /machines (spawn, Unsafe) GET /machines/1 (get, Safe)");
    let error = failed(&client(&cloud), request).await;
    assert_eq!((error.provider().unwrap().as_str(), error.operation()), ("cloud", Some("spawn")));
    assert!(!format!("{error} {error:?} {}", serde_json::to_string(&error).unwrap()).contains(CANARY));
    let unfit = Request::new(Method::GET, url("/"), "x").header(HeaderName::from_static("x"), "a\ncanary-77aa");
    assert!(!unfit.unwrap_err().to_string().contains(CANARY));
}
