//! A pod's log: taken up again where it broke, ended where it ends.

use atlas_core::testing::{Reply, ScriptedTransport};
use atlas_core::{ComputeId, Error, ErrorKind, LogOptions, Provider};
use futures_util::StreamExt;

use crate::support::*;

fn event(id: &str, line: &str) -> String {
    format!("id: {id}\ndata: {{\"source\":\"container\",\"line\":\"{line}\",\"ts\":\"{id}\"}}\n\n")
}

async fn read(cloud: &ScriptedTransport, options: LogOptions) -> (String, Option<Error>) {
    let mut log = account(cloud).runpod.logs(&context(), &ComputeId::new("p1"), &options).unwrap();
    let mut text = String::new();
    while let Some(piece) = log.next().await {
        match piece {
            Ok(piece) => text.push_str(std::str::from_utf8(&piece).unwrap()),
            Err(error) => return (text, Some(error)),
        }
    }
    (text, None)
}

#[tokio::test(start_paused = true)]
async fn what_is_there_now_is_read_to_its_end() {
    let whole = event("t1", "one") + &event("t2", "two");
    let cut = whole.len() / 2 + 3;
    let pieces = vec![Ok(whole[..cut].to_owned()), Ok(whole[cut..].to_owned())];
    let cloud = ScriptedTransport::new().then(Reply::in_pieces(200, pieces));
    let (text, error) = read(&cloud, LogOptions::now()).await;
    assert_eq!(text, "one\ntwo\n");
    assert!(error.is_none());
    insta::assert_snapshot!(cloud.transcript(), @"GET /v2/pods/p1/logs?source=container&tail=5000");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_log_is_not_taken_for_an_empty_one() {
    let cloud = ScriptedTransport::new().then(Reply::new(200, "null").header("content-type", "application/json"));
    let (text, error) = read(&cloud, LogOptions::now()).await;
    assert_eq!((text.as_str(), error.unwrap().kind()), ("", ErrorKind::Decode));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_followed_goes_on_where_it_broke_until_the_pod_ends() {
    let cloud = ScriptedTransport::new()
        .then(Reply::in_pieces(200, vec![Ok(event("t1", "one") + &event("t2", "two")), Err(Error::transport("cut"))]))
        // It begins before the break: what was seen is not shown twice.
        .then(Reply::in_pieces(200, vec![Ok(event("t1", "one") + &event("t3", "three"))]))
        .reply(200, running().to_string())
        .then(Reply::in_pieces(200, vec![Ok(event("t4", "four"))]))
        .reply(200, stopped().to_string());
    let (text, error) = read(&cloud, LogOptions::follow()).await;
    assert_eq!(text, "one\ntwo\nthree\nfour\n");
    assert!(error.is_none() && cloud.left() == 0);
    assert_eq!(cloud.sent()[1].headers()["last-event-id"], "t2");
}

#[tokio::test(start_paused = true)]
async fn a_line_whose_moment_sorts_before_the_last_as_a_text_is_shown() {
    // "03.5Z" stands before "03Z" as a text, and comes after it in time.
    let moments = ["2026-11-23T20:00:03Z/0", "2026-11-23T20:00:03.5Z/0", "2026-11-23T20:00:03.25Z/0"];
    let lines = event(moments[0], "one") + &event(moments[1], "two") + &event(moments[2], "three");
    let cloud = ScriptedTransport::new().then(Reply::in_pieces(200, vec![Ok(lines.clone())]));
    assert_eq!(read(&cloud, LogOptions::now()).await.0, "one\ntwo\nthree\n");

    // Nor is it lost, or shown twice, where the log is taken up again from its beginning.
    let cloud = ScriptedTransport::new()
        .then(Reply::in_pieces(200, vec![Ok(event(moments[0], "one")), Err(Error::transport("cut"))]))
        .then(Reply::in_pieces(200, vec![Ok(lines.clone()), Err(Error::transport("cut"))]))
        .then(Reply::in_pieces(200, vec![Ok(lines + &event("2026-11-23T20:00:04Z/0", "four"))]))
        .reply(200, stopped().to_string());
    let (text, error) = read(&cloud, LogOptions::follow()).await;
    assert_eq!(text, "one\ntwo\nthree\nfour\n");
    assert!(error.is_none() && cloud.left() == 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_dropped_of_a_log_that_goes_on_after_its_last_line() {
    // Two lines of one moment, between which it breaks; the last one is not told again.
    let cloud = ScriptedTransport::new()
        .then(Reply::in_pieces(200, vec![Ok(event("t5", "one")), Err(Error::transport("cut"))]))
        .then(Reply::in_pieces(200, vec![Ok(event("t5", "two") + &event("t4", "three"))]))
        .reply(200, stopped().to_string());
    assert_eq!(read(&cloud, LogOptions::follow()).await.0, "one\ntwo\nthree\n");
}

#[tokio::test(start_paused = true)]
async fn lines_that_say_the_same_are_each_shown_as_often_as_they_were_written() {
    let cloud = ScriptedTransport::new()
        .then(Reply::in_pieces(200, vec![Ok(event("t1", "tick") + &event("t1", "tick")), Err(Error::transport("cut"))]))
        .then(Reply::in_pieces(200, vec![Ok(event("t1", "tick").repeat(3) + &event("t2", "tick"))]))
        .reply(200, stopped().to_string());
    assert_eq!(read(&cloud, LogOptions::follow()).await.0, "tick\n".repeat(4));
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_gone_ends_its_log_and_one_that_never_was_is_an_error() {
    let cloud =
        ScriptedTransport::new().then(Reply::in_pieces(200, vec![Ok(event("t1", "one"))])).reply(404, NOT_FOUND);
    let (text, error) = read(&cloud, LogOptions::follow()).await;
    assert!(text == "one\n" && error.is_none());
    let cloud = ScriptedTransport::new().reply(404, NOT_FOUND);
    assert!(read(&cloud, LogOptions::follow()).await.1.unwrap().is_not_found());
    assert!(account(&cloud).runpod.logs(&context(), &ComputeId::new("a/b"), &LogOptions::now()).is_err());
}
