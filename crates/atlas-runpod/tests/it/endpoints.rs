//! Serverless endpoints, templates, registry credentials.

use std::collections::BTreeMap;
use std::time::Duration;

use atlas_auth::{Clock, Secret};
use atlas_core::testing::{Reply, ScriptedTransport};
use atlas_core::{Effect, EndpointId, ErrorKind, PortSpec};
use atlas_runpod::{EndpointChange, EndpointKind, EndpointRequest, Scaling, TemplateRequest, WorkerStatus, Workers};
use serde_json::{Value, json};

use crate::support::*;

fn endpoint() -> Value {
    json!({"id":"ep1","name":MARK,"type":"QUEUE","image":"i","args":"","disk":5,"ports":[],
     "env":{"ATLAS_MARK":MARK,"KEY":"canary"},"registry":null,
     "requestUrls":{"run":"https://api.runpod.ai/v2/ep1/run","status":"https://api.runpod.ai/v2/ep1/status/{job_id}"},
     "gpu":{"pools":["AMPERE_48"],"excludedTypes":[],"count":1,"allowedCudaVersions":[],"minCudaVersion":null},
     "workers":{"min":0,"max":3,"idleTimeout":10},"scaling":{"type":"QUEUE_DELAY","queueDelay":4},"dataCenterIds":[],
     "networkVolumes":[],"timeout":600_000,"flashboot":"OFF","createdAt":"2026-11-23T20:00:00Z"})
}

fn pooled() -> String {
    let in_pool = |id: &str, pool: Option<&str>| {
        let mut card = card(id, "HIGH", 0.5, 0.3);
        card["pool"] = json!(pool);
        card
    };
    cards(&[
        in_pool("NVIDIA A40", Some("AMPERE_48")),
        in_pool("NVIDIA RTX A6000", Some("AMPERE_48")),
        in_pool("NVIDIA L40S", Some("ADA_48_PRO")),
        in_pool("NVIDIA L40", Some("ADA_48_PRO")),
        in_pool("NVIDIA A30", None),
    ])
}

#[tokio::test(start_paused = true)]
async fn trap_28_29_an_endpoint_takes_pools_and_always_has_a_timeout() {
    let cloud = ScriptedTransport::new().reply(200, pooled()).reply(201, endpoint().to_string());
    let rig = account(&cloud);
    let request = EndpointRequest::gpu("i", ["a40", "ADA_48_PRO"]).name("box").env("KEY", "v").data_center("eu-ro-1");
    let order = rig.rental(request).await;
    let made = rig.runpod.create_endpoint(&context(), &order).await.unwrap();
    assert_eq!((made.id.as_str(), made.mark, made.kind), ("ep1", Some(mark()), Some(EndpointKind::Queue)));
    insta::assert_json_snapshot!(rig.body(1), @r#"
    {
      "dataCenterIds": [
        "EU-RO-1"
      ],
      "env": {
        "ATLAS_MARK": "atlas-test-abcdef-aaaaaaaaaaaaaaaaaaaaaaaaaa-box",
        "KEY": "v"
      },
      "flashboot": "OFF",
      "gpu": {
        "count": 1,
        "excludedTypes": [
          "NVIDIA RTX A6000"
        ],
        "pools": [
          "AMPERE_48",
          "ADA_48_PRO"
        ]
      },
      "image": "i",
      "name": "atlas-test-abcdef-aaaaaaaaaaaaaaaaaaaaaaaaaa-box",
      "scaling": {
        "queueDelay": 4.0,
        "type": "QUEUE_DELAY"
      },
      "timeout": 600000,
      "type": "QUEUE",
      "workers": {
        "idleTimeout": 10,
        "max": 3,
        "min": 0
      }
    }
    "#);
}

/// A cloud that asks for a pause past the order's moment gets nothing after it, however long the call may take.
#[tokio::test(start_paused = true)]
async fn p2_no_endpoint_is_asked_for_past_the_moment_of_its_order() {
    let cloud = ScriptedTransport::new().reply(200, pooled()).then(slow_down("400")).reply(201, endpoint().to_string());
    let rig = account(&cloud);
    let order = rig.rental(EndpointRequest::gpu("i", ["a40"]).name("box")).await;
    let patient = context().with_timeout(Duration::from_hours(1));
    let error = rig.runpod.create_endpoint(&patient, &order).await.unwrap_err();
    assert_eq!((error.effect(), rig.cloud.count()), (Effect::Rejected, 2), "{error}");
    assert!(rig.clock.now() <= order.not_after());
}

#[tokio::test(start_paused = true)]
async fn a_gpu_without_a_pool_is_refused() {
    for (gpu, words) in [("a30", "in no pool"), ("rtx_9090", "no GPU or pool")] {
        let cloud = ScriptedTransport::new().reply(200, pooled());
        let rig = account(&cloud);
        let order = rig.rental(EndpointRequest::gpu("i", [gpu])).await;
        let error = rig.runpod.create_endpoint(&context(), &order).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Validation, Effect::NotSent));
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn what_runpod_would_take_for_something_else_is_refused() {
    let rig = account(&ScriptedTransport::new());
    let good = || EndpointRequest::gpu("i", ["a40"]);
    for wrong in [
        EndpointRequest::gpu("i", Vec::<String>::new()),
        good().workers(Workers::new(3, 1)),
        good().workers(Workers::new(0, 1).idle_timeout(Duration::from_secs(3601))),
        good().scaling(Scaling::QueueDelay(Duration::from_millis(499))),
        good().load_balancer(4).scaling(Scaling::QueueDelay(Duration::from_secs(4))),
        good().timeout(Duration::ZERO),
        good().env("ATLAS_MARK", "x"),
        good().option("env", json!({"ATLAS_MARK": "x"})),
        good().option("name", json!("x")),
        good().load_balancer(4),
        good().load_balancer(4).port(PortSpec::http(80)).option("ports", json!([])),
        good().option("timeout", json!(0)),
        good().option("timeout", Value::Null),
        good().option("flashboot", Value::Null),
        EndpointRequest::cpu("i", "cpu3g", 3),
    ] {
        let error = rig.runpod.check_endpoint(&wrong).unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Validation, Effect::NotSent), "{wrong:?}");
    }
    rig.runpod.check_endpoint(&good()).unwrap();
    rig.runpod.check_endpoint(&good().load_balancer(4).port(PortSpec::http(80))).unwrap();
    rig.runpod.check_endpoint(&good().load_balancer(4).template("tpl1")).unwrap();
    rig.runpod.check_endpoint(&good().load_balancer(4).option("ports", json!(["80/http"]))).unwrap();
}

#[tokio::test]
async fn a_change_that_runpod_would_take_for_something_else_is_refused_before_anything_is_asked() {
    let rig = account(&ScriptedTransport::new());
    let env = |count: usize, prefix: &str| {
        (0..count).map(|place| (format!("{prefix}{place}"), Secret::new("v"))).collect::<BTreeMap<_, _>>()
    };
    for wrong in [
        EndpointChange::new(),
        EndpointChange::new().timeout(Duration::ZERO),
        EndpointChange::new().workers(Workers::new(3, 1)),
        EndpointChange::new().env(env(1, "ATLAS_")),
        EndpointChange::new().env(env(50, "A")),
    ] {
        let error = rig.runpod.update_endpoint(&context(), &EndpointId::new("ep1"), &wrong).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Validation, Effect::NotSent), "{wrong:?}");
    }
    assert_eq!(rig.cloud.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_whose_fate_is_unknown_is_not_made_again() {
    let cloud = ScriptedTransport::new().then(Reply::lost());
    let rig = account(&cloud);
    let order = rig.rental(EndpointRequest::cpu("i", "cpu3g", 4)).await;
    let error = rig.runpod.create_endpoint(&context(), &order).await.unwrap_err();
    assert_eq!((error.effect(), rig.cloud.count()), (Effect::Unknown, 1));
}

#[tokio::test(start_paused = true)]
async fn trap_20_a_new_environment_keeps_the_mark() {
    let cloud = ScriptedTransport::new()
        .reply(200, endpoint().to_string())
        .reply(200, endpoint().to_string())
        .reply(200, endpoint().to_string());
    let rig = account(&cloud);
    let id = EndpointId::new("ep1");
    let env = BTreeMap::from([("NEW".to_owned(), Secret::new("v"))]);
    rig.runpod.update_endpoint(&context(), &id, &EndpointChange::new().env(env)).await.unwrap();
    let change = EndpointChange::new().workers(Workers::new(1, 2)).timeout(Duration::from_mins(1));
    rig.runpod.update_endpoint(&context(), &id, &change).await.unwrap();
    assert!(rig.runpod.update_endpoint(&context(), &id, &EndpointChange::new()).await.is_err());
    insta::assert_snapshot!(rig.sent(), @r#"
    GET /v2/serverless/ep1
    PATCH /v2/serverless/ep1
    {"env":{"ATLAS_MARK":"atlas-test-abcdef-aaaaaaaaaaaaaaaaaaaaaaaaaa-box","NEW":"v"}}
    PATCH /v2/serverless/ep1
    {"timeout":60000,"workers":{"idleTimeout":10,"max":2,"min":1}}
    "#);
}

#[tokio::test(start_paused = true)]
async fn trap_26_the_workers_of_an_endpoint_say_why_its_jobs_wait() {
    let workers = json!({"workers":[{"id":"w1","status":"UNHEALTHY","isStale":false,"gpuCount":1},
        {"id":"w2","status":"THROTTLED","isStale":true,"gpuCount":1,"gpuTypeId":"NVIDIA A40","dataCenterId":"EU-RO-1"},
        {"id":"w3","status":"DREAMING","isStale":false,"gpuCount":0}],
        "summary":{"running":0,"idle":0,"initializing":0,"throttled":1,"unhealthy":1,"total":3},"endpointVersion":2});
    let health = json!({"jobs":{"inQueue":7},"workers":{"unhealthy":1}});
    let cloud = ScriptedTransport::new()
        .reply(200, workers.to_string())
        .reply(200, health.to_string())
        .reply(200, endpoint().to_string())
        .reply(200, json!({"endpoints":[endpoint()],"pagination":{"nextCursor":null,"hasNextPage":false}}).to_string())
        .reply(204, "");
    let rig = account(&cloud);
    let id = EndpointId::new("ep1");
    let workers = rig.runpod.endpoint_workers(&context(), &id).await.unwrap();
    let told: Vec<_> = workers.iter().map(|worker| worker.status.as_str()).collect();
    assert_eq!(told, ["unhealthy", "throttled", "DREAMING"]);
    assert_eq!(workers[2].status, WorkerStatus::Other("DREAMING".to_owned()));
    let health = rig.runpod.endpoint_health(&context(), &id).await.unwrap();
    assert_eq!((health.queued, health.unhealthy, health.running), (7, 1, 0));
    let read = rig.runpod.get_endpoint(&context(), &id).await.unwrap();
    assert_eq!((read.workers_min, read.workers_max), (Some(0), Some(3)));
    assert_eq!(read.urls["run"], "https://api.runpod.ai/v2/ep1/run");
    assert!(read.raw.get("env").is_none());
    assert_eq!(rig.runpod.list_endpoints(&context()).await.unwrap().len(), 1);
    rig.runpod.delete_endpoint(&context(), &id).await.unwrap();
    insta::assert_snapshot!(rig.sent(), @r"
    GET /v2/serverless/ep1/workers
    GET /v2/ep1/health
    GET /v2/serverless/ep1
    GET /v2/serverless?limit=1000
    DELETE /v2/serverless/ep1
    ");
}

#[tokio::test(start_paused = true)]
async fn templates_are_made_read_replaced_and_deleted() {
    let template = json!({"id":"tpl1","name":"t","image":"i","args":"","disk":20,"mounts":{},"ports":[],
        "env":{"KEY":"canary"},"registry":null,"serverless":false,"public":false,"category":"NVIDIA","startSsh":false,
        "startJupyter":false,"allowedCudaVersions":[]});
    let listed = json!({"templates":[template],"pagination":{"nextCursor":null,"hasNextPage":false}});
    let cloud = ScriptedTransport::new()
        .reply(201, template.to_string())
        .reply(200, template.to_string())
        .reply(200, listed.to_string())
        .reply(200, template.to_string())
        .reply(400, problem(400, "Bad Request", "template is in use"))
        .reply(404, problem(404, "Not Found", "template not found"));
    let rig = account(&cloud);
    let request =
        TemplateRequest::new("t", "i").command(["run"]).disk_gb(20).port(PortSpec::http(80)).env("KEY", "canary");
    let made = rig.runpod.create_template(&context(), &request).await.unwrap();
    assert!(!format!("{made:?} {request:?}").contains("canary"));
    rig.runpod.get_template(&context(), "tpl1").await.unwrap();
    rig.runpod.list_templates(&context()).await.unwrap();
    rig.runpod.replace_template(&context(), "tpl1", &TemplateRequest::new("t", "i2")).await.unwrap();
    assert_eq!(rig.runpod.delete_template(&context(), "tpl1").await.unwrap_err().kind(), ErrorKind::Validation);
    rig.runpod.delete_template(&context(), "tpl1").await.unwrap();
    assert!(rig.runpod.create_template(&context(), &TemplateRequest::new("", "i")).await.is_err());
    insta::assert_snapshot!(rig.sent(), @r#"
    POST /v2/templates
    {"cmd":["run"],"disk":20,"env":{"KEY":"canary"},"image":"i","name":"t","ports":["80/http"],"serverless":false,"startJupyter":false,"startSsh":false}
    GET /v2/templates/tpl1
    GET /v2/templates?limit=1000
    PATCH /v2/templates/tpl1
    {"env":{},"image":"i2","name":"t","ports":[],"serverless":false,"startJupyter":false,"startSsh":false}
    DELETE /v2/templates/tpl1
    DELETE /v2/templates/tpl1
    "#);
}

#[tokio::test(start_paused = true)]
async fn registry_credentials_are_kept_and_never_read_back() {
    let cloud = ScriptedTransport::new()
        .reply(201, json!({"id":"r1","name":"ghcr"}).to_string())
        .reply(200, json!({"registries":[{"id":"r1","name":"ghcr"}]}).to_string())
        .reply(204, "");
    let rig = account(&cloud);
    let password = Secret::new("p4ssw0rd");
    let kept = rig.runpod.create_registry(&context(), "ghcr", "me", &password).await.unwrap();
    assert_eq!(rig.runpod.list_registries(&context()).await.unwrap(), [kept]);
    rig.runpod.delete_registry(&context(), "r1").await.unwrap();
    assert!(rig.runpod.create_registry(&context(), "ghcr", "", &password).await.is_err());
    insta::assert_snapshot!(rig.sent(), @r#"
    POST /v2/registries
    {"name":"ghcr","password":"p4ssw0rd","username":"me"}
    GET /v2/registries?limit=1000
    DELETE /v2/registries/r1
    "#);
}
