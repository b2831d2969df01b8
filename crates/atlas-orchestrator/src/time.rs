//! The two clocks of the orchestrator (rule P7).
//!
//! **Steady time** is what deadlines, leases and the bill are counted in. It is anchored to the wall clock when the
//! orchestrator opens, and from then on follows the boot clock: when the hour is changed, nothing falls due, and time
//! that the whole machine sleeps counts, since what is rented bills on.
//!
//! **Idle time** is what a user's silence is counted in. It stands still while Atlas is blind: while it is down, while
//! its machine sleeps, while its process is frozen. A heartbeat that could not be heard is not held against anybody.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub use atlas_auth::SteadyClock;

/// How often idle time is moved on. The finer, the closer to its deadline a session ends.
pub(crate) const TICK: Duration = Duration::from_millis(250);

/// The most by which idle time moves on between two ticks, and by which a touch is rounded up. A gap beyond it means that
/// this process was not running, so heartbeats may have been missed.
pub(crate) const BLIND_BEYOND: Duration = Duration::from_secs(1);

/// Idle time in milliseconds. See the module.
#[derive(Debug)]
pub(crate) struct IdleClock {
    /// Idle time at the last tick, and the monotonic time of that tick.
    at: Mutex<(u64, Duration)>,
    /// What a touch now is worth: idle time at the last tick, rounded up so that it is never too little.
    stamp: AtomicU64,
}

impl IdleClock {
    /// Goes on from `idle`, as stored by whoever ran before.
    pub(crate) fn new(idle: u64, monotonic: Duration) -> Self {
        Self { at: Mutex::new((idle, monotonic)), stamp: AtomicU64::new(idle + span(BLIND_BEYOND)) }
    }

    /// Moves on.
    pub(crate) fn tick(&self, monotonic: Duration) -> u64 {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        at.0 += span(monotonic.saturating_sub(at.1).min(BLIND_BEYOND));
        at.1 = monotonic;
        self.stamp.store(at.0 + span(BLIND_BEYOND), Ordering::Relaxed);
        at.0
    }

    /// Idle time now.
    pub(crate) fn now(&self, monotonic: Duration) -> u64 {
        let at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        at.0 + span(monotonic.saturating_sub(at.1).min(BLIND_BEYOND))
    }

    /// What a touch now is worth: never less than [`now`](Self::now), at most [`BLIND_BEYOND`] more. One atomic load.
    pub(crate) fn stamp(&self) -> u64 {
        self.stamp.load(Ordering::Relaxed)
    }
}

fn span(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn p7_idle_time_stands_still_while_the_process_does() {
        let clock = IdleClock::new(5_000, SECOND);
        assert_eq!(clock.tick(SECOND + TICK), 5_250);
        // An hour frozen is blind time but for what may pass between two ticks.
        assert_eq!(clock.now(SECOND * 3600), 6_250);
        assert_eq!(clock.tick(SECOND * 3600), 6_250);
    }

    #[test]
    fn p7_a_touch_is_never_worth_less_than_now() {
        let clock = IdleClock::new(0, Duration::ZERO);
        for step in 1..200 {
            let monotonic = Duration::from_millis(step * 37);
            assert!(clock.stamp() >= clock.now(monotonic));
            if step % 7 == 0 {
                clock.tick(monotonic);
            }
        }
    }
}
