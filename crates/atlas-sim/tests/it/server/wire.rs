//! What every answer looks like: keys, limits, errors, pages.

use atlas_sim::server::{RateLimits, Reach, Server};
use http::Method;
use serde_json::{Value, json};

use super::client::{Cloud, pod, pod_with};

#[tokio::test]
async fn s9_1_four_surfaces_on_one_listener() {
    let cloud = Cloud::start().await;
    assert_eq!(cloud.get("/v2/pods").await.status, 200);
    assert_eq!(cloud.post("/graphql", &json!({ "query": "{ myself { id } }" })).await.status, 200);
    let endpoint = cloud.running.endpoint_id();
    assert_eq!(cloud.get(&format!("/rt/v2/{endpoint}/health")).await.status, 200);
    let gone = cloud.get("/v1/pods").await;
    assert_eq!((gone.status, gone.header("sunset")), (410, "Sun, 15 Nov 2026 00:00:00 GMT"));
    let told = cloud.running.announcement();
    for name in ["base_url", "runtime_url", "graphql_url", "proxy_url", "api_key"] {
        assert!(told["runpod"]["config"][name].is_string(), "{name}");
    }
    assert!(told["runpod"]["config"]["base_url"].as_str().unwrap().ends_with("/v2"));
    assert_eq!(told["runpod"]["endpoint_id"], endpoint);
}

#[tokio::test]
async fn s9_2_keys_are_told_apart_and_a_401_tells_no_limits() {
    let cloud = Cloud::start().await;
    let missing = cloud.ask(Method::GET, "/v2/pods", &[], "").await.unwrap();
    assert_eq!(missing.problem(401), "missing bearer token");
    let wrong = cloud.ask(Method::GET, "/v2/pods", &[("authorization", "Bearer rpa_wrong")], "").await.unwrap();
    assert_ne!(wrong.problem(401), "missing bearer token");
    for answer in [&missing, &wrong] {
        assert!(answer.headers.get("ratelimit").is_none(), "{answer:?}");
        assert!(answer.header("x-request-id").starts_with("req_"));
    }
    cloud.running.add_key("rpa_reads", "main", Reach::ReadOnly);
    cloud.running.add_key("rpa_nothing", "main", Reach::Nothing);
    let ask = async |method, key: &str| {
        let key = format!("Bearer {key}");
        cloud.ask(method, "/v2/pods", &[("authorization", &key)], pod().to_string()).await.unwrap()
    };
    assert_eq!(ask(Method::GET, "rpa_reads").await.status, 200);
    assert_eq!(ask(Method::POST, "rpa_reads").await.problem(403), "access denied");
    assert_eq!(ask(Method::GET, "rpa_nothing").await.problem(403), "access denied");
    // A revoked key was never there.
    assert_eq!(cloud.delete("/admin/keys/rpa_reads").await.status, 204);
    assert_eq!(ask(Method::GET, "rpa_reads").await.status, 401);
}

#[tokio::test]
async fn s9_2_limits_stand_in_every_answer_and_are_kept() {
    let cloud = Cloud::of(Server::builder().rate_limits(RateLimits::new(3, 100, 1000))).await;
    let first = cloud.get("/v2/pods").await;
    assert!(first.header("ratelimit").starts_with("\"minute\";r=2;t="), "{first:?}");
    assert_eq!(first.header("ratelimit-policy"), "\"minute\";q=3;w=60, \"hour\";q=100;w=3600, \"day\";q=1000;w=86400");
    cloud.get("/v2/pods/none").await.problem(404);
    cloud.get("/v2/pods").await;
    let refused = cloud.get("/v2/pods").await;
    assert_eq!(refused.problem(429), "rate limit exceeded for the minute window");
    assert!((1..=60).contains(&refused.header("retry-after").parse().unwrap()), "{refused:?}");
    assert!(refused.header("ratelimit").starts_with("\"minute\";r=0;"), "{refused:?}");
    cloud.advance(60);
    assert_eq!(cloud.get("/v2/pods").await.status, 200);
}

#[tokio::test]
async fn s9_2_a_body_that_does_not_fit_is_422_and_says_all_that_is_wrong() {
    let cloud = Cloud::start().await;
    let table: [(Value, &[&str]); 7] = [
        (pod_with(&json!({ "bogus": 1 })), &["$: additional properties 'bogus' not allowed"]),
        (pod_with(&json!({ "name": null })), &["$: missing property 'name'"]),
        (
            pod_with(&json!({ "name": 7, "disk": "x" })),
            &["$.disk: got string, want integer", "$.name: got number, want string"],
        ),
        (pod_with(&json!({ "cloud": "ALL" })), &["$.cloud: value must be one of 'SECURE', 'COMMUNITY'"]),
        (
            pod_with(&json!({ "gpu": { "id": "NVIDIA L4", "count": 0, "x": 1 } })),
            &["$.gpu: additional properties 'x' not allowed", "$.gpu.count: minimum: got 0, want 1"],
        ),
        (pod_with(&json!({ "env": { "A": 1 } })), &["$.env.A: got number, want string"]),
        (pod_with(&json!({ "interruptible": true })), &["$: additional properties 'interruptible' not allowed"]),
    ];
    for (body, errors) in table {
        let answer = cloud.post("/v2/pods", &body).await;
        assert_eq!(answer.problem(422), "Request validation failed.");
        assert_eq!(answer.json()["errors"], json!(errors), "{body}");
    }
    assert!(cloud.running.ledger().rents.is_empty());
}

#[tokio::test]
async fn s9_2_rules_across_fields_are_400() {
    let cloud = Cloud::start().await;
    let volume = json!([{ "volumeId": "none", "path": "/data" }]);
    let disk = json!({ "size": 20, "path": "/workspace" });
    let cpu = json!({ "id": "cpu3c", "vcpuCount": 2 });
    let table = [
        (json!({ "gpu": null }), "exactly one of gpu or cpu"),
        (json!({ "cpu": cpu }), "exactly one of gpu or cpu"),
        (json!({ "mounts": { "persistent": disk, "network": volume } }), "mutually exclusive"),
        (json!({ "mounts": { "network": volume }, "cloud": "COMMUNITY" }), "requires cloud SECURE"),
        (json!({ "mounts": { "persistent": disk }, "gpu": null, "cpu": cpu }), "only supported on GPU pods"),
        (json!({ "disk": null }), "disk is required"),
        (json!({ "image": null }), "image is required"),
        (
            json!({ "gpu": { "id": "NVIDIA L4", "allowedCudaVersions": ["12.8"], "minCudaVersion": "12.4" } }),
            "mutually",
        ),
        (json!({ "gpu": { "id": "NVIDIA L5" } }), "gpu type 'NVIDIA L5' not found"),
        (json!({ "gpu": null, "cpu": { "id": "cpu3c", "vcpuCount": 3 } }), "power of two"),
        (json!({ "dataCenterIds": ["XX-1"] }), "data center 'XX-1' not found"),
        (json!({ "ports": ["8000/udp"] }), "invalid port '8000/udp'"),
        (json!({ "args": "a", "cmd": ["b"] }), "do not mean the same"),
    ];
    for (change, part) in table {
        let detail = cloud.post("/v2/pods", &pod_with(&change)).await.problem(400);
        assert!(detail.contains(part), "{change}: {detail}");
    }
    let ports: Vec<_> = (1..=11).map(|port| format!("{port}/http")).collect();
    assert!(cloud.post("/v2/pods", &pod_with(&json!({ "ports": ports }))).await.problem(400).contains("10 HTTP ports"));
    let missing = pod_with(&json!({ "mounts": { "network": volume } }));
    assert_eq!(cloud.post("/v2/pods", &missing).await.problem(404), "network volume not found");
    // What is only unusual is taken.
    let lenient = Cloud::of(Server::builder().requires_disk(false)).await;
    lenient.rent(&pod_with(&json!({ "disk": null }))).await;
}

#[tokio::test]
async fn s9_2_a_body_too_large_is_refused_before_anybody_asks_for_the_key() {
    let cloud = Cloud::start().await;
    let large = json!({ "name": "x".repeat(102_400) }).to_string();
    let answer = cloud.ask(Method::POST, "/v2/pods", &[], large).await.unwrap();
    answer.problem(413);
    assert!(answer.header("x-request-id").starts_with("req_"));
}

#[tokio::test]
async fn s9_2_methods_and_paths_that_are_not_there() {
    let cloud = Cloud::start().await;
    let answer = cloud.try_call(Method::PUT, "/v2/pods", "{}").await.unwrap();
    answer.problem(405);
    assert!(answer.header("allow").contains("POST"), "{answer:?}");
    cloud.get("/v2/podz").await.problem(404);
    assert_eq!(cloud.try_call(Method::POST, "/v2/pods", "{").await.unwrap().status, 400);
}

#[tokio::test]
async fn s9_5_names_may_repeat_and_pages_run_newest_first() {
    let cloud = Cloud::start().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.insert(0, cloud.rent(&pod()).await);
    }
    let ids = |answer: &Value| -> Vec<String> {
        answer["pods"].as_array().unwrap().iter().map(|pod| pod["id"].as_str().unwrap().to_owned()).collect()
    };
    // Filters that v2 does not know are not looked at.
    let all = cloud.get("/v2/pods?name=nobody&desiredStatus=EXITED&includeClusterPods=true").await.json();
    assert_eq!(ids(&all), made);
    assert_eq!(all["pagination"], json!({ "nextCursor": null, "hasNextPage": false }));
    let (mut seen, mut path) = (Vec::new(), "/v2/pods?limit=2".to_owned());
    for has_more in [true, true, false] {
        let page = cloud.get(&path).await.json();
        seen.extend(ids(&page));
        assert_eq!(page["pagination"]["hasNextPage"], has_more);
        // One that comes while somebody reads is on no later page.
        cloud.rent(&pod()).await;
        path = format!("/v2/pods?limit=2&cursor={}", page["pagination"]["nextCursor"].as_str().unwrap_or_default());
    }
    assert_eq!(seen, made);
    for path in ["/v2/pods?cursor=abc", "/v2/pods?limit=0", "/v2/pods?limit=1001"] {
        cloud.get(path).await.problem(422);
    }
    let cursor = cloud.get("/v2/pods?limit=1").await.json()["pagination"]["nextCursor"].as_str().unwrap().to_owned();
    cloud.get(&format!("/v2/templates?cursor={cursor}")).await.problem(422);
}

#[tokio::test]
async fn the_same_seed_and_the_same_calls_give_the_same_answers() {
    let told = async || {
        let cloud = Cloud::start().await;
        cloud.inject(&json!({ "operation": "get", "fault": "errs", "chance": 0.5 })).await;
        let id = cloud.rent(&pod()).await;
        let mut told = vec![cloud.get("/v2/pods").await.text];
        for _ in 0..20 {
            told.push(cloud.get(&format!("/v2/pods/{id}")).await.text);
        }
        cloud.advance(100);
        told.push(cloud.get("/admin/ledger").await.text);
        told
    };
    let first = told().await;
    assert_eq!(first, told().await);
    assert!(first.iter().any(|text| text.contains("\"status\":500")), "{first:?}");
}
