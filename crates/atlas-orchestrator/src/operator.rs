//! What an operator does by hand: reconcile, adopt, write off, join scopes (rules O3, O5).

use std::sync::Arc;
use std::time::Duration;

use atlas_core::{ComputeId, Proof, ProviderId, TokenKind};

use crate::books::{Expect, Read};
use crate::events::{Event, What};
use crate::inner::Inner;
use crate::reaper::{ReapOptions, ReapReport, reap};
use crate::rental::{Holder, RentalPhase, RentalRecord};
use crate::session::{Reason, Receipt};
use crate::store::{CommitError, Key, Kind, RowKey};
use crate::{Error, Orchestrator, RentalId, Result, engine};

/// A machine that was taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Adopted {
    /// Its rental.
    pub rental: RentalId,
    /// The machine.
    pub compute: ComputeId,
}

/// Reconciles again and again, until the orchestrator closes.
pub(crate) async fn reap_regularly(inner: Arc<Inner>) {
    loop {
        tokio::select! {
            () = inner.closing.cancelled() => return,
            () = tokio::time::sleep(inner.policy.reap_interval) => {}
        }
        match engine::unless_it_panics(reap(&inner, ReapOptions::default())).await {
            Err(panic) => tracing::error!(panic, "the reaper met a provider that panics; it looks again later"),
            Ok(Ok(report)) => {
                for (provider, error) in report.unread {
                    tracing::warn!(%provider, %error, "an account gave no complete listing; nothing was judged there");
                }
            }
            Ok(Err(error)) => tracing::warn!(%error, "the reaper could not compare the clouds with the store"),
        }
    }
}

impl Orchestrator {
    /// One reconciliation now (rules O4, O5): what is ended, what was seen once, what is alien, and why.
    pub async fn reap(&self, options: ReapOptions) -> Result<ReapReport> {
        let inner = self.inner.clone();
        self.inner.owned(async move { reap(&inner, options).await }).await
    }

    /// Drives only what is searched for and what is being ended, until `timeout` is over: for an orchestrator that was
    /// opened without background. Returns how many rentals are still being ended.
    pub async fn finish_endings(&self, timeout: Duration) -> Result<usize> {
        let until = self.inner.now().plus(timeout);
        let mut left = self.releasing().await?;
        while left > 0 && self.inner.now() < until {
            engine::run_endings(&self.inner, Duration::from_millis(300)).await;
            left = self.releasing().await?;
        }
        Ok(left)
    }

    async fn releasing(&self) -> Result<usize> {
        let exposure = self.exposure().await?;
        Ok(exposure.items.iter().filter(|item| matches!(item.why, crate::Why::Releasing { .. })).count())
    }

    /// Takes a machine in that bears the mark of this deployment and that this store does not know: from now on it is a
    /// plain rental, watched and priced, and nothing ends it but [`end_rental`](Self::end_rental).
    pub async fn adopt(&self, provider: &ProviderId, compute: &ComputeId) -> Result<Adopted> {
        let (this, provider, compute) = (self.clone(), provider.clone(), compute.clone());
        self.inner.owned(async move { this.take_in(&provider, &compute).await }).await
    }

    async fn take_in(&self, provider: &ProviderId, compute: &ComputeId) -> Result<Adopted> {
        let account = self.inner.account(provider)?;
        let found = self.inner.bounded(account.get(&self.inner.call(), compute)).await?;
        let mark = found.mark().filter(|mark| mark.deployment == self.inner.deployment);
        if mark.is_none() {
            let message = format!("machine {compute} does not bear the mark of deployment {}", self.inner.deployment);
            return Err(Error::validation(message));
        }
        if mark.is_some_and(|mark| !matches!(mark.token.kind(), TokenKind::Session | TokenKind::Plain)) {
            return Err(Error::validation(format!(
                "machine {compute} was made by a newer Atlas: adopt it with that one"
            )));
        }
        let Some(record) = crate::reaper::rental_for(&self.inner, provider, &found)? else {
            return Err(Error::validation(format!("machine {compute} bears no mark")));
        };
        let now = self.inner.now();
        let what = What::Adopted { compute: compute.clone() };
        let mut change = self
            .inner
            .books
            .change()
            .rental(&record, Expect::New, Some(now))
            .event(&Event::of_rental(now, None, record.id, what));
        let sighting = RowKey::new(Kind::SIGHTING, format!("{provider}/{compute}"));
        if let Some(row) = self.inner.books.store().get(Key::Row(sighting.clone())).await? {
            // Whoever judged it by this sighting must judge anew (history 21).
            change = change.delete(sighting, row.version);
        }
        match change.commit().await {
            Ok(_) => Ok(Adopted { rental: record.id, compute: compute.clone() }),
            Err(CommitError::Conflict { .. }) => Err(Error::Core(atlas_core::Error::conflict(format!(
                "machine {compute} is known to this store already, or is being ended"
            )))),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends a plain rental: one that was adopted. Returns when that is durable; its machine is ended until it is proven
    /// gone, and also if it was closed by itself before. One that was ended and is proven gone is a `conflict`; a
    /// session's rental ends with its session.
    pub async fn end_rental(&self, rental: RentalId, why: &str) -> Result<()> {
        let (this, why) = (self.clone(), why.to_owned());
        self.inner.owned(async move { this.let_go(rental, &why).await }).await
    }

    async fn let_go(&self, rental: RentalId, why: &str) -> Result<()> {
        loop {
            let Read { mut record, version } = self.known_rental(rental).await?;
            if let Holder::Session(session) = record.holder {
                let message = format!("rental {rental} is of session {session}: end the session");
                return Err(Error::Core(atlas_core::Error::conflict(message)));
            }
            let now = self.inner.now();
            let receipt = Receipt::new(Reason::Asked, why, "a caller", now);
            // Nobody's from now on: should it come back after its end, it is a stray.
            let was_plain = std::mem::replace(&mut record.holder, Holder::Nobody) == Holder::Plain;
            match record.phase.clone() {
                // What was struck off may be there all the same, and no reconciliation ends an operator's machine.
                RentalPhase::Closed { at, .. } if was_plain && record.compute.is_some() => {
                    let counted = record.accrual.unpriced_since().unwrap_or(at);
                    record.reopen(receipt.clone(), counted);
                }
                RentalPhase::Closed { proof, at } => {
                    let message = format!("rental {rental} was closed at {at} ({proof}): nothing is left of it to end");
                    return Err(Error::Core(atlas_core::Error::conflict(message)));
                }
                _ if record.release(&receipt) => {}
                _ => return Ok(()),
            }
            let event = Event::of_rental(now, None, rental, What::Terminating { receipt });
            let change = self.inner.books.change().urgent().rental(&record, Expect::At(version), Some(now));
            match change.event(&event).commit().await {
                Err(CommitError::Conflict { .. }) => {}
                done => return Ok(done.map(|_| ())?),
            }
        }
    }

    async fn known_rental(&self, rental: RentalId) -> Result<Read<RentalRecord>> {
        self.inner
            .books
            .rental(rental)
            .await?
            .ok_or_else(|| Error::Core(atlas_core::Error::not_found(format!("no rental {rental} is known here"))))
    }

    /// Closes a rental by hand that no cloud will confirm. **Its machine may bill on unseen**: say why, for the receipt.
    pub async fn write_off(&self, rental: RentalId, why: &str) -> Result<()> {
        if why.trim().is_empty() {
            return Err(Error::validation("say why the rental is written off: it is the only evidence there will be"));
        }
        let (this, why) = (self.clone(), why.to_owned());
        self.inner.owned(async move { this.close_by_hand(rental, &why).await }).await
    }

    async fn close_by_hand(&self, rental: RentalId, why: &str) -> Result<()> {
        loop {
            let read = self.known_rental(rental).await?;
            let Read { record, .. } = &read;
            if self.inner.is_sending(record.mark.token) {
                let message = format!("the create of rental {rental} is under way: wait for its answer");
                return Err(Error::Core(atlas_core::Error::conflict(message)));
            }
            let (next, _) = crate::rental::step(record.state(), crate::rental::Input::WrittenOff);
            if next == record.state() {
                return Ok(());
            }
            if record.power().is_some() && matches!(record.holder, Holder::Session(_)) {
                let message = format!("rental {rental} serves a living session: end the session first");
                return Err(Error::Core(atlas_core::Error::conflict(message)));
            }
            let now = self.inner.now();
            let event = Event::of_rental(now, None, rental, What::WrittenOff { why: why.to_owned() });
            match self.inner.close_rental(read, Proof::WrittenOff, None, Some(&event)).await {
                Ok(()) => return Ok(()),
                Err(Error::Commit(CommitError::Conflict { .. })) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Says, by an operator's word, that the account acts for the same owner as when its rentals were made: for a
    /// rotated key that nothing else can vouch for (rule O3).
    pub async fn join_scope(&self, provider: &ProviderId, rental: RentalId) -> Result<()> {
        let account = self.inner.account(provider)?;
        let read = self.known_rental(rental).await?;
        let scopes = [account.scope(&self.inner.call()), read.record.scope];
        let (inner, provider) = (self.inner.clone(), provider.clone());
        self.inner.owned(async move { inner.join_scopes(&provider, &scopes).await }).await
    }
}
