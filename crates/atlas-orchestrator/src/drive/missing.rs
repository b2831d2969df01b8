//! A held machine that is not found, or said to be terminated: missing first, lost late, and moved if it has only a new
//! id (rule P5).

use std::time::Duration;

use atlas_auth::Timestamp;
use atlas_core::{Compute, ComputeId, Proof};

use super::put_off;
use super::siblings::Siblings;
use super::watch::Watched;
use crate::Result;
use crate::books::{Expect, Read};
use crate::breaker;
use crate::events::{Event, What};
use crate::inner::Inner;
use crate::rental::{Holder, Input, Power, RentalPhase, RentalRecord, billed_since};
use crate::request::OnLoss;
use crate::session::{self, Reason, Receipt, SessionRecord};
use crate::store::{Cursor, Kind, Range};

/// From how many missing machines on an account counts as the likelier cause (rule P5).
const MANY: u64 = 3;

/// What a read says of a machine that it does not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    /// It is not there, or a stranger has its id.
    NotFound,
    /// It is terminated.
    Terminated,
}

impl Watched<'_> {
    /// The machine goes, and its holder loses it.
    pub(super) async fn free_holder(self, reason: Reason, evidence: String) -> Result<()> {
        let inner = self.inner;
        let now = inner.now();
        if self.rental.record.holder == Holder::Plain {
            return self.close_plain().await;
        }
        let Read { record: mut rental, version } = self.rental;
        let receipt = Receipt::new(reason, evidence.clone(), "atlas", now);
        rental.release_by(if reason == Reason::Lost { Input::Lost } else { Input::Over }, &receipt);
        let mut change = inner.books.change().urgent().under(&self.held.key, self.held.fence);
        change = change.rental(&rental, Expect::At(version), Some(now));
        if reason == Reason::Lost
            && let Some(compute) = rental.compute.clone()
        {
            let session = self.session.as_ref().map(|read| read.record.id);
            change = change.event(&Event::of_rental(now, session, rental.id, What::Lost { compute }));
        }
        let Some(Read { record: mut session, version }) = self.session else {
            change.commit().await?;
            return Ok(());
        };
        let failed_start = !session.is_proven;
        // An earlier version kept it with the rental alone, and the next machine's must be higher (P12).
        session.note_generation(Some(rental.generation));
        let replaced = reason == Reason::Lost && replace(inner, &mut session, &evidence);
        if !replaced {
            let mut others = inner.rentals_of(&session).await?;
            others.retain(|other| other.record.id != rental.id);
            change = inner.add_ending(change, &mut session, &mut others, std::slice::from_ref(&rental), receipt);
        }
        let due = inner.session_due(&session);
        change.session(&session, Expect::At(version), due).commit().await?;
        inner.after_ending(&session);
        if failed_start {
            inner.note_failure(&session, &evidence).await?;
        }
        Ok(())
    }

    /// A plain machine is gone: nothing is ended, its record is closed.
    async fn close_plain(self) -> Result<()> {
        let event = self.rental.record.compute.clone().map(|compute| self.event(What::Lost { compute }));
        self.inner.close_rental(self.rental, Proof::Gone, Some(self.held), event.as_ref()).await
    }

    /// The machine is not shown: not lost yet, and perhaps only moved (P5).
    pub(super) async fn silent(self, compute: &ComputeId, silence: Silence) -> Result<()> {
        let inner = self.inner;
        let found = match inner.bounded(self.provider.find_spawned(&inner.call(), self.rental.record.mark.token)).await
        {
            Ok(found) => found,
            Err(error) => return put_off(inner, self.held, self.rental, &error, Duration::ZERO).await,
        };
        let mut matches = found.matches;
        matches.sort_by_key(|found| (found.created_at, found.id.clone()));
        // A listing that shows it under the very id says more than a read that does not.
        if let Some(at) = matches.iter().position(|found| found.id == *compute) {
            return Box::pin(self.seen(matches.swap_remove(at))).await;
        }
        let siblings = Siblings::of(inner, &self.rental.record).await?;
        if let Some(moved) = siblings.unheld(matches).into_iter().next() {
            return self.rebind(moved, &siblings).await;
        }
        let first = self.rental.record.doubted_since().is_none();
        match silence {
            Silence::Terminated => Box::pin(self.terminated(compute, found.complete, first)).await,
            Silence::NotFound => Box::pin(self.missing(compute, found.complete, first)).await,
        }
    }

    /// A read says that it is terminated, and no listing shows it elsewhere: where machines move, that counts only if the
    /// search for it was complete.
    async fn terminated(mut self, compute: &ComputeId, complete: bool, first: bool) -> Result<()> {
        let now = self.inner.now();
        if self.is_believed_over(now) && (complete || !self.provider.traits().migrates) {
            let evidence = format!("the cloud says that machine {compute} is terminated");
            return self.free_holder(Reason::Lost, evidence).await;
        }
        let due = self.hear_again(now);
        self.rental.record.over_since = Some(self.over_since(now));
        let what = first.then(|| self.event(What::Missing { compute: compute.clone() }));
        self.write_silence(due, what).await
    }

    async fn missing(mut self, compute: &ComputeId, complete: bool, first: bool) -> Result<()> {
        let inner = self.inner;
        let now = inner.now();
        let rental = &mut self.rental.record;
        let scope = rental.scope.clone();
        rental.absence.missing(now, &scope, &scope);
        if complete {
            rental.absence.unlisted(now, &scope, &scope);
        }
        let since = *rental.missing_since.get_or_insert(now);
        let missing_for = now.since(since);
        let long_enough =
            missing_for >= inner.policy.lost_after && complete && rental.is_proven_gone(self.provider.traits());
        let is_plain = self.rental.record.holder == Holder::Plain;
        if long_enough && (is_plain || !many_missing(inner, &self.rental.record).await?) {
            let evidence = format!("machine {compute} was not found for {}", words(missing_for));
            return self.free_holder(Reason::Lost, evidence).await;
        }
        let again = inner.policy.watch_interval.min(inner.policy.lost_after / 4);
        let event = if first {
            Some(self.event(What::Missing { compute: compute.clone() }))
        } else if long_enough && missing_for < inner.policy.lost_after + again {
            // Told once: what is missing for days must not fill the events.
            let machines = count(inner, &self.rental.record, "missing").await?;
            let what = What::ManyMissing { provider: self.rental.record.provider.clone(), machines };
            Some(Event::of_deployment(now, what))
        } else {
            None
        };
        self.write_silence(now.plus(again), event).await
    }

    fn event(&self, what: What) -> Event {
        let session = self.session.as_ref().map(|read| read.record.id);
        Event::of_rental(self.inner.now(), session, self.rental.record.id, what)
    }

    async fn write_silence(self, due: Timestamp, event: Option<Event>) -> Result<()> {
        let mut change = self.inner.books.change().under(&self.held.key, self.held.fence);
        if let Some(event) = &event {
            change = change.event(event);
        }
        if let Some(Read { record: mut session, version }) = self.session
            && session.note_ready(false, self.inner.now())
        {
            change = change.session(&session, Expect::At(version), Some(self.inner.now()));
        }
        change.rental(&self.rental.record, Expect::At(self.rental.version), Some(due)).commit().await?;
        Ok(())
    }

    /// The cloud moved the machine to a new id: the rental follows, and its endpoint is read anew.
    async fn rebind(mut self, moved: Compute, siblings: &Siblings) -> Result<()> {
        let now = self.inner.now();
        let rental = &mut self.rental.record;
        if !self.provider.traits().migrates {
            // Such a cloud moves nothing: this is a second machine of the create, and has billed beside the first.
            let since = billed_since(moved.created_at, rental.opened_at, now);
            rental.accrual.beside(since, now, moved.cost_per_hour);
        }
        rental.compute = Some(moved.id.clone());
        rental.settle_doubt();
        rental.absence.seen();
        let power = match rental.power() {
            Some(Power::Up) | None => Power::Starting,
            Some(other) => other,
        };
        if let Some(read) = &mut self.session {
            read.record.starting_since.get_or_insert(now);
        }
        let session = self.session.clone();
        let held = self.held;
        let inner = self.inner;
        let Read { record: mut rental, version } = self.rental;
        rental.phase = RentalPhase::Held { power, published: None };
        let id = rental.id;
        let mut change = siblings.guard(inner.books.change().under(&held.key, held.fence));
        change = change.rental(&rental, Expect::At(version), Some(now));
        let what = What::Found { compute: moved.id };
        change = change.event(&Event::of_rental(now, session.as_ref().map(|read| read.record.id), id, what));
        if let Some(Read { record, version }) = session {
            change = change.session(&record, Expect::At(version), Some(now));
        }
        change.commit().await?;
        Ok(())
    }
}

/// The session waits for another machine, if it shall have one. What its user stopped lived on its disk alone, and that
/// is gone: nothing is rented in its place.
fn replace(inner: &Inner, session: &mut SessionRecord, why: &str) -> bool {
    let (next, _) = session::step(session.state(), session::Input::Replace);
    let stopped_by_its_user = session.stopped && !session.found_stopped;
    if next != session::State::Waiting || session.on_loss != OnLoss::Replace || stopped_by_its_user {
        return false;
    }
    if !session.is_proven {
        session.failed_starts = session.failed_starts.saturating_add(1);
    }
    inner.pause_session(session, why.to_owned(), breaker::pause(session.failed_starts));
    session.current = None;
    // One that never became ready has been starting all the time.
    session.starting_since.get_or_insert(inner.now());
    session.ready_since = None;
    session.is_proven = false;
    session.stopped = false;
    session.found_stopped = false;
    true
}

fn words(span: Duration) -> String {
    atlas_core::duration::format(Duration::from_secs(span.as_secs()))
}

/// Whether so many machines of the account are missing at once that the account is the likelier cause.
async fn many_missing(inner: &Inner, rental: &RentalRecord) -> Result<bool> {
    let missing = count(inner, rental, "missing").await?;
    Ok(missing >= MANY && missing >= count(inner, rental, "held").await?)
}

async fn count(inner: &Inner, rental: &RentalRecord, phase: &str) -> Result<u64> {
    let mut cursor = Cursor::START;
    let mut counted: u64 = 0;
    loop {
        let range = Range::Rows { kind: Some(Kind::RENTAL), phase: Some(phase.to_owned()) };
        let page = inner.books.store().scan(range, cursor, 1000).await?;
        let next = page.next.clone();
        let rows = page.into_rows();
        let here = rows.iter().filter(|row| row.account.as_deref() == Some(rental.provider.as_str())).count();
        counted += u64::try_from(here).unwrap_or(u64::MAX);
        match next {
            Some(next) => cursor = next,
            None => return Ok(counted),
        }
    }
}
