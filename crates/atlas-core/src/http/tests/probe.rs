//! The probe against real sockets on loopback.

#![allow(clippy::disallowed_methods, reason = "tests stand outside the seams")]

use std::error::Error as _;
use std::fmt::Write;
use std::net::TcpListener;
use std::time::Duration;

use atlas_auth::Secret;

use crate::HttpProbe;
use crate::{Effect, Error, ErrorKind, Probe, ProbeRequest};

const CANARY: &str = "canary-3f1c";

fn request(url: &str, bearer: Option<&str>) -> ProbeRequest {
    ProbeRequest { url: url.into(), bearer: bearer.map(Secret::from), timeout: Duration::from_secs(30) }
}

/// Everything that an error can be made to say.
fn all_of(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {}", serde_json::to_string(error).unwrap());
    let mut source = error.source();
    while let Some(cause) = source {
        write!(text, " {cause} {cause:?}").unwrap();
        source = cause.source();
    }
    text
}

#[tokio::test]
async fn p12_the_head_of_the_answer_comes_back() {
    let mut server = mockito::Server::new_async().await;
    let mock = server
        .mock("GET", "/health?a=1")
        .match_header("authorization", "Bearer canary-3f1c")
        .match_header("user-agent", concat!("atlas/", env!("CARGO_PKG_VERSION")))
        .with_header("X-Proxy", "yes")
        .with_body("not read")
        .create_async()
        .await;
    let probe = HttpProbe::new().unwrap();
    let answer = probe.ask(&request(&format!("{}/health?a=1", server.url()), Some(CANARY))).await.unwrap();
    mock.assert_async().await;
    assert_eq!(answer.status, 200);
    assert!(answer.headers.contains(&"x-proxy".to_owned()), "{:?}", answer.headers);
    assert!(!format!("{answer:?} {probe:?}").contains(CANARY));
}

#[tokio::test]
async fn p12_a_refusal_is_an_answer_and_no_key_is_sent_where_there_is_none() {
    let mut server = mockito::Server::new_async().await;
    let mock = server
        .mock("GET", "/")
        .match_header("authorization", mockito::Matcher::Missing)
        .with_status(401)
        .create_async()
        .await;
    let answer = HttpProbe::new().unwrap().ask(&request(&server.url(), None)).await.unwrap();
    mock.assert_async().await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn p12_a_redirect_is_not_followed() {
    let mut server = mockito::Server::new_async().await;
    let target = server.mock("GET", "/elsewhere").expect(0).create_async().await;
    server.mock("GET", "/").with_status(302).with_header("location", "/elsewhere").create_async().await;
    let answer = HttpProbe::new().unwrap().ask(&request(&server.url(), Some(CANARY))).await.unwrap();
    target.assert_async().await;
    assert_eq!(answer.status, 302);
}

#[tokio::test]
async fn p12_nothing_is_asked_twice() {
    let mut server = mockito::Server::new_async().await;
    let mock = server.mock("GET", "/").with_status(503).with_header("retry-after", "0").expect(1).create_async().await;
    assert_eq!(HttpProbe::new().unwrap().ask(&request(&server.url(), None)).await.unwrap().status, 503);
    mock.assert_async().await;
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_does_not_answer_is_a_timeout_without_its_address() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/?atlas-signature={CANARY}", silent.local_addr().unwrap());
    let error = HttpProbe::new().unwrap().ask(&request(&url, Some(CANARY))).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, Effect::Unknown));
    assert_eq!(error.to_string(), "the machine did not answer within 30s");
    assert!(!all_of(&error).contains(CANARY), "{}", all_of(&error));
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_transport_without_its_address() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{port}/?atlas-signature={CANARY}");
    let error = HttpProbe::new().unwrap().ask(&request(&url, Some(CANARY))).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Transport, Effect::NotSent));
    assert_eq!(error.to_string(), "cannot connect to the machine: Connection refused (os error 111)");
    assert!(!all_of(&error).contains(CANARY), "{}", all_of(&error));
}

#[tokio::test]
async fn a_machine_that_hangs_up_is_transport_without_its_address() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/?atlas-signature={CANARY}", listener.local_addr().unwrap());
    let hangs_up = std::thread::spawn(move || drop(listener.accept().unwrap()));
    let error = HttpProbe::new().unwrap().ask(&request(&url, Some(CANARY))).await.unwrap_err();
    hangs_up.join().unwrap();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Transport, Effect::Unknown));
    assert!(!all_of(&error).contains(CANARY), "{}", all_of(&error));
}

#[tokio::test]
async fn what_is_no_address_or_no_header_is_refused_without_showing_it() {
    let probe = HttpProbe::new().unwrap();
    for url in ["canary-3f1c", "ftp://canary-3f1c/", "http://", "file:///canary-3f1c", ""] {
        let error = probe.ask(&request(url, None)).await.unwrap_err();
        assert_eq!(error.to_string(), "the machine's address is no http or https URL");
        assert!(!all_of(&error).contains(CANARY));
    }
    let error = probe.ask(&request("http://127.0.0.1:1/", Some("canary-3f1c\n"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Validation);
    assert!(!all_of(&error).contains(CANARY));
}
