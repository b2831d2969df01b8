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
async fn a_pod_that_is_gone_ends_its_log_and_one_that_never_was_is_an_error() {
    let cloud =
        ScriptedTransport::new().then(Reply::in_pieces(200, vec![Ok(event("t1", "one"))])).reply(404, NOT_FOUND);
    let (text, error) = read(&cloud, LogOptions::follow()).await;
    assert!(text == "one\n" && error.is_none());
    let cloud = ScriptedTransport::new().reply(404, NOT_FOUND);
    assert!(read(&cloud, LogOptions::follow()).await.1.unwrap().is_not_found());
    assert!(account(&cloud).runpod.logs(&context(), &ComputeId::new("a/b"), &LogOptions::now()).is_err());
}
