//! The simulated cloud held case by case, each as a test of its own: what a provider's author writes, no more.

#![allow(clippy::disallowed_methods, reason = "tests stand outside the seams")]

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atlas_auth::Clock;
use atlas_conformance::Harness;
use atlas_core::{ComputeRequest, Provider};
use atlas_sim::Mock;

struct Mine(Mock);

#[async_trait]
impl Harness for Mine {
    fn provider(&self) -> Arc<dyn Provider> {
        Arc::new(self.0.clone())
    }

    fn machine(&self) -> ComputeRequest {
        ComputeRequest::gpu("rtx_4090").image("service:1").http_port(8000)
    }

    async fn reset(&self) {
        self.0.reset();
    }

    async fn pass(&self, span: Duration) {
        self.0.advance(span);
        tokio::task::yield_now().await;
    }

    fn time_is_free(&self) -> bool {
        true
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.0.clock()
    }
}

fn main() -> ExitCode {
    atlas_conformance::main(|| Mine(Mock::builder().key("the account's").build()))
}
