//! RunPod's own Python package, unmodified, pointed at the simulated RunPod by its documented settings.

#![expect(clippy::disallowed_methods, reason = "the person who runs the tests says which Python")]

use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use atlas_sim::server::Server;
use tokio::process::Command;

use super::client::Cloud;

/// Which Python has the package: the one that `ATLAS_TEST_PYTHON` names, else `python3`.
async fn python() -> Option<String> {
    let python = std::env::var("ATLAS_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let asked = Command::new(&python).args(["-c", "import runpod"]).stderr(Stdio::null()).status().await;
    asked.is_ok_and(|status| status.success()).then_some(python)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s9_1_the_official_python_package_believes_in_it() {
    let Some(python) = python().await else {
        // Past the capture of the test's output, which nobody would see.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: no Python with RunPod's package here; `pip install runpod==1.12.0` into an environment and name \
             its interpreter in ATLAS_TEST_PYTHON"
        );
        return;
    };
    let cloud = Cloud::of(Server::builder()).await;
    let origin = format!("http://{}", cloud.address());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runpod_sdk.py");
    let run = Command::new(python)
        .arg(script)
        .args([&cloud.key, &cloud.running.endpoint_id()])
        .env("RUNPOD_API_BASE_URL", &origin)
        .env("RUNPOD_ENDPOINT_BASE_URL", format!("{origin}/rt/v2"))
        .output();
    let output = tokio::time::timeout(Duration::from_mins(2), run).await.expect("it ends within two minutes").unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{complained}");
    assert!(said.contains("all held"), "{said}");
    assert_eq!(cloud.running.ledger().open().filter(|rent| rent.name.starts_with("sdk")).count(), 0);
}
