//! What a machine is held to, seen from inside it.

use std::sync::Arc;

use atlas_auth::Sealer;
use atlas_core::{CallContext, Compute, ComputeRequest, ComputeStatus, Effect, ErrorKind, LogOptions, Provider};
use atlas_local::{Local, MachineLimits};
use futures_util::TryStreamExt;
use serde_json::json;

use crate::support::*;

const TELL: &str = "ulimit -n; ulimit -v; ulimit -t";

fn account(ground: &Ground, limits: MachineLimits) -> Local {
    let sealer = Arc::new(Sealer::from_master(&ground.master, "provider/local"));
    Local::builder(ground.state_dir(), sealer).pod(pod_program()).limits(limits).build().unwrap()
}

async fn log(local: &Local, compute: &Compute) -> String {
    let stream = local.logs(&CallContext::new(), &compute.id, &LogOptions::follow()).unwrap();
    String::from_utf8(stream.try_collect::<Vec<_>>().await.unwrap().concat()).unwrap()
}

#[tokio::test]
async fn a_machine_is_held_to_its_limits_in_every_run() {
    let ground = Ground::new();
    let account_limits = MachineLimits::none().open_files(100).processor_seconds(9);
    let local = account(&ground, account_limits);
    let request = shell(TELL).option("open_files", json!(64)).option("address_space_mb", json!(128));
    let compute = spawn(&local, request).await.unwrap();
    wait_status(&local, &compute.id, ComputeStatus::Exited).await;
    assert_eq!(log(&local, &compute).await, "64\n131072\n9\n");
    assert_eq!(
        compute.raw["machine"]["limits"],
        json!({ "open_files": 64, "address_space_mb": 128, "processor_seconds": 9 })
    );

    // The machine's own bounds, whatever the account says by now.
    stop(&local, &compute.id).await.unwrap();
    let local = account(&ground, MachineLimits::none().open_files(32));
    start(&local, &compute.id).await.unwrap();
    wait_status(&local, &compute.id, ComputeStatus::Exited).await;
    assert!(log(&local, &compute).await.ends_with("64\n131072\n9\n"));
}

#[tokio::test]
async fn the_log_keeps_within_its_cap() {
    let ground = Ground::new();
    let local = account(&ground, MachineLimits::none().log_mb(1));
    let talks = "i=0; line=$(printf '%01000d' 0); while [ $i -lt 3000 ]; do echo $line; i=$((i+1)); done; echo last";
    let compute = spawn(&local, shell(talks)).await.unwrap();
    wait_status(&local, &compute.id, ComputeStatus::Exited).await;
    let log = log(&local, &compute).await;
    assert!(log.ends_with("\nlast\n") && log.len() > 100_000, "{} bytes", log.len());
    let folder = std::fs::read_dir(ground.machine_folder(&compute.id)).unwrap();
    let largest = folder.map(|entry| entry.unwrap().metadata().unwrap().len()).sum::<u64>();
    assert!(largest < (1 << 20) + (1 << 16), "the folder's files are {largest} bytes");
}

#[tokio::test]
async fn what_cannot_be_honoured_makes_nothing() {
    let ground = Ground::new();
    let local = account(&ground, MachineLimits::none().open_files(100));
    for (name, value, kind) in [
        ("open_files", json!(101), ErrorKind::Validation),
        ("open_files", json!(0), ErrorKind::Validation),
        ("log_mb", json!(-1), ErrorKind::Validation),
        ("address_space_mb", json!("much"), ErrorKind::Validation),
        ("processes", json!(10), ErrorKind::Unsupported),
    ] {
        let error = spawn(&local, ComputeRequest::cpu().option(name, value)).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (kind, Effect::NotSent), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    assert_eq!(ground.remains(), [] as [String; 0]);
}
