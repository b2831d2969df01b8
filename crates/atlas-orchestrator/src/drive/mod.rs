//! Driving one row: do what its state asks for, say when to look again (idempotent; a restart is the loop again).

mod create;
mod find;
mod forget;
mod intents;
mod missing;
mod release;
mod session;
mod siblings;
mod watch;

use std::sync::Arc;

use atlas_core::{Compute, ComputeStatus};

use crate::books::{Expect, Read, read_rental, read_session};
use crate::inner::Inner;
use crate::rental::{RentalRecord, State as RentalState};
use crate::session::State as SessionState;
use crate::store::{Claim, Fence, Kind, RowKey};
use crate::{Error, Result};

pub(crate) use find::{Machine, search_at_once, twin_of};
pub(crate) use watch::power_shown;

/// A row that is ours to drive.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) key: RowKey,
    pub(crate) fence: Fence,
}

/// Drives one claimed row. An error means that nothing was written and the row is due as before.
pub(crate) async fn drive(inner: &Arc<Inner>, claim: Claim) -> Result<()> {
    let held = Held { key: claim.row.key.clone(), fence: claim.fence };
    if claim.row.key.kind == Kind::SESSION {
        let session = read_session(&claim.row)?;
        return match session.record.state() {
            SessionState::Waiting => Box::pin(create::create(inner, &held, session)).await,
            SessionState::Served => Box::pin(session::judge(inner, &held, session)).await,
            SessionState::Ending | SessionState::Ended => Box::pin(forget::session(inner, &held, session)).await,
        };
    }
    if claim.row.key.kind == Kind::RENTAL {
        let rental = read_rental(&claim.row)?;
        return match rental.record.state() {
            RentalState::Open | RentalState::Unfound => Box::pin(find::find(inner, &held, rental)).await,
            RentalState::Held(_) => Box::pin(watch::watch(inner, &held, rental)).await,
            RentalState::Releasing => Box::pin(release::release(inner, &held, rental)).await,
            RentalState::Closed => Box::pin(forget::rental(inner, &held, rental)).await,
        };
    }
    if claim.row.key.kind == Kind::BREAKER {
        return forget::breaker(inner, &held, claim.row.version).await;
    }
    // A kind of a later version: shown and left alone.
    Err(Error::Unreadable { row: claim.row.key.to_string(), why: "its kind is not known here".to_owned() })
}

/// Whether what was read under a rental's machine id may be a machine of somebody else: it bears another valid token,
/// or none where it bore ours before, so the cloud has used the id again (rule P4).
fn is_strangers(found: &Compute, rental: &RentalRecord) -> bool {
    found.mark().map_or(rental.was_marked, |mark| mark.token != rental.mark.token)
}

/// Whether a read proves that the machine is gone.
fn is_gone(status: &ComputeStatus) -> bool {
    *status == ComputeStatus::Terminated
}

/// Writes a rental that failed once more, to be tried again after a pause.
async fn put_off(
    inner: &Inner,
    held: &Held,
    mut rental: Read<RentalRecord>,
    error: &(impl std::fmt::Display + ?Sized),
    at_least: std::time::Duration,
) -> Result<()> {
    rental.record.failed(&error.to_string());
    let pause = inner.pause(rental.record.failures).max(at_least);
    let due = inner.now().plus(pause);
    let change = inner.books.change().under(&held.key, held.fence);
    // What is tried to end one must be put off on a full disk too, or it is tried without pause.
    let change = if rental.record.state() == RentalState::Unfound { change.urgent() } else { change };
    change.rental(&rental.record, Expect::At(rental.version), Some(due)).commit().await?;
    Ok(())
}
