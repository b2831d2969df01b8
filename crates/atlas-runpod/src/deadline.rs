//! One bound over an operation that makes several calls: each gets the time that is left.

use std::time::Duration;

use atlas_auth::Clock;
use atlas_core::{CallContext, Effect, Error, Result};

/// The time that an operation has.
#[derive(Debug)]
pub(crate) struct Deadline<'a> {
    clock: &'a dyn Clock,
    context: &'a CallContext,
    until: Option<Duration>,
}

impl<'a> Deadline<'a> {
    /// The bound of the call as a whole; none if it has none, and each call then has the stack's own.
    pub(crate) fn of(clock: &'a dyn Clock, context: &'a CallContext) -> Self {
        Self { clock, context, until: context.timeout().map(|timeout| clock.monotonic().saturating_add(timeout)) }
    }

    /// At most so long from now, too.
    pub(crate) fn within(self, span: Duration) -> Self {
        let until = self.clock.monotonic().saturating_add(span);
        Self { until: Some(self.until.map_or(until, |earlier| earlier.min(until))), ..self }
    }

    /// What is left, if there is a bound.
    pub(crate) fn left(&self) -> Option<Duration> {
        self.until.map(|until| until.saturating_sub(self.clock.monotonic()))
    }

    /// Runs what only reads, however many calls it makes, within the time that is left.
    pub(crate) async fn reading<T>(&self, reads: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(left) = self.left() else { return reads.await };
        tokio::time::timeout(left, reads).await.unwrap_or_else(|_| Err(ran_out()))
    }

    /// The context of the next call. With no time left nothing may be sent.
    pub(crate) fn context(&self) -> Result<CallContext> {
        match self.left() {
            None => Ok(self.context.clone()),
            Some(Duration::ZERO) => Err(ran_out()),
            Some(left) => Ok(self.context.clone().with_timeout(left)),
        }
    }
}

fn ran_out() -> Error {
    Error::timeout("the time for this ran out").with_effect(Effect::NotSent)
}
