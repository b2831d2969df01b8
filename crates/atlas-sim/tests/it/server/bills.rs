//! Bills: what the ledger says, bucket by bucket.

use std::time::Duration;

use atlas_sim::server::{Pace, Server, Timing};
use serde_json::json;

use super::client::{Cloud, pod_with};

#[tokio::test]
async fn s9_8_a_pod_is_billed_by_the_hour_and_split_into_what_it_was_for() {
    let cloud = Cloud::start().await;
    let mounts = json!({ "persistent": { "size": 73, "path": "/w" } });
    let id = cloud.rent(&pod_with(&json!({ "disk": 73, "mounts": mounts }))).await;
    cloud.advance(2 * 3600);
    cloud.post(&format!("/v2/pods/{id}/action"), &json!({ "action": "stop" })).await;
    cloud.advance(3600);
    let bill = cloud.get(&format!("/v2/billing/pods?podId={id}&bucketSize=hour")).await.json();
    let records = bill["records"].as_array().unwrap();
    assert_eq!(records.len(), 3, "{bill}");
    assert_eq!((&records[0]["gpuAmount"], &records[0]["diskAmount"]), (&json!(0.39), &json!(0.02)));
    assert_eq!((&records[2]["gpuAmount"], &records[2]["diskAmount"]), (&json!(0.0), &json!(0.02)));
    assert_eq!(
        (&records[0]["startTime"], &records[0]["endTime"]),
        (&json!("2026-01-01T00:00:00.000Z"), &json!("2026-01-01T01:00:00.000Z"))
    );
    let total = bill["metadata"]["totals"]["totalAmount"].as_f64().unwrap();
    let ledger: f64 = cloud.running.ledger().total().to_string().parse().unwrap();
    assert!((total - ledger).abs() < 0.000_01, "{total} {ledger}");
    assert_eq!((&bill["metadata"]["recordCount"], &bill["metadata"]["uniquePodCount"]), (&json!(3), &json!(1)));
    let days = cloud.get("/v2/billing?lastN=2").await.json();
    assert_eq!(days["records"].as_array().unwrap().len(), 1);
    assert_eq!(days["records"][0]["podGpuAmount"], json!(0.78));
    assert_eq!(cloud.get("/v2/billing/pods?podId=other").await.json()["records"], json!([]));
    cloud.get("/v2/billing/pods?bucketSize=second").await.problem(422);
    cloud.get("/v2/billing/nothing").await.problem(404);
}

#[tokio::test]
async fn s9_8_bills_may_lag() {
    let mut timing = Timing::at_once();
    timing.billing_lag = Duration::from_hours(1);
    let cloud = Cloud::of(Server::builder().clock(Pace::ByHand).timing(timing)).await;
    cloud.rent(&pod_with(&json!({}))).await;
    cloud.advance(1800);
    let count = async || cloud.get("/v2/billing/pods?bucketSize=hour").await.json()["metadata"]["recordCount"].clone();
    assert_eq!(count().await, 0);
    cloud.advance(3600);
    assert_eq!(count().await, 1);
}
