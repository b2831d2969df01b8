//! Bounds one try, so that a connection that hangs leaves time for another.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Request, Response, Transport};
use crate::{Error, Result, duration};

/// Bounds one try.
#[derive(Debug)]
pub(crate) struct Timeout {
    pub(crate) inner: Arc<dyn Transport>,
    /// Unless the request has a bound of its own.
    pub(crate) default: Duration,
}

#[async_trait]
impl Transport for Timeout {
    async fn send(&self, request: Request) -> Result<Response> {
        let bound = request.bound().unwrap_or(self.default);
        tokio::time::timeout(bound, self.inner.send(request)).await.unwrap_or_else(|_| {
            Err(Error::timeout(format!("the cloud did not answer within {}", duration::rounded(bound))))
        })
    }
}
