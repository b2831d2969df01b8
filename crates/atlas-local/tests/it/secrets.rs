//! C9: nothing that is on disk, in an answer or in an error shows a secret.

use std::path::Path;
use std::sync::Arc;

use atlas_auth::{MasterKey, Sealer, SystemEntropy};
use atlas_core::{Auth, BuildContext, CallContext, Effect, ErrorKind, Provider, ProviderFactory, ProviderId, Settings};
use atlas_local::{Local, factory, factory_with};

use crate::support::*;

const CANARY: &str = "canary-8d1f07";

fn files_under(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_under(&path, found);
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}

fn contains(text: &[u8], secret: &str) -> bool {
    text.windows(secret.len()).any(|window| window == secret.as_bytes())
}

#[tokio::test]
async fn the_environment_reaches_the_command_and_is_on_disk_only_sealed() {
    let ground = Ground::new();
    let local = ground.local();
    let request = shell("printf %s \"$SECRET\" | sha256sum > seen; sleep 1000").env("SECRET", CANARY);
    let (order, credentials) = order(&local, request, Auth::Bearer).await;
    let compute = local.spawn(&CallContext::new(), &order).await.unwrap();
    let seen = ground.machine_folder(&compute.id).join("work/seen");
    eventually("a checksum", async || std::fs::read_to_string(&seen).is_ok_and(|text| text.len() > 64)).await;
    let first = std::fs::read_to_string(&seen).unwrap();

    // The same once more after a stop, and nothing of it on disk at any time.
    stop(&local, &compute.id).await.unwrap();
    std::fs::remove_file(&seen).unwrap();
    start(&local, &compute.id).await.unwrap();
    eventually("a checksum", async || std::fs::read_to_string(&seen).is_ok_and(|text| text.len() > 64)).await;
    assert_eq!(std::fs::read_to_string(&seen).unwrap(), first);

    let mut files = Vec::new();
    files_under(ground.state_dir(), &mut files);
    assert!(files.len() > 4);
    let key = credentials.bearer().unwrap();
    for (name, content) in &files {
        for secret in [CANARY, key] {
            assert!(!contains(content, secret), "{name} shows a secret");
        }
    }
    let answers = format!("{compute:?} {} {local:?} {order:?}", serde_json::to_string(&compute).unwrap());
    assert!(!answers.contains(CANARY) && !answers.contains(key), "{answers}");
}

#[tokio::test]
async fn under_another_master_key_a_machine_is_not_started_but_can_be_ended() {
    let ground = Ground::new();
    let compute = spawn(&ground.local(), sleeper()).await.unwrap();
    stop(&ground.local(), &compute.id).await.unwrap();

    let other = provider(ground.state_dir(), &MasterKey::generate(&SystemEntropy), "local");
    let error = start(&other, &compute.id).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Decode, Effect::Rejected));
    assert!(error.to_string().contains("sealed under another master key"), "{error}");
    // Nothing was changed by that.
    assert_eq!(list(&other).await.unwrap()[0].raw["machine"]["run"], 1);
    assert_eq!(get(&other, &compute.id).await.unwrap().status, atlas_core::ComputeStatus::Stopped);
    terminate(&other, &compute.id).await.unwrap();
    assert_eq!(ground.remains(), [] as [String; 0]);
}

#[tokio::test]
async fn c11_settings_that_cannot_be_right_are_named() {
    let ground = Ground::new();
    let sealer = Arc::new(Sealer::from_master(&ground.master, "provider/local"));
    let context = BuildContext::new(
        ground.state_dir().to_owned(),
        sealer,
        Arc::new(atlas_auth::SystemClock),
        Arc::new(SystemEntropy),
    );
    let id = ProviderId::parse("mine").unwrap();
    let build = |settings: Settings| factory().build(&id, &settings, &context);
    let mut table = Vec::new();
    for settings in [
        Settings::new().with("price_per_hour", "much"),
        Settings::new().with("price_per_hour", "-0.10"),
        Settings::new().with("pod", "/nowhere/atlas-pod"),
        Settings::new().with("open_files", "0"),
        Settings::new().with("address_space_mb", "much"),
        Settings::new().with("processor_seconds", "1h"),
        Settings::new().with("log_mb", "-1"),
        Settings::new().with("base_url", "https://local"),
    ] {
        let error = build(settings).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Validation);
        table.push(error.to_string());
    }
    insta::assert_snapshot!(table.join("\n"), @r#"
    price_per_hour: "much" is no amount of dollars: write a decimal number such as 0.10
    price_per_hour is -0.100000; nobody is paid for renting: use 0 or more
    pod: /nowhere/atlas-pod: No such file or directory (os error 2)
    open_files must be a whole number from 16 to 1048576
    address_space_mb must be a whole number from 64 to 16777216
    processor_seconds must be a whole number from 1 to 316224000
    log_mb must be a whole number from 1 to 1024
    "base_url" is no setting of local; it knows price_per_hour, pod, open_files, address_space_mb, processor_seconds, log_mb
    "#);
    // Building touches nothing.
    assert!(!ground.state_dir().join("local").exists());

    // A program that carries its pod gives it; without one the account works but for making machines.
    let settings = Settings::new().with("price_per_hour", "0.25");
    let carried = factory_with(pod_program()).build(&id, &settings, &context).unwrap();
    let (order, _) = order(&ground.account("mine"), sleeper(), Auth::None).await;
    let compute = carried.spawn(&CallContext::new(), &order).await.unwrap();
    assert_eq!(compute.cost_per_hour.unwrap().to_string(), "0.250000");
    assert_eq!(compute.provider, id);
    let without: Local =
        Local::builder(ground.state_dir(), context.sealer.clone().unwrap()).id(id.clone()).build().unwrap();
    assert_eq!(list(&without).await.unwrap().len(), 1);
    let error = without.spawn(&CallContext::new(), &order).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Validation, Effect::NotSent));
    assert!(error.to_string().contains("the pod program is not found"), "{error}");
}
