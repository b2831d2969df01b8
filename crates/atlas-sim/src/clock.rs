//! A clock that only its owner moves.

use std::sync::Mutex;
use std::time::Duration;

use atlas_auth::{Clock, Timestamp};

/// A clock that stands still until it is told to go on: hours pass in an instant, and nothing passes by itself.
#[derive(Debug)]
pub struct ManualClock {
    start: Timestamp,
    elapsed: Mutex<Duration>,
}

impl ManualClock {
    /// Stands at the beginning of 2026.
    pub const fn new() -> Self {
        Self::at(Timestamp::from_seconds(1_767_225_600))
    }

    /// Stands at `start`.
    pub const fn at(start: Timestamp) -> Self {
        Self { start, elapsed: Mutex::new(Duration::ZERO) }
    }

    /// Lets `span` pass.
    pub fn advance(&self, span: Duration) {
        let mut elapsed = self.elapsed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *elapsed = elapsed.saturating_add(span);
    }

    fn elapsed(&self) -> Duration {
        *self.elapsed.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.start.plus(self.elapsed())
    }

    fn monotonic(&self) -> Duration {
        self.elapsed()
    }

    fn boot(&self) -> Duration {
        self.elapsed()
    }
}
