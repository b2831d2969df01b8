//! Ending a machine until its end is proven (rules O6, P4, P15).

use std::time::Duration;

use super::{Account, Permission};
use crate::intents::IntentPhase;
use crate::proof::Absence;
use crate::{
    Compute, ComputeFilter, ComputeId, ComputeStatus, Error, Intents, Mark, Proof, Result, SpawnToken,
    TokenKind,
};

impl Account {
    /// Ends a machine; returns when it is proven gone, at most two minutes later.
    ///
    /// Refuses a machine that is marked as a session's, and one without the mark of this deployment. An id that a record
    /// here knows and the cloud does not is a success; one that nobody knows is `not_found`. On `timeout` the record
    /// stays, and `reap` carries it on.
    pub async fn terminate(&self, id: impl AsRef<ComputeId>) -> Result<()> {
        self.terminate_with(id, Permission::ordinary(), Duration::from_secs(120)).await
    }

    /// As [`terminate`](Self::terminate), with more allowed and another bound.
    pub async fn terminate_with(
        &self,
        id: impl AsRef<ComputeId>,
        permission: Permission,
        timeout: Duration,
    ) -> Result<()> {
        let id = id.as_ref();
        self.record_ending(id, permission).await?;
        self.end_recorded(id, "asked", timeout).await
    }

    /// Asks that a machine be ended, and does not wait for the proof: `reap` does.
    pub async fn terminate_soon(&self, id: impl AsRef<ComputeId>, permission: Permission) -> Result<()> {
        let id = id.as_ref();
        self.record_ending(id, permission).await?;
        let Some(record) = self.record_of(id).await? else { return Ok(()) };
        self.surroundings.intents.releasing(record.intent.token(), id, "asked")?;
        self.provider.terminate(&self.context, id).await
    }

    /// Refuses what may not be ended; makes a record where there is none, so that a crash forgets nothing.
    async fn record_ending(&self, id: &ComputeId, permission: Permission) -> Result<()> {
        let known = self.record_of(id).await?;
        let compute = match self.provider.get(&self.context, id).await {
            Ok(compute) => compute,
            Err(error) if error.is_not_found() && known.is_some() => return Ok(()),
            Err(error) => return Err(error),
        };
        self.permit(&compute, permission, "terminate")?;
        if known.is_none() {
            let mark = compute.mark.clone().unwrap_or_else(|| {
                let shared = &self.surroundings;
                let token = SpawnToken::generate(TokenKind::Plain, &*shared.entropy);
                Mark::new(shared.deployment.clone(), shared.installation.clone(), token, None)
            });
            let scope = self.provider.scope(&self.context);
            let why = if permission.force { "asked, by force" } else { "asked" };
            self.surroundings.intents.take_over(mark, self.provider.id(), scope, id, why)?;
        }
        Ok(())
    }

    /// Whether this machine may be stopped or ended by hand (rule O6).
    pub(super) fn permit(&self, compute: &Compute, permission: Permission, verb: &str) -> Result<()> {
        let id = &compute.id;
        let ours = compute.mark.as_ref().filter(|mark| mark.deployment == self.surroundings.deployment);
        let refused = match ours.map(|mark| mark.token.kind()) {
            Some(TokenKind::Plain) => None,
            Some(TokenKind::Session | TokenKind::Reserved(_)) if permission.force => None,
            Some(TokenKind::Session) => Some(format!(
                "machine {id} belongs to a session, whose user would lose it: end the session, or say --force"
            )),
            Some(TokenKind::Reserved(_)) => Some(format!(
                "machine {id} was made by a newer Atlas for a purpose that this one does not know: say --force to {verb} it"
            )),
            None if permission.foreign => None,
            None => Some(format!(
                "machine {id} does not bear the mark of deployment {}: say --foreign to {verb} it",
                self.surroundings.deployment
            )),
        };
        match refused {
            None => Ok(()),
            Some(message) => Err(Error::validation(message).with_provider(self.provider.id())),
        }
    }

    /// Ends a machine that a record here knows, until the proof or the end of `timeout`.
    pub(super) async fn end_recorded(&self, id: &ComputeId, why: &str, timeout: Duration) -> Result<()> {
        let record = self.record_of(id).await?.ok_or_else(|| {
            Error::not_found(format!("no record here knows machine {id}")).with_provider(self.provider.id())
        })?;
        let token = record.intent.token();
        self.surroundings.intents.releasing(token, id, why)?;
        let until_gone = async {
            let mut pause = Duration::from_millis(50);
            let mut last = None;
            loop {
                match self.release_step(token).await {
                    Ok(true) => return Ok(()),
                    Ok(false) => {}
                    Err(error) if error.is_transient() || error.is_not_found() => last = Some(error),
                    Err(error) => return Err((error, last)),
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
        };
        match tokio::time::timeout(timeout, until_gone).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err((error, _))) => Err(error.context(format!("machine {id} is still recorded as being ended"))),
            Err(_) => Err(Error::timeout(format!(
                "machine {id} is not proven gone after {}; its record stays, and `atlas reap` carries it on",
                crate::duration::format(timeout)
            ))
            .with_provider(self.provider.id())
            .with_operation("terminate")
            .with_leftover(id.clone())),
        }
    }

    /// One step towards the proven end of a machine that is recorded as being ended; `true` when it is proven.
    pub(super) async fn release_step(&self, token: SpawnToken) -> Result<bool> {
        let intents = &self.surroundings.intents;
        let Some(mut record) = intents.get(token)? else { return Ok(true) };
        let IntentPhase::Releasing { compute: id, .. } = record.phase.clone() else {
            return Ok(matches!(record.phase, IntentPhase::Closed { .. }));
        };
        let scope = self.provider.scope(&self.context);
        match self.provider.get(&self.context, &id).await {
            Ok(compute) if compute.status == ComputeStatus::Terminated => {
                intents.closed(token, Proof::Gone).await?;
                return Ok(true);
            }
            Ok(compute) if compute.mark.as_ref().is_some_and(|mark| mark.token != token) => {
                // The cloud gave the id to somebody else's machine: ours is gone, and that one is not ours to end.
                intents.closed(token, Proof::Gone).await?;
                return Ok(true);
            }
            Ok(compute) => {
                record.absence.seen();
                intents.observed(token, &record.absence)?;
                // Said again while it is terminating, for whoever began that may have died over it; a cloud that is
                // at it may refuse then, and that means nothing.
                let asked = self.provider.terminate(&self.context, &id).await;
                if compute.status != ComputeStatus::Terminating {
                    asked?;
                }
                return Ok(false);
            }
            Err(error) if error.is_not_found() => {
                record.absence.missing(self.now(), &scope, &record.intent.scope);
            }
            Err(error) => return Err(error),
        }
        self.look_in_listing(&id, &mut record.absence, &record.intent.scope).await?;
        intents.observed(token, &record.absence)?;
        let proven = record.absence.proves_gone(self.provider.traits(), record.intent.opened_at, true);
        if proven {
            intents.closed(token, Proof::Gone).await?;
        } else if !matches!(self.provider.traits().gone, crate::GoneRule::NotFound) {
            // A cloud that hides a machine for a moment may have refused the first word: say it again.
            match self.provider.terminate(&self.context, &id).await {
                Ok(()) => {}
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(proven)
    }

    async fn look_in_listing(&self, id: &ComputeId, absence: &mut Absence, rental: &crate::Scope) -> Result<()> {
        let listed = self.provider.list(&self.context, &ComputeFilter::all()).await?;
        match listed.iter().find(|compute| compute.id == *id) {
            Some(compute) if compute.status != ComputeStatus::Terminated => absence.seen(),
            _ => absence.unlisted(self.now(), &self.provider.scope(&self.context), rental),
        }
        Ok(())
    }

    /// The record of a machine, by its id.
    pub(super) async fn record_of(&self, id: &ComputeId) -> Result<Option<crate::IntentRecord>> {
        let intents = self.surroundings.intents.clone();
        let (id, provider) = (id.clone(), self.provider.id().clone());
        crate::intents::blocking(move || {
            Ok(intents.all()?.into_iter().rev().find(|record| {
                record.intent.provider == provider
                    && match &record.phase {
                        IntentPhase::Bound { compute } | IntentPhase::Releasing { compute, .. } => *compute == id,
                        IntentPhase::Open => false,
                        IntentPhase::Closed { .. } => record.compute.as_ref() == Some(&id),
                    }
            }))
        })
        .await
    }
}
