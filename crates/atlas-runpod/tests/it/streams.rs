//! A job's output as it comes: every piece once and in order, whatever happens to a look.

use std::time::Duration;

use atlas_core::testing::{Reply, ScriptedTransport};
use atlas_core::{EndpointId, Error, ErrorKind, JobId, Provider};
use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::support::*;

fn look(status: &str, pieces: &[i32]) -> String {
    let pieces: Vec<_> = pieces.iter().map(|piece| json!({"output": piece})).collect();
    json!({"status": status, "stream": pieces}).to_string()
}

fn job(status: &str, output: &Value) -> String {
    json!({"id": "j-u1", "status": status, "output": output, "error": "it broke"}).to_string()
}

/// What came, in order, and how it ended.
async fn drained(cloud: &ScriptedTransport) -> (Vec<Value>, Option<Error>) {
    let rig = account(cloud);
    let mut stream = rig.runpod.stream_job(&context(), &EndpointId::new("ep1"), &JobId::new("j-u1")).unwrap();
    let mut pieces = Vec::new();
    while let Some(item) = stream.next().await {
        match item {
            Ok(chunk) => {
                assert_eq!(chunk.index, u64::try_from(pieces.len()).unwrap());
                pieces.push(chunk.output);
            }
            Err(error) => {
                assert!(stream.next().await.is_none(), "an error ends it");
                return (pieces, Some(error));
            }
        }
    }
    (pieces, None)
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_by_itself_when_the_job_is_over_and_drained() {
    let cloud = ScriptedTransport::new()
        .reply(200, look("IN_QUEUE", &[]))
        .reply(200, look("IN_PROGRESS", &[1, 2]))
        .reply(200, look("IN_PROGRESS", &[]))
        .reply(200, look("COMPLETED", &[3]))
        .reply(200, look("COMPLETED", &[]));
    let (pieces, error) = drained(&cloud).await;
    assert_eq!((pieces, cloud.left()), (vec![json!(1), json!(2), json!(3)], 0));
    assert!(error.is_none());
    insta::assert_snapshot!(cloud.transcript().lines().next().unwrap(), @"GET /v2/ep1/stream/j-u1?wait=10000");
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_pieces_may_have_taken_some_with_it() {
    for strange in ["null", "{}", r#"{"status":"IN_PROGRESS","stream":"gone"}"#] {
        let looks = || {
            ScriptedTransport::new()
                .reply(200, look("IN_PROGRESS", &[1]))
                .reply(200, strange)
                .reply(200, look("COMPLETED", &[3]))
                .reply(200, look("COMPLETED", &[]))
        };
        let (pieces, error) = drained(&looks().reply(200, job("COMPLETED", &json!([1, 2, 3])))).await;
        assert_eq!(pieces, [json!(1), json!(2), json!(3)], "{strange}: the whole output shows what was missed");
        assert!(error.is_none_or(|error| error.message().contains("it broke")));
        let (pieces, error) = drained(&looks().reply(200, job("COMPLETED", &json!(null)))).await;
        assert_eq!(pieces, [json!(1), json!(3)], "{strange}");
        assert!(error.unwrap().message().contains("may have been lost"), "{strange}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bare_list_of_pieces_is_understood() {
    let cloud = ScriptedTransport::new()
        .reply(200, json!([{"output": 1}, 2]).to_string())
        .reply(200, "[]")
        .reply(200, job("COMPLETED", &json!(null)));
    assert_eq!(drained(&cloud).await.0, [json!(1), json!(2)]);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_ended_badly_ends_its_stream_with_an_error() {
    for (status, kind) in [("FAILED", ErrorKind::Provider), ("TIMED_OUT", ErrorKind::Timeout)] {
        let cloud = ScriptedTransport::new()
            .reply(200, look(status, &[1]))
            .reply(200, look(status, &[]))
            .reply(200, job(status, &json!(null)));
        let (pieces, error) = drained(&cloud).await;
        let error = error.unwrap();
        assert_eq!((pieces.len(), error.kind(), error.job()), (1, kind, Some(&JobId::new("j-u1"))));
        assert!(error.to_string().contains("it broke"), "{error}");
    }
    let cloud = ScriptedTransport::new().reply(200, look("CANCELLED", &[1])).reply(200, look("CANCELLED", &[]));
    let (pieces, error) = drained(&cloud).await;
    assert!(pieces.len() == 1 && error.is_none(), "a cancelled job just ends");
}

#[tokio::test(start_paused = true)]
async fn a_look_that_took_nothing_is_repeated_and_nothing_is_held_back() {
    let cloud = ScriptedTransport::new()
        .reply(200, look("IN_PROGRESS", &[1]))
        .then(Reply::unreachable())
        .then(Reply::new(429, "").header("retry-after", "2"))
        .reply(200, look("IN_PROGRESS", &[2]))
        .reply(200, look("COMPLETED", &[]));
    let (pieces, error) = drained(&cloud).await;
    assert_eq!(pieces, [json!(1), json!(2)]);
    assert!(error.is_none() && cloud.left() == 0);
}

#[tokio::test(start_paused = true)]
async fn pieces_that_were_lost_with_an_answer_come_from_the_whole_output_in_their_order() {
    for lost in [Reply::lost(), Reply::new(500, ""), Reply::never(), Reply::new(200, "{\"stre")] {
        let cloud = ScriptedTransport::new()
            .reply(200, look("IN_PROGRESS", &[1, 2]))
            .then(lost.clone())
            .reply(200, look("IN_PROGRESS", &[5]))
            .reply(200, look("COMPLETED", &[6]))
            .reply(200, look("COMPLETED", &[]))
            .reply(200, job("COMPLETED", &json!([1, 2, 3, 4, 5, 6])));
        let (pieces, error) = drained(&cloud).await;
        assert!(error.is_none(), "{lost:?}: {error:?}");
        assert_eq!(pieces, [1, 2, 3, 4, 5, 6].map(Value::from));
    }
}

#[tokio::test(start_paused = true)]
async fn a_gap_that_cannot_be_filled_is_told() {
    let cloud = ScriptedTransport::new()
        .reply(200, look("IN_PROGRESS", &[1, 2]))
        .then(Reply::lost())
        .reply(200, look("COMPLETED", &[5]))
        .reply(200, look("COMPLETED", &[]))
        .reply(200, job("COMPLETED", &json!(null)));
    let (pieces, error) = drained(&cloud).await;
    assert_eq!(pieces, [1, 2, 5].map(Value::from));
    let error = error.unwrap();
    assert!(error.to_string().contains("may have been lost after the first 2"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn before_a_worker_has_it_nothing_can_be_lost() {
    let cloud = ScriptedTransport::new()
        .then(Reply::lost())
        .reply(200, look("IN_QUEUE", &[]))
        .reply(200, json!({"id": "j-u1", "status": "IN_QUEUE"}).to_string())
        .reply(200, look("COMPLETED", &[1]))
        .reply(200, look("COMPLETED", &[]));
    let (pieces, error) = drained(&cloud).await;
    assert!(pieces.len() == 1 && error.is_none() && cloud.left() == 0);
}

/// A job whose worker was lost waits in the queue once more, and what its former run gave may have been lost on the way.
#[tokio::test(start_paused = true)]
async fn a_job_that_waits_again_was_at_work_before() {
    let lost_at_work = ScriptedTransport::new()
        .reply(200, look("IN_PROGRESS", &[]))
        .then(Reply::lost())
        .reply(200, look("IN_QUEUE", &[]));
    let lost_unseen = |told: Value| {
        let mut job = json!({"id": "j-u1", "status": "IN_QUEUE"});
        job.as_object_mut().unwrap().extend(told.as_object().unwrap().clone());
        ScriptedTransport::new().then(Reply::lost()).reply(200, look("IN_QUEUE", &[])).reply(200, job.to_string())
    };
    let clouds = [lost_at_work, lost_unseen(json!({"retries": 1})), lost_unseen(json!({"workerId": "w1"}))];
    for cloud in clouds {
        let cloud = cloud
            .reply(200, look("IN_PROGRESS", &[2]))
            .reply(200, look("COMPLETED", &[3]))
            .reply(200, look("COMPLETED", &[]))
            .reply(200, job("COMPLETED", &json!(null)));
        let (_, error) = drained(&cloud).await;
        let error = error.expect("it may have given more");
        assert!(error.to_string().contains("may have been lost after the first 0"), "{error}");
        assert_eq!(cloud.left(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_good_ends_the_stream_and_so_do_many_failures() {
    let cloud = ScriptedTransport::new().reply(404, "");
    let error = drained(&cloud).await.1.unwrap();
    assert!(error.is_not_found() && error.job().is_some());
    let cloud = (0..11).fold(ScriptedTransport::new(), |cloud, _| cloud.then(Reply::lost()));
    let error = drained(&cloud).await.1.unwrap();
    assert_eq!((error.kind(), cloud.left()), (ErrorKind::Transport, 0));
}

#[tokio::test(start_paused = true)]
async fn dropping_a_stream_stops_it() {
    let cloud = ScriptedTransport::new().reply(200, look("IN_PROGRESS", &[1]));
    let rig = account(&cloud);
    let mut stream = rig.runpod.stream_job(&context(), &EndpointId::new("ep1"), &JobId::new("j-u1")).unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    drop(stream);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(cloud.count(), 1);
    assert!(rig.runpod.stream_job(&context(), &EndpointId::new("a/b"), &JobId::new("j")).is_err());
}
