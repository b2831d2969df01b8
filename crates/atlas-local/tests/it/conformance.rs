//! The suite that holds every provider, over real processes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atlas_auth::Secret;
use atlas_conformance::{Harness, Options, Outcome, run};
use atlas_core::{ComputeRequest, Error, Probe, ProbeAnswer, ProbeRequest, Provider, Result};

use crate::support::{Ground, PATIENCE, ask, shell};

struct LocalHarness(Ground);

/// Asks machines on loopback.
#[derive(Debug)]
struct Ports;

#[async_trait]
impl Probe for Ports {
    async fn ask(&self, request: &ProbeRequest) -> Result<ProbeAnswer> {
        let (url, bearer) = (request.url.clone(), request.bearer.clone());
        let port = url.expose().trim_end_matches('/').rsplit(':').next().and_then(|port| port.parse().ok());
        let port = port.ok_or_else(|| Error::validation("the address has no port"))?;
        let asking = tokio::task::spawn_blocking(move || ask(port, bearer.as_ref().map(Secret::expose)));
        let status = asking.await.expect("asking does not panic");
        status.map(ProbeAnswer::new).map_err(|cause| Error::transport(format!("no answer came: {cause}")))
    }
}

#[async_trait]
impl Harness for LocalHarness {
    fn provider(&self) -> Arc<dyn Provider> {
        Arc::new(self.0.local())
    }

    fn machine(&self) -> ComputeRequest {
        ComputeRequest::cpu().http_port(8000)
    }

    fn option(&self) -> Option<(String, serde_json::Value, String)> {
        Some(("open_files".to_owned(), serde_json::json!(256), "/machine/limits/open_files".to_owned()))
    }

    fn probe(&self) -> Option<Arc<dyn Probe>> {
        Some(Arc::new(Ports))
    }

    fn speaker(&self, words: &str) -> Option<ComputeRequest> {
        Some(shell(&format!("echo {words}; exec sleep 600")))
    }

    fn has_key(&self) -> bool {
        false
    }

    fn several_pages(&self) -> Option<usize> {
        Some(4)
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_keeps_every_promise() {
    let harness = LocalHarness(Ground::new());
    let report = run(&harness, &Options::default()).await;
    assert!(report.holds(), "{report}");
    for case in ["life/start-same-keys", "life/logs-hold", "capability/commands-work", "capability/symmetric-ports"] {
        let row = report.rows.iter().find(|row| row.case == case).expect("the case is in the table");
        assert_eq!(row.outcome, Outcome::Passed, "{case} has its means here:\n{report}");
    }
    assert!(harness.0.remains().is_empty(), "{:?} is left", harness.0.remains());
}
