//! Jobs, over the serverless runtime.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use atlas_sim::server::{Pace, Reach, Server, Timing};
use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::client::Cloud;

struct Jobs {
    cloud: Cloud,
    base: String,
}

impl Jobs {
    async fn start() -> Self {
        Self::of(Cloud::start().await)
    }

    fn of(cloud: Cloud) -> Self {
        let base = format!("/rt/v2/{}", cloud.running.endpoint_id());
        Self { cloud, base }
    }

    async fn run(&self, body: Value) -> String {
        let answer = self.cloud.post(&format!("{}/run", self.base), &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["status"], "IN_QUEUE");
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    async fn get(&self, what: &str, id: &str) -> Value {
        self.cloud.get(&format!("{}/{what}/{id}", self.base)).await.json()
    }

    async fn post(&self, path: &str) -> super::client::Answer {
        self.cloud.post(&format!("{}/{path}", self.base), &json!({})).await
    }
}

#[tokio::test]
async fn s9_7_a_job_waits_runs_and_is_kept_half_an_hour() {
    let jobs = Jobs::start().await;
    let id = jobs.run(json!({ "input": { "seconds": 5, "echo": "hello" } })).await;
    assert!(id.ends_with("-u1") && id.len() == 39, "{id}");
    assert_eq!(jobs.get("status", &id).await["status"], "IN_PROGRESS");
    jobs.cloud.advance(5);
    let done = jobs.get("status", &id).await;
    assert_eq!(
        (&done["status"], &done["output"], &done["executionTime"]),
        (&json!("COMPLETED"), &json!("hello"), &json!(5000))
    );
    jobs.cloud.advance(30 * 60 - 1);
    assert_eq!(jobs.get("status", &id).await["status"], "COMPLETED");
    jobs.cloud.advance(1);
    assert_eq!(jobs.cloud.get(&format!("{}/status/{id}", jobs.base)).await.status, 404);
}

#[tokio::test]
async fn s9_7_runsync_answers_when_it_is_done_or_says_how_it_stands() {
    let jobs = Jobs::of(Cloud::of(Server::builder().timing(Timing::at_once())).await);
    let run = async |seconds: f64, wait: u64| {
        let body = json!({ "input": { "seconds": seconds, "echo": 1 } });
        jobs.cloud.post(&format!("{}/runsync?wait={wait}", jobs.base), &body).await.json()
    };
    let done = run(0.2, 5000).await;
    assert_eq!((&done["status"], &done["output"]), (&json!("COMPLETED"), &json!(1)));
    assert!(done["id"].as_str().unwrap().starts_with("sync-"), "{done}");
    let late = run(60.0, 1000).await;
    assert_eq!(late["status"], "IN_PROGRESS");
    assert_eq!(jobs.get("status", late["id"].as_str().unwrap()).await["status"], "IN_PROGRESS");
    // What was waited for is kept a minute.
    jobs.cloud.advance(61);
    assert_eq!(jobs.cloud.get(&format!("{}/status/{}", jobs.base, done["id"].as_str().unwrap())).await.status, 404);
}

#[tokio::test]
async fn s9_7_a_stream_gives_every_piece_once_and_ends_with_an_empty_list() {
    let jobs = Jobs::start().await;
    let id = jobs.run(json!({ "input": { "seconds": 4, "chunks": 4 } })).await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        jobs.cloud.advance(2);
        let read = jobs.get("stream", &id).await;
        seen.extend(read["stream"].as_array().unwrap().iter().map(|piece| piece["output"]["index"].clone()));
    }
    assert_eq!(seen, [0, 1, 2, 3]);
    assert_eq!(jobs.get("stream", &id).await, json!({ "status": "COMPLETED", "stream": [] }));
}

#[tokio::test]
async fn s9_7_failures_cancels_retries_and_purges() {
    let jobs = Jobs::start().await;
    let failed = jobs.run(json!({ "input": { "fail": "boom" } })).await;
    let shown = jobs.get("status", &failed).await;
    assert_eq!(shown["status"], "FAILED");
    let error: Value = serde_json::from_str(shown["error"].as_str().unwrap()).unwrap();
    assert_eq!(error["error_message"], "boom");
    assert_eq!(jobs.post(&format!("retry/{failed}")).await.json(), json!({ "id": failed, "status": "IN_QUEUE" }));
    // An empty input is none, and the worker dies of it.
    let empty = jobs.run(json!({ "input": {} })).await;
    assert_eq!(jobs.get("status", &empty).await["error"], "job timed out after 1 retries");
    let long = jobs.run(json!({ "input": { "seconds": 100 } })).await;
    assert_eq!(jobs.post(&format!("cancel/{long}")).await.json()["status"], "CANCELLED");
    assert_eq!(jobs.get("status", &long).await["status"], "CANCELLED");
    assert_eq!(jobs.post(&format!("retry/{long}")).await.status, 400);
    let timed_out = json!({ "input": { "seconds": 100 }, "policy": { "executionTimeout": 5000 } });
    let timed_out = jobs.run(timed_out).await;
    jobs.cloud.advance(6);
    assert_eq!(jobs.get("status", &timed_out).await["status"], "TIMED_OUT");
    let short = jobs.run(json!({ "input": { "seconds": 100 }, "policy": { "ttl": 10_000 } })).await;
    jobs.cloud.advance(10);
    assert_eq!(jobs.cloud.get(&format!("{}/status/{short}", jobs.base)).await.status, 404);
    assert_eq!(jobs.post("cancel/none").await.status, 404);
    let health = jobs.cloud.get(&format!("{}/health", jobs.base)).await.json();
    assert_eq!(health["jobs"]["completed"], 0);
    let patch = json!({ "workers": { "max": 0 } });
    let endpoint = format!("/v2/serverless/{}", jobs.cloud.running.endpoint_id());
    assert_eq!(jobs.cloud.patch(&endpoint, &patch).await.status, 200);
    jobs.cloud.advance(60);
    for _ in 0..2 {
        jobs.run(json!({ "input": { "echo": 1 } })).await;
    }
    assert_eq!(jobs.post("purge-queue").await.json(), json!({ "removed": 2, "status": "completed" }));
}

#[tokio::test]
async fn s9_7_keys_endpoints_sizes_and_rates() {
    let jobs = Jobs::start().await;
    let (cloud, base) = (&jobs.cloud, &jobs.base);
    let ask = async |path: &str, key: &str| {
        cloud.ask(Method::POST, path, &[("authorization", key)], "{\"input\":{\"echo\":1}}").await.unwrap().status
    };
    let run = format!("{base}/run");
    assert_eq!(ask(&run, "rpa_wrong").await, 401);
    assert_eq!(cloud.ask(Method::POST, &run, &[], "").await.unwrap().status, 401);
    assert_eq!(ask(&run, &cloud.key).await, 200, "the bare key is a key too");
    assert_eq!(ask("/rt/v2/none/run", &cloud.key).await, 404);
    cloud.running.add_key("rpa_theirs", "other", Reach::All);
    assert_eq!(ask(&run, "Bearer rpa_theirs").await, 404, "an endpoint of another account");
    cloud.running.add_key("rpa_one", "main", Reach::Endpoints(vec![cloud.running.endpoint_id()]));
    assert_eq!(ask(&run, "Bearer rpa_one").await, 200);
    let large = json!({ "input": { "x": "y".repeat(10 * 1024 * 1024) } });
    assert_eq!(cloud.post(&run, &large).await.status, 413);
    for wrong in [json!({}), json!({ "input": 1, "policy": { "ttl": 1 } })] {
        assert_eq!(cloud.post(&run, &wrong).await.status, 400, "{wrong}");
    }
    for status in [200, 200, 429] {
        assert_eq!(jobs.post("purge-queue").await.status, status);
    }
    cloud.advance(10);
    assert_eq!(jobs.post("purge-queue").await.status, 200);
}

#[tokio::test]
async fn faults_strike_jobs_too() {
    let jobs = Jobs::start().await;
    let run = format!("{}/run", jobs.base);
    let body = json!({ "input": { "echo": 1 } }).to_string();
    jobs.cloud.inject(&json!({ "operation": "run_job", "fault": "loses-answer" })).await;
    assert!(jobs.cloud.try_call(Method::POST, &run, body.clone()).await.is_none());
    let health = jobs.cloud.get(&format!("{}/health", jobs.base)).await.json();
    assert_eq!(health["jobs"]["completed"], 1, "it ran all the same");
    jobs.cloud.inject(&json!({ "operation": "run_job", "fault": "rate-limited" })).await;
    assert_eq!(jobs.cloud.try_call(Method::POST, &run, body.clone()).await.unwrap().status, 429);
    jobs.cloud.inject(&json!({ "operation": "run_job", "fault": "loses-answer" })).await;
    assert!(jobs.cloud.try_call(Method::POST, &format!("{}/runsync", jobs.base), body).await.is_none());
    jobs.cloud.inject(&json!({ "operation": "get_job", "fault": "errs" })).await;
    assert_eq!(jobs.cloud.get(&format!("{}/status/none", jobs.base)).await.status, 500);
}

#[tokio::test]
async fn s9_7_a_webhook_is_tried_three_times_ten_seconds_apart() {
    let cloud = Cloud::of(Server::builder().clock(Pace::ByHand).timing(Timing::at_once())).await;
    let jobs = Jobs::of(cloud);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook?token=s3cret", listener.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&heard);
    let receive = async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut text, mut piece) = (Vec::new(), [0; 4096]);
            while !String::from_utf8_lossy(&text).contains("\"webhook\"") {
                let count = stream.read(&mut piece).await.unwrap();
                text.extend_from_slice(&piece[..count]);
            }
            let count = {
                let mut told = told.lock().unwrap();
                told.push(String::from_utf8(text).unwrap());
                told.len()
            };
            let status = if count < 3 { "500 No" } else { "200 OK" };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    };
    let count = || heard.lock().unwrap().len();
    let settle = async |wanted: usize| {
        for _ in 0..100 {
            if count() >= wanted {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(count(), wanted);
    };
    let story = async {
        jobs.run(json!({ "input": { "echo": "x" }, "webhook": url })).await;
        settle(1).await;
        for wanted in [2, 3] {
            jobs.cloud.advance(9);
            settle(wanted - 1).await;
            jobs.cloud.advance(1);
            settle(wanted).await;
        }
        jobs.cloud.advance(100);
        settle(3).await;
    };
    tokio::select! { () = story => {}, () = receive => {} }
    let first = heard.lock().unwrap()[0].clone();
    assert!(first.starts_with("POST /hook?token=s3cret HTTP/1.1"), "{first}");
    let body: Value = serde_json::from_str(first.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(
        (&body["status"], &body["output"], &body["input"]["echo"]),
        (&json!("COMPLETED"), &json!("x"), &json!("x"))
    );
}
