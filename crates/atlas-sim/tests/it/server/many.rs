//! Thousands of pods.

use std::time::{Duration, Instant};

use serde_json::json;

use super::client::{Cloud, pod};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "what is measured is the time outside")]
async fn ten_thousand_pods_are_listed_quickly_and_each_once() {
    let cloud = Cloud::start().await;
    let (body, begun) = (pod(), Instant::now());
    for _ in 0..100 {
        let creates = (0..100).map(|_| cloud.rent(&body));
        futures_util::future::join_all(creates).await;
    }
    println!("10,000 creates in {:?}", begun.elapsed());
    let begun = Instant::now();
    let (mut ids, mut path) = (std::collections::BTreeSet::new(), "/v2/pods".to_owned());
    loop {
        let page = cloud.get(&path).await.json();
        ids.extend(page["pods"].as_array().unwrap().iter().map(|pod| pod["id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["pagination"]["nextCursor"].as_str() else { break };
        path = format!("/v2/pods?cursor={cursor}");
    }
    let took = begun.elapsed();
    println!("listed in {took:?}");
    assert_eq!(ids.len(), 10_000);
    // Unoptimised, and with the test's own reading of ten megabytes of JSON.
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert_eq!(cloud.get("/admin/ledger").await.json()["rents"].as_array().unwrap().len(), 10_000);
    assert_eq!(cloud.post("/admin/reset", &json!({})).await.status, 204);
}
