//! Serverless jobs: what is sent, how long they are waited for, what is said when they are not over.

use std::time::Duration;

use atlas_core::testing::{Reply, ScriptedTransport};
use atlas_core::{CallContext, Effect, EndpointId, ErrorKind, JobId, JobPolicy, JobRequest, JobStatus, Provider};
use serde_json::{Value, json};

use crate::support::*;

const ID: &str = "5b1f0c1e-7a51-4a39-9f0e-2f9a1d0c7b11-u1";

fn request() -> JobRequest {
    JobRequest::new("ep1", json!({"prompt": "x"}))
}

fn standing(status: &str) -> String {
    json!({"id": ID, "status": status}).to_string()
}

fn completed() -> String {
    json!({"id":ID,"status":"COMPLETED","delayTime":812,"executionTime":2203,"workerId":"w0k8","output":{"text":"y"}})
        .to_string()
}

fn ids() -> (EndpointId, JobId) {
    (EndpointId::new("ep1"), JobId::new(ID))
}

#[tokio::test(start_paused = true)]
async fn a_job_is_queued_with_both_its_bounds() {
    let cloud = ScriptedTransport::new().reply(200, standing("IN_QUEUE"));
    let rig = account(&cloud);
    let policy = JobPolicy::new().ttl(Duration::from_mins(10)).execution_timeout(Duration::from_secs(30));
    let request = request().policy(policy).webhook("https://me.example/hook?secret=s").option("extra", json!(1));
    let job = rig.runpod.run_job(&context(), &request).await.unwrap();
    assert_eq!((job.id.as_str(), &job.status), (ID, &JobStatus::Queued));
    assert_eq!(rig.cloud.sent()[0].url().host_str(), Some("api.runpod.ai"));
    insta::assert_snapshot!(rig.sent(), @r#"
    POST /v2/ep1/run
    {"extra":1,"input":{"prompt":"x"},"policy":{"executionTimeout":30000,"lowPriority":false,"ttl":600000},"webhook":"https://me.example/hook?secret=s"}
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_fate_is_unknown_is_not_queued_again() {
    for reply in [Reply::lost(), Reply::new(500, ""), Reply::new(200, "null"), Reply::new(200, "{}")] {
        let cloud = ScriptedTransport::new().then(reply);
        let rig = account(&cloud);
        let error = rig.runpod.run_job(&context(), &request()).await.unwrap_err();
        assert_eq!((error.effect(), rig.cloud.count()), (Effect::Unknown, 1), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_waited_for_comes_back_when_it_is_over() {
    let cloud = ScriptedTransport::new()
        .then(Reply::new(200, standing("IN_PROGRESS")).after(Duration::from_secs(15)))
        .reply(200, standing("IN_PROGRESS"))
        // A look that fails says nothing of the job; its repetitions are the stack's.
        .reply(500, "")
        .reply(200, completed());
    let rig = account(&cloud);
    let job = rig.runpod.run_job(&context(), &request().sync(Duration::from_secs(20))).await.unwrap();
    assert_eq!((&job.status, job.output.as_ref()), (&JobStatus::Completed, Some(&json!({"text": "y"}))));
    assert_eq!((job.delay_ms, job.execution_ms, job.worker.as_deref()), (Some(812), Some(2203), Some("w0k8")));
    insta::assert_snapshot!(rig.sent(), @r#"
    POST /v2/ep1/runsync?wait=15000
    {"input":{"prompt":"x"},"policy":{"executionTimeout":600000,"lowPriority":false,"ttl":86400000}}
    GET /v2/ep1/status/5b1f0c1e-7a51-4a39-9f0e-2f9a1d0c7b11-u1
    GET /v2/ep1/status/5b1f0c1e-7a51-4a39-9f0e-2f9a1d0c7b11-u1
    GET /v2/ep1/status/5b1f0c1e-7a51-4a39-9f0e-2f9a1d0c7b11-u1
    "#);

    let cloud = ScriptedTransport::new().reply(200, completed());
    let rig = account(&cloud);
    rig.runpod.run_job(&context(), &request().sync(Duration::from_secs(20))).await.unwrap();
    assert_eq!(rig.cloud.count(), 1, "a job that is over at once needs no second look");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_not_over_in_time_is_named_with_how_it_stood() {
    let cloud = (0..40).fold(ScriptedTransport::new(), |cloud, _| cloud.reply(200, standing("IN_QUEUE")));
    let rig = account(&cloud);
    let began = stopwatch();
    let error = rig.runpod.run_job(&context(), &request().sync(Duration::from_secs(20))).await.unwrap_err();
    assert!((20_000..20_050).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    assert_eq!(
        (error.kind(), error.effect(), error.job()),
        (ErrorKind::Timeout, Effect::Unknown, Some(&JobId::new(ID)))
    );
    let text = error.to_string();
    assert!(text.contains("was queued after 20s") && text.contains("no worker has taken it"), "{text}");

    // The call's own bound holds as well.
    let cloud = (0..40).fold(ScriptedTransport::new(), |cloud, _| cloud.reply(200, standing("IN_PROGRESS")));
    let rig = account(&cloud);
    let bounded = CallContext::new().with_timeout(Duration::from_secs(3));
    let began = stopwatch();
    let error = rig.runpod.run_job(&bounded, &request().sync(Duration::from_secs(20))).await.unwrap_err();
    assert_eq!(began.elapsed().as_secs(), 3);
    assert!(error.to_string().contains("was running after 3s"), "{error}");

    // Nobody answered at all: the id is not known, and that is said.
    let cloud = ScriptedTransport::new().then(Reply::never());
    let error = account(&cloud).runpod.run_job(&context(), &request().sync(Duration::from_secs(20))).await.unwrap_err();
    assert_eq!((error.kind(), error.effect(), error.job()), (ErrorKind::Timeout, Effect::Unknown, None));
    assert!(error.to_string().contains("may have taken the job"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_wait_shorter_than_runpod_holds_any_call_still_knows_its_job() {
    let cloud = (0..20).fold(ScriptedTransport::new(), |cloud, _| cloud.reply(200, standing("IN_QUEUE")));
    let rig = account(&cloud);
    let began = stopwatch();
    let error = rig.runpod.run_job(&context(), &request().sync(Duration::from_secs(1))).await.unwrap_err();
    assert_eq!((error.kind(), error.job()), (ErrorKind::Timeout, Some(&JobId::new(ID))), "{error}");
    assert!((1_000..1_050).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    assert_eq!(rig.cloud.sent()[0].url().path(), "/v2/ep1/run", "it is not held, so its id comes at once");

    let cloud = ScriptedTransport::new().reply(200, standing("IN_QUEUE")).reply(200, completed());
    let job = account(&cloud).runpod.run_job(&context(), &request().sync(Duration::from_millis(400))).await.unwrap();
    assert_eq!(job.output, Some(json!({"text": "y"})), "it is looked at before the wait is over");

    // What is too large for a job that is queued is held all the same.
    let large = JobRequest::new("ep1", json!({"text": "x".repeat(11_000_000)})).sync(Duration::from_secs(1));
    let cloud = ScriptedTransport::new().reply(200, completed());
    let rig = account(&cloud);
    rig.runpod.run_job(&context(), &large).await.unwrap();
    assert_eq!(rig.cloud.sent()[0].url().path(), "/v2/ep1/runsync");
}

#[tokio::test(start_paused = true)]
async fn a_look_that_hangs_does_not_outlast_the_timeout() {
    let cloud = ScriptedTransport::new().reply(200, standing("IN_PROGRESS")).then(Reply::never());
    let began = stopwatch();
    let error = account(&cloud).runpod.run_job(&context(), &request().sync(Duration::from_secs(5))).await.unwrap_err();
    assert_eq!((began.elapsed().as_secs(), error.kind()), (5, ErrorKind::Timeout));
    assert!(error.job().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_look_that_cannot_be_read_says_nothing_of_the_job() {
    let cloud = ScriptedTransport::new()
        .reply(200, standing("IN_PROGRESS"))
        .reply(200, "{\"id\":\"5b")
        .reply(200, "null")
        .reply(200, completed());
    let rig = account(&cloud);
    let job = rig.runpod.run_job(&context(), &request().sync(Duration::from_secs(20))).await.unwrap();
    assert_eq!((job.status, rig.cloud.count()), (JobStatus::Completed, 4));
}

#[tokio::test(start_paused = true)]
async fn whoever_never_learns_the_id_is_told_that_the_job_may_run() {
    for mode in [request(), request().sync(Duration::from_secs(20))] {
        for reply in [Reply::lost(), Reply::new(500, ""), Reply::new(200, "{"), Reply::new(200, "null")] {
            let cloud = ScriptedTransport::new().then(reply);
            let error = account(&cloud).runpod.run_job(&context(), &mode).await.unwrap_err();
            assert_eq!((error.effect(), error.job()), (Effect::Unknown, None));
            assert!(error.to_string().contains("endpoint ep1 may have taken the job"), "{error}");
        }
        let cloud = ScriptedTransport::new().reply(400, r#"{"error":"input is missing"}"#);
        let error = account(&cloud).runpod.run_job(&context(), &mode).await.unwrap_err();
        assert!(!error.to_string().contains("may have taken"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn trap_27_a_result_that_is_forgotten_is_told_as_such() {
    let cloud = ScriptedTransport::new().reply(404, "").reply(404, r#"{"error":"job not found"}"#);
    let rig = account(&cloud);
    let (endpoint, job) = ids();
    for _ in 0..2 {
        let error = rig.runpod.get_job(&context(), &endpoint, &job).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::NotFound, Effect::Rejected));
        assert!(error.to_string().contains("30 minutes"), "{error}");
    }
    let cloud = ScriptedTransport::new().reply(200, standing("IN_QUEUE")).reply(404, "");
    let error = account(&cloud).runpod.run_job(&context(), &request().sync(Duration::from_secs(20))).await.unwrap_err();
    assert_eq!((error.kind(), error.job()), (ErrorKind::NotFound, Some(&job)));
}

#[tokio::test(start_paused = true)]
async fn each_end_of_a_job_is_told_apart_and_an_unknown_word_is_kept() {
    let packed = json!({"error_type": "ValueError", "error_message": "bad"}).to_string();
    let failed = json!({"id": ID, "status": "FAILED", "error": packed, "output": {"partial": 1}, "webhook": "https://x/?canary"});
    let cloud = ScriptedTransport::new()
        .reply(200, failed.to_string())
        .reply(200, standing("RUNNING"))
        .reply(200, standing("CANCELLED"))
        .reply(200, standing("TIMED_OUT"))
        .reply(200, standing("PONDERING"));
    let rig = account(&cloud);
    let (endpoint, id) = ids();
    let mut statuses = Vec::new();
    for _ in 0..5 {
        let job = rig.runpod.get_job(&context(), &endpoint, &id).await.unwrap();
        if job.status == JobStatus::Failed {
            assert_eq!(job.error.as_ref().unwrap()["error_message"], "bad");
            assert_eq!(job.output, Some(json!({"partial": 1})));
            assert!(!format!("{job:?}").contains("canary"));
        }
        statuses.push(job.status.to_string());
    }
    assert_eq!(statuses, ["failed", "running", "cancelled", "timed_out", "PONDERING"]);
    assert!(!JobStatus::Other("PONDERING".to_owned()).is_over());
}

#[tokio::test(start_paused = true)]
async fn cancelling_repeats_safely_and_leaves_what_is_over_as_it_is() {
    let cloud = ScriptedTransport::new()
        .then(Reply::lost())
        .reply(200, standing("CANCELLED"))
        .reply(400, r#"{"error":"job already completed"}"#)
        .reply(200, completed())
        .reply(404, "")
        .reply(404, "");
    let rig = account(&cloud);
    let ((endpoint, id), context) = (ids(), context());
    assert_eq!(rig.runpod.cancel_job(&context, &endpoint, &id).await.unwrap().status, JobStatus::Cancelled);
    assert_eq!(rig.runpod.cancel_job(&context, &endpoint, &id).await.unwrap().status, JobStatus::Completed);
    assert!(rig.runpod.cancel_job(&context, &endpoint, &id).await.unwrap_err().is_not_found());
    insta::assert_snapshot!(rig.sent(), @r"
    POST /v2/ep1/cancel/5b1f0c1e-7a51-4a39-9f0e-2f9a1d0c7b11-u1
    POST /v2/ep1/cancel/5b1f0c1e-7a51-4a39-9f0e-2f9a1d0c7b11-u1
    POST /v2/ep1/cancel/5b1f0c1e-7a51-4a39-9f0e-2f9a1d0c7b11-u1
    GET /v2/ep1/status/5b1f0c1e-7a51-4a39-9f0e-2f9a1d0c7b11-u1
    POST /v2/ep1/cancel/5b1f0c1e-7a51-4a39-9f0e-2f9a1d0c7b11-u1
    GET /v2/ep1/status/5b1f0c1e-7a51-4a39-9f0e-2f9a1d0c7b11-u1
    ");
}

#[tokio::test(start_paused = true)]
async fn a_job_is_tried_again_and_a_queue_is_emptied_once_each() {
    let cloud = ScriptedTransport::new()
        .reply(200, standing("IN_QUEUE"))
        .reply(200, r#"{"removed":2,"status":"completed"}"#)
        .then(Reply::lost())
        .then(Reply::lost());
    let rig = account(&cloud);
    let (endpoint, id) = ids();
    assert_eq!(rig.runpod.retry_job(&context(), &endpoint, &id).await.unwrap().status, JobStatus::Queued);
    assert_eq!(rig.runpod.purge_queue(&context(), &endpoint).await.unwrap(), 2);
    assert_eq!(rig.runpod.retry_job(&context(), &endpoint, &id).await.unwrap_err().effect(), Effect::Unknown);
    assert_eq!(rig.runpod.purge_queue(&context(), &endpoint).await.unwrap_err().effect(), Effect::Unknown);
    insta::assert_snapshot!(rig.sent(), @r"
    POST /v2/ep1/retry/5b1f0c1e-7a51-4a39-9f0e-2f9a1d0c7b11-u1
    POST /v2/ep1/purge-queue
    POST /v2/ep1/retry/5b1f0c1e-7a51-4a39-9f0e-2f9a1d0c7b11-u1
    POST /v2/ep1/purge-queue
    ");
}

#[tokio::test(start_paused = true)]
async fn each_operation_of_an_endpoint_keeps_its_own_limit() {
    let cloud = (0..5).fold(ScriptedTransport::new(), |cloud, _| cloud.reply(200, r#"{"removed":0}"#));
    let rig = account(&cloud);
    let began = stopwatch();
    for _ in 0..3 {
        rig.runpod.purge_queue(&context(), &EndpointId::new("ep1")).await.unwrap();
    }
    assert_eq!(began.elapsed().as_secs(), 10, "two in ten seconds");
    for _ in 0..2 {
        rig.runpod.purge_queue(&context(), &EndpointId::new("ep2")).await.unwrap();
    }
    assert_eq!(began.elapsed().as_secs(), 10, "another endpoint has its own");
}

#[tokio::test]
async fn trap_26_what_runpod_would_take_and_never_do_is_refused_before_it_is_sent() {
    let rig = account(&ScriptedTransport::new());
    let bounds = |run: u64, ttl: u64| {
        request().policy(JobPolicy::new().execution_timeout(Duration::from_secs(run)).ttl(Duration::from_secs(ttl)))
    };
    let week = 7 * 24 * 3600;
    let big = |bytes: usize| JobRequest::new("ep1", json!({"data": "x".repeat(bytes)}));
    let cases = [
        (JobRequest::new("ep1", json!({})), "input is empty"),
        (JobRequest::new("ep1", Value::Null), "input is empty"),
        (JobRequest::new("ep1", json!("")), "input is empty"),
        (request().option("input", Value::Null), "input is empty"),
        (bounds(4, 60), "execution_timeout is 4s"),
        (bounds(week + 1, 60), "execution_timeout"),
        (bounds(60, 9), "ttl is 9s"),
        (bounds(60, week + 1), "ttl"),
        (request().option("policy", json!({"ttl": 1})), "no ttl"),
        (request().option("policy", json!(null)), "no executionTimeout"),
        (big(10_000_000), "10000000"),
        (big(20_000_000).sync(Duration::from_secs(9)), "20000000"),
        (JobRequest::new("../x", json!({"a": 1})), "no endpoint id"),
        (request().webhook("canary://x"), "webhook"),
    ];
    for (request, words) in cases {
        let error = rig.runpod.run_job(&context(), &request).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Validation, Effect::NotSent), "{error}");
        assert!(error.to_string().contains(words) && !error.to_string().contains("canary"), "{words}: {error}");
    }
    assert_eq!(rig.cloud.count(), 0);
    let cloud = ScriptedTransport::new().reply(200, completed());
    account(&cloud).runpod.run_job(&context(), &big(11_000_000).sync(Duration::from_secs(9))).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_wrong_key_or_endpoint_is_told() {
    let once = CallContext::new().with_retries(0);
    for (status, kind) in [(401, ErrorKind::Unauthorized), (404, ErrorKind::NotFound), (429, ErrorKind::RateLimited)] {
        let cloud = ScriptedTransport::new().reply(status, "");
        let error = account(&cloud).runpod.run_job(&once, &request()).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (kind, Effect::Rejected));
    }
    let html = Reply::new(403, "<html>").header("content-type", "text/html");
    let error = account(&ScriptedTransport::new().then(html)).runpod.run_job(&once, &request()).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Provider, Effect::Unknown));
}
