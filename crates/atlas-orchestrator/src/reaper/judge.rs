//! What a machine in a listing is. Pure.

use std::collections::BTreeSet;

use atlas_auth::Timestamp;
use atlas_core::{Compute, ComputeId, ComputeStatus, Deployment, Money, ProviderId, TokenKind};
use serde::Serialize;

use crate::rental::{Holder, RentalPhase, RentalRecord};

/// What a machine in a listing is to this store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Not of this deployment, or gone: none of our business.
    Foreign,
    /// Held, being made or being ended: the loop has it.
    Ours,
    /// Spawned by hand.
    Plain,
    /// Its rental is closed, or has another machine: nobody holds this one.
    Stray,
    /// Of this deployment, and unknown to this store.
    Alien,
}

/// What is known of the machine's token in the store.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Known<'a> {
    /// No such token.
    Nothing,
    /// This rental.
    Rental(&'a RentalRecord),
    /// A row that cannot be read: it may be anybody's.
    Unreadable,
}

/// `listed` is all that the same listing shows standing: a held machine that is not in it may be this one under a new id (P5),
/// and then it is its holder's.
pub(crate) fn judge(
    compute: &Compute,
    deployment: &Deployment,
    listed: &BTreeSet<ComputeId>,
    known: Known<'_>,
) -> Verdict {
    let Some(mark) = compute.mark().filter(|mark| mark.deployment == *deployment) else {
        return Verdict::Foreign;
    };
    if compute.status == ComputeStatus::Terminated {
        return Verdict::Foreign;
    }
    match known {
        Known::Unreadable => Verdict::Ours,
        // Adopted: whatever is cloned of it, and if it returns after all, it is its operator's (O6).
        Known::Rental(rental) if rental.holder == Holder::Plain => match &rental.compute {
            Some(id) if *id == compute.id && !matches!(rental.phase, RentalPhase::Closed { .. }) => Verdict::Ours,
            Some(_) | None => Verdict::Plain,
        },
        Known::Rental(rental) => match &rental.phase {
            RentalPhase::Open => Verdict::Ours,
            RentalPhase::Held { .. } => match &rental.compute {
                Some(id) if *id != compute.id && listed.contains(id) => Verdict::Stray,
                Some(_) | None => Verdict::Ours,
            },
            RentalPhase::Releasing { .. } => match &rental.compute {
                Some(id) if *id != compute.id => Verdict::Stray,
                Some(_) | None => Verdict::Ours,
            },
            RentalPhase::Closed { .. } => Verdict::Stray,
        },
        Known::Nothing => match mark.token.kind() {
            TokenKind::Plain => Verdict::Plain,
            // Another installation's, or one of ours that a restored store has forgotten: alike not ours to end.
            _ => Verdict::Alien,
        },
    }
}

/// What was found out about one machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The account.
    pub provider: ProviderId,
    /// The machine.
    pub compute: String,
    /// Its name.
    pub name: Option<String>,
    /// What it costs an hour.
    pub cost_per_hour: Option<Money>,
    /// What it is.
    #[serde(flatten)]
    pub kind: FindingKind,
}

/// What a machine was found to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FindingKind {
    /// Somebody holds it, or it is being made or ended.
    Tracked,
    /// Spawned by hand: never ended by itself.
    Plain,
    /// Nobody holds it; seen for the first time. Ended if it is seen again after this moment.
    SeenOnce {
        /// When it is due.
        due: Timestamp,
        /// Why nobody holds it.
        why: String,
    },
    /// Nobody holds it; it is being ended now.
    Ending {
        /// Why.
        why: String,
    },
    /// Of this deployment, and unknown to this store.
    Alien {
        /// Since when it is known.
        since: Timestamp,
        /// Why it is left alone, or when it is ended.
        why: String,
    },
}
