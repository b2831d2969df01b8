//! The pod proxy: a client really talks to its pod, and needs its key.

use std::time::Duration;

use atlas_auth::{DEFAULT_KEY_ID, Timestamp, UrlSigner};
use atlas_sim::server::{Pace, Server, Timing};
use http::Method;
use serde_json::json;

use super::client::{Cloud, pod, pod_with};

fn door(cloud: &Cloud, id: &str) -> String {
    let url = cloud.running.config().proxy_url.replace("{id}", id).replace("{port}", "8000");
    url.split_once(&cloud.address().to_string()).unwrap().1.to_owned()
}

const KEY: &[(&str, &str)] = &[("authorization", "Bearer its key")];

#[tokio::test]
async fn a_pod_answers_to_its_own_key_alone() {
    let cloud = Cloud::start().await;
    let (one, two) = (cloud.rent(&pod()).await, cloud.rent(&pod_with(&json!({ "env": {} }))).await);
    let path = door(&cloud, &one);
    assert_eq!(cloud.ask(Method::GET, &path, &[], "").await.unwrap().status, 401);
    assert_eq!(cloud.get(&path).await.status, 401, "the account's key is not the pod's");
    let about = cloud.ask(Method::GET, &path, KEY, "").await.unwrap();
    assert_eq!((about.status, &about.json()["compute_id"]), (200, &json!(one)));
    let echoed = cloud.ask(Method::POST, &format!("{path}/echo"), KEY, "hello").await.unwrap();
    assert_eq!(echoed.text, "hello");
    assert_eq!(cloud.ask(Method::GET, &format!("{path}/nothing"), KEY, "").await.unwrap().status, 404);
    // By its own host name too, as a browser on this machine would.
    let host = format!("{one}-8000.localhost:{}", cloud.address().port());
    let headers = [("host", &*host), ("authorization", "Bearer its key")];
    assert_eq!(cloud.ask(Method::GET, "/count", &headers, "").await.unwrap().json()["count"], 4);
    // A pod without a key in its environment is open, as it would be.
    assert_eq!(cloud.ask(Method::GET, &door(&cloud, &two), &[], "").await.unwrap().status, 200);
    // No such port, no such pod.
    let other = path.replace("/8000", "/8001");
    assert_eq!(cloud.ask(Method::GET, &other, KEY, "").await.unwrap().status, 404);
    assert_eq!(cloud.ask(Method::GET, &door(&cloud, "nobody"), KEY, "").await.unwrap().status, 404);
}

/// However many pods come and go, what is kept of them is no more than what lives, and one.
#[tokio::test]
async fn what_answered_for_a_pod_is_let_go_after_its_end() {
    let cloud = Cloud::start().await;
    for round in 0..5 {
        let id = cloud.rent(&pod()).await;
        assert_eq!(cloud.ask(Method::GET, &door(&cloud, &id), KEY, "").await.unwrap().status, 200);
        let kept = cloud.get("/admin/state").await.json()["services"].as_u64();
        assert_eq!(kept, Some(1), "round {round}");
        assert_eq!(cloud.delete(&format!("/v2/pods/{id}")).await.status, 204);
    }
}

#[tokio::test]
async fn a_signed_url_admits() {
    let cloud = Cloud::start().await;
    let key = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let id = cloud.rent(&pod_with(&json!({ "env": { "ATLAS_SIGNING_KEY": key } }))).await;
    let url = cloud.running.config().proxy_url.replace("{id}", &id).replace("{port}", "8000") + "/count";
    let signer = UrlSigner::new(DEFAULT_KEY_ID, key.into()).unwrap();
    let signed = signer.sign("GET", &url, Timestamp::from_seconds(4_000_000_000)).unwrap();
    let path = signed.expose().split_once(&cloud.address().to_string()).unwrap().1.to_owned();
    assert_eq!(cloud.ask(Method::GET, &path, &[], "").await.unwrap().status, 200);
    let forged = path.replace("count", "echo");
    assert_eq!(cloud.ask(Method::GET, &forged, &[], "").await.unwrap().status, 403);
}

#[tokio::test]
async fn the_proxy_says_502_until_the_pod_listens_and_after_it_stopped() {
    let mut timing = Timing::at_once();
    (timing.starting, timing.ports_after) = (Duration::from_secs(10), Duration::from_secs(30));
    let cloud = Cloud::of(Server::builder().clock(Pace::ByHand).timing(timing)).await;
    let id = cloud.rent(&pod()).await;
    let ask = async || cloud.ask(Method::GET, &door(&cloud, &id), KEY, "").await.unwrap();
    for (wait, status) in [(0, 502), (10, 502), (29, 502), (1, 200)] {
        cloud.advance(wait);
        assert_eq!(ask().await.status, status);
    }
    cloud.post(&format!("/v2/pods/{id}/action"), &json!({ "action": "stop" })).await;
    let bad = ask().await;
    assert_eq!((bad.status, bad.header("server")), (502, "cloudflare"));
    cloud.delete(&format!("/v2/pods/{id}")).await;
    assert_eq!(ask().await.status, 404);
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_524_and_a_broken_application_is_itself() {
    let mut timing = Timing::at_once();
    timing.proxy_cap = Duration::from_millis(50);
    let cloud = Cloud::of(Server::builder().timing(timing)).await;
    let id = cloud.rent(&pod()).await;
    let ask = async || cloud.ask(Method::GET, &door(&cloud, &id), KEY, "").await.unwrap().status;
    cloud.post(&format!("/admin/pods/{id}/answer"), &json!({ "status": 503 })).await;
    assert_eq!(ask().await, 503);
    cloud.post(&format!("/admin/pods/{id}/answer"), &json!({ "delay": "1h" })).await;
    assert_eq!(ask().await, 524);
}
