//! Intents in the store (rule O1): the rental and the session that names it in one commit, before the cloud hears of it.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use atlas_core::{Compute, ComputeId, Effect, Intent, Intents, Proof, SpawnToken};

use super::Held;
use super::create::write_answer;
use crate::books::{Expect, Read};
use crate::events::{Event, What};
use crate::inner::Inner;
use crate::rental::{Holder, RentalRecord};
use crate::session::{SessionPhase, SessionRecord, Wait};
use crate::{Error, Phase};

/// Intents in the store: the rental and the session that names it, in one commit.
#[derive(Debug)]
pub(super) struct StoreIntents<'a> {
    inner: &'a Arc<Inner>,
    held: &'a Held,
    session: Read<SessionRecord>,
    failure: Mutex<Option<Error>>,
}

impl<'a> StoreIntents<'a> {
    pub(super) fn new(inner: &'a Arc<Inner>, held: &'a Held, session: Read<SessionRecord>) -> Self {
        Self { inner, held, session, failure: Mutex::new(None) }
    }

    pub(super) fn failure(&self) -> Option<Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn fail(&self, error: Error) -> atlas_core::Error {
        let core = atlas_core::Error::unknown(error.to_string()).with_effect(Effect::NotSent);
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        core
    }
}

#[async_trait]
impl Intents for StoreIntents<'_> {
    async fn open(&self, intent: &Intent) -> atlas_core::Result<()> {
        let Read { record: mut session, version } = self.session.clone();
        let mut rental = RentalRecord::open(intent, Holder::Session(session.id));
        rental.generation = session.generation;
        rental.first_generation = session.generation;
        let id = rental.id;
        session.phase = SessionPhase::Waiting { wait: Wait::Answer };
        session.current = Some(id);
        session.rentals.push(id);
        session.attempt = session.attempt.saturating_add(1);
        session.starting_since.get_or_insert(intent.opened_at);
        // Nobody searches for it while its answer is awaited.
        let search_at = intent.opened_at.plus(self.inner.policy.create_timeout);
        let due = session.deadline();
        let what = What::Phase { phase: Phase::Spawning };
        self.inner
            .books
            .change()
            .under(&self.held.key, self.held.fence)
            .rental(&rental, Expect::New, Some(search_at))
            .session(&session, Expect::At(version), due)
            .event(&Event::of_session(intent.opened_at, session.id, what))
            .commit()
            .await
            .map(|_| ())
            .map_err(|error| self.fail(error.into()))
    }

    async fn bound(&self, token: SpawnToken, compute: &ComputeId) -> atlas_core::Result<()> {
        let provider = self.inner.account(&self.session.record.provider).map_err(|error| self.fail(error))?;
        let compute =
            Compute::new(provider.id(), provider.traits().kind, compute.clone(), atlas_core::ComputeStatus::Starting);
        write_answer(self.inner, token, &Ok(compute)).await.map_err(|error| self.fail(error))
    }

    async fn closed(&self, token: SpawnToken, proof: Proof) -> atlas_core::Result<()> {
        let effect = if proof == Proof::NotSent { Effect::NotSent } else { Effect::Rejected };
        let refusal = atlas_core::Error::unknown(proof.to_string()).with_effect(effect);
        write_answer(self.inner, token, &Err(refusal)).await.map_err(|error| self.fail(error))
    }
}
