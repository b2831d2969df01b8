//! A pod's life, as REST v2 shows it.

use std::time::Duration;

use atlas_sim::server::{Pace, Server, Timing};
use serde_json::{Value, json};

use super::client::{Cloud, pod, pod_with};

fn slow() -> Server {
    let mut timing = Timing::at_once();
    timing.provisioning = Duration::from_secs(20);
    timing.starting = Duration::from_secs(40);
    timing.ports_after = Duration::from_secs(30);
    timing.delete_lag = Duration::from_secs(5);
    Server::builder().clock(Pace::ByHand).timing(timing)
}

#[tokio::test]
async fn s9_3_a_pod_is_provisioned_starts_and_runs_and_only_then_has_ports() {
    let cloud = Cloud::of(slow()).await;
    let answer = cloud.post("/v2/pods", &pod()).await;
    assert_eq!(answer.status, 201);
    let made = answer.json();
    let id = made["id"].as_str().unwrap().to_owned();
    assert!(id.len() == 14 && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{id}");
    assert_eq!(made["status"], "PROVISIONING");
    assert_eq!(made["actions"], json!(["stop", "terminate"]));
    for name in ["runtime", "startedAt", "dataCenterId", "template", "registry"] {
        assert_eq!(made[name], Value::Null, "{name}");
    }
    assert_eq!(made["ssh"]["direct"], Value::Null);
    let get = async || cloud.get(&format!("/v2/pods/{id}")).await.json();
    cloud.advance(20);
    assert_eq!(get().await["status"], "STARTING");
    cloud.advance(40);
    let early = get().await;
    assert_eq!(
        (&early["status"], &early["runtime"], &early["ssh"]["direct"]),
        (&json!("RUNNING"), &Value::Null, &Value::Null)
    );
    assert_eq!(early["actions"], json!(["stop", "restart", "terminate"]));
    cloud.advance(30);
    let up = get().await;
    assert_eq!(up["runtime"]["uptime"], 30);
    let port = &up["runtime"]["ports"][0];
    assert_eq!((&port["private"], &port["type"]), (&json!(22), &json!("tcp")));
    assert_eq!(up["runtime"]["ports"].as_array().unwrap().len(), 1, "http ports go through the proxy");
    assert_eq!(up["ssh"]["direct"]["port"], port["public"]);
    assert_eq!(up["dataCenterId"], "US-KS-2");
    assert_eq!(up["gpu"], json!({ "id": "NVIDIA L4", "count": 1, "vcpuCount": 12, "memory": 50 }));
}

#[tokio::test]
async fn s9_3_a_stopped_pod_costs_nothing_as_it_says_and_its_disk_all_the_same() {
    let cloud = Cloud::start().await;
    let mounts = json!({ "persistent": { "size": 730, "path": "/workspace" } });
    let id = cloud.rent(&pod_with(&json!({ "mounts": mounts }))).await;
    let act = async |action: &str| cloud.post(&format!("/v2/pods/{id}/action"), &json!({ "action": action })).await;
    let before = cloud.get(&format!("/v2/pods/{id}")).await.json()["ssh"]["direct"]["port"].clone();
    let stopped = act("stop").await.json();
    assert_eq!(
        (&stopped["status"], &stopped["cost"], &stopped["runtime"]),
        (&json!("EXITED"), &json!(0.0), &Value::Null)
    );
    assert_eq!(stopped["actions"], json!(["start", "terminate"]));
    act("stop").await.problem(409);
    act("restart").await.problem(409);
    act("reset").await.problem(422);
    cloud.advance(3600);
    // 730 gigabytes at 0.20 dollars a month of 730 hours.
    assert_eq!(cloud.running.ledger().total().to_string(), "0.200000");
    let started = act("start").await.json();
    assert_eq!(started["status"], "RUNNING");
    assert_ne!(started["ssh"]["direct"]["port"], before, "a start gives new ports");
    let restarted = act("restart").await.json();
    assert_ne!(restarted["ssh"]["direct"]["port"], started["ssh"]["direct"]["port"]);
    act("stop").await;
    cloud.post(&format!("/admin/pods/{id}/fill-host"), &json!({})).await;
    assert!(act("start").await.problem(400).contains("not enough free GPUs on the host"));
    assert_eq!(act("terminate").await.status, 204);
}

#[tokio::test]
async fn s9_3_a_deleted_pod_is_shown_a_while_and_then_not_found() {
    let cloud = Cloud::of(slow()).await;
    let id = cloud.rent(&pod()).await;
    cloud.advance(100);
    let path = format!("/v2/pods/{id}");
    let deleted = cloud.delete(&path).await;
    assert_eq!((deleted.status, &*deleted.text), (204, ""));
    assert_eq!(cloud.status(&id).await, "RUNNING", "a read may lag behind");
    assert_eq!(cloud.get("/v2/pods").await.json()["pods"][0]["id"], id);
    assert_eq!(cloud.delete(&path).await.problem(404), "pod not found");
    let ended = cloud.running.ledger().rents[0].ended_at;
    cloud.advance(5);
    assert_eq!(cloud.get(&path).await.problem(404), "pod not found");
    assert_eq!(cloud.get("/v2/pods").await.json()["pods"], json!([]));
    cloud.delete(&path).await.problem(404);
    assert_eq!(cloud.running.ledger().rents[0].ended_at, ended, "the bill ended with the delete");
}

#[tokio::test]
async fn s9_3_a_container_that_exits_leaves_the_pod_running_and_its_uptime_begins_anew() {
    let cloud = Cloud::start().await;
    let id = cloud.rent(&pod()).await;
    cloud.advance(100);
    let uptime = async || cloud.get(&format!("/v2/pods/{id}")).await.json()["runtime"]["uptime"].clone();
    assert_eq!(uptime().await, 100);
    assert_eq!(cloud.post(&format!("/admin/pods/{id}/exit"), &json!({})).await.status, 200);
    assert_eq!((cloud.status(&id).await, uptime().await), ("RUNNING".to_owned(), json!(0)));
    assert_eq!(cloud.running.ledger().open().count(), 1);
}

#[tokio::test]
async fn s9_5_the_environment_is_echoed_and_the_start_flags_are_not() {
    let cloud = Cloud::start().await;
    let change = json!({ "startSsh": true, "startJupyter": true, "cmd": ["/app", "--fast"], "globalNetworking": true });
    let id = cloud.rent(&pod_with(&change)).await;
    let shown = cloud.get(&format!("/v2/pods/{id}")).await.json();
    // The account has no keys: startSsh does nothing.
    assert_eq!(shown["env"], json!({ "ATLAS_PRESHARED_KEY": "its key" }));
    assert!(shown.get("startSsh").is_none() && shown.get("startJupyter").is_none());
    assert_eq!(shown["args"], "{\"cmd\":[\"/app\",\"--fast\"]}");
    assert_eq!(shown["cmd"], json!(["/app", "--fast"]));
    assert_eq!(shown["globalNetworking"]["internalDns"], format!("{id}.runpod.internal"));
    let patched =
        cloud.patch(&format!("/v2/pods/{id}"), &json!({ "env": { "B": "2" }, "name": "two", "cmd": [] })).await;
    let patched = patched.json();
    assert_eq!(
        (&patched["env"], &patched["name"], &patched["args"]),
        (&json!({ "B": "2" }), &json!("two"), &json!(""))
    );
    cloud.patch(&format!("/v2/pods/{id}"), &json!({ "cloud": "SECURE" })).await.problem(422);
    // With keys it does.
    let keys = json!({ "keys": ["ssh-ed25519 AAAA me"] });
    assert_eq!(cloud.try_call(http::Method::PUT, "/v2/account/ssh-keys", keys.to_string()).await.unwrap().status, 200);
    let id = cloud.rent(&pod_with(&json!({ "startSsh": true }))).await;
    assert_eq!(cloud.get(&format!("/v2/pods/{id}")).await.json()["env"]["PUBLIC_KEY"], "ssh-ed25519 AAAA me");
}

#[tokio::test]
async fn symmetric_ports_have_the_same_number_inside_and_outside() {
    let cloud = Cloud::start().await;
    let id = cloud.rent(&pod_with(&json!({ "ports": ["70000/tcp", "22/tcp"] }))).await;
    let shown = cloud.get(&format!("/v2/pods/{id}")).await.json();
    assert_eq!(shown["ports"], json!(["70000/tcp", "22/tcp"]));
    let port = &shown["runtime"]["ports"][0];
    assert_eq!(port["private"], port["public"]);
}

#[tokio::test]
async fn logs_are_events_that_can_be_resumed() {
    let cloud = Cloud::start().await;
    let id = cloud.rent(&pod()).await;
    for line in ["one", "two"] {
        cloud.post(&format!("/admin/pods/{id}/log"), &json!({ "text": line })).await;
    }
    let path = format!("/v2/pods/{id}/logs?source=container&tail=1");
    // The stream lasts as long as the pod: it is ended while somebody reads.
    let (read, _) = tokio::join!(cloud.get(&path), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        cloud.post(&format!("/admin/pods/{id}/log"), &json!({ "text": "three" })).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        cloud.delete(&format!("/v2/pods/{id}")).await
    });
    assert_eq!(read.header("content-type"), "text/event-stream");
    let lines: Vec<Value> = read
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str::<Value>(data).unwrap()["line"].clone())
        .collect();
    assert_eq!(lines, ["two", "three"]);
    assert!(read.text.contains("id: 2026-01-01T"), "{}", read.text);
    cloud.get(&path).await.problem(404);
}
