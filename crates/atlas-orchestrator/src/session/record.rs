//! What is stored of a session.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use atlas_auth::{Sealed, Timestamp};
use atlas_core::{Auth, ComputeRequest, Money, ProviderId};
use serde::{Deserialize, Serialize};

use super::step::State;
use crate::request::OnLoss;
use crate::{RentalId, SessionId};

/// Why a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// Nobody touched it for its idle time-out.
    Idle,
    /// Its lifetime was over.
    Lifetime,
    /// Its user left, and nobody touched it for the grace given.
    Left,
    /// Somebody asked.
    Asked,
    /// Its machine did not start, or broke.
    Failed,
    /// Its machine was lost.
    Lost,
    /// It could not become ready in time.
    StartTimeout,
    /// The orchestrator was told to end all on shutdown.
    Shutdown,
}

impl Reason {
    pub(crate) const ALL: [Self; 8] = [
        Self::Idle,
        Self::Lifetime,
        Self::Left,
        Self::Asked,
        Self::Failed,
        Self::Lost,
        Self::StartTimeout,
        Self::Shutdown,
    ];

    /// A number for it that is worth nothing beyond this process.
    pub(crate) fn code(self) -> u8 {
        let place = Self::ALL.iter().position(|reason| *reason == self);
        place.and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX)
    }

    pub(crate) fn of_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Idle => "idle",
            Self::Lifetime => "lifetime",
            Self::Left => "left",
            Self::Asked => "asked",
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::StartTimeout => "start_timeout",
            Self::Shutdown => "shutdown",
        })
    }
}

/// Why something was ended: written in the very commit that ends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Receipt {
    /// The reason.
    pub reason: Reason,
    /// What was seen or said.
    pub evidence: String,
    /// Who asked: a caller, or the part of Atlas that judged.
    pub asked_by: String,
    /// When.
    pub at: Timestamp,
    /// What it had cost by then, as far as prices were known.
    pub cost: Money,
    /// Whether the price of each of its machines was known by then. If not, it cost more.
    #[serde(default = "yes")]
    pub cost_is_known: bool,
}

/// What a receipt without the word meant.
fn yes() -> bool {
    true
}

impl Receipt {
    pub(crate) fn new(reason: Reason, evidence: impl Into<String>, asked_by: &str, at: Timestamp) -> Self {
        Self {
            reason,
            evidence: evidence.into(),
            asked_by: asked_by.to_owned(),
            at,
            cost: Money::ZERO,
            cost_is_known: true,
        }
    }
}

/// What a session without a machine waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "for")]
pub(crate) enum Wait {
    /// Its turn.
    Turn,
    /// The answer to a create.
    Answer,
    /// The end of a pause after a create or a machine that failed.
    Pause {
        why: String,
        #[serde(default = "at_once")]
        until: Timestamp,
    },
}

/// A pause that was stored without its end is over.
fn at_once() -> Timestamp {
    Timestamp::EPOCH
}

/// How far a session has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub(crate) enum SessionPhase {
    /// No machine yet, or no longer.
    Waiting { wait: Wait },
    /// Its current rental is held.
    Served,
    /// Its rentals are being ended. Irrevocable.
    Ending { receipt: Receipt },
    /// All its rentals are closed.
    Ended { receipt: Receipt, at: Timestamp },
}

/// What is stored of a session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SessionRecord {
    pub(crate) id: SessionId,
    pub(crate) user: String,
    pub(crate) key: Option<String>, // not a secret: what `ensure` was given, such as a user's name
    pub(crate) provider: ProviderId,
    /// The request without what may be secret.
    pub(crate) request: ComputeRequest,
    /// Environment, options and registry credentials, sealed (rule P6).
    pub(crate) private: Option<Sealed>,
    pub(crate) auth: Auth,
    pub(crate) idle_ttl: Option<Duration>,
    pub(crate) max_lifetime: Option<Duration>,
    pub(crate) start_timeout: Duration,
    pub(crate) ready_path: Option<String>,
    pub(crate) on_loss: OnLoss,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) created_at: Timestamp,
    pub(crate) phase: SessionPhase,
    /// The rental that serves it, or shall.
    pub(crate) current: Option<RentalId>,
    /// All its rentals that are not closed.
    pub(crate) rentals: Vec<RentalId>,
    /// How many creates it has had.
    pub(crate) attempt: u32,
    /// How many creates were refused, or gave a machine that was lost, in a row.
    pub(crate) refusals: u32,
    /// How many machines that did not last it has had in a row: each is paid for, so they are paused for longer.
    #[serde(default)]
    pub(crate) failed_starts: u32,
    /// What its closed rentals cost.
    pub(crate) closed_cost: Money,
    /// Those of them whose price was never shown.
    #[serde(default)]
    pub(crate) unpriced: Vec<RentalId>,
    /// Since when it tries to become ready; `None` while it is.
    pub(crate) starting_since: Option<Timestamp>,
    /// Since when its present machine is ready.
    #[serde(default)]
    pub(crate) ready_since: Option<Timestamp>,
    /// Whether a machine of it has stayed ready for a while: only then did its start succeed.
    #[serde(default)]
    pub(crate) is_proven: bool,
    /// Under which generation its endpoint was last published: that of its next machine is a higher one (P12).
    #[serde(default)]
    pub(crate) generation: u64,
    /// The touch for which a warning was given, so that each silence is warned of once.
    pub(crate) warned_of: Option<u64>,
    /// Whether a warning was given that its lifetime ends.
    #[serde(default)]
    pub(crate) warned_of_lifetime: bool,
    /// With which grace its user left; `None` while nobody has, or somebody came back.
    #[serde(default)]
    pub(crate) leave_grace: Option<Duration>,
    /// Whether it is stopped, its disk kept: idle time stands still.
    pub(crate) stopped: bool,
    /// Whether it was found stopped although its user had not asked for that.
    #[serde(default)]
    pub(crate) found_stopped: bool,
    /// Fields of a later version, kept as they are.
    #[serde(flatten)]
    pub(crate) later: BTreeMap<String, serde_json::Value>,
}

impl SessionRecord {
    /// The newest form that this version reads.
    pub(crate) const FORMAT: u16 = 1;

    pub(crate) fn state(&self) -> State {
        match self.phase {
            SessionPhase::Waiting { .. } => State::Waiting,
            SessionPhase::Served => State::Served,
            SessionPhase::Ending { .. } => State::Ending,
            SessionPhase::Ended { .. } => State::Ended,
        }
    }

    /// Keeps since when it is ready, as long as that is not proven. Whether anything has changed.
    pub(crate) fn note_ready(&mut self, is_ready: bool, now: Timestamp) -> bool {
        let since = is_ready.then(|| self.ready_since.unwrap_or(now));
        let changed = !self.is_proven && since != self.ready_since;
        if changed {
            self.ready_since = since;
        }
        changed
    }

    /// Keeps under which generation its endpoint is published. Whether it has risen.
    pub(crate) fn note_generation(&mut self, published: Option<u64>) -> bool {
        let risen = published.is_some_and(|published| published > self.generation);
        self.generation = self.generation.max(published.unwrap_or_default());
        risen
    }

    /// Whether it is anybody's: only then has its current rental a living holder.
    pub(crate) fn is_living(&self) -> bool {
        matches!(self.phase, SessionPhase::Waiting { .. } | SessionPhase::Served)
    }

    pub(crate) fn receipt(&self) -> Option<&Receipt> {
        match &self.phase {
            SessionPhase::Ending { receipt } | SessionPhase::Ended { receipt, .. } => Some(receipt),
            SessionPhase::Waiting { .. } | SessionPhase::Served => None,
        }
    }
}
