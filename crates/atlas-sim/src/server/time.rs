//! The simulated clouds' hour: the system's, or one that stands until it is moved. Either way it never goes back.

use std::sync::Arc;
use std::time::Duration;

use atlas_auth::{Clock, SystemClock, Timestamp};

use super::app::App;

/// Which clock the simulated clouds follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// Time passes as it does outside, and can be moved on besides.
    #[default]
    Real,
    /// Time stands still until it is moved.
    ByHand,
}

/// Where time by hand begins: the beginning of 2026.
const START: Timestamp = Timestamp::from_seconds(1_767_225_600);

/// The hour. It passes with the boot clock, so that no change of the wall clock outside bills a day more.
#[derive(Debug)]
pub(super) struct Time {
    system: Arc<dyn Clock>,
    /// An hour, and what the boot clock showed then.
    origin: (Timestamp, Duration),
    standing: bool,
}

impl Time {
    pub(super) fn new(system: Arc<dyn Clock>, pace: Pace) -> Self {
        let begun = match pace {
            Pace::Real => system.now(),
            Pace::ByHand => START,
        };
        let origin = (begun, system.boot());
        Self { system, origin, standing: pace == Pace::ByHand }
    }

    pub(super) fn now(&self) -> Timestamp {
        let (hour, boot) = self.origin;
        if self.standing { hour } else { hour.plus(self.system.boot().saturating_sub(boot)) }
    }

    pub(super) fn advance(&mut self, span: Duration) {
        self.origin.0 = self.origin.0.plus(span);
    }

    pub(super) const fn pace(&self) -> Pace {
        if self.standing { Pace::ByHand } else { Pace::Real }
    }

    /// Follows another clock from this moment on.
    pub(super) fn follow(&mut self, pace: Pace) {
        self.origin = (self.now(), self.system.boot());
        self.standing = pace == Pace::ByHand;
    }
}

/// The hour as a clock for those who live in the simulated clouds: the hour is theirs, spans are measured as outside.
#[derive(Debug)]
pub(super) struct Hour {
    app: App,
    outside: SystemClock,
}

impl Hour {
    pub(super) fn of(app: App) -> Self {
        Self { app, outside: SystemClock }
    }
}

impl Clock for Hour {
    fn now(&self) -> Timestamp {
        self.app.with(|_, now| now)
    }

    fn monotonic(&self) -> Duration {
        self.outside.monotonic()
    }

    fn boot(&self) -> Duration {
        self.outside.boot()
    }
}
