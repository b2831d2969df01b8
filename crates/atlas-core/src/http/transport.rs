//! What the stack is made of: something that takes a request and gives an answer.

use std::fmt;

use async_trait::async_trait;

use super::{Request, Response};
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
