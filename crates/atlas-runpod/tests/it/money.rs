//! What things cost, as far as RunPod says the truth about it; what was billed, and what is left.

use atlas_auth::Timestamp;
use atlas_core::testing::ScriptedTransport;
use atlas_core::{CallContext, ComputeId, Effect, ErrorKind, Money, Provider};
use atlas_runpod::{Billed, BillingQuery, Bucket};
use serde_json::{Value, json};

use crate::support::*;

async fn cost(pod: Value) -> Option<Money> {
    let cloud = ScriptedTransport::new().reply(200, pod.to_string());
    account(&cloud).runpod.get(&context(), &ComputeId::new("p1")).await.unwrap().cost_per_hour
}

#[tokio::test(start_paused = true)]
async fn trap_13_a_zero_that_hides_a_cost_is_no_price() {
    assert_eq!(cost(running()).await, Money::parse("0.39").ok());
    let mut with_disk = stopped();
    with_disk["mounts"] = json!({"persistent": {"size": 20, "path": "/workspace"}});
    assert_eq!(cost(with_disk).await, None, "the disk of a stopped pod bills");
    let mut unsaid = stopped();
    unsaid.as_object_mut().unwrap().remove("mounts");
    assert_eq!(cost(unsaid).await, None, "what it has is not known");
    assert_eq!(cost(stopped()).await, Some(Money::ZERO), "nothing of it is left to bill");
    for status in ["PROVISIONING", "STARTING", "RUNNING", "ERROR", "HIBERNATING"] {
        let mut pod = created();
        pod["status"] = json!(status);
        pod["cost"] = json!(0.0);
        assert_eq!(cost(pod).await, None, "{status}");
    }
    let mut gone = created();
    gone["status"] = json!("TERMINATED");
    gone["cost"] = json!(0);
    assert_eq!(cost(gone).await, Some(Money::ZERO));
}

#[tokio::test(start_paused = true)]
async fn what_was_billed_is_read_exactly() {
    let record = |id: &str, total: f64| {
        json!({"startTime":"2026-11-23T20:00:00Z","endTime":"2026-11-23T21:00:00Z","podId":id,"totalAmount":total,
         "gpuAmount":total,"cpuAmount":0.0,"diskAmount":0.0})
    };
    let answer = json!({"records":[record("p1", 0.1), record("p1", 0.2)],
        "metadata":{"query":{},"recordCount":2,"uniquePodCount":1,"totals":{"totalAmount":0.3}}});
    let cloud = ScriptedTransport::new()
        .reply(200, answer.to_string())
        .reply(200, json!({"records": []}).to_string())
        .reply(200, json!({"records": [{"totalAmount": "dear"}]}).to_string());
    let rig = account(&cloud);
    let query = BillingQuery::new().of("p1").bucket(Bucket::Hour).last(2);
    let history = rig.runpod.billing_history(&context(), Billed::Pods, &query).await.unwrap();
    assert_eq!((history.total, history.records.len()), (Money::parse("0.3").unwrap(), 2));
    assert_eq!(history.records[0].id.as_deref(), Some("p1"));
    let history = rig.runpod.billing_history(&context(), Billed::Serverless, &BillingQuery::new()).await.unwrap();
    assert_eq!(history.total, Money::ZERO);
    let error = rig.runpod.billing_history(&context(), Billed::Volumes, &BillingQuery::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    insta::assert_snapshot!(rig.sent(), @r"
    GET /v2/billing/pods?bucketSize=hour&lastN=2&podId=p1
    GET /v2/billing/serverless?bucketSize=day
    GET /v2/billing/network-volumes?bucketSize=day
    ");
}

#[tokio::test(start_paused = true)]
async fn a_credit_is_part_of_a_bill() {
    let answer = json!({"records":[{"podId":"p1","totalAmount":0.3},{"podId":"p1","totalAmount":-1.25}]});
    let rig = account(&ScriptedTransport::new().reply(200, answer.to_string()));
    let history = rig.runpod.billing_history(&context(), Billed::Pods, &BillingQuery::new()).await.unwrap();
    assert_eq!(history.total, Money::parse("-0.95").unwrap());
    assert_eq!(history.records[1].total, Money::parse("-1.25").unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_history_has_a_beginning_and_an_end() {
    let at = |text: &str| Timestamp::parse(text).unwrap();
    let (from, until) = (at("2026-05-01T00:00:00Z"), at("2026-06-01T00:00:00Z"));
    let none = json!({"records": []}).to_string();
    let rig = account(&ScriptedTransport::new().reply(200, none.clone()).reply(200, none));
    for query in [BillingQuery::new().from(from).until(until), BillingQuery::new().from(from)] {
        rig.runpod.billing_history(&context(), Billed::Pods, &query).await.unwrap();
    }
    for wrong in [
        BillingQuery::new().from(until).until(from),
        BillingQuery::new().from(from).until(from),
        BillingQuery::new().from(from).last(3),
        BillingQuery::new().until(until).last(3),
    ] {
        let error = rig.runpod.billing_history(&context(), Billed::Pods, &wrong).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Validation, Effect::NotSent), "{wrong:?}");
    }
    insta::assert_snapshot!(rig.sent(), @r"
    GET /v2/billing/pods?bucketSize=day&startTime=2026-05-01T00%3A00%3A00.000Z&endTime=2026-06-01T00%3A00%3A00.000Z
    GET /v2/billing/pods?bucketSize=day&startTime=2026-05-01T00%3A00%3A00.000Z
    ");
}

#[tokio::test(start_paused = true)]
async fn trap_23_an_error_in_an_answer_of_200_is_an_error() {
    use ErrorKind::{Forbidden, Provider, Unauthorized};
    let good = json!({"data":{"myself":{"id":"user_1","clientBalance":-1.25,"currentSpendPerHr":0.39}}});
    let cloud = ScriptedTransport::new()
        .reply(200, good.to_string())
        .reply(200, r#"{"errors":[{"message":"Unauthorized"}],"data":null}"#)
        .reply(200, r#"{"errors":[{"message":"Something went wrong. Please try again later or contact support.","extensions":{"code":"INTERNAL_SERVER_ERROR"}}],"data":null}"#)
        .reply(200, r#"{"data":{"myself":null}}"#)
        .reply(200, "null")
        .reply(401, r#"{"errors":[{"message":"Unauthorized"}],"data":null}"#);
    let rig = account(&cloud);
    let balance = rig.runpod.balance(&context()).await.unwrap();
    assert_eq!((balance.balance, balance.spend_per_hour), (Money::parse("-1.25").unwrap(), Money::parse("0.39").ok()));
    for kind in [Forbidden, Provider, Unauthorized, Provider, Unauthorized] {
        let error = rig.runpod.balance(&CallContext::new()).await.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (kind, Some("balance")), "{error}");
    }
    let sent = rig.cloud.sent();
    assert!(sent.iter().all(|request| request.url().as_str() == "https://api.runpod.io/graphql"));
    assert_eq!(sent[0].headers()["authorization"], format!("Bearer {KEY}"));
}
