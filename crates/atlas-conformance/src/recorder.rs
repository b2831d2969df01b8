//! Counts requests on their way to the cloud, so that a refusal can be proven to have come before any.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use atlas_core::Result;
use atlas_core::http::{Request, Response, Transport};

/// A transport that counts what it passes on. Cheap to clone; clones share the count.
#[derive(Debug, Clone)]
pub struct Recorder {
    inner: Arc<dyn Transport>,
    seen: Arc<AtomicU64>,
}

impl Recorder {
    /// Counts what goes to `inner`.
    pub fn new(inner: Arc<dyn Transport>) -> Self {
        Self { inner, seen: Arc::default() }
    }

    /// How many requests went.
    pub fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Transport for Recorder {
    async fn send(&self, request: Request) -> Result<Response> {
        self.seen.fetch_add(1, Ordering::Relaxed);
        self.inner.send(request).await
    }
}
