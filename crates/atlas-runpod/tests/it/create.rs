//! Creates: what is sent, what is tried next, and what an error says of the machine that may exist.

use std::time::Duration;

use atlas_core::testing::{Reply, ScriptedTransport};
use atlas_core::{
    CallContext, CloudType, ComputeId, ComputeRequest, ComputeStatus, Effect, ErrorKind, Money, PortSpec, Provider,
};
use atlas_runpod::PodOptions;
use serde_json::{Value, json};

use crate::support::*;

fn l4() -> ComputeRequest {
    ComputeRequest::gpu("l4").cloud_type(CloudType::Secure).image("ghcr.io/acme/t:1").name("box").http_port(8000)
}

#[tokio::test(start_paused = true)]
async fn a_create_sends_all_that_was_asked_and_nothing_is_left_to_the_cloud() {
    let volume = json!({"id":"q1w2e3r4t5","name":"v","size":100,"dataCenter":"EU-RO-1","type":"STANDARD"});
    let cloud = ScriptedTransport::new().reply(200, volume.to_string()).reply(201, created().to_string());
    let rig = account(&cloud);
    let request = l4()
        .port(PortSpec::tcp(22))
        .command(["/app/run", "--fast"])
        .env("MODEL", "x")
        .memory_mb(32 * 1024)
        .cpus(8)
        .container_disk_gb(40)
        .network_volume("q1w2e3r4t5")
        .registry_auth("cred1")
        .min_cuda("12.8");
    let compute = rig.spawn(request).await.unwrap();
    assert_eq!((compute.id, compute.status), (ComputeId::new("k3v9x1c7zq2m8p"), ComputeStatus::Starting));
    assert_eq!(compute.cost_per_hour, Money::parse("0.39").ok());
    insta::assert_snapshot!(rig.sent(), @r#"
    GET /v2/network-volumes/q1w2e3r4t5
    POST /v2/pods
    {"cloud":"SECURE","cmd":["/app/run","--fast"],"dataCenterIds":["EU-RO-1"],"disk":40,"env":{"ATLAS_MARK":"atlas-test-abcdef-aaaaaaaaaaaaaaaaaaaaaaaaaa-box","MODEL":"x"},"gpu":{"count":1,"id":"NVIDIA L4","minCudaVersion":"12.8","minRamPerGpu":32,"minVcpuCountPerGpu":8},"image":"ghcr.io/acme/t:1","mounts":{"network":[{"path":"/workspace","volumeId":"q1w2e3r4t5"}]},"name":"atlas-test-abcdef-aaaaaaaaaaaaaaaaaaaaaaaaaa-box","ports":["8000/http","22/tcp"],"registry":"cred1"}
    "#);
}

#[tokio::test(start_paused = true)]
async fn trap_05_06_07_cloud_disk_and_ports_are_always_sent() {
    let cloud = ScriptedTransport::new().reply(201, created().to_string());
    let rig = account(&cloud);
    let request = ComputeRequest::gpu("l4").cloud_type(CloudType::Secure).image("ghcr.io/acme/t:1").name("box");
    rig.spawn(request).await.unwrap();
    insta::assert_json_snapshot!(rig.body(0), @r#"
    {
      "cloud": "SECURE",
      "disk": 50,
      "env": {
        "ATLAS_MARK": "atlas-test-abcdef-aaaaaaaaaaaaaaaaaaaaaaaaaa-box"
      },
      "gpu": {
        "count": 1,
        "id": "NVIDIA L4"
      },
      "image": "ghcr.io/acme/t:1",
      "name": "atlas-test-abcdef-aaaaaaaaaaaaaaaaaaaaaaaaaa-box",
      "ports": []
    }
    "#);
    let cpus = json!({"cpus":[{"id":"cpu3g","name":"x","group":"x","vcpu":{"min":2,"max":32},"ramGbPerVcpu":4,
        "price":{"securePerVcpu":0.03,"serverlessPerVcpu":0.1},"availability":"HIGH"}]});
    let cloud = ScriptedTransport::new().reply(200, cpus.to_string()).reply(201, created().to_string());
    let rig = account(&cloud);
    rig.spawn(ComputeRequest::cpu().image("ghcr.io/acme/t:1").name("box").cpus(4)).await.unwrap();
    insta::assert_snapshot!(rig.sent(), @r#"
    GET /v2/catalog/cpus?include=AVAILABILITY&product=POD&vcpuCount=4
    POST /v2/pods
    {"cloud":"SECURE","cpu":{"id":"cpu3g","vcpuCount":4},"disk":20,"env":{"ATLAS_MARK":"atlas-test-abcdef-aaaaaaaaaaaaaaaaaaaaaaaaaa-box"},"image":"ghcr.io/acme/t:1","name":"atlas-test-abcdef-aaaaaaaaaaaaaaaaaaaaaaaaaa-box","ports":[]}
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_template_keeps_its_own_disk_and_ports() {
    let cloud = ScriptedTransport::new().reply(201, created().to_string());
    let rig = account(&cloud);
    let request = ComputeRequest::gpu("l4").cloud_type(CloudType::Secure).template("tpl1").name("box");
    rig.spawn(request).await.unwrap();
    let body = rig.body(0);
    assert_eq!(body["templateId"], "tpl1");
    assert!(body.get("disk").is_none() && body.get("ports").is_none() && body.get("image").is_none(), "{body}");
}

#[tokio::test(start_paused = true)]
async fn trap_04_a_list_of_preferences_is_a_list_of_creates_in_order_of_stock() {
    let secure = cards(&[
        card("NVIDIA L4", "LOW", 0.5, 0.3),
        card("NVIDIA A40", "HIGH", 0.4, 0.2),
        card("NVIDIA GeForce RTX 4090", "NONE", 0.7, 0.0),
    ]);
    let community = cards(&[card("NVIDIA L4", "LOW", 0.5, 0.3), card("NVIDIA A40", "NONE", 0.4, 0.2)]);
    let cloud = ScriptedTransport::new()
        .reply(200, secure)
        .reply(200, community)
        .reply(400, NO_CAPACITY)
        .reply(400, NO_CAPACITY)
        .reply(201, created().to_string());
    let rig = account(&cloud);
    let request = ComputeRequest::gpu("l4").or("a40").or("rtx_4090").image("i").name("box");
    rig.spawn(request).await.unwrap();
    let tried: Vec<_> = (2..5).map(|index| rig.body(index)).collect();
    let tried: Vec<_> = tried.iter().map(|body| (body["gpu"]["id"].as_str(), body["cloud"].as_str())).collect();
    assert_eq!(
        tried,
        [
            (Some("NVIDIA A40"), Some("SECURE")),
            // Among equals the user's order, then the price.
            (Some("NVIDIA L4"), Some("COMMUNITY")),
            (Some("NVIDIA L4"), Some("SECURE")),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn trap_02_a_bad_request_ends_the_attempt_and_is_no_want_of_capacity() {
    let bad = problem(400, "Bad Request", "gpu count 3 is not supported");
    let cloud = ScriptedTransport::new().reply(500, "").reply(500, "").reply(500, "").reply(500, "").reply(400, bad);
    let rig = account(&cloud);
    let error = rig.spawn(ComputeRequest::gpu("l4").or("a40").image("i").name("box")).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Validation, Effect::Rejected));
    assert!(error.to_string().contains("gpu count 3 is not supported"), "{error}");
    assert_eq!(rig.cloud.left(), 0, "no second create");
}

#[tokio::test(start_paused = true)]
async fn trap_03_want_of_capacity_may_be_a_filter_that_is_too_narrow() {
    let cloud = ScriptedTransport::new()
        .reply(200, cards(&[card("NVIDIA L4", "HIGH", 0.5, 0.3)]))
        .reply(200, cards(&[card("NVIDIA L4", "HIGH", 0.5, 0.3)]))
        .reply(400, NO_CAPACITY)
        .reply(400, NO_CAPACITY);
    let rig = account(&cloud);
    let error = rig.spawn(ComputeRequest::gpu("l4").image("i").name("box")).await.unwrap_err();
    assert_eq!((error.kind(), error.effect(), error.status()), (ErrorKind::NoCapacity, Effect::Rejected, Some(400)));
    assert!(error.is_safe_to_resend());
    assert!(error.to_string().contains("too narrow"), "{error}");
    assert!(error.to_string().contains("NVIDIA L4 (community), NVIDIA L4 (secure)"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn trap_08_a_create_whose_fate_is_unknown_is_not_sent_again() {
    for reply in
        [Reply::lost(), Reply::new(500, problem(500, "x", "no longer any instances")), Reply::new(502, "<html>")]
    {
        let cloud = ScriptedTransport::new().then(reply.clone());
        let rig = account(&cloud);
        let error = rig.spawn(l4()).await.unwrap_err();
        assert_eq!((error.effect(), rig.cloud.count()), (Effect::Unknown, 1), "{reply:?}: {error}");
    }
    for answer in ["null", "[]", "", "{", "{}"] {
        let cloud = ScriptedTransport::new().reply(201, answer);
        let rig = account(&cloud);
        let error = rig.spawn(l4()).await.unwrap_err();
        assert_eq!((error.effect(), rig.cloud.count()), (Effect::Unknown, 1), "{answer}: {error}");
    }
    // Unreachable provably did nothing, and is tried again.
    let cloud = ScriptedTransport::new().then(Reply::unreachable()).reply(201, created().to_string());
    account(&cloud).spawn(l4()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_next_candidate_is_never_tried_on_a_guess() {
    let cloud = ScriptedTransport::new()
        .reply(200, cards(&[card("NVIDIA L4", "HIGH", 0.5, 0.3)]))
        .reply(200, cards(&[card("NVIDIA L4", "HIGH", 0.5, 0.3)]))
        .then(Reply::lost());
    let rig = account(&cloud);
    let error = rig.spawn(ComputeRequest::gpu("l4").image("i").name("box")).await.unwrap_err();
    assert_eq!((error.effect(), rig.cloud.count()), (Effect::Unknown, 3));
}

#[tokio::test(start_paused = true)]
async fn p2_nothing_is_created_past_the_moment_that_the_order_names() {
    let cloud = ScriptedTransport::new();
    let rig = account(&cloud);
    let order = rig.order(l4()).await;
    tokio::time::sleep(Duration::from_secs(301)).await;
    let error = rig.runpod.spawn(&context(), &order).await.unwrap_err();
    assert_eq!((error.kind(), error.effect(), rig.cloud.count()), (ErrorKind::Timeout, Effect::NotSent, 0));

    // Not even where the cloud asks for a wait that goes beyond it.
    let slow = Reply::new(429, problem(429, "Too Many Requests", "slow down")).header("retry-after", "200");
    let cloud = ScriptedTransport::new().then(slow);
    let rig = account(&cloud);
    let order = rig.order(l4()).await;
    tokio::time::sleep(Duration::from_secs(250)).await;
    let error = rig.runpod.spawn(&context(), &order).await.unwrap_err();
    assert_eq!((error.effect(), rig.cloud.count()), (Effect::Rejected, 1), "{error}");

    // Nor between two candidates.
    let late = Reply::new(400, NO_CAPACITY).after(Duration::from_secs(20));
    let both = cards(&[card("NVIDIA L4", "HIGH", 0.5, 0.3)]);
    let cloud = ScriptedTransport::new().reply(200, both.clone()).reply(200, both).then(late);
    let rig = account(&cloud);
    let order = rig.order(ComputeRequest::gpu("l4").image("i").name("box")).await;
    tokio::time::sleep(Duration::from_secs(281)).await;
    let error = rig.runpod.spawn(&context(), &order).await.unwrap_err();
    assert_eq!(rig.cloud.count(), 3, "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_time_of_the_call_bounds_all_candidates_together() {
    let slow = Reply::new(400, NO_CAPACITY).after(Duration::from_secs(8));
    let both = cards(&[card("NVIDIA L4", "HIGH", 0.5, 0.3)]);
    let cloud = ScriptedTransport::new().reply(200, both.clone()).reply(200, both).then(slow).then(Reply::never());
    let rig = account(&cloud);
    let order = rig.order(ComputeRequest::gpu("l4").image("i").name("box")).await;
    let began = stopwatch();
    let bounded = CallContext::new().with_timeout(Duration::from_secs(10));
    let error = rig.runpod.spawn(&bounded, &order).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, Effect::Unknown));
    assert!(began.elapsed() < Duration::from_millis(10_100));
}

#[tokio::test(start_paused = true)]
async fn o2_a_mark_that_came_back_altered_leaves_a_leftover() {
    let mut cut = created();
    cut["name"] = json!(&MARK[..30]);
    let mut renamed = created();
    renamed["name"] = json!("my-pod");
    let mut other = created();
    other["env"] = json!({"ATLAS_MARK": "atlas-test-abcdef-bbbbbbbbbbbbbbbbbbbbbbbbbb"});
    let mut gone = created();
    gone["env"] = json!({"PATH": "/bin"});
    for altered in [cut, renamed, other, gone] {
        let cloud = ScriptedTransport::new().reply(201, altered.to_string());
        let error = account(&cloud).spawn(l4()).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Provider, Effect::Unknown));
        assert_eq!(error.leftovers(), [ComputeId::new("k3v9x1c7zq2m8p")]);
    }
    // A cloud that does not echo the environment says nothing of it.
    let mut silent = created();
    silent.as_object_mut().unwrap().remove("env");
    let cloud = ScriptedTransport::new().reply(201, silent.to_string());
    account(&cloud).spawn(l4()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_the_account_may_not_use_is_passed_over() {
    let both = cards(&[card("NVIDIA L4", "HIGH", 0.5, 0.3)]);
    let forbidden = problem(403, "Forbidden", "access denied");
    let cloud = ScriptedTransport::new()
        .reply(200, both.clone())
        .reply(200, both.clone())
        .reply(403, forbidden.clone())
        .reply(201, created().to_string());
    account(&cloud).spawn(ComputeRequest::gpu("l4").image("i").name("box")).await.unwrap();
    let cloud = ScriptedTransport::new()
        .reply(200, both.clone())
        .reply(200, both)
        .reply(403, forbidden.clone())
        .reply(403, forbidden);
    let error = account(&cloud).spawn(ComputeRequest::gpu("l4").image("i").name("box")).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Forbidden, Effect::Rejected));
}

#[tokio::test(start_paused = true)]
async fn an_empty_purse_ends_the_attempt() {
    let both = cards(&[card("NVIDIA L4", "HIGH", 0.5, 0.3)]);
    let poor = problem(402, "Payment Required", "insufficient balance");
    let cloud = ScriptedTransport::new().reply(200, both.clone()).reply(200, both).reply(402, poor);
    let error = account(&cloud).spawn(ComputeRequest::gpu("l4").image("i").name("box")).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Quota, Effect::Rejected));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_gpu_is_refused_by_the_live_catalog() {
    let known = cards(&[card("NVIDIA L4", "HIGH", 0.5, 0.3)]);
    let cloud = ScriptedTransport::new().reply(200, known.clone()).reply(200, known);
    let error = account(&cloud).spawn(ComputeRequest::gpu("l5").image("i").name("box")).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Validation, Effect::NotSent));
    assert!(error.to_string().contains("\"l5\" is no GPU of RunPod"), "{error}");

    // A native name that only the catalog knows is taken as it is.
    let new = cards(&[card("NVIDIA X9", "HIGH", 0.5, 0.0)]);
    let cloud = ScriptedTransport::new().reply(200, new.clone()).reply(200, new).reply(201, created().to_string());
    let rig = account(&cloud);
    rig.spawn(ComputeRequest::gpu("NVIDIA X9").image("i").name("box")).await.unwrap();
    assert_eq!(rig.body(2)["gpu"]["id"], "NVIDIA X9");
}

#[tokio::test(start_paused = true)]
async fn the_catalog_is_asked_once_for_many_and_its_failure_costs_the_order_only() {
    let both = cards(&[card("NVIDIA L4", "HIGH", 0.5, 0.3)]);
    let cloud = ScriptedTransport::new()
        .reply(200, both.clone())
        .reply(200, both)
        .reply(201, created().to_string())
        .reply(201, created().to_string());
    let rig = account(&cloud);
    for _ in 0..2 {
        rig.spawn(ComputeRequest::gpu("l4").image("i").name("box")).await.unwrap();
    }
    assert_eq!(rig.cloud.left(), 0);

    let cloud =
        (0..4).fold(ScriptedTransport::new(), |cloud, _| cloud.reply(503, "")).reply(201, created().to_string());
    let rig = account(&cloud);
    rig.spawn(ComputeRequest::gpu("l4").image("i").name("box")).await.unwrap();
    assert_eq!(rig.body(4)["cloud"], "SECURE");
}

#[tokio::test(start_paused = true)]
async fn a_catalog_that_hangs_holds_no_machine_up() {
    let cloud = ScriptedTransport::new().then(Reply::never()).reply(201, created().to_string());
    let rig = account(&cloud);
    let began = stopwatch();
    rig.spawn(ComputeRequest::gpu("l4").image("i").name("box")).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 10);

    // Where it is needed, the time of the call bounds it.
    let cloud = ScriptedTransport::new().then(Reply::never());
    let rig = account(&cloud);
    let order = rig.order(l4().region("FR")).await;
    let began = stopwatch();
    let error = rig.runpod.spawn(&CallContext::new().with_timeout(Duration::from_secs(5)), &order).await.unwrap_err();
    assert_eq!((began.elapsed().as_secs(), error.kind(), error.effect()), (5, ErrorKind::Timeout, Effect::NotSent));
}

#[tokio::test(start_paused = true)]
async fn a_region_hint_becomes_data_centres() {
    let cloud = ScriptedTransport::new().reply(200, centers()).reply(201, created().to_string());
    let rig = account(&cloud);
    rig.spawn(l4().region("eu-ro-1").region("north america")).await.unwrap();
    assert_eq!(rig.body(1)["dataCenterIds"], json!(["EU-RO-1", "US-CA-2"]));

    let there = cards(&[card("NVIDIA L4", "HIGH", 0.5, 0.3)]);
    let cloud = ScriptedTransport::new().reply(200, there).reply(201, created().to_string());
    let rig = account(&cloud);
    rig.spawn(l4().region("RO")).await.unwrap();
    insta::assert_snapshot!(rig.sent().lines().next().unwrap(), @"GET /v2/catalog/gpus?include=AVAILABILITY&product=POD&count=1&cloud=SECURE&countryCodes=RO");
    assert_eq!(rig.body(1)["dataCenterIds"], json!(["EU-RO-1"]));

    for (hint, answer) in [("XX-9", centers()), ("mars", centers()), ("FR", cards(&[]))] {
        let cloud = ScriptedTransport::new().reply(200, answer);
        let error = account(&cloud).spawn(l4().region(hint)).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Validation, Effect::NotSent), "{hint}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_volume_elsewhere_or_nowhere_is_told_before_anything_is_spent() {
    let volume = json!({"id":"v1","name":"v","size":100,"dataCenter":"US-CA-2","type":"STANDARD"}).to_string();
    let cloud = ScriptedTransport::new().reply(200, centers()).reply(200, volume);
    let error = account(&cloud).spawn(l4().region("EU-RO-1").network_volume("v1")).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Validation, Effect::NotSent));
    assert!(error.to_string().contains("stands in US-CA-2"), "{error}");
    let cloud = ScriptedTransport::new().reply(404, problem(404, "Not Found", "network volume not found"));
    let error = account(&cloud).spawn(l4().network_volume("v1")).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::NotFound, Effect::NotSent));
}

#[tokio::test(start_paused = true)]
async fn c5_options_are_merged_last_and_may_not_change_what_is_atlass_own() {
    let cloud = ScriptedTransport::new().reply(201, created().to_string());
    let rig = account(&cloud);
    let request = l4()
        .option("gpu", json!({"minCudaVersion": "12.8"}))
        .option("env", json!({"EXTRA": "1"}))
        .option("globalNetworking", json!(true))
        .symmetric_ports(2);
    rig.spawn(request).await.unwrap();
    insta::assert_json_snapshot!(rig.body(0), @r#"
    {
      "cloud": "SECURE",
      "disk": 50,
      "env": {
        "ATLAS_MARK": "atlas-test-abcdef-aaaaaaaaaaaaaaaaaaaaaaaaaa-box",
        "EXTRA": "1"
      },
      "globalNetworking": true,
      "gpu": {
        "count": 1,
        "id": "NVIDIA L4",
        "minCudaVersion": "12.8"
      },
      "image": "ghcr.io/acme/t:1",
      "name": "atlas-test-abcdef-aaaaaaaaaaaaaaaaaaaaaaaaaa-box",
      "ports": [
        "8000/http",
        "70000/tcp",
        "70001/tcp"
      ]
    }
    "#);

    for (name, value) in [
        ("name", json!("mine")),
        ("env", json!({"ATLAS_MARK": "x"})),
        ("env", json!({"ATLAS_PRESHARED_KEY": "x"})),
        ("env", json!(null)),
    ] {
        let rig = account(&ScriptedTransport::new());
        let request = l4().option(name, value.clone());
        let error = rig.runpod.check(&request).unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Validation, Effect::NotSent), "{name}: {value}");
        let error = rig.spawn(request).await.unwrap_err();
        assert_eq!((error.kind(), rig.cloud.count()), (ErrorKind::Validation, 0));
    }
}

#[tokio::test]
async fn c6_what_runpod_cannot_honour_is_refused_by_name_and_nothing_is_sent() {
    let many_ports = (1..=11).fold(l4(), ComputeRequest::http_port);
    let many_variables = (0..50).fold(l4(), |request, index| request.env(format!("V{index}"), "x"));
    let cases = [
        (l4().spot(true), ErrorKind::Unsupported, "no longer sells spot"),
        (many_ports, ErrorKind::Validation, "at most 10"),
        (many_variables, ErrorKind::Validation, "at most 50"),
        (l4().env("BIG", "x".repeat(103_000)), ErrorKind::Validation, "102400"),
        (ComputeRequest::cpu().image("i").cpus(3), ErrorKind::Validation, "cpus is 3"),
        (ComputeRequest::cpu().image("i").cpus(1), ErrorKind::Validation, "cpus is 1"),
        (ComputeRequest::cpu().image("i").volume_gb(20), ErrorKind::Validation, "volume_gb needs a GPU"),
        (ComputeRequest::cpu().image("i").cloud_type(CloudType::Community), ErrorKind::Validation, "without a GPU"),
        (l4().volume_gb(9), ErrorKind::Validation, "volume_gb is 9"),
        (l4().volume_gb(20).network_volume("v1"), ErrorKind::Validation, "both set"),
        (l4().cloud_type(CloudType::Community).network_volume("v1"), ErrorKind::Validation, "secure"),
        (l4().network_volume("../x"), ErrorKind::Validation, "no network volume id"),
        (ComputeRequest::gpu("l4"), ErrorKind::Validation, "needs an image"),
        (ComputeRequest::gpu("gh200").image("i"), ErrorKind::Validation, "RunPod has no gh200"),
        (l4().registry_auth("user:canary"), ErrorKind::Validation, "registry_auth must be the id"),
        (l4().option("cpu", json!({"id": "cpu3c", "vcpuCount": 2})), ErrorKind::Validation, "either GPUs or CPUs"),
        (l4().option("symmetric_ports", json!(99)), ErrorKind::Validation, "symmetric_ports"),
    ];
    for (request, kind, words) in cases {
        let rig = account(&ScriptedTransport::new());
        let error = rig.runpod.check(&request).unwrap_err();
        assert_eq!((error.kind(), error.effect()), (kind, Effect::NotSent), "{error}");
        assert!(error.to_string().contains(words) && !error.to_string().contains("canary"), "{error}");
        assert_eq!(rig.cloud.count(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn trap_19_a_command_is_never_one_joined_text() {
    let cloud = ScriptedTransport::new().reply(201, created().to_string());
    let rig = account(&cloud);
    rig.spawn(l4().command(["bash", "-lc", "echo \"a b\" && sleep 1"])).await.unwrap();
    let body = rig.body(0);
    assert_eq!(body["cmd"], json!(["bash", "-lc", "echo \"a b\" && sleep 1"]));
    assert!(body.get("args").is_none());
    let error =
        account(&ScriptedTransport::new()).runpod.check(&l4().command(["a"]).option("args", json!("b"))).unwrap_err();
    assert!(error.to_string().contains("args"), "{error}");
}

#[test]
fn no_option_takes_back_what_is_always_sent() {
    let runpod = account(&ScriptedTransport::new()).runpod;
    for name in ["cloud", "disk", "ports"] {
        let error = runpod.check(&l4().option(name, Value::Null)).unwrap_err();
        assert!(error.to_string().contains(&format!("\"{name}\" may not be null")), "{error}");
    }
    let templated = |name: &str| runpod.check(&ComputeRequest::gpu("l4").template("tpl1").option(name, Value::Null));
    assert!(templated("disk").is_ok() && templated("ports").is_ok(), "the template's own stand");
    assert!(templated("cloud").is_err());
}

#[tokio::test(start_paused = true)]
async fn trap_09_each_create_bears_a_token_of_its_own_in_name_and_environment() {
    let cloud = ScriptedTransport::new().reply(201, created().to_string());
    let rig = account(&cloud);
    let compute = rig.spawn(l4()).await.unwrap();
    let body = rig.body(0);
    assert_eq!((body["name"].as_str(), body["env"]["ATLAS_MARK"].as_str()), (Some(MARK), Some(MARK)));
    assert_eq!(compute.mark.unwrap().token.to_string(), TOKEN);
    assert!(!rig.runpod.traits().unique_names);
}

#[tokio::test(start_paused = true)]
async fn trap_01_rest_v1_is_never_called() {
    for old in ["https://rest.runpod.io/v1", "https://api.runpod.io/v1/", "https://rest.runpod.io/v2"] {
        let error = atlas_runpod::RunPod::builder().base_url(old).build().unwrap_err();
        assert!(error.to_string().contains("REST v1, which has ended"), "{error}");
    }
    // A whole API that is gone is no machine that is gone.
    let cloud = ScriptedTransport::new().reply(410, problem(410, "Gone", "This API has been retired"));
    let error =
        account(&cloud).runpod.get(&CallContext::new().with_retries(0), &ComputeId::new("p1")).await.unwrap_err();
    assert!(!error.is_not_found(), "{error}");
}

#[tokio::test]
async fn trap_30_spot_is_unsupported_and_says_why() {
    let rig = account(&ScriptedTransport::new());
    let error = rig.spawn(l4().spot(true)).await.unwrap_err();
    assert_eq!((error.kind(), error.effect(), rig.cloud.count()), (ErrorKind::Unsupported, Effect::NotSent, 0));
    assert!(error.to_string().contains("RunPod no longer sells spot"), "{error}");
}
