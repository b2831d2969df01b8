//! What is changed of a serverless endpoint.

use std::collections::BTreeMap;
use std::time::Duration;

use atlas_auth::Secret;

use super::{FlashBoot, Scaling, Workers};

/// What is changed of an endpoint; whatever is not named stays as it is.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct EndpointChange {
    /// How many workers.
    pub workers: Option<Workers>,
    /// When there are more of them.
    pub scaling: Option<Scaling>,
    /// How long a job may run.
    pub timeout: Option<Duration>,
    /// How fast workers come up.
    pub flash_boot: Option<FlashBoot>,
    /// The container image. Its workers are replaced one by one.
    pub image: Option<String>,
    /// The **whole** environment: what is not named in it goes. The mark is put in again.
    pub env: Option<BTreeMap<String, Secret>>,
}

impl EndpointChange {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many workers.
    #[must_use]
    pub fn workers(mut self, workers: Workers) -> Self {
        self.workers = Some(workers);
        self
    }

    /// When there are more of them.
    #[must_use]
    pub fn scaling(mut self, scaling: Scaling) -> Self {
        self.scaling = Some(scaling);
        self
    }

    /// How long a job may run.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The container image.
    #[must_use]
    pub fn image(mut self, image: impl Into<String>) -> Self {
        self.image = Some(image.into());
        self
    }

    /// The whole environment.
    #[must_use]
    pub fn env(mut self, env: BTreeMap<String, Secret>) -> Self {
        self.env = Some(env);
        self
    }
}
