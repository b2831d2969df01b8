//! What a machine writes.

use std::pin::Pin;

use bytes::Bytes;
use futures_core::Stream;

use crate::Result;

/// A stream that its owner may hold as long as it likes. Dropping it stops it.
pub type BoxStream<'a, T> = Pin<Box<dyn Stream<Item = T> + Send + 'a>>;

/// The log of one machine, in pieces as they come; an `Err` item ends it.
pub type LogStream = BoxStream<'static, Result<Bytes>>;

/// Which part of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LogOptions {
    /// Whether to go on as more is written, until the machine ends.
    pub follow: bool,
}

impl LogOptions {
    /// What is there now.
    pub fn now() -> Self {
        Self { follow: false }
    }

    /// What is there now, and what comes.
    pub fn follow() -> Self {
        Self { follow: true }
    }
}
