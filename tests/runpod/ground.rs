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
        Self::through(server, Arc::new(ReqwestTransport::new().unwrap())).await
    }

    /// The same over connections that there are already: to set them up takes longer than a cloud does.
    pub(crate) async fn through(server: Server, transport: Arc<dyn Transport>) -> Self {
        Self { cloud: server.start().await.unwrap(), transport }
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
