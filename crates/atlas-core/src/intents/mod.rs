//! Intent first (rule O1): no cloud hears of a create that is not on disk.
//!
//! [`SpawnOrder`](crate::SpawnOrder), without which no provider creates anything, comes only out of a recorded
//! [`Intent`]. The orchestrator records in its store; a one-off spawn, for which there is none, in one fsynced file
//! ([`FileIntents`]).

mod file;
mod record;
#[cfg(test)]
mod tests;
mod unreadable;

use std::fmt;

use async_trait::async_trait;
use atlas_auth::Timestamp;
use serde::{Deserialize, Serialize};

pub use file::FileIntents;
pub(crate) use file::{Sending, blocking};
pub(crate) use record::Whose;
pub use record::{IntentPhase, IntentRecord, RecordKey, SeenAs, Sighting};
pub use unreadable::UnreadableIntent;

use crate::{Capability, ComputeId, Mark, Money, ProviderId, Result, Scope, SpawnToken};

/// What a create is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RentalKind {
    /// A machine.
    Machine,
    /// A network volume.
    Volume,
    /// A serverless endpoint.
    Endpoint,
}

impl RentalKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Machine, Self::Volume, Self::Endpoint];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Volume => "volume",
            Self::Endpoint => "endpoint",
        }
    }

    /// The word for one of them.
    pub const fn one(self) -> &'static str {
        match self {
            Self::Machine => "a machine",
            Self::Volume => "a volume",
            Self::Endpoint => "an endpoint",
        }
    }

    /// What a cloud must declare before anything of this kind is rented there: without it, it could not be found again.
    pub const fn capability(self) -> Option<Capability> {
        match self {
            Self::Machine => None,
            Self::Volume => Some(Capability::NetworkVolumes),
            Self::Endpoint => Some(Capability::Serverless),
        }
    }
}

impl fmt::Display for RentalKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// One create that may happen, as it stands on disk before the cloud hears of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Intent {
    /// What the machine, volume or endpoint will bear; its token names the create.
    pub mark: Mark,
    /// The account.
    pub provider: ProviderId,
    /// Where exactly (rule O3).
    pub scope: Scope,
    /// What it is for.
    pub kind: RentalKind,
    /// When it was written.
    pub opened_at: Timestamp,
    /// Nothing is created past this moment (rule P2).
    pub not_after: Timestamp,
    /// What it costs an hour, as far as it is known: asked before, and reported since.
    pub price: Option<Money>,
}

impl Intent {
    /// An intent to rent a machine; [`of_kind`](Self::of_kind) makes one of anything else.
    pub fn machine(
        mark: Mark,
        provider: &ProviderId,
        scope: Scope,
        opened_at: Timestamp,
        not_after: Timestamp,
    ) -> Self {
        let provider = provider.clone();
        Self { mark, provider, scope, kind: RentalKind::Machine, opened_at, not_after, price: None }
    }

    /// The same for something that is no machine.
    #[must_use]
    pub fn of_kind(mut self, kind: RentalKind) -> Self {
        self.kind = kind;
        self
    }

    /// The token that names the create.
    pub fn token(&self) -> SpawnToken {
        self.mark.token
    }
}

/// Why a rental is closed: the proof that nothing of it bills any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Proof {
    /// The cloud refused the create.
    Refused,
    /// The cloud never heard of the create.
    NotSent,
    /// The create never landed: settle window over, two complete listings without it (rule P2).
    Absent,
    /// It is gone, as its cloud's rule demands (rule P4).
    Gone,
    /// An operator closed it by hand, against a cloud that would not confirm.
    WrittenOff,
}

impl fmt::Display for Proof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Refused => "the cloud refused the create",
            Self::NotSent => "the create was never sent",
            Self::Absent => "the create never landed",
            Self::Gone => "it is proven gone",
            Self::WrittenOff => "written off by an operator",
        })
    }
}

/// Where creates are recorded. Each call returns when what it says is durable.
#[async_trait]
pub trait Intents: Send + Sync + fmt::Debug {
    /// Records that a create may happen. Nothing is sent unless this succeeds.
    async fn open(&self, intent: &Intent) -> Result<()>;

    /// Records what it became. Repeats safely.
    async fn bound(&self, token: SpawnToken, compute: &ComputeId) -> Result<()>;

    /// Records that nothing of it is left. Repeats safely.
    async fn closed(&self, token: SpawnToken, proof: Proof) -> Result<()>;
}
