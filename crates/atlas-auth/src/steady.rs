//! Steady time: what deadlines, leases, evidence and the bill are counted in.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::{Clock, Timestamp};

/// A clock that is anchored to the wall clock when it is made, and from then on follows the boot clock: when the hour is
/// changed, nothing falls due and nothing is proven, and time that the whole machine sleeps counts.
#[derive(Debug)]
pub struct SteadyClock {
    inner: Arc<dyn Clock>,
    /// Steady time less boot time, in milliseconds.
    offset: AtomicI64,
}

impl SteadyClock {
    /// Anchored to the wall clock of `inner` as it is now.
    pub fn new(inner: Arc<dyn Clock>) -> Self {
        let offset = inner.now().as_millis() - millis(inner.boot());
        Self { inner, offset: AtomicI64::new(offset) }
    }

    /// Never shows less than `moment` from now on: what was written before this opening lies in the past.
    pub fn not_before(&self, moment: Timestamp) {
        let needed = moment.as_millis() - millis(self.inner.boot());
        self.offset.fetch_max(needed, Ordering::Relaxed);
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.offset.load(Ordering::Relaxed) + millis(self.inner.boot()))
    }

    fn monotonic(&self) -> Duration {
        self.inner.monotonic()
    }

    fn boot(&self) -> Duration {
        self.inner.boot()
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    //! The hour may be changed; steady time goes on.

    use super::*;

    #[derive(Debug, Default)]
    struct Hand(AtomicI64, AtomicI64);

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            Timestamp::from_seconds(self.0.load(Ordering::Relaxed))
        }

        fn monotonic(&self) -> Duration {
            self.boot()
        }

        fn boot(&self) -> Duration {
            Duration::from_secs(self.1.load(Ordering::Relaxed).unsigned_abs())
        }
    }

    #[test]
    fn history_13_steady_time_follows_no_change_of_the_hour() {
        let hand = Arc::new(Hand(AtomicI64::new(1000), AtomicI64::new(5)));
        let steady = SteadyClock::new(hand.clone());
        assert_eq!(steady.now(), Timestamp::from_seconds(1000));
        hand.0.store(90_000, Ordering::Relaxed);
        assert_eq!(steady.now(), Timestamp::from_seconds(1000));
        hand.1.store(8, Ordering::Relaxed);
        hand.0.store(0, Ordering::Relaxed);
        assert_eq!(steady.now(), Timestamp::from_seconds(1003));
        steady.not_before(Timestamp::from_seconds(2000));
        assert_eq!(steady.now(), Timestamp::from_seconds(2000));
    }
}
