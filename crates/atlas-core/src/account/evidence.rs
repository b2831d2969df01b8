//! What an answer of the cloud may count for (rules O3, P4): under which scope it was given, whose machine it shows, and
//! which of several machines of one create no record holds. The same for whatever else bills.

use atlas_auth::Timestamp;

use super::Account;
use crate::intents::{IntentPhase, IntentRecord, Whose};
use crate::{
    ComputeId, ComputeStatus, Effect, Error, FileIntents, GoneRule, RecordKey, RentalKind, Rented, Result, Scope,
};

/// What one look at something that must go found.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Look {
    /// It is proven gone.
    Gone,
    /// It is there, or nothing is proven: its cloud was told once more.
    NotYet,
    /// Its cloud has given it another id: here it is.
    Moved(Box<Rented>),
}

impl Account {
    /// The record, if this account's answers mean anything for it; else `conflict`.
    ///
    /// Under a new key of the same account a complete listing shows what was rented under the old one: the new scope then
    /// joins the old.
    pub(super) async fn in_scope(&self, record: IntentRecord) -> Result<IntentRecord> {
        let Some(scope) = self.joins(&record).await? else { return Ok(record) };
        let (provider, old, key) = (self.provider.id().clone(), record.intent.scope.clone(), record.key());
        let joined = self.on_disk(move |intents| {
            intents.join(&provider, &old, &scope)?;
            intents.get(key)
        });
        Ok(joined.await?.unwrap_or(record))
    }

    /// The scope which, by what it shows, is to join the record's; `None` if that is the account's own already. Another
    /// account's is a `conflict`.
    pub(super) async fn joins(&self, record: &IntentRecord) -> Result<Option<Scope>> {
        let scope = self.provider.scope(&self.context);
        let old = &record.intent.scope;
        if scope == *old {
            return Ok(None);
        }
        if self.shows_what_was_rented_under(old).await? {
            return Ok(Some(scope));
        }
        Err(Error::conflict(format!(
            "rental {} was made under {old} and this account now acts under {scope}: its answers prove nothing; \
             use the key with which it was made",
            record.intent.token(),
        ))
        .with_effect(Effect::NotSent)
        .with_provider(self.provider.id()))
    }

    /// Whether a complete listing shows anything that is recorded as rented under `old`.
    async fn shows_what_was_rented_under(&self, old: &Scope) -> Result<bool> {
        let mut known = self.on_disk(FileIntents::all).await?;
        known.retain(|known| known.intent.provider == *self.provider.id() && known.intent.scope == *old);
        for kind in RentalKind::ALL {
            let known = || known.iter().filter(|known| known.intent.kind == kind && known.compute.is_some());
            if known().next().is_none() {
                continue;
            }
            let listed = self.list_rented(kind).await?;
            if known().any(|known| listed.iter().any(|listed| is_what_is_recorded(known, listed))) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Looks once at something that must go, says once more that it must, and keeps in `record` what was seen.
    pub(super) async fn look(&self, record: &mut IntentRecord, id: &ComputeId) -> Result<Look> {
        let (scope, kind) = (self.provider.scope(&self.context), record.intent.kind);
        let asked = self.now();
        match self.read(kind, id).await {
            Ok(rented) if rented.is_gone() => return self.over(record, id).await,
            Ok(rented) => return self.press(record, &rented).await,
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
        match self.missing(record, id, &scope, asked).await? {
            Look::NotYet if self.provider.traits().gone_rule(kind) != GoneRule::NotFound => {}
            look => return Ok(look),
        }
        // What stood there last may be somebody else's: it is not ended unseen.
        if record.unclear {
            return Ok(Look::NotYet);
        }
        // A cloud that hides a machine for a moment may have refused the first word: say it again.
        match self.provider.end_rented(&self.context, kind, id).await {
            Ok(()) => Ok(Look::NotYet),
            Err(error) if error.is_not_found() => Ok(Look::NotYet),
            Err(error) => Err(error),
        }
    }

    /// What it means that a read by this id, begun at `asked`, was just answered with a not-found under `scope`, and keeps
    /// in `record` what was seen. An answer counts from the moment of its question: what happens meanwhile it may not show.
    pub(super) async fn missing(
        &self,
        record: &mut IntentRecord,
        id: &ComputeId,
        scope: &Scope,
        asked: Timestamp,
    ) -> Result<Look> {
        let (traits, kind) = (self.provider.traits(), record.intent.kind);
        record.absence.missing(asked, scope, &record.intent.scope);
        if let Some(look) = self.elsewhere(record, id).await? {
            return Ok(look);
        }
        if traits.gone_rule(kind) != GoneRule::NotFound {
            let asked = self.now();
            let listed = self.list_rented(kind).await?;
            match listed.iter().find(|listed| listed.id == *id) {
                Some(listed) if !listed.is_gone() => record.absence.seen(),
                _ => record.absence.unlisted(asked, scope, &record.intent.scope),
            }
        }
        let proven = record.absence.proves_gone(traits, kind, record.made_at(), record.read_back);
        Ok(if proven { Look::Gone } else { Look::NotYet })
    }

    /// What it means that under this id it is over, or another thing stands: it is gone. But where machines move, that may
    /// tell of the old id alone.
    pub(super) async fn over(&self, record: &IntentRecord, id: &ComputeId) -> Result<Look> {
        Ok(self.elsewhere(record, id).await?.unwrap_or(Look::Gone))
    }

    /// What a search for it under another id brings, at a cloud that moves machines; `None` if it is nowhere else.
    async fn elsewhere(&self, record: &IntentRecord, id: &ComputeId) -> Result<Option<Look>> {
        if !self.may_move(record) {
            return Ok(None);
        }
        let found = self.find(record.intent.kind, record.intent.token()).await?;
        let copies = record.copies.as_deref().unwrap_or_default();
        let is_it = |found: &Rented| found.id != *id && !found.is_gone() && !copies.contains(&found.id);
        if let Some(moved) = self.unheld(found.matches, record.key()).await?.into_iter().find(is_it) {
            return Ok(Some(Look::Moved(Box::new(moved))));
        }
        // It may be where the search did not look.
        Ok((!found.complete).then_some(Look::NotYet))
    }

    /// Whether its cloud may have moved it: no cloud is known to do so with anything but machines.
    fn may_move(&self, record: &IntentRecord) -> bool {
        self.provider.traits().migrates && record.intent.kind == RentalKind::Machine && !record.taken_over
    }

    /// Tells the cloud to end `rented`, which was just read, if it is the record's.
    async fn press(&self, record: &mut IntentRecord, rented: &Rented) -> Result<Look> {
        match record.whose(rented) {
            Whose::Ours => {}
            // The cloud gave the id to somebody else's machine: ours is not there, and that one is not ours to end.
            Whose::Strangers => return self.over(record, &rented.id).await,
            Whose::Unclear => {
                record.unclear = true;
                return Err(self.unclear(rented));
            }
        }
        record.sees(rented);
        self.tell_copies(record, &rented.id).await;
        // Said again while it is terminating, for whoever began that may have died over it; a cloud that is at it may
        // refuse then, and that means nothing.
        let asked = self.provider.end_rented(&self.context, rented.kind, &rented.id).await;
        if rented.status != Some(ComputeStatus::Terminating) {
            asked?;
        }
        Ok(Look::NotYet)
    }

    /// Learns, while the machine of a record is there to be seen, which others bear its token: where clouds move machines,
    /// a copy would later be taken for the machine itself, and ended in its place.
    async fn tell_copies(&self, record: &mut IntentRecord, id: &ComputeId) {
        if !self.may_move(record) || record.copies.is_some() {
            return;
        }
        // A search that fails keeps no machine alive: the next look tries again.
        if let Ok(found) = self.find(record.intent.kind, record.intent.token()).await {
            let others = found.matches.into_iter().map(|found| found.id).filter(|found| found != id).collect();
            record.copies = found.complete.then_some(others);
        }
    }

    fn unclear(&self, rented: &Rented) -> Error {
        let name = crate::error::excerpt(rented.name.as_deref().unwrap_or_default());
        let kept = if rented.kind == RentalKind::Volume { "; it is kept until that is asked for again" } else { "" };
        Error::conflict(format!(
            "{} {} is called \"{name}\" now and bears no mark: if the cloud gave its id to somebody else, leave it; \
             if it is yours, say --foreign to end it{kept}",
            rented.kind, rented.id
        ))
        .with_effect(Effect::NotSent)
        .with_provider(self.provider.id())
    }

    /// Those of `matches` that no other living record holds, oldest first.
    pub(super) async fn unheld(&self, mut matches: Vec<Rented>, key: RecordKey) -> Result<Vec<Rented>> {
        if matches.is_empty() {
            return Ok(matches);
        }
        // A record of this very create that cannot be read may hold any of them.
        let (unreadable, others) = self.on_disk(|intents| Ok((intents.unreadable()?, intents.all()?))).await?;
        if let Some(unreadable) = unreadable.into_iter().find(|other| other.token == Some(key.token())) {
            return Err(unreadable.error);
        }
        let held = |rented: &Rented| {
            others.iter().any(|record| {
                record.key() != key
                    && record.is_living()
                    && record.intent.provider == *self.provider.id()
                    && record.intent.kind == rented.kind
                    && record.compute.as_ref() == Some(&rented.id)
            })
        };
        matches.retain(|rented| !held(rented));
        matches.sort_by_key(|rented| (rented.created_at, rented.id.clone()));
        Ok(matches)
    }

    /// The record of a machine, volume or endpoint, by its id: a living one before a closed one, the newest before others.
    /// Of two kinds the same id is not the same thing.
    pub(super) async fn record_of(&self, kind: RentalKind, id: &ComputeId) -> Result<Option<IntentRecord>> {
        let (id, provider) = (id.clone(), self.provider.id().clone());
        self.on_disk(move |intents| {
            let mut known = intents.all()?;
            known.retain(|record| {
                record.intent.provider == provider
                    && record.intent.kind == kind
                    && record.compute.as_ref() == Some(&id)
                    && record.phase != IntentPhase::Open
            });
            Ok(known.into_iter().max_by_key(|record| (record.is_living(), record.intent.opened_at)))
        })
        .await
    }
}

/// Whether this is what a record is of, and lives, by id and mark: an id alone may be another account's too.
fn is_what_is_recorded(record: &IntentRecord, rented: &Rented) -> bool {
    !rented.is_gone() && record.compute.as_ref() == Some(&rented.id) && rented.bears(record.intent.token())
}
