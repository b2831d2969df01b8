//! Closing in good order (rule P14): nothing new is begun, what was touched is stored, the store is let go of.

use std::time::Duration;

use crate::rental::Holder;
use crate::session::{Reason, Receipt};
use crate::store::{Cursor, Kind, Range, Row};
use crate::{Orchestrator, Result, engine};

/// How often it is looked whether all is proven gone.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// How long the tasks are waited for once the machines are gone, or patience is.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

impl Orchestrator {
    /// Ends the background tasks in good order: activity is stored, what is under way is finished. Machines live on, and
    /// the next opening takes them over.
    ///
    /// It closes whatever happens; an error says what could not be stored before.
    pub async fn shutdown(&self, patience: Duration) -> Result<()> {
        self.inner.close();
        self.inner.tasks.close();
        let finished = tokio::time::timeout(patience, self.inner.tasks.wait()).await.is_ok();
        if !finished {
            tracing::warn!("some calls to clouds were still under way; their rentals are open and will be found again");
        }
        // What could not be stored is blind time for the next opening, and no reason to keep the file.
        let flushed = engine::flush(&self.inner, true).await;
        if let Err(error) = &flushed {
            tracing::warn!(%error, "the last activity could not be stored");
        }
        self.inner.activity.tell_all();
        self.inner.books.store().close().await?;
        flushed.map(drop)
    }

    /// Ends all sessions, waits until all that was rented is proven gone or `patience` is over, then shuts down. Returns
    /// whether all was proven gone. Adopted machines are left to their operator.
    pub async fn shutdown_and_end_all(&self, patience: Duration) -> Result<bool> {
        let until = self.inner.now().plus(patience);
        // No session begins from now on.
        self.inner.drain();
        let all_gone = loop {
            self.end_all().await;
            match self.left().await {
                Ok(0) => break true,
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "it cannot be seen whether all is proven gone"),
            }
            let left = until.since(self.inner.now());
            if left.is_zero() {
                break false;
            }
            tokio::time::sleep(left.min(LOOK_AGAIN)).await;
        };
        self.shutdown(LAST_PATIENCE).await?;
        Ok(all_gone)
    }

    /// Ends each living session. One that cannot be ended now keeps none of the others.
    async fn end_all(&self) {
        let sessions = match self.sessions().await {
            Ok(sessions) => sessions,
            Err(error) => return tracing::warn!(%error, "the sessions to be ended cannot be read"),
        };
        for view in sessions.into_iter().filter(|view| view.receipt.is_none()) {
            let now = self.inner.now();
            let receipt = Receipt::new(Reason::Shutdown, "all sessions are ended on shutdown", "a caller", now);
            let (inner, id) = (self.inner.clone(), view.id);
            if let Err(error) = self.inner.owned(async move { inner.end_session(id, &receipt).await }).await {
                tracing::warn!(session = %id, %error, "a session cannot be ended yet");
            }
        }
    }

    /// How many sessions and rentals are not over yet, unreadable ones included: nobody knows what they are.
    async fn left(&self) -> Result<usize> {
        let mut cursor = Cursor::START;
        let mut left = 0;
        loop {
            let page = self.inner.books.store().scan(Range::Rows { kind: None, phase: None }, cursor, 1000).await?;
            let next = page.next.clone();
            left += page.into_rows().iter().filter(|row| is_left(row)).count();
            match next {
                Some(next) => cursor = next,
                None => return Ok(left),
            }
        }
    }
}

fn is_left(row: &Row) -> bool {
    match row.key.kind {
        Kind::SESSION => row.phase != "ended",
        Kind::RENTAL => {
            let is_plain = || crate::books::read_rental(row).is_ok_and(|read| read.record.holder == Holder::Plain);
            row.phase != "closed" && !is_plain()
        }
        _ => false,
    }
}
