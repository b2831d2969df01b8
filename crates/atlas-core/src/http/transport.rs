//! What the stack is made of: something that takes a request and gives an answer.

use std::fmt;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;

use super::{Request, ReqwestTransport, Response};
use crate::Result;

/// Takes a request and gives an answer: a real connection, a cloud in memory, or a wrapper around another.
///
/// A wrapper sends on and adds one thing. Whatever status the answer has, it is an `Ok` here; an `Err` says that no
/// (whole) answer came, and by its [effect](crate::Effect) whether the request may have arrived.
#[async_trait]
pub trait Transport: Send + Sync + fmt::Debug + 'static {
    /// Sends once.
    async fn send(&self, request: Request) -> Result<Response>;
}

/// What all accounts of one process send through: set up when the first of them asks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connections(Arc<OnceLock<Arc<dyn Transport>>>);

impl Connections {
    /// These, instead of connections of this process's own.
    pub(crate) fn of(transport: Arc<dyn Transport>) -> Self {
        Self(Arc::new(OnceLock::from(transport)))
    }

    pub(crate) fn get(&self) -> Result<Arc<dyn Transport>> {
        if let Some(transport) = self.0.get() {
            return Ok(transport.clone());
        }
        let own = ReqwestTransport::new()?;
        Ok(self.0.get_or_init(|| Arc::new(own)).clone())
    }
}
