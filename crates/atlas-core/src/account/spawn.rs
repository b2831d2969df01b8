//! A one-off spawn, keys and all in one go (rules O1, C10).

use std::time::Duration;

use super::Account;
use crate::{
    Auth, Compute, ComputeId, ComputeRequest, Credentials, Error, ErrorKind, Intent, Intents, Mark, Proof, Result,
    SpawnOrder, SpawnToken, Spawned, TokenKind,
};

/// How long after its intent a create may still be sent.
const MAY_SEND_FOR: Duration = Duration::from_secs(60);

impl Account {
    /// Rents a machine, and hands out its keys. **Bills until it is terminated.** Never sent twice.
    ///
    /// The machine gets `ATLAS_PRESHARED_KEY` (or `ATLAS_SIGNING_KEY`) into its environment. When the cloud's answer is
    /// lost, the error's effect is `unknown` and the intent stays open: `reap` finds out what became of it.
    pub async fn spawn(&self, request: ComputeRequest, auth: Auth) -> Result<Spawned> {
        let named = |error: Error| error.with_provider(self.provider.id()).with_operation("spawn");
        self.provider.check(&request).map_err(named)?;
        let shared = &self.surroundings;
        let token = SpawnToken::generate(TokenKind::Plain, &*shared.entropy);
        let mark = Mark::new(shared.deployment.clone(), shared.installation.clone(), token, request.name.clone());
        let credentials = Credentials::mint(auth, &*shared.entropy);
        let scope = self.provider.scope(&self.context);
        let now = self.now();
        let intent = Intent::machine(mark.clone(), self.provider.id(), scope, now, now.plus(MAY_SEND_FOR));
        let allow_plain_http = request.allow_plain_http;
        let order =
            SpawnOrder::record(&shared.intents, &intent, request, &credentials, self.provider.traits()).await?;
        let compute = match self.provider.spawn(&self.context, &order).await {
            Ok(compute) => compute,
            Err(error) => return Err(self.failed(token, error).await),
        };
        shared.intents.bound(token, &compute.id).await.map_err(|error| {
            // The machine is there and can be found by its mark: the intent stays open and says so.
            error.context("the machine was made and could not be recorded").with_leftover(compute.id.clone())
        })?;
        if let Err(error) = refuse_altered(&compute, &mark).and_then(|()| refuse_plain_http(&compute, auth, allow_plain_http)) {
            return Err(self.undo(&compute.id, error).await);
        }
        Ok(Spawned::new(compute, credentials))
    }

    /// Closes the intent where provably nothing came of it, ends what was left over, and passes the error on.
    async fn failed(&self, token: SpawnToken, error: Error) -> Error {
        let intents = &self.surroundings.intents;
        let proof = if error.effect() == crate::Effect::NotSent { Proof::NotSent } else { Proof::Refused };
        if let Some(leftover) = error.leftovers().first().cloned() {
            if intents.bound(token, &leftover).await.is_ok() {
                return self.undo(&leftover, error).await;
            }
        } else if error.is_safe_to_resend() && intents.closed(token, proof).await.is_ok() {
            return error;
        }
        intents.sent(token);
        error
    }

    /// Ends a machine that cannot be handed out; the error that led here is the one that counts.
    async fn undo(&self, id: &ComputeId, error: Error) -> Error {
        match self.end_recorded(id, &error.message().to_owned(), Duration::from_secs(60)).await {
            Ok(()) => error,
            Err(failed) => error.context(format!("machine {id} is still being ended ({failed}); run `atlas reap`")),
        }
    }
}

/// A cloud that altered or cut the mark would make an unknown machine of it (rule O2).
fn refuse_altered(compute: &Compute, mark: &Mark) -> Result<()> {
    if compute.mark.as_ref().is_some_and(|read| {
        read.token == mark.token && read.deployment == mark.deployment && read.installation == mark.installation
    }) {
        return Ok(());
    }
    let message = format!("the cloud altered the mark of machine {}, so it is ended again", compute.id);
    Err(Error::new(ErrorKind::Provider, message).with_effect(crate::Effect::Rejected).with_provider(&compute.provider))
}

/// Refuses, as rule C12 says, to send a key over an open line. Loopback never leaves the machine.
fn refuse_plain_http(compute: &Compute, auth: Auth, allowed: bool) -> Result<()> {
    match crate::probe::open_line(compute).filter(|_| auth != Auth::None && !allowed) {
        None => Ok(()),
        Some(port) => Err(Error::validation(format!(
            "port {port} of machine {} has no TLS, and its key would travel in the open; allow_plain_http permits it",
            compute.id
        ))
        .with_provider(&compute.provider)),
    }
}
