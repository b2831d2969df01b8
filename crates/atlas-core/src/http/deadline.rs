//! Bounds a whole call, and says when it is over whether the cloud may have acted.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atlas_auth::Clock;

use super::{Request, Response, Transport};
use crate::{Effect, Error, Result, duration};

/// Bounds the whole call: waiting for a limit, every try, every pause between them.
#[derive(Debug)]
pub(crate) struct Deadline {
    pub(crate) inner: Arc<dyn Transport>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Unless the call brings its own.
    pub(crate) default: Duration,
}

#[async_trait]
impl Transport for Deadline {
    async fn send(&self, mut request: Request) -> Result<Response> {
        let bound = request.terms.timeout.unwrap_or(self.default);
        request.terms.over_at = Some(self.clock.monotonic() + bound);
        let exposed = request.terms.exposed.clone();
        if let Ok(answer) = tokio::time::timeout(bound, self.inner.send(request)).await {
            return answer;
        }
        let waited = duration::rounded(bound);
        Err(if exposed.get() {
            Error::timeout(format!("the cloud did not answer within {waited}; it may have acted"))
        } else {
            Error::timeout(format!("nothing could be sent within {waited}")).with_effect(Effect::NotSent)
        })
    }
}
