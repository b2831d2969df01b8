//! Faults, each as it looks on the wire, and what stands in the ledger afterwards.

use http::Method;
use serde_json::json;

use super::client::{Cloud, pod, pod_with};

const SHORT: &str =
    "There are no longer any instances available with the requested specifications. Please refresh and try again.";

/// A cloud in which this strikes the next create; what the create was answered, and how many pods there are.
async fn create_under(fault: &str) -> (Option<super::client::Answer>, usize) {
    let cloud = Cloud::start().await;
    cloud.inject(&json!({ "operation": "spawn", "fault": fault, "span": "100ms" })).await;
    let answer = cloud.try_call(Method::POST, "/v2/pods", pod().to_string()).await;
    cloud.advance(1);
    let rents = cloud.get("/admin/ledger").await.json()["rents"].as_array().unwrap().len();
    (answer, rents)
}

#[tokio::test]
async fn s9_4_a_create_under_every_fault() {
    let table: [(&str, Option<u16>, usize); 17] = [
        ("fails-before", None, 0),
        ("errs", Some(500), 0),
        ("acts-then-errs", Some(500), 1),
        ("loses-answer", None, 1),
        ("garbles", Some(201), 1),
        ("answers-late", Some(201), 1),
        ("lands-late", None, 1),
        ("appears-late", Some(201), 1),
        ("ignores", Some(201), 0),
        ("leaves-leftover", Some(500), 1),
        ("duplicates", Some(201), 2),
        ("capacity-gone", Some(400), 0),
        ("quota-reached", Some(402), 0),
        ("rate-limited", Some(429), 0),
        ("forbidden", Some(403), 0),
        ("html-bad-gateway", Some(502), 0),
        ("html-forbidden", Some(403), 0),
    ];
    for (fault, status, pods) in table {
        let (answer, rents) = create_under(fault).await;
        assert_eq!((answer.as_ref().map(|answer| answer.status), rents), (status, pods), "{fault}");
        match (fault, &answer) {
            ("capacity-gone", Some(answer)) => assert_eq!(answer.problem(400), SHORT),
            ("forbidden", Some(answer)) => assert_eq!(answer.problem(403), "access denied"),
            ("html-bad-gateway" | "html-forbidden", Some(answer)) => {
                assert!(answer.header("content-type").starts_with("text/html"), "{answer:?}");
            }
            ("garbles", Some(answer)) => assert!(serde_json::from_str::<serde_json::Value>(&answer.text).is_err()),
            _ => {}
        }
    }
}

#[tokio::test]
async fn s9_4_reads_that_lie() {
    let cloud = Cloud::start().await;
    let ids = [cloud.rent(&pod()).await, cloud.rent(&pod()).await];
    let path = format!("/v2/pods/{}", ids[0]);
    cloud.inject(&json!({ "operation": "get", "fault": "null-body" })).await;
    let null = cloud.get(&path).await;
    assert_eq!((null.status, &*null.text), (200, "null"));
    cloud.inject(&json!({ "operation": "get", "fault": "lies-status", "status": "EXITED" })).await;
    assert_eq!(cloud.status(&ids[0]).await, "EXITED");
    cloud.inject(&json!({ "operation": "get", "fault": "hides", "span": "10s" })).await;
    cloud.get(&path).await.problem(404);
    cloud.advance(10);
    assert_eq!(cloud.status(&ids[0]).await, "RUNNING");
    cloud.inject(&json!({ "operation": "list", "fault": "lists-short" })).await;
    let short = cloud.get("/v2/pods").await.json();
    assert_eq!((short["pods"].as_array().unwrap().len(), &short["pagination"]["hasNextPage"]), (1, &json!(false)));
    cloud.inject(&json!({ "operation": "list", "fault": "cursor-expired" })).await;
    cloud.get("/v2/pods?limit=1").await.problem(422);
    cloud.inject(&json!({ "operation": "get", "fault": "migrates" })).await;
    cloud.get(&path).await.problem(404);
    assert_eq!(cloud.get("/v2/pods").await.json()["pods"].as_array().unwrap().len(), 2);
    assert_eq!(cloud.running.ledger().open().count(), 2);
}

#[tokio::test]
async fn s9_4_a_create_may_stay_invisible_and_a_delete_may_be_ignored() {
    let cloud = Cloud::start().await;
    cloud.inject(&json!({ "operation": "spawn", "fault": "appears-late", "span": "30s" })).await;
    let id = cloud.rent(&pod()).await;
    cloud.get(&format!("/v2/pods/{id}")).await.problem(404);
    assert_eq!(cloud.get("/v2/pods").await.json()["pods"], json!([]));
    cloud.advance(30);
    assert_eq!(cloud.status(&id).await, "RUNNING");
    cloud.inject(&json!({ "operation": "terminate", "fault": "ignores" })).await;
    assert_eq!(cloud.delete(&format!("/v2/pods/{id}")).await.status, 204);
    assert_eq!(cloud.status(&id).await, "RUNNING");
}

/// Each call that a client of RunPod can make, and the operation under which a fault strikes it.
#[tokio::test]
async fn s9_4_every_call_can_be_struck() {
    let cloud = Cloud::start().await;
    let endpoint = cloud.running.endpoint_id();
    let pod = cloud.rent(&pod()).await;
    let made = async |path: &str, body| cloud.post(path, &body).await.json()["id"].as_str().unwrap().to_owned();
    let template = made("/v2/templates", json!({ "name": "t", "image": "i:1" })).await;
    let registry = made("/v2/registries", json!({ "name": "r", "username": "u", "password": "p" })).await;
    let job = made(&format!("/rt/v2/{endpoint}/run"), json!({ "input": { "fail": "no" } })).await;
    let order = json!({
        "name": "e", "image": "i:1", "type": "QUEUE", "gpu": { "pools": ["ADA_24"] },
        "scaling": { "type": "REQUEST_COUNT", "requestCount": 1 },
    });
    let (post, patch, get, delete) = (Method::POST, Method::PATCH, Method::GET, Method::DELETE);
    let of_pod = |rest: &str| format!("/v2/pods/{pod}{rest}");
    let of_endpoint = |rest: &str| format!("/v2/serverless/{endpoint}{rest}");
    let at_runtime = |rest: &str| format!("/rt/v2/{endpoint}/{rest}");
    let table = [
        ("restart", &post, of_pod("/action"), json!({ "action": "restart" })),
        ("update", &patch, of_pod(""), json!({ "name": "two" })),
        ("list_gpu_types", &get, "/v2/catalog/gpus".to_owned(), json!(null)),
        ("list_gpu_types", &get, "/v2/catalog/gpus/NVIDIA%20L4".to_owned(), json!(null)),
        ("list_cpu_types", &get, "/v2/catalog/cpus".to_owned(), json!(null)),
        ("list_data_centers", &get, "/v2/catalog/datacenters".to_owned(), json!(null)),
        ("retry_job", &post, at_runtime(&format!("retry/{job}")), json!({})),
        ("endpoint_health", &get, at_runtime("health"), json!(null)),
        ("purge_queue", &post, at_runtime("purge-queue"), json!({})),
        ("create_endpoint", &post, "/v2/serverless".to_owned(), order),
        ("get_endpoint", &get, of_endpoint(""), json!(null)),
        ("update_endpoint", &patch, of_endpoint(""), json!({ "workers": { "max": 4 } })),
        ("endpoint_workers", &get, of_endpoint("/workers"), json!(null)),
        ("create_template", &post, "/v2/templates".to_owned(), json!({ "name": "u", "image": "i:1" })),
        ("get_template", &get, format!("/v2/templates/{template}"), json!(null)),
        ("list_templates", &get, "/v2/templates".to_owned(), json!(null)),
        ("update_template", &patch, format!("/v2/templates/{template}"), json!({ "image": "i:2" })),
        ("delete_template", &delete, format!("/v2/templates/{template}"), json!(null)),
        (
            "create_registry",
            &post,
            "/v2/registries".to_owned(),
            json!({ "name": "s", "username": "u", "password": "p" }),
        ),
        ("get_registry", &get, format!("/v2/registries/{registry}"), json!(null)),
        ("list_registries", &get, "/v2/registries".to_owned(), json!(null)),
        ("delete_registry", &delete, format!("/v2/registries/{registry}"), json!(null)),
        ("billing_history", &get, "/v2/billing/pods".to_owned(), json!(null)),
        ("billing_history", &get, "/v2/billing".to_owned(), json!(null)),
        ("logs", &get, of_pod("/logs"), json!(null)),
    ];
    for (operation, method, path, body) in table {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        cloud.inject(&json!({ "operation": operation, "fault": "errs" })).await;
        let struck = cloud.try_call(method.clone(), &path, body.clone()).await.unwrap();
        assert_eq!(struck.status, 500, "{operation}: {struck:?}");
        // A log has no end.
        if operation != "logs" {
            let after = cloud.try_call(method.clone(), &path, body).await.unwrap();
            assert!((200..300).contains(&after.status), "{operation} is left struck: {after:?}");
        }
    }
    let balance = json!({ "query": "{ myself { clientBalance } }" });
    let ask = async || cloud.post("/graphql", &balance).await.text;
    for (fault, text) in [("errs", "INTERNAL_SERVER_ERROR"), ("garbles", r#"{"id":"ab"#), ("html-page", "<html>")] {
        cloud.inject(&json!({ "operation": "balance", "fault": fault })).await;
        let struck = ask().await;
        assert!(struck.contains(text), "{fault}: {struck}");
        let after = ask().await;
        assert!(after.contains("clientBalance"), "{fault} is left: {after}");
    }
}

#[tokio::test]
async fn s9_4_an_answer_may_be_spoilt_on_its_way() {
    let cloud = Cloud::start().await;
    for (fault, status, rents) in
        [("cut-body", None, 1), ("html-page", Some(200), 2), ("html-gateway-timeout", Some(504), 3)]
    {
        cloud.inject(&json!({ "operation": "spawn", "fault": fault })).await;
        let answer = cloud.try_call(Method::POST, "/v2/pods", pod().to_string()).await;
        assert_eq!(answer.as_ref().map(|answer| answer.status), status, "{fault}");
        assert!(answer.is_none_or(|answer| answer.header("content-type").starts_with("text/html")), "{fault}");
        assert_eq!(cloud.running.ledger().open().count(), rents, "{fault}: the cloud acted");
    }
}

#[tokio::test]
async fn s9_4_a_volume_can_hide() {
    let cloud = Cloud::start().await;
    let wish = json!({ "name": "data", "size": 10, "dataCenter": "EU-RO-1" });
    let id = cloud.post("/v2/network-volumes", &wish).await.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/v2/network-volumes/{id}");
    for (operation, path) in [("get_volume", path.as_str()), ("list_volumes", "/v2/network-volumes")] {
        cloud.inject(&json!({ "operation": operation, "fault": "hides", "span": "10s" })).await;
        let hidden = cloud.get(path).await;
        assert!(!hidden.text.contains(&id), "{operation}: {hidden:?}");
        cloud.advance(10);
        assert!(cloud.get(path).await.text.contains(&id), "{operation}");
    }
}

#[tokio::test]
async fn s9_4_capacity_is_short_by_gpu_data_center_and_cloud() {
    let cloud = Cloud::start().await;
    let limit = async |body| assert_eq!(cloud.post("/admin/stock", &body).await.status, 200);
    limit(json!({ "gpu": "NVIDIA L4", "dataCenter": "EU-RO-1", "cloud": "SECURE", "count": 1 })).await;
    let there = pod_with(&json!({ "dataCenterIds": ["EU-RO-1"] }));
    let first = cloud.rent(&there).await;
    assert_eq!(cloud.post("/v2/pods", &there).await.problem(400), SHORT);
    // Elsewhere there is more of it, and there is more of everything else there.
    cloud.rent(&pod()).await;
    cloud.rent(&pod_with(&json!({ "dataCenterIds": ["EU-RO-1"], "gpu": { "id": "NVIDIA A40" } }))).await;
    let level = async || {
        let path = "/v2/catalog/gpus/NVIDIA%20L4?include=AVAILABILITY&product=POD&cloud=SECURE";
        let shown = cloud.get(path).await.json();
        let places = shown["dataCenters"].as_array().unwrap().clone();
        places.into_iter().find(|place| place["id"] == "EU-RO-1").unwrap()["availability"].clone()
    };
    assert_eq!(level().await, "NONE");
    cloud.delete(&format!("/v2/pods/{first}")).await;
    assert_eq!(level().await, "LOW");
    cloud.rent(&there).await;
    // The same words for what nothing can fit.
    let narrow = pod_with(&json!({ "gpu": { "id": "NVIDIA L4", "minRamPerGpu": 4000 } }));
    assert_eq!(cloud.post("/v2/pods", &narrow).await.problem(400), SHORT);
    assert_eq!(cloud.post("/v2/pods", &pod_with(&json!({ "cloud": "COMMUNITY" }))).await.problem(400), SHORT);
}

#[tokio::test]
async fn an_account_without_money_is_told_402() {
    let cloud = Cloud::start().await;
    let purse = async |body| assert_eq!(cloud.post("/admin/accounts/main", &body).await.status, 204);
    purse(json!({ "balance": 0.10 })).await;
    cloud.post("/v2/pods", &pod()).await.problem(402);
    purse(json!({ "balance": 100.0, "spend_limit": 0.5 })).await;
    cloud.rent(&pod()).await;
    cloud.post("/v2/pods", &pod()).await.problem(402);
    let asked =
        cloud.post("/graphql", &json!({ "query": "{ myself { clientBalance currentSpendPerHr } }" })).await.json();
    assert!(asked["data"]["myself"]["currentSpendPerHr"].as_f64().unwrap() > 0.39);
    assert!(asked["data"]["myself"]["clientBalance"].as_f64().unwrap() <= 100.0);
}

#[tokio::test]
async fn the_admin_api_lists_faults_clears_them_and_starts_over() {
    let cloud = Cloud::start().await;
    let script = json!({
        "faults": [
            { "operation": "spawn", "fault": "errs", "times": 2, "after": 1 },
            { "operation": "get", "fault": "answers-late", "span": "1ms", "chance": 0.25 },
        ],
        "stock": [{ "gpu": "NVIDIA L4", "count": 3 }],
    });
    cloud.inject(&script).await;
    assert_eq!(
        cloud.get("/admin/faults").await.json()["faults"],
        json!([
            { "operation": "spawn", "fault": "errs", "times": 2, "after": 1 },
            { "operation": "get", "fault": "answers-late", "chance": 0.25 },
        ])
    );
    for wrong in
        [json!({ "operation": "spawn", "fault": "hides" }), json!({ "operation": "x", "fault": "errs" }), json!(3)]
    {
        assert_eq!(cloud.post("/admin/faults", &wrong).await.status, 400, "{wrong}");
    }
    cloud.rent(&pod()).await;
    assert_eq!(cloud.get("/admin/state").await.json()["pods"].as_array().unwrap().len(), 1);
    assert_eq!(cloud.post("/admin/clock", &json!({ "advance": "1h" })).await.json()["now"], "2026-01-01T01:00:00.000Z");
    assert_eq!(cloud.delete("/admin/faults").await.status, 204);
    assert_eq!(cloud.post("/admin/reset", &json!({})).await.status, 204);
    assert_eq!(cloud.get("/admin/ledger").await.json(), json!({ "rents": [] }));
    let clock = cloud.get("/admin/clock").await.json();
    assert_eq!((&clock["now"], &clock["mode"]), (&json!("2026-01-01T01:00:00.000Z"), &json!("manual")), "time goes on");
    assert_eq!(cloud.post("/admin/clock", &json!({ "mode": "real" })).await.json()["mode"], "real");
}
