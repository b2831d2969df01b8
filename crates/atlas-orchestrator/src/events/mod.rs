//! What happened (rule P13): events are numbered in the commit that makes them, and read back from the store, so that
//! none is lost and none is told that did not happen.

mod stream;

use atlas_auth::Timestamp;
use atlas_core::{ComputeId, Money, ProviderId};
use serde::{Deserialize, Serialize};

pub use stream::{EventStream, StreamItem};

use crate::session::{Reason, Receipt};
use crate::{Phase, RentalId, SessionId};

/// One thing that happened. No event holds a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// When, in the orchestrator's steady time.
    pub at: Timestamp,
    /// Which session, where it is about one.
    pub session: Option<SessionId>,
    /// Which rental, where it is about one.
    pub rental: Option<RentalId>,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum What {
    /// A session was made.
    Created {
        /// Whose.
        user: String,
    },
    /// What people see of a session has changed.
    Phase {
        /// To this.
        phase: Phase,
    },
    /// Its endpoint is another one, or known for the first time; ask for it.
    EndpointChanged {
        /// Under this generation.
        generation: u64,
    },
    /// It will end unless something is done.
    EndingSoon {
        /// For this reason.
        reason: Reason,
        /// In so many seconds.
        seconds: u64,
    },
    /// It is being ended.
    Terminating {
        /// Why, and who asked.
        receipt: Receipt,
    },
    /// All its machines are proven gone.
    Terminated {
        /// Why it was ended.
        reason: Reason,
        /// What it cost.
        cost: Money,
    },
    /// What a session costs that was over: a machine of it was found, and is proven gone now.
    Billed {
        /// All that it cost.
        cost: Money,
    },
    /// The cloud did not end a machine; it is tried again until it is proven gone.
    TerminateFailed {
        /// The machine.
        compute: Option<ComputeId>,
        /// What the cloud said.
        error: String,
        /// How many times in a row.
        failures: u32,
    },
    /// A create was refused; it is tried again after a pause.
    CreateRefused {
        /// What the cloud said.
        error: String,
    },
    /// A machine is not found; it is not called lost yet.
    Missing {
        /// The machine.
        compute: ComputeId,
    },
    /// A missing machine is there again.
    Found {
        /// The machine.
        compute: ComputeId,
    },
    /// A machine is lost.
    Lost {
        /// The machine.
        compute: ComputeId,
    },
    /// Many machines of one account vanished at once, so none of them is called lost: the account is the likelier cause.
    ManyMissing {
        /// The account.
        provider: ProviderId,
        /// How many.
        machines: u64,
    },
    /// A machine without a holder was found and is being ended.
    Reaped {
        /// The machine.
        compute: ComputeId,
        /// Why.
        why: String,
    },
    /// A machine of this deployment that this store does not know.
    AlienSeen {
        /// The account.
        provider: ProviderId,
        /// The machine.
        compute: ComputeId,
        /// What it costs an hour.
        cost_per_hour: Option<Money>,
    },
    /// An operator took a machine in.
    Adopted {
        /// The machine.
        compute: ComputeId,
    },
    /// An operator closed a rental by hand.
    WrittenOff {
        /// Why.
        why: String,
    },
    /// Time in which heartbeats may have been missed; every idle deadline moved by it.
    Blind {
        /// How many seconds.
        seconds: u64,
    },
    /// Activity was brought up to date. Not numbered, and coalesced.
    Heartbeat {
        /// How many sessions were touched since the last one.
        touched: usize,
    },
}

impl Event {
    pub(crate) fn of_session(at: Timestamp, session: SessionId, what: What) -> Self {
        Self { at, session: Some(session), rental: None, what }
    }

    pub(crate) fn of_rental(at: Timestamp, session: Option<SessionId>, rental: RentalId, what: What) -> Self {
        Self { at, session, rental: Some(rental), what }
    }

    pub(crate) fn of_deployment(at: Timestamp, what: What) -> Self {
        Self { at, session: None, rental: None, what }
    }
}
