//! Asking without a socket: the same answers, and hours that pass with the caller's.

use std::sync::Arc;
use std::time::Duration;

use atlas_auth::{DEFAULT_KEY_ID, Timestamp, UrlSigner};
use atlas_core::testing::TokioClock;
use atlas_sim::server::{Server, Timing};
use atlas_sim::{Fault, Operation, Rule};
use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::{Value, json};

use super::client::{Cloud, pod, pod_with};

/// When these histories begin.
const BEGIN: Timestamp = Timestamp::from_seconds(1_800_000_000);

async fn ask(cloud: &Cloud, method: Method, url: &str, key: &str, body: String) -> std::io::Result<Response<Bytes>> {
    let request = Request::builder().method(method).uri(url).header("authorization", format!("Bearer {key}"));
    cloud.running.ask(request.body(Bytes::from(body)).unwrap()).await
}

/// A cloud whose hours are those of paused time.
async fn paused(timing: Timing) -> Cloud {
    Cloud::of(Server::builder().outside(Arc::new(TokioClock::new(BEGIN))).timing(timing)).await
}

async fn rent(cloud: &Cloud, body: &Value) -> String {
    let url = format!("{}/pods", cloud.running.config().base_url);
    let answer = ask(cloud, Method::POST, &url, &cloud.key, body.to_string()).await.unwrap();
    assert_eq!(answer.status(), 201, "{answer:?}");
    let made: Value = serde_json::from_slice(answer.body()).unwrap();
    made["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_connection_in_memory_answers_as_a_socket_does() {
    let cloud = Cloud::start().await;
    let id = rent(&cloud, &pod()).await;
    let config = cloud.running.config();
    let url = format!("{}/pods/{id}", config.base_url);
    let here = ask(&cloud, Method::GET, &url, &cloud.key, String::new()).await.unwrap();
    let there = cloud.get(&format!("/v2/pods/{id}")).await;
    assert_eq!(here.body(), there.text.as_bytes());
    assert_eq!(here.headers()["content-type"], there.header("content-type"));
    let door = config.proxy_url.replace("{id}", &id).replace("{port}", "8000");
    assert_eq!(ask(&cloud, Method::GET, &door, "its key", String::new()).await.unwrap().status(), 200);
    assert_eq!(ask(&cloud, Method::GET, &door, "no key", String::new()).await.unwrap().status(), 401);
    // By its own host name, whatever the address before it says.
    let own = format!("http://{id}-8000.localhost/count");
    assert_eq!(ask(&cloud, Method::GET, &own, "its key", String::new()).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_connection_in_memory_breaks_where_a_socket_would() {
    let cloud = Cloud::start().await;
    cloud.running.inject(Rule::on(Operation::Spawn, Fault::LosesAnswer));
    let url = format!("{}/pods", cloud.running.config().base_url);
    ask(&cloud, Method::POST, &url, &cloud.key, pod().to_string()).await.unwrap_err();
    assert_eq!(cloud.running.ledger().open().count(), 1, "the cloud acted");
}

#[tokio::test(start_paused = true)]
async fn hours_pass_with_the_clock_outside() {
    let mut timing = Timing::at_once();
    timing.starting = Duration::from_mins(10);
    let cloud = paused(timing).await;
    let id = rent(&cloud, &pod()).await;
    let url = format!("{}/pods/{id}", cloud.running.config().base_url);
    for (wait, status) in [(599, "STARTING"), (1, "RUNNING")] {
        tokio::time::sleep(Duration::from_secs(wait)).await;
        let answer = ask(&cloud, Method::GET, &url, &cloud.key, String::new()).await.unwrap();
        let shown: Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(shown["status"], status);
    }
    let ledger = cloud.running.ledger();
    assert_eq!(ledger.rents[0].started_at, BEGIN);
    assert!(ledger.total().as_micros() > 0);
}

#[tokio::test(start_paused = true)]
async fn a_signed_url_expires_by_the_clouds_clock() {
    let cloud = paused(Timing::at_once()).await;
    let key = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let id = rent(&cloud, &pod_with(&json!({ "env": { "ATLAS_SIGNING_KEY": key } }))).await;
    let url = cloud.running.config().proxy_url.replace("{id}", &id).replace("{port}", "8000") + "/count";
    let signer = UrlSigner::new(DEFAULT_KEY_ID, key.into()).unwrap();
    let signed = signer.sign("GET", &url, BEGIN.plus(Duration::from_mins(1))).unwrap();
    let status = async || {
        let request = Request::get(signed.expose()).body(Bytes::new()).unwrap();
        cloud.running.ask(request).await.unwrap().status()
    };
    assert_eq!(status().await, 200);
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(status().await, 403);
}
