//! What is stored of a rental.

use std::collections::BTreeMap;

use atlas_auth::Timestamp;
use atlas_core::proof::Absence;
use atlas_core::{Compute, ComputeId, ComputeStatus, Intent, Mark, Port, Proof, ProviderId, RentalKind, Scope, Traits};
use serde::{Deserialize, Serialize};

use super::accrual::Accrual;
use super::step::{Power, State};
use crate::session::Receipt;
use crate::{RentalId, SessionId, Unready};

/// Who holds a rental.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Holder {
    /// A session; whether it lives is for the session to say.
    Session(SessionId),
    /// Nobody but the operator who spawned or adopted it: never ended by itself.
    Plain,
    /// Nobody: a twin, or a machine that landed late.
    Nobody,
}

/// Where a machine can be reached, as read after its last start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Published {
    pub(crate) generation: u64,
    pub(crate) ports: Vec<Port>,
}

/// How far a rental has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub(crate) enum RentalPhase {
    /// The create may happen, or may have happened.
    Open,
    /// It became a machine, and somebody holds it.
    Held { power: Power, published: Option<Published> },
    /// Nobody holds it: it must go, once it is known what it is.
    Releasing { receipt: Receipt },
    /// Nothing of it is left.
    Closed { proof: Proof, at: Timestamp },
}

/// What is stored of a rental.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RentalRecord {
    pub(crate) id: RentalId,
    pub(crate) mark: Mark,
    pub(crate) provider: ProviderId,
    pub(crate) scope: Scope,
    pub(crate) kind: RentalKind,
    pub(crate) holder: Holder,
    /// Whose bill it is on although it never held it: a further machine of its create.
    #[serde(default)]
    pub(crate) billed_to: Option<SessionId>,
    pub(crate) opened_at: Timestamp,
    pub(crate) not_after: Timestamp,
    /// When its machine became known: from then on its settle window counts (P4).
    #[serde(default)]
    pub(crate) bound_at: Option<Timestamp>,
    /// The epoch of its keys.
    pub(crate) epoch: u32,
    pub(crate) phase: RentalPhase,
    /// The machine, once it is known.
    pub(crate) compute: Option<ComputeId>,
    /// Whether the machine was ever read back.
    pub(crate) was_read: bool,
    /// Whether it was seen under its own mark: from then on one without it is a stranger under a reused id.
    #[serde(default)]
    pub(crate) was_marked: bool,
    /// What speaks for its absence.
    pub(crate) absence: Absence,
    /// Since when it is missing while held (rule P5).
    pub(crate) missing_since: Option<Timestamp>,
    /// Since when each read while held says that it is over: believed only after a while, for clouds lie for a minute.
    #[serde(default)]
    pub(crate) over_since: Option<Timestamp>,
    /// Why the last read of it while it started did not show it ready.
    #[serde(default)]
    pub(crate) unready: Option<Unready>,
    /// How often its endpoint was published.
    pub(crate) generation: u64,
    /// The generation that it began with: the last of the machine whose place it takes.
    #[serde(default)]
    pub(crate) first_generation: u64,
    /// Failures in a row of whatever is tried with it.
    pub(crate) failures: u32,
    /// The last of them.
    pub(crate) last_error: Option<String>,
    pub(crate) accrual: Accrual,
    /// Fields of a later version, kept as they are.
    #[serde(flatten)]
    pub(crate) later: BTreeMap<String, serde_json::Value>,
}

impl RentalRecord {
    /// The newest form that this version reads.
    pub(crate) const FORMAT: u16 = 1;

    /// What is stored with an intent, before anything is sent.
    pub(crate) fn open(intent: &Intent, holder: Holder) -> Self {
        Self {
            id: RentalId::new(intent.token()),
            mark: intent.mark.clone(),
            provider: intent.provider.clone(),
            scope: intent.scope.clone(),
            kind: intent.kind,
            holder,
            billed_to: None,
            opened_at: intent.opened_at,
            not_after: intent.not_after,
            bound_at: None,
            epoch: 0,
            phase: RentalPhase::Open,
            compute: None,
            was_read: false,
            was_marked: false,
            absence: Absence::new(),
            missing_since: None,
            over_since: None,
            unready: None,
            generation: 0,
            first_generation: 0,
            failures: 0,
            last_error: None,
            accrual: Accrual::begin(intent.opened_at, intent.price),
            later: BTreeMap::new(),
        }
    }

    /// Whether a user was ever told where its machine is.
    pub(crate) fn was_handed_out(&self) -> bool {
        self.generation > self.first_generation
    }

    /// Whose bill it is on.
    pub(crate) fn payer(&self) -> Option<SessionId> {
        match self.holder {
            Holder::Session(session) => Some(session),
            Holder::Plain | Holder::Nobody => self.billed_to,
        }
    }

    /// Counts what a read shows of its price, which was asked for at `asked_at` and answered by `now`.
    pub(crate) fn count(&mut self, compute: &Compute, traits: &Traits, asked_at: Timestamp, now: Timestamp) {
        if compute.status == ComputeStatus::Stopped {
            self.accrual.stopped(asked_at, now, compute.cost_per_hour, traits.stopped_bills);
        } else {
            self.accrual.running(asked_at, now, compute.cost_per_hour);
        }
    }

    /// Whether what speaks for its absence proves by the rule of its cloud that it is gone (P4).
    pub(crate) fn is_proven_gone(&self, traits: &Traits) -> bool {
        self.absence.proves_gone(traits, self.kind, self.bound_at.unwrap_or(self.opened_at), self.was_read)
    }

    /// Since when its cloud's answers speak against a held machine, whose end is not proven.
    pub(crate) fn doubted_since(&self) -> Option<Timestamp> {
        [self.missing_since, self.over_since].into_iter().flatten().min()
    }

    /// It is there, or need not be any more: no doubt is left.
    pub(crate) fn settle_doubt(&mut self) {
        self.missing_since = None;
        self.over_since = None;
    }

    pub(crate) fn state(&self) -> State {
        match (&self.phase, &self.compute) {
            (RentalPhase::Open, _) => State::Open,
            (RentalPhase::Held { power, .. }, _) => State::Held(*power),
            (RentalPhase::Releasing { .. }, None) => State::Unfound,
            (RentalPhase::Releasing { .. }, Some(_)) => State::Releasing,
            (RentalPhase::Closed { .. }, _) => State::Closed,
        }
    }

    /// One word for the row's column, so that even a row that cannot be read is counted rightly.
    pub(crate) fn phase_word(&self) -> &'static str {
        match (&self.phase, self.missing_since) {
            (RentalPhase::Open, _) => "open",
            (RentalPhase::Held { .. }, _) if self.holder == Holder::Plain => "plain",
            (RentalPhase::Held { .. }, Some(_)) => "missing",
            (RentalPhase::Held { .. }, None) => "held",
            (RentalPhase::Releasing { .. }, _) => "releasing",
            (RentalPhase::Closed { .. }, _) => "closed",
        }
    }

    pub(crate) fn power(&self) -> Option<Power> {
        match self.phase {
            RentalPhase::Held { power, .. } => Some(power),
            RentalPhase::Open | RentalPhase::Releasing { .. } | RentalPhase::Closed { .. } => None,
        }
    }

    pub(crate) fn published(&self) -> Option<&Published> {
        match &self.phase {
            RentalPhase::Held { published, .. } => published.as_ref(),
            RentalPhase::Open | RentalPhase::Releasing { .. } | RentalPhase::Closed { .. } => None,
        }
    }

    pub(crate) fn failed(&mut self, error: &impl std::fmt::Display) {
        self.failures = self.failures.saturating_add(1);
        self.last_error = Some(error.to_string());
    }

    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
        self.last_error = None;
    }
}
