//! A user who leaves: the session ends after a grace, unless somebody touches it meanwhile (rule P7).
//!
//! That somebody left, and with which grace, is on disk; whether anybody came back shows in the session's cell, and is
//! written with the next beat. After a restart the grace begins anew, for a touch of the last moment may be lost.

use std::time::Duration;

use atlas_auth::Timestamp;

use crate::activity::Cell;
use crate::books::{Expect, Read};
use crate::inner::Inner;
use crate::session::{SessionPhase, SessionRecord, Wait};
use crate::store::CommitError;
use crate::{Error, Result, SessionId};

/// A grace that runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leave {
    pub(crate) grace: Duration,
    /// How much of it is over.
    pub(crate) lasted: Duration,
    /// What the cell holds for as long as nobody comes back.
    pub(crate) left: u64,
}

impl Leave {
    pub(crate) fn remains(&self) -> Duration {
        self.grace.saturating_sub(self.lasted)
    }

    /// The words for its end.
    pub(crate) fn evidence(grace: Duration) -> String {
        format!("its user left, and nobody touched it for {}", atlas_core::duration::format(grace))
    }
}

impl Inner {
    /// The grace of a session whose user has left. While it is stopped none runs: it was left to be found again.
    pub(crate) fn leave_of(&self, session: &SessionRecord, cell: &Cell) -> Option<Leave> {
        let grace = session.leave_grace.filter(|_| !session.stopped)?;
        let left = cell.left()?;
        let lasted = Duration::from_millis(self.idle.now(self.clock.monotonic()).saturating_sub(left));
        Some(Leave { grace, lasted, left })
    }

    /// Its user leaves. Returns when that is durable.
    pub(crate) async fn leave(&self, id: SessionId, grace: Duration) -> Result<()> {
        let Some(cell) = self.activity.cell(&id) else { return Err(Error::NoSession(id)) };
        // Into memory first: whoever comes back from here on is seen.
        let left = cell.leave(self.idle.stamp());
        match (self.write_leave(id, Some(grace)).await, left) {
            (Ok(()), Some(left)) => self.came_back(id, left).await,
            (Err(error), Some(left)) => {
                cell.forget_leave(left);
                Err(error)
            }
            (written, None) => written,
        }
    }

    /// Writes that somebody came back, if somebody did since its user left with this.
    pub(crate) async fn came_back(&self, id: SessionId, left: u64) -> Result<()> {
        let Some(cell) = self.activity.cell(&id) else { return Ok(()) };
        if cell.left().is_some() || cell.last().is_none() {
            return Ok(());
        }
        match self.write_leave(id, None).await {
            Ok(()) if cell.left().is_none() => cell.forget_leave(left),
            // It was left once more, or is over.
            Ok(()) | Err(Error::Over { .. } | Error::NoSession(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn write_leave(&self, id: SessionId, grace: Option<Duration>) -> Result<()> {
        loop {
            let Some(Read { record: mut session, version }) = self.books.session(id).await? else {
                return Err(Error::NoSession(id));
            };
            if let Some(receipt) = session.receipt() {
                return Err(Error::Over { session: id, reason: receipt.reason });
            }
            let has_left = self.activity.cell(&id).is_some_and(|cell| cell.left().is_some());
            if session.leave_grace == grace || (grace.is_none() && has_left) {
                return Ok(());
            }
            session.leave_grace = grace;
            let due = due(&session, self.now());
            match self.books.change().session(&session, Expect::At(version), Some(due)).commit().await {
                Err(CommitError::Conflict { .. }) => {}
                done => return Ok(done.map(|_| ())?),
            }
        }
    }
}

/// When a session must be looked at whose user has just left, or come back.
fn due(session: &SessionRecord, now: Timestamp) -> Timestamp {
    let grace_over = session.leave_grace.map(|grace| now.plus(grace));
    match (&session.phase, grace_over) {
        (SessionPhase::Waiting { wait: Wait::Answer }, None) => session.deadline().unwrap_or(now),
        // Nothing is rented for who has left: it waits for the end of the grace, or for somebody to come back.
        (SessionPhase::Waiting { .. }, Some(over)) => session.deadline().map_or(over, |deadline| deadline.min(over)),
        _ => now,
    }
}
