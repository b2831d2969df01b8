//! The suite that holds every provider, over real processes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atlas_conformance::{Harness, Options, run};
use atlas_core::{ComputeRequest, Provider};

use crate::support::{Ground, PATIENCE};

struct LocalHarness(Ground);

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
    assert!(harness.0.remains().is_empty(), "{:?} is left", harness.0.remains());
}
