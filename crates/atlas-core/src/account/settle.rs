//! Carrying on what another process left behind: one step for one record (rules O1, O4, P2).

use std::time::Duration;

use atlas_auth::Timestamp;

use super::Account;
use super::evidence::Look;
use crate::intents::{IntentPhase, Whose};
use crate::{ComputeId, IntentRecord, Intents, Proof, RecordKey, RentalKind, Rented, Result, proof};

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
    /// A machine, volume or endpoint of somebody who rented it by hand: shown, priced, never ended by itself.
    Plain(Box<Rented>),
    /// It is not found; not yet proven gone.
    Missing,
    /// It is being ended, and its end is not yet proven.
    Releasing,
    /// It was closed, and a machine or endpoint of it, or a volume that was to be ended, was seen all the same; ended if it
    /// is seen again after this moment.
    SeenAfterClose {
        /// What was seen.
        rented: Box<Rented>,
        /// When a second sighting ends it.
        due: Timestamp,
    },
    /// Nothing of it is left.
    Closed(Proof),
}

impl Account {
    /// The records of this account that no store tracks, oldest first, closed ones of the last day too. Those that cannot
    /// be read are [`Atlas::unreadable`](crate::Atlas::unreadable).
    pub async fn records(&self) -> Result<Vec<IntentRecord>> {
        let provider = self.provider.id().clone();
        self.on_disk(move |intents| {
            intents.forget_old()?;
            Ok(intents.all()?.into_iter().filter(|record| record.intent.provider == provider).collect())
        })
        .await
    }

    /// Takes one step with a record, of whatever kind: finds a create whose answer was lost, proves what is gone, goes on
    /// ending what is being ended. Never ends a plain machine that nobody asked to end, unless its spawn failed, and never
    /// a volume that its maker was told of. Repeats safely; the record is read again first. A cloud that does not answer
    /// within three minutes is a `timeout`.
    ///
    /// A machine that appears after its record was closed is ended at the second sighting, `grace` after the first: any of
    /// a create that never had an answer, otherwise the one that was to be ended. One that had only seemed to be gone, or
    /// a copy that somebody made, is shown again. So it is with endpoints; and with volumes, but that one which nobody
    /// asked to end is kept however late it appears: somebody may have filled it.
    pub async fn settle(&self, record: &IntentRecord, grace: Duration) -> Result<Settled> {
        self.step("settle", self.settle_step(record, grace)).await
    }

    /// Whether [`settle`](Self::settle) could judge this record by what this account answers; else the `conflict` that it
    /// would end with. Reads only.
    pub async fn can_settle(&self, record: &IntentRecord) -> Result<()> {
        if self.made_nothing_elsewhere(record).is_some() {
            return Ok(());
        }
        self.step("settle", async { self.joins(record).await.map(drop) }).await
    }

    /// The proof of a create that made nothing under another scope: what an account said to it, or never heard, stays true
    /// whichever key is used now. Under its own scope it is watched on.
    fn made_nothing_elsewhere(&self, record: &IntentRecord) -> Option<Proof> {
        match record.phase {
            IntentPhase::Closed { proof: proof @ (Proof::Refused | Proof::NotSent), .. } => {
                (self.provider.scope(&self.context) != record.intent.scope).then_some(proof)
            }
            IntentPhase::Open
            | IntentPhase::Bound { .. }
            | IntentPhase::Releasing { .. }
            | IntentPhase::Closed { .. } => None,
        }
    }

    async fn settle_step(&self, record: &IntentRecord, grace: Duration) -> Result<Settled> {
        let (key, is_open) = (record.key(), record.phase == IntentPhase::Open);
        // Asked before the record is read: a sender writes its answer down before it lets go.
        let token = record.intent.token();
        if is_open && self.on_disk(move |intents| intents.is_being_sent(token)).await? {
            return Ok(Settled::BeingSent);
        }
        let read = self.on_disk(move |intents| intents.get(key)).await?;
        let Some(record) = read else { return Ok(Settled::Closed(Proof::Gone)) };
        if let Some(proof) = self.made_nothing_elsewhere(&record) {
            return Ok(Settled::Closed(proof));
        }
        let record = self.in_scope(record).await?;
        match record.phase.clone() {
            IntentPhase::Open => self.settle_open(record).await,
            IntentPhase::Bound { compute } => self.settle_bound(record, &compute).await,
            IntentPhase::Releasing { .. } => {
                if self.release_step(record.key()).await? {
                    Ok(Settled::Closed(Proof::Gone))
                } else {
                    Ok(Settled::Releasing)
                }
            }
            IntentPhase::Closed { proof, .. } => self.settle_closed(record, proof, grace).await,
        }
    }

    async fn settle_open(&self, mut record: IntentRecord) -> Result<Settled> {
        let token = record.intent.token();
        // A search that takes long tells of the moment at which it began.
        let asked = self.now();
        let found = self.find(record.intent.kind, token).await?;
        // Several can only be a cloud's duplicate or a human's clone: all bear a plain mark, so all are shown.
        if let Some(oldest) = self.unheld(found.matches, record.key()).await?.into_iter().next() {
            self.surroundings.intents.bound(token, &oldest.id).await?;
            return Ok(Settled::Plain(Box::new(oldest)));
        }
        // Nobody holds its order any more, so nothing is sent any more: only what is under way may still land.
        record.intent.not_after = record.intent.not_after.min(asked);
        let settled = proof::settled_at(self.provider.traits(), record.intent.not_after);
        record.absence.forget_before(settled);
        if found.complete && asked >= settled {
            record.absence.unlisted(asked, &record.intent.scope, &record.intent.scope);
        }
        if record.absence.proves_absent(settled) {
            return self.close(record, Proof::Absent).await;
        }
        self.on_disk(move |intents| intents.never_after(&record)).await?;
        Ok(Settled::MayLand { until: settled.max(self.now()).plus(proof::LISTINGS_APART) })
    }

    async fn settle_bound(&self, mut record: IntentRecord, id: &ComputeId) -> Result<Settled> {
        let (scope, asked) = (self.provider.scope(&self.context), self.now());
        let look = match self.read(record.intent.kind, id).await {
            Ok(rented) if rented.is_gone() || record.whose(&rented) == Whose::Strangers => {
                self.over(&record, id).await?
            }
            Ok(rented) => {
                let is_unclear = record.whose(&rented) == Whose::Unclear;
                record.sees(&rented);
                record.unclear = is_unclear;
                self.on_disk(move |intents| intents.observed(&record)).await?;
                return Ok(Settled::Plain(Box::new(rented)));
            }
            Err(error) if error.is_not_found() => self.missing(&mut record, id, &scope, asked).await?,
            Err(error) => return Err(error),
        };
        let (key, seen) = (record.key(), record.clone());
        self.on_disk(move |intents| intents.observed(&seen)).await?;
        match look {
            Look::Gone => self.close(record, Proof::Gone).await,
            Look::Moved(moved) => {
                self.follow(key, &moved.id).await?;
                Ok(Settled::Plain(moved))
            }
            Look::NotYet => Ok(Settled::Missing),
        }
    }

    async fn settle_closed(&self, record: IntentRecord, proof: Proof, grace: Duration) -> Result<Settled> {
        // What was only taken over to be ended is not watched: other machines of its token are somebody else's.
        if record.taken_over {
            return Ok(Settled::Closed(proof));
        }
        let found = self.find(record.intent.kind, record.intent.token()).await?;
        let matches = self.unheld(found.matches, record.key()).await?;
        let ours = matches.iter().find(|rented| record.stands_for(&rented.id)).cloned();
        let Some(late) = ours else {
            // A human's copy of a machine that was ended is a plain machine like any other (rule O6).
            let copy = matches.into_iter().next();
            return Ok(copy.map_or(Settled::Closed(proof), |copy| Settled::Plain(Box::new(copy))));
        };
        // Nobody asked to end it: its cloud had only lost sight of it (history 6).
        let was_lost = proof == Proof::Gone && record.receipt.is_none();
        // Its maker, told that the create failed, may have found it in the listing and filled it. One too many costs cents
        // and is seen; what was on one that is deleted is lost.
        let may_hold_data = record.intent.kind == RentalKind::Volume && record.receipt.is_none();
        if was_lost || may_hold_data {
            self.follow(record.key(), &late.id).await?;
            return Ok(Settled::Plain(Box::new(late)));
        }
        let (key, id) = (record.key(), late.id.clone());
        let first = self.on_disk(move |intents| intents.seen_after_close(key, &id)).await?;
        let due = first.plus(grace);
        if self.now() >= due && first < self.now() {
            let why = "it appeared after its record was closed";
            self.on_disk(move |intents| intents.reopen(key, &late.id, why)).await?;
            return Ok(Settled::Releasing);
        }
        Ok(Settled::SeenAfterClose { rented: Box::new(late), due })
    }

    /// Says that what was recorded is shown under this id.
    async fn follow(&self, key: RecordKey, id: &ComputeId) -> Result<()> {
        let id = id.clone();
        self.on_disk(move |intents| intents.moved(key, &id)).await
    }

    /// Closes a record, unless another process has carried it on meanwhile; then says how far.
    async fn close(&self, judged: IntentRecord, proof: Proof) -> Result<Settled> {
        Ok(match self.on_disk(move |intents| intents.close(&judged, proof)).await?.phase {
            IntentPhase::Closed { proof, .. } => Settled::Closed(proof),
            IntentPhase::Open => Settled::BeingSent,
            IntentPhase::Bound { .. } => Settled::Missing,
            IntentPhase::Releasing { .. } => Settled::Releasing,
        })
    }
}
