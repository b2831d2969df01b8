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
