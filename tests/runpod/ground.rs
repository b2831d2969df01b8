//! A simulated RunPod, and an account of it as a configuration would make it.

use std::sync::Arc;

use atlas_core::http::{ReqwestTransport, Transport};
use atlas_runpod::{RunPod, RunPodBuilder};
use atlas_sim::server::{Running, Server};

/// A cloud that listens, and the way to it.
pub(crate) struct Ground {
    pub(crate) cloud: Running,
    pub(crate) transport: Arc<dyn Transport>,
}

impl Ground {
    pub(crate) async fn of(server: Server) -> Self {
        let cloud = server.start().await.unwrap();
        Self { cloud, transport: Arc::new(ReqwestTransport::new().unwrap()) }
    }

    /// An account that opens with the key of the announcement.
    pub(crate) fn account(&self) -> RunPodBuilder {
        let config = self.cloud.config();
        RunPod::builder()
            .api_key(config.api_key)
            .base_url(&config.base_url)
            .runtime_url(&config.runtime_url)
            .graphql_url(&config.graphql_url)
            .proxy_url(&config.proxy_url)
            .transport(Arc::clone(&self.transport))
    }
}
