//! Carrying on what another process left behind: one step for one record (rules O1, O4, P2).

use std::time::Duration;

use atlas_auth::Timestamp;

use super::Account;
use crate::intents::IntentPhase;
use crate::{Compute, ComputeStatus, Effect, Error, IntentRecord, Intents, Proof, Result, proof};

/// What one step found out about a record.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Settled {
    /// Its process is still at it.
    BeingSent,
    /// The cloud does not show it, and it may still land until this moment.
    MayLand {
        /// When a listing will prove something.
        until: Timestamp,
    },
    /// A machine of somebody who spawned it by hand: shown, priced, never ended by itself.
    Plain(Box<Compute>),
    /// Its machine is not found; not yet proven gone.
    Missing,
    /// It is being ended, and its end is not yet proven.
    Releasing,
    /// It was closed, and a machine of it was seen all the same; ended if it is seen again after this moment.
    SeenAfterClose {
        /// The machine.
        compute: Box<Compute>,
        /// When a second sighting ends it.
        due: Timestamp,
    },
    /// Nothing of it is left.
    Closed(Proof),
}

impl Account {
    /// The records of this account that no store tracks, oldest first, closed ones of the last day too.
    pub async fn records(&self) -> Result<Vec<IntentRecord>> {
        let (intents, provider) = (self.surroundings.intents.clone(), self.provider.id().clone());
        crate::intents::blocking(move || {
            intents.forget_old()?;
            Ok(intents.all()?.into_iter().filter(|record| record.intent.provider == provider).collect())
        })
        .await
    }

    /// Takes one step with a record: finds a create whose answer was lost, proves what is gone, goes on ending what is
    /// being ended. Never ends a plain machine whose spawn succeeded. Repeats safely.
    ///
    /// A machine that appears after its record was closed is ended at the second sighting, `grace` after the first.
    pub async fn settle(&self, record: &IntentRecord, grace: Duration) -> Result<Settled> {
        let scope = self.provider.scope(&self.context);
        if scope != record.intent.scope {
            return Err(Error::conflict(format!(
                "rental {} was made under {} and this account now acts under {scope}: its answers prove nothing",
                record.intent.token(),
                record.intent.scope
            ))
            .with_effect(Effect::NotSent)
            .with_provider(self.provider.id()));
        }
        match &record.phase {
            IntentPhase::Open => self.settle_open(record).await,
            IntentPhase::Bound { compute } => match self.provider.get(&self.context, compute).await {
                Ok(compute) if compute.status == ComputeStatus::Terminated => self.close(record, Proof::Gone).await,
                Ok(compute) => {
                    let mut absence = record.absence.clone();
                    absence.seen();
                    self.surroundings.intents.observed(record.intent.token(), &absence)?;
                    Ok(Settled::Plain(Box::new(compute)))
                }
                Err(error) if error.is_not_found() => self.settle_missing(record).await,
                Err(error) => Err(error),
            },
            IntentPhase::Releasing { .. } => {
                if self.release_step(record.intent.token()).await? {
                    Ok(Settled::Closed(Proof::Gone))
                } else {
                    Ok(Settled::Releasing)
                }
            }
            IntentPhase::Closed { proof, .. } => self.settle_closed(record, *proof, grace).await,
        }
    }

    async fn settle_open(&self, record: &IntentRecord) -> Result<Settled> {
        let token = record.intent.token();
        let intents = &self.surroundings.intents;
        if intents.is_being_sent(token)? {
            return Ok(Settled::BeingSent);
        }
        let found = self.provider.find_spawned(&self.context, token).await?;
        // Several can only be a cloud's duplicate or a human's clone: all bear a plain mark, so all are shown.
        if let Some(oldest) = found.matches.into_iter().min_by_key(|compute| (compute.created_at, compute.id.clone())) {
            intents.bound(token, &oldest.id).await?;
            return Ok(Settled::Plain(Box::new(oldest)));
        }
        // Its sender is dead, so nothing is sent any more: only what is under way may still land.
        let not_after = record.intent.not_after.min(self.now());
        let settled = proof::settled_at(self.provider.traits(), not_after);
        let mut absence = record.absence.clone();
        absence.forget_before(settled);
        if found.complete && self.now() >= settled {
            absence.unlisted(self.now(), &record.intent.scope, &record.intent.scope);
        }
        if absence.proves_absent(settled) {
            return self.close(record, Proof::Absent).await;
        }
        intents.never_after(token, not_after, &absence)?;
        Ok(Settled::MayLand { until: settled.max(self.now()).plus(proof::LISTINGS_APART) })
    }

    async fn settle_missing(&self, record: &IntentRecord) -> Result<Settled> {
        let token = record.intent.token();
        let found = self.provider.find_spawned(&self.context, token).await?;
        if let Some(moved) = found.matches.into_iter().next() {
            self.surroundings.intents.moved(token, &moved.id)?;
            return Ok(Settled::Plain(Box::new(moved)));
        }
        let mut absence = record.absence.clone();
        absence.missing(self.now(), &record.intent.scope, &record.intent.scope);
        if found.complete {
            absence.unlisted(self.now(), &record.intent.scope, &record.intent.scope);
        }
        self.surroundings.intents.observed(token, &absence)?;
        if absence.proves_gone(self.provider.traits(), record.intent.opened_at, false) {
            return self.close(record, Proof::Gone).await;
        }
        Ok(Settled::Missing)
    }

    async fn settle_closed(&self, record: &IntentRecord, proof: Proof, grace: Duration) -> Result<Settled> {
        let token = record.intent.token();
        let found = self.provider.find_spawned(&self.context, token).await?;
        let Some(late) = found.matches.into_iter().next() else { return Ok(Settled::Closed(proof)) };
        let first = self.surroundings.intents.seen_after_close(token)?;
        let due = first.plus(grace);
        if self.now() >= due && first < self.now() {
            self.surroundings.intents.reopen(token, &late.id, "it appeared after its record was closed")?;
            return Ok(Settled::Releasing);
        }
        Ok(Settled::SeenAfterClose { compute: Box::new(late), due })
    }

    async fn close(&self, record: &IntentRecord, proof: Proof) -> Result<Settled> {
        self.surroundings.intents.closed(record.intent.token(), proof).await?;
        Ok(Settled::Closed(proof))
    }
}
