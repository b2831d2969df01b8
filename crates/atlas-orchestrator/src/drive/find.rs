//! Finding out what became of a create that was not answered (rules P2, P3).

use std::sync::Arc;
use std::time::Duration;

use atlas_auth::Timestamp;
use atlas_core::{Compute, ComputeId, Intent, Money, Proof, proof};

use super::create::{bind, hold};
use super::{Held, put_off};
use crate::books::{Expect, Read};
use crate::events::{Event, What};
use crate::inner::Inner;
use crate::rental::{self, Holder, RentalPhase, RentalRecord, State, billed_since};
use crate::session::{Input, Reason, Receipt, step};
use crate::{Phase, RentalId, Result};

pub(crate) async fn find(inner: &Arc<Inner>, held: &Held, mut rental: Read<RentalRecord>) -> Result<()> {
    if inner.is_sending(rental.record.mark.token) {
        let due = inner.now().plus(inner.policy.start_interval);
        let change = inner.books.change().under(&held.key, held.fence);
        change.rental(&rental.record, Expect::At(rental.version), Some(due)).commit().await?;
        return Ok(());
    }
    // Whoever sent it does so no more: nothing is sent from now on.
    let now = inner.now();
    rental.record.not_after = rental.record.not_after.min(now);
    let provider = match inner.account(&rental.record.provider) {
        Ok(provider) => provider,
        Err(error) => return put_off(inner, held, rental, &error, Duration::ZERO).await,
    };
    if !inner.acts_in_scope(&provider, &rental.record).await? {
        let words = "the account acts under another key now, so nothing it says proves anything";
        return put_off(inner, held, rental, words, Duration::ZERO).await;
    }
    let token = rental.record.mark.token;
    let found = match inner.bounded(provider.find_spawned(&inner.call(), token)).await {
        Ok(found) => found,
        Err(error) => {
            let at_least = error.retry_after().unwrap_or_default();
            return put_off(inner, held, rental, &error, at_least).await;
        }
    };
    let mut matches = found.matches;
    matches.sort_by_key(|compute| (compute.created_at, compute.id.clone()));
    if !matches.is_empty() {
        return bind_found(inner, held, rental, matches).await;
    }
    let settled = proof::settled_at(provider.traits(), rental.record.not_after);
    rental.record.absence.forget_before(settled);
    if found.complete && now >= settled {
        let scope = rental.record.scope.clone();
        rental.record.absence.unlisted(now, &scope, &scope);
    }
    if rental.record.absence.proves_absent(settled) {
        return never_landed(inner, held, rental).await;
    }
    // A listing apart from the last one, once the cloud has settled.
    let due = settled.max(now).plus(proof::LISTINGS_APART);
    rental.record.failures = 0;
    let change = inner.books.change().under(&held.key, held.fence);
    // Of one that is ending it is part of the ending: it must fit on a full disk too.
    let change = if rental.record.state() == State::Unfound { change.urgent() } else { change };
    change.rental(&rental.record, Expect::At(rental.version), Some(due)).commit().await?;
    Ok(())
}

/// After a crash: whoever sent these creates has died with the answers, so they are searched for now and not when their
/// time is up. One that cannot be written is searched for then.
pub(crate) async fn search_at_once(inner: &Arc<Inner>, unanswered: &[RentalId]) {
    for id in unanswered {
        if let Err(error) = search_now(inner, *id).await {
            tracing::warn!(rental = %id, %error, "a create without an answer cannot be searched for yet");
        }
    }
}

async fn search_now(inner: &Inner, id: RentalId) -> Result<()> {
    if let Some(Read { record, version }) = inner.books.rental(id).await? {
        let due = Some(inner.now());
        inner.books.change().urgent().rental(&record, Expect::At(version), due).commit().await?;
    }
    Ok(())
}

/// The oldest is bound before any endpoint is handed out; the others are rentals without a holder (P3).
async fn bind_found(inner: &Arc<Inner>, held: &Held, rental: Read<RentalRecord>, matches: Vec<Compute>) -> Result<()> {
    let Read { record: mut rental, version } = rental;
    let now = inner.now();
    let mut matches = matches.into_iter();
    let Some(oldest) = matches.next() else { return Ok(()) };
    bind(&mut rental, &Machine::from(&oldest), now);
    rental.was_read = true;
    rental.was_marked = true;
    let mut change = inner.books.change().urgent().under(&held.key, held.fence);
    let twins: Vec<_> = (1..)
        .zip(matches)
        .map(|(twin, other)| RentalRecord {
            was_read: true,
            was_marked: true,
            ..twin_of(&rental, twin, &Machine::from(&other), now)
        })
        .collect();
    for twin in &twins {
        change = change.rental(twin, Expect::New, Some(now));
    }
    change = change.rental(&rental, Expect::At(version), Some(now));
    if let Holder::Session(id) = rental.holder
        && let Some(mut session) = inner.books.session(id).await?
    {
        if hold(inner, &mut session.record, &rental) {
            change = change.event(&Event::of_session(now, id, What::Phase { phase: Phase::Starting }));
        }
        for twin in &twins {
            session.record.pay_for(twin);
        }
        let due = inner.session_due(&session.record);
        change = change.session(&session.record, Expect::At(session.version), due);
    }
    change.commit().await?;
    Ok(())
}

/// What is known of a machine when it is found.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) id: ComputeId,
    /// When its cloud says that it was made.
    pub(crate) made: Option<Timestamp>,
    pub(crate) price: Option<Money>,
}

impl Machine {
    /// One that an error names: no more is known of it.
    pub(crate) fn named(id: &ComputeId) -> Self {
        Self { id: id.clone(), made: None, price: None }
    }
}

impl From<&Compute> for Machine {
    fn from(shown: &Compute) -> Self {
        Self { id: shown.id.clone(), made: shown.created_at, price: shown.cost_per_hour }
    }
}

/// Another machine of the same create: a rental of its own, without a holder, on the bill of whoever pays for the first.
pub(crate) fn twin_of(rental: &RentalRecord, twin: u16, machine: &Machine, now: Timestamp) -> RentalRecord {
    let evidence = format!("machine {} is of a create that has its machine already", machine.id);
    let RentalRecord { mark, provider, scope, opened_at, not_after, .. } = rental.clone();
    let intent = Intent::machine(mark, &provider, scope, opened_at, not_after);
    let mut accrual = rental::Accrual::begin(billed_since(machine.made, opened_at, now), None);
    accrual.running(now, now, machine.price);
    RentalRecord {
        id: RentalId { token: rental.id.token, twin },
        phase: RentalPhase::Releasing { receipt: Receipt::new(Reason::Failed, evidence, "atlas", now) },
        compute: Some(machine.id.clone()),
        billed_to: rental.payer(),
        bound_at: Some(now),
        accrual,
        ..RentalRecord::open(&intent, Holder::Nobody)
    }
}

/// The create never landed: the rental is closed, and a living session gets another one (P2).
async fn never_landed(inner: &Arc<Inner>, held: &Held, rental: Read<RentalRecord>) -> Result<()> {
    let Read { record: mut rental, version } = rental;
    let (next, _) = rental::step(rental.state(), rental::Input::Absent);
    if next != State::Closed {
        return inner.books.release(&held.key, held.fence).await;
    }
    let now = inner.now();
    let why = rental.last_error.clone().unwrap_or_else(|| "it was not answered".to_owned());
    rental.close(Proof::Absent, now);
    let mut change = inner.books.change().urgent().under(&held.key, held.fence);
    change = change.rental(&rental, Expect::At(version), Some(now.plus(inner.policy.remember)));
    let mut over = None;
    if let Holder::Session(id) = rental.holder
        && let Some(Read { record: mut session, version }) = inner.books.session(id).await?
    {
        let was_current = session.lose(&rental, now);
        if was_current && step(session.state(), Input::NoMachine).0 == crate::session::State::Waiting {
            let error = format!("a create never landed: {why}");
            inner.pause_session(&mut session, error.clone(), Duration::ZERO);
            change = change.event(&Event::of_session(now, id, What::CreateRefused { error }));
        }
        change = inner.add_finish(change, &mut session);
        let due = inner.session_due(&session);
        change = change.session(&session, Expect::At(version), due);
        over = Some(session);
    }
    change.commit().await?;
    if let Some(session) = over {
        inner.after_ending(&session);
    }
    Ok(())
}
