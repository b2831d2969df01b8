//! What an answer of the cloud may count for (rules O3, P4): under which scope it was given, whose machine it shows, and
//! which of several machines of one create no record holds.

use super::Account;
use crate::intents::{IntentPhase, IntentRecord, Whose};
use crate::{
    Compute, ComputeFilter, ComputeId, ComputeStatus, Effect, Error, FileIntents, GoneRule, RecordKey, Result, Scope,
    SpawnToken,
};

/// What one look at a machine that must go found.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Look {
    /// It is proven gone.
    Gone,
    /// It is there, or nothing is proven: its cloud was told once more.
    NotYet,
    /// Its cloud has given it another id: here it is.
    Moved(Box<Compute>),
}

impl Account {
    /// The record, if this account's answers mean anything for it; else `conflict`.
    ///
    /// Under a new key of the same account a complete listing shows what was rented under the old one: the new scope then
    /// joins the old.
    pub(super) async fn in_scope(&self, record: IntentRecord) -> Result<IntentRecord> {
        let scope = self.provider.scope(&self.context);
        let old = &record.intent.scope;
        if scope == *old {
            return Ok(record);
        }
        let listed = self.provider.list(&self.context, &ComputeFilter::all()).await?;
        let known = self.on_disk(FileIntents::all).await?;
        let shown = known.iter().filter(|known| known.intent.provider == *self.provider.id()).any(|known| {
            known.intent.scope == *old && listed.iter().any(|compute| is_recorded_machine(known, compute))
        });
        if shown {
            let (provider, old, key) = (self.provider.id().clone(), old.clone(), record.key());
            let joined = self.on_disk(move |intents| {
                intents.join(&provider, &old, &scope)?;
                intents.get(key)
            });
            return Ok(joined.await?.unwrap_or(record));
        }
        Err(Error::conflict(format!(
            "rental {} was made under {old} and this account now acts under {scope}: its answers prove nothing",
            record.intent.token(),
        ))
        .with_effect(Effect::NotSent)
        .with_provider(self.provider.id()))
    }

    /// Looks once at a machine that must go, says once more that it must, and keeps in `record` what was seen.
    pub(super) async fn look(&self, record: &mut IntentRecord, id: &ComputeId) -> Result<Look> {
        let scope = self.provider.scope(&self.context);
        match self.provider.get(&self.context, id).await {
            Ok(compute) if compute.status == ComputeStatus::Terminated => return Ok(Look::Gone),
            Ok(compute) => return self.press(record, &compute).await,
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
        match self.missing(record, id, &scope).await? {
            Look::NotYet if self.provider.traits().gone != GoneRule::NotFound => {}
            look => return Ok(look),
        }
        // A cloud that hides a machine for a moment may have refused the first word: say it again.
        match self.provider.terminate(&self.context, id).await {
            Ok(()) => Ok(Look::NotYet),
            Err(error) if error.is_not_found() => Ok(Look::NotYet),
            Err(error) => Err(error),
        }
    }

    /// What it means that a read by this id was just answered with a not-found under `scope`, and keeps in `record` what
    /// was seen.
    pub(super) async fn missing(&self, record: &mut IntentRecord, id: &ComputeId, scope: &Scope) -> Result<Look> {
        let traits = self.provider.traits();
        record.absence.missing(self.now(), scope, &record.intent.scope);
        if traits.migrates && !record.taken_over {
            let found = self.provider.find_spawned(&self.context, record.intent.token()).await?;
            let copies = record.copies.as_deref().unwrap_or_default();
            let is_it = |found: &Compute| found.id != *id && !copies.contains(&found.id);
            if let Some(moved) = self.unheld(found.matches, record.key()).await?.into_iter().find(is_it) {
                return Ok(Look::Moved(Box::new(moved)));
            }
            // It may be where the search did not look.
            if !found.complete {
                return Ok(Look::NotYet);
            }
        }
        if traits.gone != GoneRule::NotFound {
            let listed = self.provider.list(&self.context, &ComputeFilter::all()).await?;
            match listed.iter().find(|compute| compute.id == *id) {
                Some(compute) if compute.status != ComputeStatus::Terminated => record.absence.seen(),
                _ => record.absence.unlisted(self.now(), scope, &record.intent.scope),
            }
        }
        let proven = record.absence.proves_gone(traits, record.made_at(), record.read_back);
        Ok(if proven { Look::Gone } else { Look::NotYet })
    }

    /// Tells the cloud to end `compute`, which was just read, if it is the record's.
    async fn press(&self, record: &mut IntentRecord, compute: &Compute) -> Result<Look> {
        match record.whose(compute) {
            Whose::Ours => {}
            // The cloud gave the id to somebody else's machine: ours is gone, and that one is not ours to end.
            Whose::Strangers => return Ok(Look::Gone),
            Whose::Unclear => return Err(self.unclear(compute)),
        }
        record.sees(compute);
        self.tell_copies(record, &compute.id).await;
        // Said again while it is terminating, for whoever began that may have died over it; a cloud that is at it may
        // refuse then, and that means nothing.
        let asked = self.provider.terminate(&self.context, &compute.id).await;
        if compute.status != ComputeStatus::Terminating {
            asked?;
        }
        Ok(Look::NotYet)
    }

    /// Learns, while the machine of a record is there to be seen, which others bear its token: where clouds move machines,
    /// a copy would later be taken for the machine itself, and ended in its place.
    async fn tell_copies(&self, record: &mut IntentRecord, id: &ComputeId) {
        if !self.provider.traits().migrates || record.taken_over || record.copies.is_some() {
            return;
        }
        // A search that fails keeps no machine alive: the next look tries again.
        if let Ok(found) = self.provider.find_spawned(&self.context, record.intent.token()).await {
            let others = found.matches.into_iter().map(|found| found.id).filter(|found| found != id).collect();
            record.copies = found.complete.then_some(others);
        }
    }

    fn unclear(&self, compute: &Compute) -> Error {
        let name = crate::error::excerpt(compute.name.as_deref().unwrap_or_default());
        Error::conflict(format!(
            "machine {} is called \"{name}\" now and bears no mark: if the cloud gave its id to somebody else, leave it; \
             if it is yours, say --foreign to end it",
            compute.id
        ))
        .with_effect(Effect::NotSent)
        .with_provider(self.provider.id())
    }

    /// Those of `matches` that no other living record holds, oldest first.
    pub(super) async fn unheld(&self, mut matches: Vec<Compute>, key: RecordKey) -> Result<Vec<Compute>> {
        if matches.is_empty() {
            return Ok(matches);
        }
        // A record of this very create that cannot be read may hold any of them.
        let (unreadable, others) = self.on_disk(|intents| Ok((intents.unreadable()?, intents.all()?))).await?;
        if let Some(unreadable) = unreadable.into_iter().find(|other| other.token == Some(key.token())) {
            return Err(unreadable.error);
        }
        let held = |compute: &Compute| {
            others.iter().any(|record| {
                record.key() != key
                    && record.is_living()
                    && record.intent.provider == *self.provider.id()
                    && record.compute.as_ref() == Some(&compute.id)
            })
        };
        matches.retain(|compute| !held(compute));
        matches.sort_by_key(|compute| (compute.created_at, compute.id.clone()));
        Ok(matches)
    }

    /// The record of a machine, by its id: a living one before a closed one, the newest before others.
    pub(super) async fn record_of(&self, id: &ComputeId) -> Result<Option<IntentRecord>> {
        let (id, provider) = (id.clone(), self.provider.id().clone());
        self.on_disk(move |intents| {
            let mut known = intents.all()?;
            known.retain(|record| {
                record.intent.provider == provider
                    && record.compute.as_ref() == Some(&id)
                    && record.phase != IntentPhase::Open
            });
            Ok(known.into_iter().max_by_key(|record| (record.is_living(), record.intent.opened_at)))
        })
        .await
    }
}

/// Whether this is the living machine of a record, by id and mark: an id alone may be another account's too.
fn is_recorded_machine(record: &IntentRecord, compute: &Compute) -> bool {
    let bears = |token: SpawnToken| compute.mark().is_some_and(|mark| mark.token == token);
    compute.status != ComputeStatus::Terminated
        && record.compute.as_ref() == Some(&compute.id)
        && bears(record.intent.token())
}
