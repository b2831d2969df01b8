//! A job's output as it comes: every piece once and in order, whatever happens to a look.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use atlas_auth::Timestamp;
use atlas_core::http::{Request, Response, Transport};
use atlas_core::testing::{Reply, ScriptedTransport, TokioClock};
use atlas_core::{EndpointId, Error, ErrorKind, JobId, Provider, Result};
use atlas_runpod::RunPod;
use futures_util::StreamExt;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::support::*;

fn look(status: &str, pieces: &[i32]) -> String {
    let pieces: Vec<_> = pieces.iter().map(|piece| json!({"output": piece})).collect();
    json!({"status": status, "stream": pieces}).to_string()
}

fn job(status: &str, output: &Value) -> String {
    json!({"id": "j-u1", "status": status, "output": output, "error": "it broke"}).to_string()
}

/// How the job stands at each read of it.
#[derive(Debug, Clone, Default)]
struct Reads {
    /// At the first reads; a job that is at work when there are no more.
    first: Vec<String>,
    /// Once there is no look any more.
    last: Option<String>,
}

/// Looks by their script, and reads of the job beside them.
#[derive(Debug)]
struct Beside {
    looks: ScriptedTransport,
    reads: Mutex<Reads>,
}

#[async_trait]
impl Transport for Beside {
    async fn send(&self, request: Request) -> Result<Response> {
        if !request.url().path().contains("/status/") {
            return self.looks.send(request).await;
        }
        let mut reads = self.reads.lock().unwrap();
        let told = match reads.last.clone().filter(|_| self.looks.left() == 0) {
            Some(last) => last,
            None if reads.first.is_empty() => at_work(0),
            None => reads.first.remove(0),
        };
        Ok(Response::new(StatusCode::OK, HeaderMap::new(), told))
    }
}

/// A read of a job that was begun again so often.
fn at_work(retries: u32) -> String {
    json!({"id": "j-u1", "status": "IN_PROGRESS", "retries": retries}).to_string()
}

/// What came, in order, and how it ended.
async fn drained(cloud: &ScriptedTransport) -> (Vec<Value>, Option<Error>) {
    drained_beside(cloud, Reads::default()).await
}

/// The same, with a last read.
async fn drained_to(cloud: &ScriptedTransport, last: String) -> (Vec<Value>, Option<Error>) {
    drained_beside(cloud, Reads { last: Some(last), ..Reads::default() }).await
}

async fn drained_beside(cloud: &ScriptedTransport, reads: Reads) -> (Vec<Value>, Option<Error>) {
    let way = Beside { looks: cloud.clone(), reads: Mutex::new(reads) };
    let clock = Arc::new(TokioClock::new(Timestamp::from_seconds(NOW)));
    let runpod = RunPod::builder().api_key(KEY).transport(Arc::new(way)).clock(clock).build().unwrap();
    let mut stream = runpod.stream_job(&context(), &EndpointId::new("ep1"), &JobId::new("j-u1")).unwrap();
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
        let (pieces, error) = drained_to(&looks(), job("COMPLETED", &json!([1, 2, 3]))).await;
        assert_eq!(pieces, [json!(1), json!(2), json!(3)], "{strange}: the whole output shows what was missed");
        assert!(error.is_none_or(|error| error.message().contains("it broke")));
        let (pieces, error) = drained_to(&looks(), job("COMPLETED", &json!(null))).await;
        assert_eq!(pieces, [json!(1), json!(3)], "{strange}");
        assert!(error.unwrap().message().contains("may have been lost"), "{strange}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bare_list_of_pieces_is_understood() {
    let cloud = ScriptedTransport::new().reply(200, json!([{"output": 1}, 2]).to_string()).reply(200, "[]");
    assert_eq!(drained_to(&cloud, job("COMPLETED", &json!(null))).await.0, [json!(1), json!(2)]);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_ended_badly_ends_its_stream_with_an_error() {
    for (status, kind) in [("FAILED", ErrorKind::Provider), ("TIMED_OUT", ErrorKind::Timeout)] {
        let cloud = ScriptedTransport::new().reply(200, look(status, &[1])).reply(200, look(status, &[]));
        let (pieces, error) = drained_to(&cloud, job(status, &json!(null))).await;
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
    assert_eq!(pieces, [json!(1), json!(2)], "{error:?}");
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
            .reply(200, look("COMPLETED", &[]));
        let (pieces, error) = drained_to(&cloud, job("COMPLETED", &json!([1, 2, 3, 4, 5, 6]))).await;
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
        .reply(200, look("COMPLETED", &[]));
    let (pieces, error) = drained_to(&cloud, job("COMPLETED", &json!(null))).await;
    assert_eq!(pieces, [1, 2, 5].map(Value::from));
    let error = error.unwrap();
    assert!(error.to_string().contains("may have been lost after the first 2"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn before_a_worker_has_it_nothing_can_be_lost() {
    let queued = json!({"id": "j-u1", "status": "IN_QUEUE"}).to_string();
    let cloud = ScriptedTransport::new()
        .then(Reply::lost())
        .reply(200, look("IN_QUEUE", &[]))
        .reply(200, look("COMPLETED", &[1]))
        .reply(200, look("COMPLETED", &[]));
    let reads = Reads { first: vec![queued.clone(), queued.clone(), queued], last: None };
    let (pieces, error) = drained_beside(&cloud, reads).await;
    assert!(pieces.len() == 1 && error.is_none() && cloud.left() == 0, "{pieces:?} {error:?}");
}

/// A job whose worker was lost waits in the queue once more, and what its former run gave may have been lost on the way.
#[tokio::test(start_paused = true)]
async fn a_job_that_waits_again_was_at_work_before() {
    let with = |status: &str, told: &Value| {
        let mut job = json!({"id": "j-u1", "status": status});
        job.as_object_mut().unwrap().extend(told.as_object().unwrap().clone());
        job.to_string()
    };
    let at_work = ScriptedTransport::new().reply(200, look("IN_PROGRESS", &[]));
    let histories = [
        (at_work, json!({})),
        (ScriptedTransport::new(), json!({"retries": 1})),
        (ScriptedTransport::new(), json!({"workerId": "w1"})),
    ];
    for (before, told) in histories {
        let cloud = before
            .then(Reply::lost())
            .reply(200, look("IN_QUEUE", &[]))
            .reply(200, look("IN_PROGRESS", &[2]))
            .reply(200, look("COMPLETED", &[3]))
            .reply(200, look("COMPLETED", &[]));
        let reads = Reads { first: vec![with("IN_QUEUE", &told); 8], last: Some(with("COMPLETED", &told)) };
        let (_, error) = drained_beside(&cloud, reads).await;
        let error = error.expect("it may have given more");
        assert!(error.to_string().contains("may have been lost after the first 0"), "{error}");
        assert_eq!(cloud.left(), 0);
    }
}

fn begun_again(last: &Value) -> Reads {
    let mut over: Value = serde_json::from_str(&job("COMPLETED", last)).unwrap();
    over["retries"] = json!(1);
    Reads { first: vec![at_work(0), at_work(0), at_work(1)], last: Some(over.to_string()) }
}

/// Pieces that come twice are handed out once, wherever the second run has got to when it is seen.
#[tokio::test(start_paused = true)]
async fn a_job_that_is_begun_again_gives_its_pieces_once() {
    let histories: [&[&[i32]]; 4] =
        [&[&[1, 2], &[1, 2, 3]], &[&[1, 2], &[1], &[2, 3]], &[&[1, 2], &[3, 1, 2], &[3]], &[&[1, 2], &[3]]];
    for history in histories {
        let looks = || {
            let at_work = history
                .iter()
                .fold(ScriptedTransport::new(), |cloud, pieces| cloud.reply(200, look("IN_PROGRESS", pieces)));
            at_work.reply(200, look("COMPLETED", &[]))
        };
        let (pieces, error) = drained_beside(&looks(), begun_again(&json!([1, 2, 3]))).await;
        assert_eq!((pieces, error.map(|error| error.to_string())), ([1, 2, 3].map(Value::from).to_vec(), None));
        // What the second run gave is something else, or nobody knows what it was.
        for output in [json!([1, 7, 3]), json!([1]), json!(null)] {
            let (pieces, error) = drained_beside(&looks(), begun_again(&output)).await;
            assert_eq!(pieces, [1, 2].map(Value::from), "nothing comes twice");
            let error = error.expect("what is missing is told");
            assert!(error.to_string().contains("was begun again by another"), "{error}");
            assert_eq!(error.job(), Some(&JobId::new("j-u1")));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn another_worker_or_a_return_to_the_queue_is_another_run() {
    let with = |worker: &str| json!({"id": "j-u1", "status": "IN_PROGRESS", "workerId": worker}).to_string();
    let looks = ScriptedTransport::new()
        .reply(200, look("IN_PROGRESS", &[1]))
        .reply(200, look("IN_PROGRESS", &[1, 2]))
        .reply(200, look("COMPLETED", &[]));
    let reads = Reads { first: vec![with("a"), with("a"), with("b")], last: Some(job("COMPLETED", &json!(null))) };
    let (pieces, error) = drained_beside(&looks, reads).await;
    assert!(pieces == [json!(1)] && error.is_some(), "{pieces:?}");
    let looks = ScriptedTransport::new()
        .reply(200, look("IN_PROGRESS", &[1]))
        .reply(200, look("IN_QUEUE", &[]))
        .reply(200, look("COMPLETED", &[1, 2]))
        .reply(200, look("COMPLETED", &[]));
    let queued = json!({"id": "j-u1", "status": "IN_QUEUE"}).to_string();
    let reads = Reads { first: vec![queued.clone(), at_work(0), queued], last: Some(job("COMPLETED", &json!(null))) };
    let (pieces, error) = drained_beside(&looks, reads).await;
    assert!(pieces == [json!(1)] && error.is_some(), "{pieces:?}");
}

/// A worker that is lost before it gives anything leaves nothing that could come twice.
#[tokio::test(start_paused = true)]
async fn a_job_that_is_begun_again_before_its_first_piece_is_read_on() {
    let cloud = ScriptedTransport::new()
        .reply(200, look("IN_PROGRESS", &[]))
        .reply(200, look("IN_PROGRESS", &[1]))
        .reply(200, look("COMPLETED", &[]));
    let reads = Reads { first: vec![at_work(0), at_work(1), at_work(1)], last: Some(at_work(1)) };
    let (pieces, error) = drained_beside(&cloud, reads).await;
    assert!(pieces == [json!(1)] && error.is_none(), "{pieces:?} {error:?}");
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
    let cloud =
        ScriptedTransport::new().reply(200, at_work(0)).reply(200, look("IN_PROGRESS", &[1])).reply(200, at_work(0));
    let rig = account(&cloud);
    let mut stream = rig.runpod.stream_job(&context(), &EndpointId::new("ep1"), &JobId::new("j-u1")).unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    drop(stream);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(cloud.count(), 3);
    assert!(rig.runpod.stream_job(&context(), &EndpointId::new("a/b"), &JobId::new("j")).is_err());
}
