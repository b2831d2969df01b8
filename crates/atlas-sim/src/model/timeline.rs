//! What a machine did when, and what it will do if nobody interferes.
//!
//! Invariant: entries are ordered by time and there is always one, so that at each moment there is exactly one phase,
//! and the spans of all phases up to a moment add up to the machine's whole life.

use std::time::Duration;

use atlas_auth::Timestamp;

/// What a machine is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Starting,
    Running,
    Stopping,
    Stopped,
    Exited(i32),
    Failed,
    Terminating,
    Terminated,
}

impl Phase {
    /// Which of a machine's two prices holds.
    pub(crate) const fn rate(self) -> Rate {
        match self {
            Self::Starting | Self::Running | Self::Stopping | Self::Exited(_) | Self::Failed | Self::Terminating => {
                Rate::Running
            }
            Self::Stopped => Rate::Stopped,
            Self::Terminated => Rate::Nothing,
        }
    }

    /// Whether it holds on to its GPUs.
    pub(crate) const fn occupies(self) -> bool {
        matches!(self.rate(), Rate::Running)
    }

    /// Whether no command changes anything any more.
    pub(crate) const fn is_ending(self) -> bool {
        matches!(self, Self::Terminating | Self::Terminated)
    }
}

/// Which price a phase costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rate {
    Running,
    Stopped,
    Nothing,
}

/// The phases of one machine, past and to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Timeline(Vec<(Timestamp, Phase)>);

impl Timeline {
    /// Begins `at`, and is `to` after having been `through` for `takes`.
    pub(crate) fn begin(at: Timestamp, through: Phase, takes: Duration, to: Phase) -> Self {
        let mut timeline = Self(Vec::new());
        timeline.enter(at, through, takes, to);
        timeline
    }

    /// From `at` on it is `through`, and after `takes` it is `to`. What was still to come is overtaken.
    pub(crate) fn enter(&mut self, at: Timestamp, through: Phase, takes: Duration, to: Phase) {
        self.0.retain(|(since, _)| *since <= at);
        if !takes.is_zero() {
            self.0.push((at, through));
        }
        self.0.push((at.plus(takes), to));
    }

    /// The phase at `now`; before its beginning, the first.
    pub(crate) fn at(&self, now: Timestamp) -> Phase {
        self.entry(now).1
    }

    /// Since when it has been in the phase of `now`.
    pub(crate) fn since(&self, now: Timestamp) -> Timestamp {
        self.entry(now).0
    }

    fn entry(&self, now: Timestamp) -> (Timestamp, Phase) {
        let last = self.0.iter().rev().find(|(since, _)| *since <= now);
        *last.or(self.0.first()).expect("a timeline begins with an entry")
    }

    /// The last phase before its end: what a read that comes too late for the end still shows.
    #[cfg(feature = "server")]
    pub(crate) fn before_end(&self, now: Timestamp) -> Phase {
        let until = self.ended_at(now).unwrap_or(now);
        let lived = self.0.iter().rev().find(|(since, phase)| *since <= until && !phase.is_ending());
        lived.or(self.0.first()).map_or(Phase::Terminated, |(_, phase)| *phase)
    }

    /// When it ended, if it has by `now`.
    pub(crate) fn ended_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.0.iter().find(|(since, phase)| *phase == Phase::Terminated && *since <= now).map(|(since, _)| *since)
    }

    /// How much time of its life up to `now` it spent at `rate`.
    pub(crate) fn spent(&self, rate: Rate, now: Timestamp) -> Duration {
        let ends = self.0.iter().skip(1).map(|(since, _)| *since).chain([now]);
        self.0
            .iter()
            .zip(ends)
            .filter(|((_, phase), _)| phase.rate() == rate)
            .map(|((since, _), until)| until.min(now).since(*since))
            .sum()
    }
}
