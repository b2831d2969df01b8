//! Transitions that touch a session and its rentals at once, each one commit (rule P1).

use atlas_auth::Timestamp;
use atlas_core::{Money, Proof};

use crate::books::{Change, Expect, Read};
use crate::events::{Event, What};
use crate::inner::Inner;
use crate::rental::{self, RentalPhase, RentalRecord};
use crate::session::{self, Receipt, SessionPhase, SessionRecord, Wait};
use crate::store::CommitError;
use crate::view::{self, Cost};
use crate::{Error, Result};

impl RentalRecord {
    /// Takes the holder away, if there was one: it goes now.
    pub(crate) fn release(&mut self, receipt: &Receipt) -> bool {
        self.release_by(rental::Input::HolderGone, receipt)
    }

    /// Lets it go for what `input` says.
    pub(crate) fn release_by(&mut self, input: rental::Input, receipt: &Receipt) -> bool {
        let (next, _) = rental::step(self.state(), input);
        let releases = next != self.state() && matches!(next, rental::State::Unfound | rental::State::Releasing);
        if releases {
            self.phase = RentalPhase::Releasing { receipt: receipt.clone() };
            self.settle_doubt();
            self.succeeded();
        }
        releases
    }

    /// It was closed, and perhaps too early: it goes again, and has billed since `from`.
    pub(crate) fn reopen(&mut self, receipt: Receipt, from: Timestamp) {
        self.accrual.reopen(from);
        self.phase = RentalPhase::Releasing { receipt };
        self.absence.seen();
    }

    /// Closes it by proof.
    pub(crate) fn close(&mut self, proof: Proof, at: Timestamp) {
        self.phase = RentalPhase::Closed { proof, at };
        self.settle_doubt();
        self.accrual.close(at);
        self.succeeded();
    }
}

impl SessionRecord {
    /// When a session that is not ready is given up, or its lifetime is over.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        let start = self.starting_since.filter(|_| !self.stopped).map(|since| since.plus(self.start_timeout));
        let life = self.max_lifetime.map(|lifetime| self.created_at.plus(lifetime));
        match (start, life) {
            (Some(start), Some(life)) => Some(start.min(life)),
            (one, other) => one.or(other),
        }
    }

    /// Loses a rental that was closed: its cost stays with the session. Whether that was its current one.
    pub(crate) fn lose(&mut self, rental: &RentalRecord, now: Timestamp) -> bool {
        if let Some(place) = self.rentals.iter().position(|id| *id == rental.id) {
            self.rentals.remove(place);
            self.closed_cost += rental.accrual.total(now);
            if rental.compute.is_some() && !rental.accrual.is_known() {
                self.unpriced.push(rental.id);
            }
        }
        let was_current = self.current == Some(rental.id);
        if was_current {
            self.current = None;
        }
        was_current
    }

    /// Takes a rental on its bill, even if it is over: a further machine of its creates, or one that was closed too early
    /// and is still as it was closed. Until it is closed (again) its cost is counted as it grows.
    pub(crate) fn pay_for(&mut self, rental: &RentalRecord) {
        if self.rentals.contains(&rental.id) {
            return;
        }
        self.rentals.push(rental.id);
        if let RentalPhase::Closed { at, .. } = rental.phase {
            let counted = rental.accrual.total(at).as_micros();
            self.closed_cost = Money::from_micros(self.closed_cost.as_micros().saturating_sub(counted).max(0));
            self.unpriced.retain(|id| *id != rental.id);
        }
    }

    /// Ends it, if it lives; its rentals must be released in the same commit.
    pub(crate) fn end(&mut self, mut receipt: Receipt, cost: Cost) -> bool {
        let (next, _) = session::step(self.state(), session::Input::End);
        if next != session::State::Ending || self.state() == next {
            return false;
        }
        receipt.cost = cost.so_far;
        receipt.cost_is_known = cost.is_known;
        self.phase = SessionPhase::Ending { receipt };
        true
    }

    /// Finishes it, if it is ending and has no rentals left.
    pub(crate) fn finish(&mut self, at: Timestamp) -> bool {
        let SessionPhase::Ending { receipt } = &self.phase else { return false };
        if !self.rentals.is_empty() {
            return false;
        }
        let (next, _) = session::step(self.state(), session::Input::AllClosed);
        if next != session::State::Ended {
            return false;
        }
        self.phase = SessionPhase::Ended { receipt: receipt.clone(), at };
        true
    }
}

impl Inner {
    /// Adds to `change` the ending of a session with all its rentals: `rentals` are those of the session that it does not
    /// write anyway, `written` those that it does.
    pub(crate) fn add_ending<'a>(
        &self,
        mut change: Change<'a>,
        session: &mut SessionRecord,
        rentals: &mut [Read<RentalRecord>],
        written: &[RentalRecord],
        receipt: Receipt,
    ) -> Change<'a> {
        let now = self.now();
        let records: Vec<_> = rentals.iter().map(|read| &read.record).chain(written).cloned().collect();
        if !session.end(receipt.clone(), view::cost(session, &records, now)) {
            return change;
        }
        for rental in rentals {
            if rental.record.release(&receipt) {
                change = change.rental(&rental.record, Expect::At(rental.version), Some(now));
            }
        }
        let receipt = session.receipt().cloned().unwrap_or(receipt);
        change = change.event(&Event::of_session(now, session.id, What::Terminating { receipt }));
        self.add_finish(change, session)
    }

    /// Adds the end of the story, if there is nothing left of the session.
    pub(crate) fn add_finish<'a>(&self, change: Change<'a>, session: &mut SessionRecord) -> Change<'a> {
        let now = self.now();
        if !session.finish(now) {
            return change;
        }
        let reason = session.receipt().map_or(session::Reason::Asked, |receipt| receipt.reason);
        let cost = session.closed_cost;
        change.event(&Event::of_session(now, session.id, What::Terminated { reason, cost }))
    }

    /// Lets a session without a machine wait, the longer the more often it came to this: neither a cloud that fails each
    /// create nor one whose machines do not last is stormed (history 19).
    pub(crate) fn pause_session(&self, session: &mut SessionRecord, why: String, at_least: std::time::Duration) {
        session.refusals = session.refusals.saturating_add(1);
        let until = self.now().plus(self.pause(session.refusals).max(at_least));
        session.phase = SessionPhase::Waiting { wait: Wait::Pause { why, until } };
    }

    /// When the row of a session must be looked at again, whatever else happens: `None` leaves it to its rentals.
    pub(crate) fn session_due(&self, session: &SessionRecord) -> Option<Timestamp> {
        let now = self.now();
        match &session.phase {
            SessionPhase::Waiting { wait: Wait::Turn } | SessionPhase::Served => Some(now),
            SessionPhase::Waiting { wait: Wait::Answer } => session.deadline(),
            SessionPhase::Waiting { wait: Wait::Pause { until, .. } } => {
                Some(session.deadline().map_or(*until, |deadline| deadline.min(*until)))
            }
            SessionPhase::Ending { .. } => None,
            // Counted from its last change: it may have been billed for something since it ended.
            SessionPhase::Ended { .. } => Some(now.plus(self.policy.remember)),
        }
    }

    /// Ends a session durably, however often others change it meanwhile. `Ok(false)` if it was over already.
    pub(crate) async fn end_session(&self, id: crate::SessionId, receipt: &Receipt) -> Result<bool> {
        // Whatever was touched: later touches are told that they come too late.
        let cell = self.activity.cell(&id);
        let last = cell.as_ref().and_then(|cell| cell.force_ending(receipt.reason));
        let ended = self.end_until_written(id, receipt).await;
        if let (Err(_), Some(cell), Some(last)) = (&ended, &cell, last) {
            cell.take_back(last);
        }
        ended
    }

    /// Ends a session durably, if nobody has touched it since `judged`. `Ok(false)` if somebody has, or it was over already.
    pub(crate) async fn end_untouched(&self, id: crate::SessionId, judged: u64, receipt: &Receipt) -> Result<bool> {
        let Some(cell) = self.activity.cell(&id).filter(|cell| cell.begin_ending(judged, receipt.reason)) else {
            return Ok(false);
        };
        let ended = self.end_until_written(id, receipt).await;
        if ended.is_err() {
            cell.take_back(judged);
        }
        ended
    }

    async fn end_until_written(&self, id: crate::SessionId, receipt: &Receipt) -> Result<bool> {
        loop {
            let Some(read) = self.books.session(id).await? else { return Err(Error::NoSession(id)) };
            let Read { record: mut session, version } = read;
            if !session.is_living() {
                return Ok(false);
            }
            self.strike_closed(&mut session).await?;
            let mut rentals = self.rentals_of(&session).await?;
            let change = self.books.change().urgent();
            let change = self.add_ending(change, &mut session, &mut rentals, &[], receipt.clone());
            let due = self.session_due(&session);
            match change.session(&session, Expect::At(version), due).commit().await {
                Ok(_) => {
                    self.after_ending(&session);
                    return Ok(true);
                }
                Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What memory must know once an ending is written.
    pub(crate) fn after_ending(&self, session: &SessionRecord) {
        if !session.is_living() {
            self.give_turn_back(session);
        }
        match session.phase {
            SessionPhase::Ended { .. } => {
                self.activity.tell(&session.id);
                self.activity.forget(&session.id, session.key.as_deref());
            }
            SessionPhase::Ending { ref receipt } => {
                if let Some(cell) = self.activity.cell(&session.id) {
                    cell.is_ending(receipt.reason);
                }
            }
            SessionPhase::Waiting { .. } | SessionPhase::Served => {}
        }
    }
}
