//! The adapter against real sockets on loopback.

#![allow(clippy::disallowed_methods, reason = "tests stand outside the seams")]

use std::io::{Read, Write};
use std::net::TcpListener;

use futures_util::StreamExt;
use url::Url;

use crate::http::{Request, ReqwestTransport, Transport};
use crate::{Effect, ErrorKind};

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

#[tokio::test]
async fn method_headers_and_body_arrive_and_the_answer_comes_back() {
    let mut server = mockito::Server::new_async().await;
    let mock = server
        .mock("POST", "/pods?x=1")
        .match_header("authorization", "Bearer k")
        .match_header("content-type", "application/json")
        .match_header("user-agent", concat!("atlas/", env!("CARGO_PKG_VERSION")))
        .match_body(r#"{"a":1}"#)
        .with_status(201)
        .with_header("x-request-id", "r1")
        .with_body(r#"{"b":2}"#)
        .create_async()
        .await;
    let request = Request::post(url(&format!("{}/pods?x=1", server.url())), "spawn")
        .header(http::header::AUTHORIZATION, "Bearer k")
        .unwrap()
        .json(&serde_json::json!({"a": 1}))
        .unwrap();
    let answer = ReqwestTransport::new().unwrap().send(request).await.unwrap();
    mock.assert_async().await;
    assert_eq!((answer.status.as_u16(), answer.header("x-request-id")), (201, Some("r1")));
    assert_eq!(answer.json::<serde_json::Value>().unwrap(), serde_json::json!({"b": 2}));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_nothing_is_sent_twice() {
    let mut server = mockito::Server::new_async().await;
    let elsewhere = server.mock("POST", "/elsewhere").expect(0).create_async().await;
    let here =
        server.mock("POST", "/").with_status(307).with_header("location", "/elsewhere").expect(1).create_async().await;
    let answer = ReqwestTransport::new().unwrap().send(Request::post(url(&server.url()), "spawn")).await.unwrap();
    assert_eq!(answer.status.as_u16(), 307);
    elsewhere.assert_async().await;
    here.assert_async().await;
}

#[tokio::test]
async fn a_stream_comes_in_pieces_as_they_are_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let server = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let _ = socket.read(&mut [0; 4096]).unwrap();
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n").unwrap();
        // The second piece is sent only once the first was read.
        wait.recv().unwrap();
        socket.write_all(b"data: 2\n\n").unwrap();
    });
    let request = Request::get(url(&format!("http://{address}/")), "logs").streams("text/event-stream");
    let answer = ReqwestTransport::new().unwrap().send(request).await.unwrap();
    let mut events = crate::http::sse::events(answer.into_pieces());
    assert_eq!(events.next().await.unwrap().unwrap().data, "1");
    go.send(()).unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().data, "2");
    assert!(events.next().await.is_none_or(|end| end.is_err()));
    server.join().unwrap();
}

#[tokio::test]
async fn nobody_there_is_not_sent_and_a_hang_up_is_unknown() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let transport = ReqwestTransport::new().unwrap();
    let error = transport.send(Request::post(url(&format!("http://{port}/?canary")), "spawn")).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Transport, Effect::NotSent));
    assert!(!format!("{error} {error:?}").contains("canary"));

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let hangs_up = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let _ = socket.read(&mut [0; 16]).unwrap();
    });
    let error = transport.send(Request::post(url(&format!("http://{address}/?canary")), "spawn")).await.unwrap_err();
    hangs_up.join().unwrap();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Transport, Effect::Unknown));
    assert!(!format!("{error} {error:?}").contains("canary"));
}
