//! Calls of the cloud, and of those who pretend to be it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use atlas_auth::{SeededEntropy, Timestamp};
use atlas_core::testing::{Reply, ScriptedTransport, TokioClock};
use atlas_core::{ErrorKind, JobStatus};
use serde_json::json;
use tower::{Service, ServiceExt};

use super::*;

const SECRET_TEXT: &str = "canary-of-the-webhook";

fn account(cloud: &ScriptedTransport) -> RunPod {
    RunPod::builder()
        .api_key("rpa_x")
        .transport(Arc::new(cloud.clone()))
        .clock(Arc::new(TokioClock::new(Timestamp::from_seconds(1_800_000_000))))
        .entropy(Arc::new(SeededEntropy::new(1)))
        .build()
        .unwrap()
}

fn finished(status: &str) -> String {
    json!({"id": "j1", "status": status, "output": {"from": "the cloud"}, "executionTime": 5}).to_string()
}

/// What the cloud posts: the address that it was given, and the whole job.
fn call(body: &str) -> Request<String> {
    let url = webhook_url("https://me.example/hook?a=1", &EndpointId::new("ep1"), &Secret::new(SECRET_TEXT)).unwrap();
    Request::post(url.expose()).body(body.to_owned()).unwrap()
}

fn told() -> Request<String> {
    call(&json!({"id": "j1", "status": "COMPLETED", "output": {"from": "a forger"}, "input": {}}).to_string())
}

/// A receiver that keeps what it is handed, and fails as often as it is told.
struct Kept {
    jobs: Mutex<Vec<Job>>,
    failures: AtomicUsize,
}

fn receiver(
    cloud: &ScriptedTransport,
    failures: usize,
) -> (
    Arc<Kept>,
    impl Service<Request<String>, Response = Response<String>, Error = Infallible, Future: Send> + Clone + Send + 'static,
) {
    let kept = Arc::new(Kept { jobs: Mutex::default(), failures: AtomicUsize::new(failures) });
    let keeping = Arc::clone(&kept);
    let hooks = Webhooks::new(&account(cloud), &Secret::new(SECRET_TEXT), move |job| {
        let kept = Arc::clone(&keeping);
        async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let fails = kept.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            if fails.is_ok() {
                return Err(Error::new(ErrorKind::Unknown, "the database is away"));
            }
            kept.jobs.lock().unwrap().push(job);
            Ok(())
        }
    });
    (kept, hooks)
}

#[tokio::test(start_paused = true)]
async fn a_job_is_handed_on_once_and_as_the_cloud_describes_it() {
    let cloud = (0..3).fold(ScriptedTransport::new(), |cloud, _| cloud.reply(200, finished("COMPLETED")));
    let (kept, hooks) = receiver(&cloud, 0);
    for _ in 0..3 {
        assert_eq!(hooks.clone().oneshot(told()).await.unwrap().status(), 200);
    }
    let jobs = kept.jobs.lock().unwrap();
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].output, Some(json!({"from": "the cloud"})), "nothing of the body is believed");
}

#[tokio::test(start_paused = true)]
async fn without_the_secret_nothing_is_read_and_nothing_is_asked() {
    let cloud = ScriptedTransport::new();
    let (kept, hooks) = receiver(&cloud, 0);
    for url in [
        "https://me.example/hook",
        "https://me.example/hook?endpoint=ep1",
        "https://me.example/hook?endpoint=ep1&secret=",
        "https://me.example/hook?endpoint=ep1&secret=canary-of-the-webhooks",
    ] {
        let request = Request::post(url).body(finished("COMPLETED")).unwrap();
        assert_eq!(hooks.clone().oneshot(request).await.unwrap().status(), 403);
    }
    assert!(kept.jobs.lock().unwrap().is_empty() && cloud.count() == 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_webhook_is_refused() {
    let (_, hooks) = receiver(&ScriptedTransport::new(), 0);
    // The last two break off, and name two jobs.
    let torn = &finished("COMPLETED")[..20];
    for body in ["", "[]", "{}", "{\"id\":7}", "{\"id\":\"../../x\"}", torn, "{\"id\":\"j1\",\"id\":\"j2\"}"] {
        assert_eq!(hooks.clone().oneshot(call(body)).await.unwrap().status(), 400, "{body}");
    }
    let mut get = told();
    *get.method_mut() = Method::GET;
    assert_eq!(hooks.clone().oneshot(get).await.unwrap().status(), 405);
    assert_eq!(hooks.clone().oneshot(call(&"x".repeat(LONGEST + 1))).await.unwrap().status(), 413);
}

#[tokio::test(start_paused = true)]
async fn a_forged_job_is_not_handed_on() {
    let cloud = ScriptedTransport::new().reply(404, "").reply(200, finished("IN_PROGRESS"));
    let (kept, hooks) = receiver(&cloud, 0);
    assert_eq!(hooks.clone().oneshot(told()).await.unwrap().status(), 404);
    assert_eq!(hooks.clone().oneshot(told()).await.unwrap().status(), 503, "not over: the cloud may ask again");
    assert!(kept.jobs.lock().unwrap().is_empty());
}

/// A body that ends before its end, as when the connection breaks.
struct Torn(bool);

impl Body for Torn {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<http_body::Frame<Bytes>, std::io::Error>>> {
        let begun = std::mem::replace(&mut self.0, true);
        Poll::Ready(Some(if begun {
            Err(std::io::ErrorKind::UnexpectedEof.into())
        } else {
            Ok(http_body::Frame::data(Bytes::from(finished("COMPLETED"))))
        }))
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_is_asked_of_nobody() {
    let cloud = ScriptedTransport::new();
    let hooks = Webhooks::new(&account(&cloud), &Secret::new(SECRET_TEXT), |_| async {
        panic!("nothing may be handed on");
    });
    let (parts, _) = told().into_parts();
    let response = hooks.oneshot(Request::from_parts(parts, Torn(false))).await.unwrap();
    assert_eq!((response.status().as_u16(), cloud.count()), (400, 0), "whole as it looks, its end never came");
}

#[tokio::test(start_paused = true)]
async fn what_is_replayed_or_meant_for_another_is_handed_on_by_nobody() {
    // The secret of another receiver; and a secret that stands behind a wrong one.
    let cloud = ScriptedTransport::new();
    let (kept, hooks) = receiver(&cloud, 0);
    let other =
        webhook_url("https://me.example/hook", &EndpointId::new("ep1"), &Secret::new("of-another-receiver")).unwrap();
    for url in [other.expose().to_owned(), format!("{}&secret={SECRET_TEXT}", other.expose())] {
        let request = Request::post(url).body(finished("COMPLETED")).unwrap();
        assert_eq!(hooks.clone().oneshot(request).await.unwrap().status(), 403);
    }
    assert_eq!(cloud.count(), 0);

    // A true one, replayed once the account's key was revoked or the cloud has forgotten the job: never handed on again.
    let cloud = cloud.reply(200, finished("COMPLETED")).reply(401, "").reply(404, "").reply(200, finished("COMPLETED"));
    let (again, hooks) = receiver(&cloud, 0);
    for status in [200, 503, 404, 200] {
        assert_eq!(hooks.clone().oneshot(told()).await.unwrap().status(), status);
    }
    assert_eq!((kept.jobs.lock().unwrap().len(), again.jobs.lock().unwrap().len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_taken_when_the_cloud_tries_again() {
    let cloud = ScriptedTransport::new()
        .reply(200, finished("FAILED"))
        .reply(200, finished("FAILED"))
        // Tried again under its id: that end is news.
        .reply(200, finished("COMPLETED"));
    let (kept, hooks) = receiver(&cloud, 1);
    let statuses = [503, 200, 200];
    for status in statuses {
        assert_eq!(hooks.clone().oneshot(told()).await.unwrap().status(), status);
    }
    let ends: Vec<_> = kept.jobs.lock().unwrap().iter().map(|job| job.status.clone()).collect();
    assert_eq!(ends, [JobStatus::Failed, JobStatus::Completed]);
}

#[tokio::test(start_paused = true)]
async fn two_calls_at_once_hand_on_once_and_a_call_that_is_cut_off_leaves_nothing_behind() {
    let slow = || Reply::new(200, finished("COMPLETED"));
    let cloud = (0..4).fold(ScriptedTransport::new(), |cloud, _| cloud.then(slow()));
    let (kept, hooks) = receiver(&cloud, 0);
    let (one, two) = tokio::join!(hooks.clone().oneshot(told()), hooks.clone().oneshot(told()));
    let mut statuses = [one.unwrap().status().as_u16(), two.unwrap().status().as_u16()];
    statuses.sort_unstable();
    assert_eq!((statuses, kept.jobs.lock().unwrap().len()), ([200, 503], 1));

    let (kept, hooks) = receiver(&cloud, 0);
    let cut = tokio::time::timeout(Duration::from_millis(5), hooks.clone().oneshot(told())).await;
    assert!(cut.is_err() && kept.jobs.lock().unwrap().is_empty());
    assert_eq!(hooks.clone().oneshot(told()).await.unwrap().status(), 200);
    assert_eq!(kept.jobs.lock().unwrap().len(), 1);
}

#[test]
fn memory_is_bounded() {
    let seen = Mutex::new(Seen::default());
    for index in 0..REMEMBERED + 100 {
        Turn { seen: &seen, end: index.to_string() }.done();
    }
    let seen = lock(&seen);
    assert_eq!((seen.done.len(), seen.order.len(), seen.under_way.len()), (REMEMBERED, REMEMBERED, 0));
    assert!(!seen.done.contains("0"));
}

#[test]
fn an_address_is_made_for_http_only() {
    let url = |base: &str| webhook_url(base, &EndpointId::new("ep1"), &Secret::new("s&=%"));
    assert_eq!(url("https://me.example/h").unwrap().expose(), "https://me.example/h?endpoint=ep1&secret=s%26%3D%25");
    assert!(url("ftp://x").is_err() && url("x").is_err());
}
