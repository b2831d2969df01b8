//! What a caller may say about one call, beside what is asked.

use std::time::Duration;

use atlas_auth::Secret;

use crate::OperationId;
#[cfg(feature = "http")]
use crate::http::Transport;

/// The per-call overrides: how long, how often, with which key, under which operation id.
///
/// The default says nothing, so that the account's own settings hold.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CallContext {
    timeout: Option<Duration>,
    retries: Option<u32>,
    key: Option<Secret>,
    operation: Option<OperationId>,
    #[cfg(feature = "http")]
    transport: Option<std::sync::Arc<dyn Transport>>,
}

impl CallContext {
    /// Nothing overridden.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bounds the whole call, retries included.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Bounds how often a call that may be repeated is repeated.
    #[must_use]
    pub fn with_retries(mut self, retries: u32) -> Self {
        self.retries = Some(retries);
        self
    }

    /// Uses another key than the account's.
    #[must_use]
    pub fn with_key(mut self, key: Secret) -> Self {
        self.key = Some(key);
        self
    }

    /// Names the call in `tracing` events.
    #[must_use]
    pub fn with_operation(mut self, operation: OperationId) -> Self {
        self.operation = Some(operation);
        self
    }

    /// Sends through another connection than the account's.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn with_transport(mut self, transport: std::sync::Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// The bound of the whole call.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// How often a call that may be repeated is repeated.
    pub fn retries(&self) -> Option<u32> {
        self.retries
    }

    /// The key to use instead of the account's.
    pub fn key(&self) -> Option<&Secret> {
        self.key.as_ref()
    }

    /// The call's name.
    pub fn operation(&self) -> Option<&OperationId> {
        self.operation.as_ref()
    }

    /// The connection to use instead of the account's.
    #[cfg(feature = "http")]
    pub fn transport(&self) -> Option<&std::sync::Arc<dyn Transport>> {
        self.transport.as_ref()
    }
}
