//! What tests of code over Atlas need: a clock that obeys tokio's paused time, probes and clouds by script.

#[cfg(feature = "http")]
mod transport;

#[cfg(feature = "http")]
pub use transport::{Reply, ScriptedTransport};

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use atlas_auth::{Clock, Timestamp};

use crate::{ComputeId, Intent, Intents, Probe, ProbeAnswer, ProbeRequest, Proof, Result, SpawnToken};

/// Intents that are kept nowhere: for a provider tried by itself, at a cloud that ends with its test.
#[derive(Debug, Clone, Copy)]
pub struct Forgotten;

#[async_trait]
impl Intents for Forgotten {
    async fn open(&self, _: &Intent) -> Result<()> {
        Ok(())
    }

    async fn bound(&self, _: SpawnToken, _: &ComputeId) -> Result<()> {
        Ok(())
    }

    async fn closed(&self, _: SpawnToken, _: Proof) -> Result<()> {
        Ok(())
    }
}

/// A clock that follows tokio's time, so that a paused runtime runs through hours in an instant. Wall and boot clock can
/// be made to jump.
#[derive(Debug)]
pub struct TokioClock {
    origin: tokio::time::Instant,
    wall: Mutex<Timestamp>,
}

impl TokioClock {
    /// Its wall clock shows `wall` now. Must be made inside a tokio runtime.
    #[expect(clippy::disallowed_methods, reason = "this is a seam")]
    pub fn new(wall: Timestamp) -> Self {
        Self { origin: tokio::time::Instant::now(), wall: Mutex::new(wall) }
    }

    /// Makes the wall clock jump ahead, or back, without any time passing.
    pub fn jump(&self, by: Duration, back: bool) {
        let mut wall = self.wall.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *wall = if back { wall.minus(by) } else { wall.plus(by) };
    }

    #[expect(clippy::disallowed_methods, reason = "this is a seam")]
    fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        self.wall.lock().unwrap_or_else(std::sync::PoisonError::into_inner).plus(self.elapsed())
    }

    fn monotonic(&self) -> Duration {
        self.elapsed()
    }

    fn boot(&self) -> Duration {
        self.elapsed()
    }
}

/// A probe that gets the same answer each time.
#[derive(Debug, Clone)]
pub struct FixedProbe(pub ProbeAnswer);

impl FixedProbe {
    /// A machine that is always ready.
    pub fn ready() -> Self {
        Self(ProbeAnswer::new(200))
    }
}

#[async_trait]
impl Probe for FixedProbe {
    async fn ask(&self, _: &ProbeRequest) -> Result<ProbeAnswer> {
        Ok(self.0.clone())
    }
}
