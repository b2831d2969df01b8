//! The canary: no secret reaches an error, a `Debug`, a `raw` or JSON, whatever the cloud says of it.

use atlas_auth::Secret;
use atlas_core::testing::{Reply, ScriptedTransport};
use atlas_core::{Auth, CallContext, CloudType, ComputeFilter, ComputeId, ComputeRequest, JobRequest, Provider};
use atlas_runpod::{EndpointRequest, TemplateRequest, Webhooks, webhook_url};
use serde_json::json;

use crate::support::*;

const CANARY: &str = "canary-5f3e";

fn free_of_secrets(text: &str) {
    for secret in [CANARY, KEY, "CANARYKEY"] {
        assert!(!text.contains(secret), "{text}");
    }
}

/// An error in all the forms in which people see it.
fn told(error: &atlas_core::Error) -> String {
    format!("{error} {error:?} {}", serde_json::to_string(error).unwrap())
}

#[tokio::test(start_paused = true)]
async fn no_refusal_that_quotes_a_secret_is_passed_on() {
    let quoting = [
        (
            422,
            json!({"title":"x","status":422,"detail":"invalid body","errors":[format!("$.env.KEY: '{CANARY}' is bad")]}),
        ),
        (400, json!({"title":"x","status":400,"detail":format!("cannot use {CANARY}")})),
        (401, json!({"title":"x","status":401,"detail":format!("key {KEY} is not known")})),
        (500, json!({"message":format!("upstream said {CANARY}")})),
        (418, json!({"error":format!("{CANARY}")})),
    ];
    for (status, body) in quoting {
        let cloud = ScriptedTransport::new().then(Reply::new(status, body.to_string()).header("x-request-id", "req-1"));
        let rig = account(&cloud);
        let request = ComputeRequest::gpu("l4").cloud_type(CloudType::Secure).image("i").env("KEY", CANARY);
        let error = rig.spawn(request).await.unwrap_err();
        free_of_secrets(&told(&error));
        assert_eq!((error.status(), error.request_id()), (Some(status), Some("req-1")));
        assert_eq!((error.operation(), error.provider().unwrap().as_str()), (Some("spawn"), "runpod"));

        let cloud = ScriptedTransport::new().reply(status, body.to_string());
        let rig = account(&cloud);
        let error = rig.runpod.create_registry(&context(), "n", "u", &Secret::new(CANARY)).await.unwrap_err();
        free_of_secrets(&told(&error));

        let cloud = ScriptedTransport::new().reply(status, body.to_string());
        let rig = account(&cloud);
        let job = JobRequest::new("ep1", json!({"a": 1})).webhook(format!("https://me.example/?s={CANARY}"));
        let job = job.option("s3Config", json!({"accessSecret": CANARY}));
        free_of_secrets(&told(&rig.runpod.run_job(&context(), &job).await.unwrap_err()));
        free_of_secrets(&format!("{job:?}"));
    }
}

#[tokio::test(start_paused = true)]
async fn trap_21_the_environment_that_is_echoed_is_shown_nowhere() {
    let mut pod = running();
    pod["env"]["KEY"] = json!(CANARY);
    pod["registry"] = json!(CANARY);
    let cloud = ScriptedTransport::new()
        .reply(200, pod.to_string())
        .reply(200, page(&[pod.clone()], None))
        .reply(201, pod.to_string());
    let rig = account(&cloud);
    let read = rig.runpod.get(&context(), &ComputeId::new("p1")).await.unwrap();
    let listed = rig.runpod.list(&context(), &ComputeFilter::all()).await.unwrap();
    let request =
        ComputeRequest::gpu("l4").cloud_type(CloudType::Secure).image("i").env("KEY", CANARY).registry_auth("r1");
    let order = rig.order_with(request.clone(), Auth::Bearer).await;
    assert!(order.env().contains_key("ATLAS_PRESHARED_KEY"));
    let made = rig.runpod.spawn(&context(), &order).await.unwrap();
    for compute in listed.iter().chain([&read, &made]) {
        free_of_secrets(&format!("{compute:?} {}", serde_json::to_string(compute).unwrap()));
    }
    free_of_secrets(&format!("{:?} {:?} {request:?} {order:?}", rig.runpod, rig.cloud.sent()));
}

#[tokio::test(start_paused = true)]
async fn the_key_travels_in_a_header_only() {
    let cloud = ScriptedTransport::new().reply(200, running().to_string()).reply(200, running().to_string());
    let rig = account(&cloud);
    rig.runpod.get(&context(), &ComputeId::new("p1")).await.unwrap();
    let other = CallContext::new().with_key(Secret::new(CANARY));
    rig.runpod.get(&other, &ComputeId::new("p1")).await.unwrap();
    let sent = rig.cloud.sent();
    for (request, key) in sent.iter().zip([KEY, CANARY]) {
        assert_eq!(request.headers()["authorization"], format!("Bearer {key}"));
        assert!(request.headers()["authorization"].is_sensitive());
        free_of_secrets(request.url().as_str());
        free_of_secrets(&String::from_utf8_lossy(request.body()));
    }
}

#[tokio::test]
async fn what_holds_secrets_does_not_print_them() {
    let rig = account(&ScriptedTransport::new());
    let secret = Secret::new(CANARY);
    let url = webhook_url("https://me.example/hook", &atlas_core::EndpointId::new("ep1"), &secret).unwrap();
    let hooks = Webhooks::new(&rig.runpod, &secret, |_| async { Ok(()) });
    let endpoint = EndpointRequest::gpu("i", ["a40"]).env("KEY", CANARY).option("x", json!(CANARY));
    let template = TemplateRequest::new("t", "i").env("KEY", CANARY);
    let builder = atlas_runpod::RunPod::builder().api_key(CANARY);
    free_of_secrets(&format!("{url:?} {hooks:?} {endpoint:?} {template:?} {builder:?}"));
}

/// Secrets that no line of an error shows as they are: longer than what is shown, and of several lines.
fn long_secrets() -> Vec<String> {
    let line =
        |seed: u64| (0..64).map(|at| char::from(b'a' + u8::try_from((seed * 7 + at * at) % 26).unwrap())).collect();
    let lines: Vec<String> = (0..32).map(line).collect();
    vec![lines.concat(), lines.join("\n"), format!("first-part\n{}", lines[3]), format!("quo\"ted\\{}", lines[4])]
}

fn shows_no_piece(error: &atlas_core::Error, secret: &str, case: &str) {
    let told = told(error);
    for piece in secret.lines().flat_map(|line| line.as_bytes().chunks(8)).filter(|piece| piece.len() == 8) {
        assert!(!told.contains(std::str::from_utf8(piece).unwrap()), "{case}: {told}");
    }
    assert_eq!(error.status(), Some(400), "{case}: {told}");
}

#[tokio::test(start_paused = true)]
async fn no_piece_of_a_secret_is_shown_however_long_it_is_and_of_however_many_lines() {
    for secret in long_secrets() {
        let written = json!(secret).to_string();
        let quotes = [
            format!("cannot use {secret} here"),
            format!("cannot use {written} here"),
            format!("{}{secret}", "x ".repeat(240)),
            format!("cannot use {}", &secret[secret.len() / 2..]),
        ];
        for detail in quotes {
            let script = || ScriptedTransport::new().reply(400, problem(400, "Bad Request", &detail));
            let gpu = || ComputeRequest::gpu("l4").cloud_type(CloudType::Secure).image("i");
            for request in [gpu().env("KEY", secret.as_str()), gpu().option("env", json!({"KEY": secret}))] {
                shows_no_piece(&account(&script()).spawn(request).await.unwrap_err(), &secret, "spawn");
            }

            for template in [
                TemplateRequest::new("t", "i").env("KEY", secret.as_str()),
                TemplateRequest::new("t", "i").option("env", json!({"KEY": secret})),
            ] {
                let made = account(&script()).runpod.create_template(&context(), &template).await;
                shows_no_piece(&made.unwrap_err(), &secret, "template");
            }

            let rig = account(&script());
            let made = rig.runpod.create_registry(&context(), "n", "u", &Secret::new(secret.as_str())).await;
            shows_no_piece(&made.unwrap_err(), &secret, "registry");

            let job = JobRequest::new("ep1", json!({"a": 1})).option("s3Config", json!({"accessSecret": secret}));
            let made = account(&script()).runpod.run_job(&context(), &job).await;
            shows_no_piece(&made.unwrap_err(), &secret, "job");

            for endpoint in [
                EndpointRequest::cpu("i", "cpu5c", 2).env("KEY", secret.as_str()),
                EndpointRequest::cpu("i", "cpu5c", 2).option("x", json!([{"KEY": secret}])),
            ] {
                let rig = account(&script());
                let order = rig.rental(endpoint).await;
                let made = rig.runpod.create_endpoint(&context(), &order).await;
                shows_no_piece(&made.unwrap_err(), &secret, "endpoint");
            }
        }
    }
}
