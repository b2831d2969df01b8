//! A pod's life: read, stopped, started, restarted, ended.

use atlas_auth::Secret;
use atlas_core::testing::{Reply, ScriptedTransport};
use atlas_core::{
    Billing, CallContext, Capability, ComputeId, ComputeStatus, Effect, ErrorKind, GoneRule, Protocol, Provider,
};
use serde_json::json;

use crate::support::*;

fn id() -> ComputeId {
    ComputeId::new("k3v9x1c7zq2m8p")
}

const CONFLICT: &str = r#"{"title":"Conflict","status":409,"detail":"action not valid in the current state"}"#;

#[tokio::test(start_paused = true)]
async fn a_running_pod_is_described_in_full() {
    let cloud = ScriptedTransport::new().reply(200, running().to_string());
    let rig = account(&cloud);
    let compute = rig.runpod.get(&context(), &id()).await.unwrap();
    insta::assert_snapshot!(rig.sent(), @r"GET /v2/pods/k3v9x1c7zq2m8p");
    let mut shown = serde_json::to_value(&compute).unwrap();
    shown.as_object_mut().unwrap().remove("raw");
    insta::assert_json_snapshot!(shown, @r#"
    {
      "cost_per_hour": "0.390000",
      "created_at": "2026-11-23T20:00:00.000Z",
      "gpu_count": 1,
      "gpu_type": "l4",
      "id": "k3v9x1c7zq2m8p",
      "image": "ghcr.io/acme/t:1",
      "kind": "runpod",
      "name": "atlas-test-abcdef-aaaaaaaaaaaaaaaaaaaaaaaaaa-box",
      "ports": [
        {
          "container_port": 8000,
          "protocol": "http",
          "public_port": null,
          "tls": true,
          "url": "https://k3v9x1c7zq2m8p-8000.proxy.runpod.net"
        },
        {
          "container_port": 22,
          "protocol": "tcp",
          "public_port": 17740,
          "tls": false,
          "url": null
        }
      ],
      "provider": "runpod",
      "public_ip": "203.0.113.7",
      "region": "EU-RO-1",
      "status": "running"
    }
    "#);
    assert!(compute.raw.get("env").is_none() && compute.raw["cudaVersion"].is_null());
    assert_eq!(compute.mark, Some(mark()));
}

#[tokio::test(start_paused = true)]
async fn trap_14_16_32_a_port_has_an_address_only_once_runpod_gave_it_one() {
    // Running, and not yet numbered: the http address is known, the tcp one is not.
    let mut early = running();
    early["runtime"] = json!({"uptime": 1});
    // One whose only number is an http port's, which is an internal one.
    let mut internal = running();
    internal["runtime"]["ports"].as_array_mut().unwrap().remove(0);
    let mut restarted = running();
    restarted["runtime"]["ports"][0]["public"] = json!(20_001);
    let answers = [created(), early, internal, running(), restarted];
    let cloud = answers.iter().fold(ScriptedTransport::new(), |cloud, pod| cloud.reply(200, pod.to_string()));
    let rig = account(&cloud);
    let starting = rig.runpod.get(&context(), &id()).await.unwrap();
    assert_eq!(starting.status, ComputeStatus::Starting);
    assert!(starting.ports.iter().all(|port| port.url.is_none() && port.public_port.is_none()));
    let early = rig.runpod.get(&context(), &id()).await.unwrap();
    let url = early.first_http().unwrap().url.as_deref();
    assert_eq!(url, Some("https://k3v9x1c7zq2m8p-8000.proxy.runpod.net"));
    let tcp = early.ports.iter().find(|port| port.protocol == Protocol::Tcp).unwrap();
    assert_eq!((tcp.public_port, early.public_ip.as_deref()), (None, None));
    for (number, ip) in [(None, None), (Some(17_740), Some("203.0.113.7")), (Some(20_001), Some("203.0.113.7"))] {
        let read = rig.runpod.get(&context(), &id()).await.unwrap();
        let ports: Vec<_> =
            read.ports.iter().map(|port| (port.protocol, port.container_port, port.public_port)).collect();
        assert_eq!(ports, [(Protocol::Http, 8000, None), (Protocol::Tcp, 22, number)]);
        assert_eq!(read.public_ip.as_deref(), ip);
    }
}

#[tokio::test(start_paused = true)]
async fn trap_12_a_pod_whose_command_ended_still_runs_and_bills() {
    let mut pod = running();
    pod["runtime"]["uptime"] = json!(0);
    let cloud = ScriptedTransport::new().reply(200, pod.to_string());
    let compute = account(&cloud).runpod.get(&context(), &id()).await.unwrap();
    assert_eq!(compute.status, ComputeStatus::Running);
    assert!(compute.cost_per_hour.is_some());
}

#[tokio::test(start_paused = true)]
async fn trap_15_a_pod_in_error_is_over() {
    let mut pod = created();
    pod["status"] = json!("ERROR");
    let cloud = ScriptedTransport::new().reply(200, pod.to_string());
    let compute = account(&cloud).runpod.get(&context(), &id()).await.unwrap();
    assert_eq!(compute.status, ComputeStatus::Failed);
    assert!(compute.status.is_over());
}

#[tokio::test(start_paused = true)]
async fn c5_a_word_that_is_not_known_is_kept() {
    let mut pod = created();
    pod["status"] = json!("HIBERNATING");
    pod["new"] = json!({"field": 1});
    pod["cost"] = json!("dear");
    let cloud = ScriptedTransport::new().reply(200, pod.to_string());
    let compute = account(&cloud).runpod.get(&context(), &id()).await.unwrap();
    assert_eq!(compute.status, ComputeStatus::Other("HIBERNATING".to_owned()));
    assert_eq!((compute.name.as_deref(), compute.raw["new"]["field"].as_i64()), (Some(MARK), Some(1)));
    assert_eq!(compute.mark, Some(mark()), "one that cannot be read in full is never overlooked");
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_nothing_is_unknown_and_not_gone() {
    for nothing in ["null", "[]", "\"x\"", "0"] {
        let cloud = ScriptedTransport::new().reply(200, nothing);
        let error = account(&cloud).runpod.get(&context(), &id()).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Provider, Effect::Unknown), "{nothing}");
        assert!(error.is_transient());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_is_not_found_only_in_runpods_own_words() {
    let cloud = ScriptedTransport::new().reply(404, NOT_FOUND);
    let error = account(&cloud).runpod.get(&context(), &id()).await.unwrap_err();
    assert_eq!((error.kind(), error.effect(), error.status()), (ErrorKind::NotFound, Effect::Rejected, Some(404)));
    for stranger in [
        Reply::new(404, "<html>not here</html>").header("content-type", "text/html"),
        Reply::new(404, ""),
        Reply::new(404, "not found"),
    ] {
        let cloud = ScriptedTransport::new().then(stranger);
        let once = CallContext::new().with_retries(0);
        let error = account(&cloud).runpod.get(&once, &id()).await.unwrap_err();
        assert!(!error.is_not_found(), "{error}");
        let cloud = ScriptedTransport::new().reply(404, "gateway");
        assert!(account(&cloud).runpod.terminate(&once, &id()).await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn trap_22_c3_an_ending_reads_no_body_and_what_is_gone_is_a_success() {
    for (status, body) in [(204, ""), (200, ""), (202, "null"), (404, NOT_FOUND)] {
        let cloud = ScriptedTransport::new().reply(status, body);
        let rig = account(&cloud);
        rig.runpod.terminate(&context(), &id()).await.unwrap();
        insta::allow_duplicates! {
            insta::assert_snapshot!(rig.sent(), @"DELETE /v2/pods/k3v9x1c7zq2m8p");
        }
    }
    let cloud = ScriptedTransport::new().reply(409, problem(409, "Conflict", "pod is a cluster member"));
    let error = account(&cloud).runpod.terminate(&context(), &id()).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Conflict, Effect::Rejected));
    assert!(error.to_string().contains("cluster"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn stopping_repeats_safely() {
    let cloud = ScriptedTransport::new()
        .reply(200, stopped().to_string())
        .reply(409, CONFLICT)
        .reply(200, stopped().to_string())
        .reply(409, CONFLICT)
        .reply(200, running().to_string());
    let rig = account(&cloud);
    rig.runpod.stop(&context(), &id()).await.unwrap();
    rig.runpod.stop(&context(), &id()).await.unwrap();
    let error = rig.runpod.stop(&context(), &id()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("is running"), "{error}");
    insta::assert_snapshot!(rig.sent(), @r#"
    POST /v2/pods/k3v9x1c7zq2m8p/action
    {"action":"stop"}
    POST /v2/pods/k3v9x1c7zq2m8p/action
    {"action":"stop"}
    GET /v2/pods/k3v9x1c7zq2m8p
    POST /v2/pods/k3v9x1c7zq2m8p/action
    {"action":"stop"}
    GET /v2/pods/k3v9x1c7zq2m8p
    "#);
}

#[tokio::test(start_paused = true)]
async fn trap_18_a_start_without_a_gpu_is_want_of_capacity() {
    let full = problem(400, "Bad Request", "There are not enough free GPUs on the host machine to start this pod.");
    let cloud = ScriptedTransport::new().reply(400, full);
    let error = account(&cloud).runpod.start(&context(), &id()).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::NoCapacity, Effect::Rejected));

    // It came up with none: stopped again, for it would bill and be of no use.
    let mut none = running();
    none["gpu"]["count"] = json!(0);
    let cloud = ScriptedTransport::new().reply(200, none.to_string()).reply(200, stopped().to_string());
    let rig = account(&cloud);
    let error = rig.runpod.start(&context(), &id()).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::NoCapacity, Effect::Rejected));
    insta::assert_snapshot!(rig.sent(), @r#"
    POST /v2/pods/k3v9x1c7zq2m8p/action
    {"action":"start"}
    POST /v2/pods/k3v9x1c7zq2m8p/action
    {"action":"stop"}
    "#);

    // And where it cannot be stopped, that is said.
    let refused = problem(400, "Bad Request", "no");
    let cloud = ScriptedTransport::new().reply(200, none.to_string()).reply(400, refused);
    let error = account(&cloud).runpod.start(&context(), &id()).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::NoCapacity, Effect::Unknown));
}

#[tokio::test(start_paused = true)]
async fn starting_repeats_safely() {
    let mut starting = created();
    starting["status"] = json!("STARTING");
    let cloud = ScriptedTransport::new()
        .reply(200, starting.to_string())
        .reply(200, running().to_string())
        .reply(409, CONFLICT)
        .reply(200, running().to_string())
        .reply(409, CONFLICT)
        .reply(200, stopped().to_string());
    let rig = account(&cloud);
    rig.runpod.start(&context(), &id()).await.unwrap();
    rig.runpod.start(&context(), &id()).await.unwrap();
    assert_eq!(rig.runpod.start(&context(), &id()).await.unwrap_err().kind(), ErrorKind::Conflict);
}

/// The answer is lost, the repetition refused, and only the read tells; or only a later one does.
#[tokio::test(start_paused = true)]
async fn trap_18_a_start_without_a_gpu_is_seen_by_the_reads_after_it() {
    let (mut bare, mut starting) = (running(), created());
    bare["gpu"]["count"] = json!(0);
    starting["status"] = json!("STARTING");
    let refused = ScriptedTransport::new().then(Reply::lost()).reply(409, CONFLICT).reply(200, bare.to_string());
    let later = ScriptedTransport::new()
        .reply(200, starting.to_string())
        .reply(500, problem(500, "x", "busy"))
        .reply(200, starting.to_string())
        .reply(200, bare.to_string());
    for cloud in [refused, later] {
        let cloud = cloud.reply(200, stopped().to_string());
        let rig = account(&cloud);
        let error = rig.runpod.start(&context(), &id()).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::NoCapacity, Effect::Rejected), "{error}");
        assert!(rig.sent().trim_end().ends_with(r#"{"action":"stop"}"#), "{}", rig.sent());
    }
}

/// A pod that takes its time is not waited for: it is watched by whoever wants it.
#[tokio::test(start_paused = true)]
async fn a_start_returns_although_the_pod_does_not_run_yet() {
    let mut starting = created();
    starting["status"] = json!("STARTING");
    let slow = (0..40).fold(ScriptedTransport::new(), |cloud, _| cloud.reply(200, starting.to_string()));
    let rig = account(&slow);
    let began = stopwatch();
    rig.runpod.start(&context(), &id()).await.unwrap();
    assert!((9..=11).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn trap_18_a_pod_that_runs_without_its_gpu_has_failed() {
    let mut bare = running();
    bare["gpu"]["count"] = json!(0);
    let rig = account(&ScriptedTransport::new().reply(200, bare.to_string()));
    let compute = rig.runpod.get(&context(), &id()).await.unwrap();
    assert_eq!((compute.status, compute.gpu_count), (ComputeStatus::Failed, 0));
    assert!(compute.cost_per_hour.is_some() && compute.ports.iter().all(|port| port.url.is_none()));
}

#[tokio::test(start_paused = true)]
async fn a_restart_is_sent_once() {
    let cloud = ScriptedTransport::new().reply(200, running().to_string()).then(Reply::lost());
    let rig = account(&cloud);
    rig.runpod.restart(&context(), &id()).await.unwrap();
    let error = rig.runpod.restart(&context(), &id()).await.unwrap_err();
    assert_eq!((error.effect(), rig.cloud.count()), (Effect::Unknown, 2));
    insta::assert_snapshot!(rig.sent(), @r#"
    POST /v2/pods/k3v9x1c7zq2m8p/action
    {"action":"restart"}
    POST /v2/pods/k3v9x1c7zq2m8p/action
    {"action":"restart"}
    "#);
}

#[tokio::test(start_paused = true)]
async fn trap_24_a_refusal_by_somebody_before_the_cloud_is_no_bad_key() {
    let once = CallContext::new().with_retries(0);
    let html = Reply::new(403, "<html>error code: 1010</html>").header("content-type", "text/html; charset=UTF-8");
    for stranger in [html, Reply::new(403, "error code: 1010"), Reply::new(401, "")] {
        let cloud = ScriptedTransport::new().then(stranger);
        let error = account(&cloud).runpod.get(&once, &id()).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Provider, Effect::Unknown), "{error}");
    }
    let cloud = ScriptedTransport::new()
        .reply(401, problem(401, "Unauthorized", "missing bearer token"))
        .reply(403, problem(403, "Forbidden", "access denied"));
    let rig = account(&cloud);
    assert_eq!(rig.runpod.get(&once, &id()).await.unwrap_err().kind(), ErrorKind::Unauthorized);
    assert_eq!(rig.runpod.get(&once, &id()).await.unwrap_err().kind(), ErrorKind::Forbidden);
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_refusal_is_told_apart() {
    let cases = [
        (402, ErrorKind::Quota, Effect::Rejected),
        (405, ErrorKind::Unknown, Effect::Unknown),
        (413, ErrorKind::Validation, Effect::Rejected),
        (422, ErrorKind::Validation, Effect::Rejected),
        (429, ErrorKind::RateLimited, Effect::Rejected),
        (500, ErrorKind::Provider, Effect::Unknown),
        (504, ErrorKind::Timeout, Effect::Unknown),
    ];
    for (status, kind, effect) in cases {
        let reply = Reply::new(status, problem(status, "x", "because")).header("x-request-id", "req-1");
        let cloud = ScriptedTransport::new().then(reply);
        let once = CallContext::new().with_retries(0);
        let error = account(&cloud).runpod.get(&once, &id()).await.unwrap_err();
        assert_eq!((error.kind(), error.effect(), error.status()), (kind, effect, Some(status)));
        assert_eq!(error.request_id(), Some("req-1"));
        assert_eq!(error.provider().unwrap().as_str(), "runpod");
    }
}

#[tokio::test(start_paused = true)]
async fn trap_25_a_call_waits_for_the_longest_window_that_is_used_up() {
    let limited = Reply::new(429, problem(429, "Too Many Requests", "slow down"))
        .header("retry-after", "1")
        .header("ratelimit", r#""minute";r=0;t=12, "hour";r=0;t=40, "day";r=9;t=45012"#);
    let cloud = ScriptedTransport::new().then(limited).reply(200, running().to_string());
    let began = stopwatch();
    account(&cloud).runpod.get(&context(), &id()).await.unwrap();
    assert!(began.elapsed().as_secs() >= 40, "{:?}", began.elapsed());

    // An answer that says so holds the next call back before it is refused.
    let last = Reply::new(200, running().to_string()).header("ratelimit", r#""minute";r=0;t=9"#);
    let cloud = ScriptedTransport::new().then(last).reply(200, running().to_string());
    let rig = account(&cloud);
    let began = stopwatch();
    for _ in 0..2 {
        rig.runpod.get(&context(), &id()).await.unwrap();
    }
    assert!((9..12).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test]
async fn c13_what_runpod_is_like() {
    let rig = account(&ScriptedTransport::new());
    let traits = rig.runpod.traits();
    assert_eq!(traits.stopped_bills, Billing::Billed);
    assert!(matches!(traits.gone, GoneRule::TwoNotFounds { .. }) && traits.migrates);
    assert!(!traits.has(Capability::Spot));
    insta::assert_json_snapshot!(traits, @r#"
    {
      "kind": "runpod",
      "capabilities": [
        "serverless",
        "network_volumes",
        "http_proxy",
        "raw_tcp",
        "symmetric_ports",
        "webhooks",
        "global_networking",
        "stop_resume",
        "logs",
        "cpu",
        "gpu",
        "images",
        "commands",
        "catalog"
      ],
      "settle_window": "2m",
      "unique_names": false,
      "gone": {
        "TwoNotFounds": {
          "apart": "10s"
        }
      },
      "stopped_bills": "billed",
      "launch_pace": null,
      "migrates": true,
      "name_limit": 191,
      "proxy": {
        "statuses": [
          502,
          524
        ],
        "headers": []
      }
    }
    "#);
}

#[tokio::test]
async fn trap_17_an_answer_of_the_proxy_is_no_readiness() {
    let rig = account(&ScriptedTransport::new());
    let signs = &rig.runpod.traits().proxy;
    assert_eq!(signs.statuses, [502, 524], "an answer of 5xx is no readiness anyway; these say whose it is");
    for status in [502, 524] {
        let answer = atlas_core::ProbeAnswer::new(status);
        assert!(!atlas_core::probe::is_ready(&answer, signs, false, true), "{status}");
    }
    assert!(atlas_core::probe::is_ready(&atlas_core::ProbeAnswer::new(404), signs, false, true));
}

#[tokio::test]
async fn o3_another_key_or_another_host_is_another_scope() {
    let rig = account(&ScriptedTransport::new());
    let scope = |context: &CallContext| rig.runpod.scope(context).to_string();
    let own = scope(&context());
    assert!(own.starts_with("api.runpod.io/") && own.len() == "api.runpod.io/".len() + 16, "{own}");
    assert!(!own.contains("CANARY"));
    assert_ne!(own, scope(&CallContext::new().with_key(Secret::new("rpa_other"))));
    let elsewhere = atlas_runpod::RunPod::builder().api_key(KEY).base_url("http://127.0.0.1:4010/v2").build().unwrap();
    let there = elsewhere.scope(&context()).to_string();
    assert_eq!(there, own.replace("api.runpod.io", "127.0.0.1:4010"));
    let keyless = atlas_runpod::RunPod::builder().build().unwrap();
    assert_eq!(keyless.scope(&context()).to_string(), "api.runpod.io/none");
}

#[tokio::test]
async fn an_id_that_is_none_is_never_sent() {
    let rig = account(&ScriptedTransport::new());
    for bad in ["", "..", "a/b", "a?b", "a b"] {
        let bad = ComputeId::new(bad);
        for error in [
            rig.runpod.get(&context(), &bad).await.unwrap_err(),
            rig.runpod.terminate(&context(), &bad).await.unwrap_err(),
            rig.runpod.stop(&context(), &bad).await.unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.effect()), (ErrorKind::Validation, Effect::NotSent));
        }
    }
    assert_eq!(rig.cloud.count(), 0);
}
