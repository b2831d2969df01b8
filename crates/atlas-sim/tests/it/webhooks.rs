//! Calls back: when, what, and how often.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use atlas_core::{Capability, EndpointId, ErrorKind, JobRequest, Provider};
use atlas_sim::{EndpointSpec, Mock, MockBuilder};
use serde_json::{Value, json};

use crate::support::{Caller, context};

const HOOK: &str = "https://app.invalid/hook?secret=s3cr3t";

async fn ran(builder: MockBuilder, input: Value) -> (Caller, EndpointId) {
    let cloud = builder.build();
    let endpoint = cloud.add_endpoint(EndpointSpec::new("work")).unwrap();
    let request = JobRequest::new(endpoint.as_str(), input).webhook(HOOK);
    cloud.run_job(&context(), &request).await.unwrap();
    (Caller::of(cloud), endpoint)
}

#[tokio::test]
async fn the_end_of_a_job_is_told_with_the_job() {
    let (caller, _) = ran(Mock::builder(), json!({ "seconds": 5, "echo": "hi" })).await;
    caller.pass(4);
    assert!(caller.cloud.deliveries().is_empty());
    caller.pass(1);
    let told = caller.cloud.deliveries().remove(0);
    assert_eq!((told.url.expose(), told.attempt, told.accepted), (HOOK, 1, true));
    assert_eq!((&told.body["status"], &told.body["output"]), (&json!("completed"), &json!("hi")));
    assert!(!format!("{told:?}").contains("s3cr3t"));
    caller.pass(3600);
    assert_eq!(caller.cloud.deliveries().len(), 1);
}

#[tokio::test]
async fn what_is_not_accepted_comes_again_twice_ten_seconds_apart() {
    for (accepts_at, expected) in [(1, 1), (2, 2), (3, 3), (9, 3)] {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let hears = seen.clone();
        let builder = Mock::builder().on_webhook(move |told| {
            hears.lock().unwrap().push(told.at);
            told.attempt >= accepts_at
        });
        let (caller, _) = ran(builder, json!({ "seconds": 1 })).await;
        // All at once or little by little: each try has its own time.
        caller.pass(3600);
        let at = seen.lock().unwrap().clone();
        assert_eq!(at.len(), expected);
        assert!(at.windows(2).all(|two| two[1].since(two[0]) == Duration::from_secs(10)), "{at:?}");
    }
}

#[tokio::test]
async fn a_hook_may_ask_the_cloud_itself() {
    let cloud = Arc::new(Mutex::new(None::<Mock>));
    let asks = cloud.clone();
    let builder = Mock::builder().on_webhook(move |_| asks.lock().unwrap().as_ref().unwrap().deliveries().is_empty());
    let (caller, _) = ran(builder, json!({ "seconds": 1 })).await;
    *cloud.lock().unwrap() = Some(caller.cloud.clone());
    caller.pass(1);
    assert!(caller.cloud.deliveries()[0].accepted);
}

#[tokio::test]
async fn a_cloud_without_webhooks_says_so_before_it_takes_the_job() {
    let cloud = Mock::builder().without(Capability::Webhooks).build();
    let endpoint = cloud.add_endpoint(EndpointSpec::new("work")).unwrap();
    let request = JobRequest::new(endpoint.as_str(), json!({})).webhook(HOOK);
    assert_eq!(cloud.run_job(&context(), &request).await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert!(cloud.calls().is_empty());
}
