//! Ending a machine that nobody holds, until its end is proven (rules P4, P15, O3).

use std::sync::Arc;
use std::time::Duration;

use atlas_core::{ComputeFilter, ComputeId, ComputeStatus, GoneRule, Proof, Provider};

use super::siblings::Siblings;
use super::{Held, is_gone, is_strangers};
use crate::books::{Expect, Read};
use crate::events::{Event, What};
use crate::inner::Inner;
use crate::rental::{self, Holder, RentalPhase, RentalRecord};
use crate::session::{SessionPhase, SessionRecord, Wait};
use crate::{Error, Result};

/// How long a cloud may take to begin an end that it accepted before that counts as a failure.
const ENDS_WITHIN: Duration = Duration::from_mins(2);

/// What one round found out.
enum Round {
    Proven,
    NotYet,
    /// It has another id now, which the rental names, for as long as no sibling takes it.
    Moved(Siblings),
    Failed(atlas_core::Error),
}

pub(crate) async fn release(inner: &Arc<Inner>, held: &Held, mut rental: Read<RentalRecord>) -> Result<()> {
    let Some(compute) = rental.record.compute.clone() else {
        return inner.books.release(&held.key, held.fence).await;
    };
    let provider = match inner.account(&rental.record.provider) {
        Ok(provider) => provider,
        Err(Error::Core(error)) => return failed(inner, held, rental, &error).await,
        Err(error) => return Err(error),
    };
    if !inner.acts_in_scope(&provider, &rental.record).await? {
        let error = atlas_core::Error::conflict(format!(
            "machine {compute} was rented under another key or account, so this one can neither end it nor prove its \
             end; restore that key, or write the rental off"
        ));
        return failed(inner, held, rental, &error).await;
    }
    // What speaks for its absence is part of the ending: it must fit on a full disk too.
    let change = inner.books.change().urgent().under(&held.key, held.fence);
    let change = match round(inner, &*provider, &mut rental.record, &compute).await {
        Round::Proven => return close(inner, held, rental).await,
        Round::NotYet => change,
        Round::Moved(siblings) => siblings.guard(change),
        Round::Failed(error) => return failed(inner, held, rental, &error).await,
    };
    rental.record.succeeded();
    let due = inner.now().plus(next_look(&*provider, &rental.record, inner));
    change.rental(&rental.record, Expect::At(rental.version), Some(due)).commit().await?;
    Ok(())
}

/// Reads, tells the cloud to end it, and reads again: 200 is not done (P15).
///
/// A machine that is missing is told all the same, once at least: the cloud may only hide it (P5).
async fn round(inner: &Inner, provider: &dyn Provider, rental: &mut RentalRecord, compute: &ComputeId) -> Round {
    let was_told = match (&rental.phase, rental.absence.since()) {
        (RentalPhase::Releasing { receipt }, Some(missing)) => missing >= receipt.at,
        _ => false,
    };
    let mut is_ending = false;
    match look(inner, provider, rental, compute).await {
        Ok(Look::Gone) => return Round::Proven,
        Ok(Look::Missing { proven: true }) if was_told => return Round::Proven,
        Ok(Look::Doubtful) => return Round::NotYet,
        Ok(Look::Moved(siblings)) => return Round::Moved(siblings),
        Ok(Look::Ending) => is_ending = true,
        Ok(Look::There | Look::Missing { .. }) => {}
        Err(error) => return Round::Failed(error),
    }
    match inner.bounded(provider.terminate(&inner.call(), compute)).await {
        Ok(()) => {}
        Err(error) if error.is_not_found() => {}
        // Whoever began to end it may have died over it, so the word is said again; that it is refused means nothing.
        Err(_) if is_ending => {}
        Err(error) => return Round::Failed(error),
    }
    match look(inner, provider, rental, compute).await {
        Ok(Look::Gone | Look::Missing { proven: true }) => Round::Proven,
        Ok(Look::There) if is_overdue(inner, provider, rental) => Round::Failed(atlas_core::Error::conflict(format!(
            "the cloud accepted the end of machine {compute} again and again, and it is still there"
        ))),
        Ok(Look::Moved(siblings)) => Round::Moved(siblings),
        Ok(Look::There | Look::Ending | Look::Doubtful | Look::Missing { proven: false }) => Round::NotYet,
        Err(error) => Round::Failed(error),
    }
}

/// Whether an end that was accepted should have shown by now (P15: 200 is not done).
fn is_overdue(inner: &Inner, provider: &dyn Provider, rental: &RentalRecord) -> bool {
    let RentalPhase::Releasing { receipt } = &rental.phase else { return false };
    inner.now().since(receipt.at) > provider.traits().settle_window.max(ENDS_WITHIN)
}

enum Look {
    Gone,
    There,
    /// It is on its way to gone, as its cloud says.
    Ending,
    /// It has another id now, which the rental names.
    Moved(Siblings),
    /// Neither proven gone nor proven ours.
    Doubtful,
    Missing {
        proven: bool,
    },
}

async fn look(
    inner: &Inner,
    provider: &dyn Provider,
    rental: &mut RentalRecord,
    compute: &ComputeId,
) -> atlas_core::Result<Look> {
    let scope = provider.scope(&inner.call());
    let asked_at = inner.now();
    match inner.bounded(provider.get(&inner.call(), compute)).await {
        Ok(found) if is_gone(&found.status) => return over(inner, provider, rental).await,
        Ok(found) if is_strangers(&found, rental) => {
            return if found.mark().is_some() || is_nowhere(inner, provider, rental, compute).await? {
                Ok(Look::Gone)
            } else {
                Ok(Look::Doubtful)
            };
        }
        Ok(found) => {
            rental.was_read = true;
            rental.was_marked |= found.mark().is_some();
            rental.absence.seen();
            // It bills until it is gone, at a price that perhaps no read has shown before.
            rental.count(&found, provider.traits(), asked_at, inner.now());
            return Ok(if found.status == ComputeStatus::Terminating { Look::Ending } else { Look::There });
        }
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error),
    }
    let asked = inner.same_account(provider.id(), &scope, &rental.scope);
    if asked && provider.traits().migrates {
        match whereabouts(inner, provider, rental).await? {
            Whereabouts::Nowhere => {}
            Whereabouts::Unknown => return Ok(Look::Missing { proven: false }),
            Whereabouts::At(moved, siblings) => return Ok(follow(rental, moved, siblings)),
        }
    }
    let scope = if asked { rental.scope.clone() } else { scope };
    rental.absence.missing(inner.now(), &scope, &rental.scope);
    if matches!(provider.traits().gone, GoneRule::TwoNotFounds { .. }) {
        let all = inner.bounded(provider.list(&inner.call(), &ComputeFilter::all())).await?;
        match all.iter().find(|listed| listed.id == *compute && !is_gone(&listed.status)) {
            Some(listed) if !is_strangers(listed, rental) => {
                rental.absence.seen();
                return Ok(Look::There);
            }
            _ => rental.absence.unlisted(inner.now(), &scope, &rental.scope),
        }
    }
    Ok(Look::Missing { proven: rental.is_proven_gone(provider.traits()) })
}

/// Its id reads as terminated. Where machines move, that may be the id alone.
async fn over(inner: &Inner, provider: &dyn Provider, rental: &mut RentalRecord) -> atlas_core::Result<Look> {
    if !provider.traits().migrates {
        return Ok(Look::Gone);
    }
    Ok(match whereabouts(inner, provider, rental).await? {
        Whereabouts::Nowhere => Look::Gone,
        // As good as ending: told once more, and a refusal of that means nothing.
        Whereabouts::Unknown => Look::Ending,
        Whereabouts::At(moved, siblings) => follow(rental, moved, siblings),
    })
}

/// Under its new id it is read, told and proven gone like any other.
fn follow(rental: &mut RentalRecord, moved: ComputeId, siblings: Siblings) -> Look {
    tracing::info!(rental = %rental.id, from = ?rental.compute, to = %moved, "a machine moved while it is ended");
    rental.compute = Some(moved);
    rental.absence.seen();
    Look::Moved(siblings)
}

/// Where a machine may be that its id does not lead to, at a cloud that moves machines to new ids.
enum Whereabouts {
    /// Under this id, to which none of its siblings is bound.
    At(ComputeId, Siblings),
    Nowhere,
    /// The search did not look everywhere, or what it found may be the machine of a sibling that is not being ended.
    Unknown,
}

async fn whereabouts(inner: &Inner, provider: &dyn Provider, rental: &RentalRecord) -> atlas_core::Result<Whereabouts> {
    let found = inner.bounded(provider.find_spawned(&inner.call(), rental.mark.token)).await?;
    let siblings = Siblings::of(inner, rental).await;
    let siblings = siblings.map_err(|error| atlas_core::Error::unknown(error.to_string()))?;
    let standing = found.matches.into_iter().filter(|found| !is_gone(&found.status));
    let elsewhere = standing.filter(|found| Some(&found.id) != rental.compute.as_ref());
    Ok(match siblings.unheld(elsewhere).into_iter().next() {
        // Its holder's watch takes it, for ended here it would be ended under a user; or, seen twice, the reaper does.
        Some(_) if siblings.may_keep_one() => Whereabouts::Unknown,
        Some(moved) => Whereabouts::At(moved.id, siblings),
        None if found.complete => Whereabouts::Nowhere,
        None => Whereabouts::Unknown,
    })
}

/// Whether a complete search shows the machine under its mark nowhere.
async fn is_nowhere(
    inner: &Inner,
    provider: &dyn Provider,
    rental: &RentalRecord,
    compute: &ComputeId,
) -> atlas_core::Result<bool> {
    let found = inner.bounded(provider.find_spawned(&inner.call(), rental.mark.token)).await?;
    Ok(found.complete && found.matches.iter().all(|found| found.id != *compute))
}

/// When the next look can bring something new: the longer it has taken, the later.
fn next_look(provider: &dyn Provider, rental: &RentalRecord, inner: &Inner) -> Duration {
    let policy = &inner.policy;
    let taken = match &rental.phase {
        RentalPhase::Releasing { receipt } => inner.now().since(receipt.at),
        _ => Duration::ZERO,
    };
    let pause = (taken / 8).clamp(policy.first_pause, policy.longest_pause.max(policy.first_pause));
    match (provider.traits().gone, rental.absence.since()) {
        (GoneRule::TwoNotFounds { apart }, Some(first)) => first.plus(apart).since(inner.now()).max(policy.first_pause),
        _ => pause,
    }
}

/// The cloud did not end it: tried again for ever, priced, visible.
async fn failed(
    inner: &Arc<Inner>,
    held: &Held,
    mut rental: Read<RentalRecord>,
    error: &atlas_core::Error,
) -> Result<()> {
    rental.record.failed(error);
    let now = inner.now();
    let pause = inner.pause(rental.record.failures).max(error.retry_after().unwrap_or_default());
    let event = What::TerminateFailed {
        compute: rental.record.compute.clone(),
        error: error.to_string(),
        failures: rental.record.failures,
    };
    let mut change = inner.books.change().urgent().under(&held.key, held.fence);
    // Told at the first, and then at each doubling: a machine that fails for days must not fill the events.
    if rental.record.failures.is_power_of_two() {
        change = change.event(&Event::of_rental(now, rental.record.payer(), rental.record.id, event));
    }
    change.rental(&rental.record, Expect::At(rental.version), Some(now.plus(pause))).commit().await?;
    Ok(())
}

/// The proof is there: the rental is closed, and with its last one the session has ended.
async fn close(inner: &Arc<Inner>, held: &Held, rental: Read<RentalRecord>) -> Result<()> {
    let (next, _) = rental::step(rental.record.state(), rental::Input::Gone);
    if next != rental::State::Closed {
        return inner.books.release(&held.key, held.fence).await;
    }
    inner.close_rental(rental, Proof::Gone, Some(held), None).await
}

impl Inner {
    /// Closes a rental by proof, in one commit with what that means for its session.
    pub(crate) async fn close_rental(
        &self,
        rental: Read<RentalRecord>,
        proof: Proof,
        held: Option<&Held>,
        event: Option<&Event>,
    ) -> Result<()> {
        let Read { record: mut rental, version } = rental;
        let now = self.now();
        rental.close(proof, now);
        let mut change = self.books.change().urgent();
        if let Some(held) = held {
            change = change.under(&held.key, held.fence);
        }
        if let Some(event) = event {
            change = change.event(event);
        }
        change = change.rental(&rental, Expect::At(version), Some(now.plus(self.policy.remember)));
        let mut over = None;
        if let Some(Read { record: mut session, version }) = self.payer_of(&rental).await? {
            let id = session.id;
            self.strike_closed(&mut session).await?;
            if session.lose(&rental, now) && session.is_living() {
                // An operator closed it under a session that still waits for it: it gets another.
                session.phase = SessionPhase::Waiting { wait: Wait::Turn };
            }
            if matches!(session.phase, SessionPhase::Ended { .. }) {
                let what = What::Billed { cost: session.closed_cost };
                change = change.event(&Event::of_rental(now, Some(id), rental.id, what));
            }
            change = self.add_finish(change, &mut session);
            let due = self.session_due(&session);
            change = change.session(&session, Expect::At(version), due);
            over = Some(session);
        }
        change.commit().await?;
        if let Some(session) = over {
            self.after_ending(&session);
        }
        Ok(())
    }

    /// The session on whose bill a rental is. One that cannot be read waits for its own rental, and keeps no twin open:
    /// what that cost is added when it can be read.
    async fn payer_of(&self, rental: &RentalRecord) -> Result<Option<Read<SessionRecord>>> {
        let Some(id) = rental.payer() else { return Ok(None) };
        match self.books.session(id).await {
            Err(Error::Unreadable { .. }) if rental.holder != Holder::Session(id) => Ok(None),
            session => session,
        }
    }

    /// Strikes off what was closed while the session could not be read: it would be waited for, for ever.
    pub(crate) async fn strike_closed(&self, session: &mut SessionRecord) -> Result<()> {
        let now = self.now();
        for id in session.rentals.clone() {
            match self.books.rental(id).await {
                Ok(Some(Read { record, .. })) if matches!(record.phase, RentalPhase::Closed { .. }) => {
                    session.lose(&record, now);
                }
                // Closed so long ago that it is forgotten, and what it cost with it.
                Ok(None) => {
                    session.rentals.retain(|other| *other != id);
                    session.unpriced.push(id);
                }
                Ok(Some(_)) | Err(Error::Unreadable { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
