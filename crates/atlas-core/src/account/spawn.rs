//! A one-off spawn, keys and all in one go (rules O1, C10).

use std::time::Duration;

use super::Account;
use super::unanswered::Made;
use crate::{
    Auth, Compute, ComputeId, ComputeRequest, Credentials, Effect, Error, ErrorKind, FileIntents, Intent, IntentRecord,
    Intents, Mark, Proof, Rentable, RentalKind, Rented, Result, SpawnOrder, SpawnToken, Spawned, TokenKind,
};

/// How long after its intent a create may still be sent.
pub(super) const MAY_SEND_FOR: Duration = Duration::from_mins(1);

/// How long the mark of something new may take to be read back.
const READ_BACK: Duration = Duration::from_secs(10);

impl Account {
    /// Rents a machine, and hands out its keys. **Bills until it is terminated.** Never sent twice.
    ///
    /// The machine gets `ATLAS_PRESHARED_KEY` (or `ATLAS_SIGNING_KEY`) into its environment. When the cloud's answer is
    /// lost, what it made is looked for, at most for twenty seconds and within the call's time-out, and handed out with its
    /// keys as if the answer had come; of several the oldest, and the others are ended. If none is found, the error's
    /// effect is `unknown` and the intent stays open: `reap` finds out what became of it, and the keys are lost. So it does
    /// if the future is dropped. A machine that cannot be handed out is ended before this returns.
    pub async fn spawn(&self, request: ComputeRequest, auth: Auth) -> Result<Spawned> {
        let named = |error: Error| error.with_provider(self.provider.id()).with_operation("spawn");
        // A provider that is a user's own may check nothing.
        let checked = request.validate().and_then(|()| self.provider.check(&request));
        checked.and_then(|()| refuse_unsignable(&request, auth)).map_err(named)?;
        let shared = &self.surroundings;
        let token = SpawnToken::generate(TokenKind::Plain, &*shared.entropy);
        let mark = Mark::new(shared.deployment.clone(), shared.installation.clone(), token, request.name.clone());
        let credentials = Credentials::mint(auth, &*shared.entropy);
        let scope = self.provider.scope(&self.context);
        let now = self.now();
        let intent = Intent::machine(mark.clone(), self.provider.id(), scope, now, now.plus(MAY_SEND_FOR));
        let allow_plain_http = request.allow_plain_http;
        let recorded =
            SpawnOrder::record(&shared.intents, &intent, request, &credentials, self.provider.traits()).await;
        // Held by the order: a provider may go on with a clone of it when nobody waits for the answer any more.
        let order = recorded.map_err(named)?.holding(shared.intents.sending(token));
        if self.now() > order.not_after() {
            let late = Error::timeout("the create was to be sent within a minute of its record, and was not");
            return Err(named(self.failed(&intent, late.with_effect(Effect::NotSent)).await));
        }
        let answer = self.provider.spawn(&self.context, &order).await;
        let look = || async { Ok(self.provider.find_spawned(&self.context, token).await?.matches) };
        let Made { first: compute, others: twins } = self.made_by(&intent, answer, look).await?;
        let bound = shared.intents.bound(token, &compute.id).await;
        drop(order);
        let spawned = Spawned::new(compute, credentials).allow_plain_http(allow_plain_http);
        // What cannot be recorded nobody else will ever know of (rule P2).
        let handed_out = bound
            .map_err(|error| error.context("the machine was made and could not be recorded"))
            .and_then(|()| self.refuse_altered(&spawned.compute.rented(), &mark))
            .and_then(|()| refuse_plain_http(&spawned, &spawned.compute));
        let handed_out = match handed_out {
            Ok(()) => self.read_back(RentalKind::Machine, &spawned.compute.id, &mark).await,
            refused => refused,
        };
        match handed_out {
            Ok(()) => {
                self.end_twins(&intent, &spawned.compute.id, &twins).await;
                Ok(spawned)
            }
            Err(error) => {
                let all: Vec<_> = std::iter::once(spawned.compute.id).chain(twins).collect();
                Err(self.undo(&intent, &all, named(error)).await)
            }
        }
    }

    /// Reads the mark back from where the cloud keeps it: its answer to the create may only echo what it was sent (rule O2).
    ///
    /// What is not shown yet, or cannot be read just now, is handed out: a bad mark is no reason to lose it, and its id is
    /// recorded.
    pub(super) async fn read_back(&self, kind: RentalKind, id: &ComputeId, mark: &Mark) -> Result<()> {
        match tokio::time::timeout(READ_BACK, self.read(kind, id)).await {
            Ok(Ok(rented)) => {
                self.refuse_altered(&rented, mark)?;
                self.note_seen(mark.token, rented).await;
                Ok(())
            }
            Ok(Err(_)) | Err(_) => Ok(()),
        }
    }

    /// Keeps how something new looks and what it costs. Best effort: that it is there is recorded already.
    pub(super) async fn note_seen(&self, token: SpawnToken, seen: Rented) {
        let noted = self.on_disk(move |intents| {
            let Some(mut record) = intents.get(token)? else { return Ok(()) };
            record.sees(&seen);
            intents.observed(&record)
        });
        let _ = noted.await;
    }

    /// Closes the intent where provably nothing came of it, ends what was left over, and passes the error on.
    pub(super) async fn failed(&self, intent: &Intent, error: Error) -> Error {
        if error.is_safe_to_resend() {
            let proof = if error.effect() == Effect::NotSent { Proof::NotSent } else { Proof::Refused };
            // A disk that takes no record leaves the intent open, and a later look finds that nothing came of it.
            let _ = self.surroundings.intents.closed(intent.token(), proof).await;
        }
        match error.leftovers().to_vec() {
            leftovers if leftovers.is_empty() => error,
            leftovers => self.undo(intent, &leftovers, error).await,
        }
    }

    /// A cloud that altered or cut the mark would make something unknown of it (rule O2).
    pub(super) fn refuse_altered(&self, rented: &Rented, mark: &Mark) -> Result<()> {
        if rented.mark().is_some_and(|read| {
            read.token == mark.token && read.deployment == mark.deployment && read.installation == mark.installation
        }) {
            return Ok(());
        }
        let (kind, id) = (rented.kind, &rented.id);
        let message = format!("the cloud altered the mark of {kind} {id}, so it is ended again");
        Err(Error::new(ErrorKind::Provider, message).with_effect(Effect::Rejected).with_provider(self.provider.id()))
    }

    /// Ends what cannot be handed out, of the intent's kind; the error that led here is the one that counts.
    pub(super) async fn undo(&self, intent: &Intent, made: &[ComputeId], error: Error) -> Error {
        // All are recorded before any is ended: who goes away now leaves them to be ended by others.
        let (kind, all, why, now) = (intent.kind, made.to_vec(), error.message().to_owned(), self.now());
        let intent = intent.clone();
        let recorded = move |intents: &FileIntents| {
            let record = |id: &ComputeId| {
                let record = intents.leftover(intent.clone(), id, &why);
                record.unwrap_or_else(|_| IntentRecord::of_leftover(intent.clone(), id, now))
            };
            Ok(all.iter().map(record).collect::<Vec<_>>())
        };
        let records = match self.on_disk(recorded).await {
            Ok(records) => records,
            Err(stopped) => return error.context(stopped.message()).with_effect(Effect::Unknown),
        };
        let mut left = Vec::new();
        for (id, record) in made.iter().zip(records) {
            if let Err(failed) = Box::pin(self.end(record, id, error.message(), Duration::from_mins(1))).await {
                left.push((id, failed));
            }
        }
        let mut error = error.with_nothing_left();
        for (id, failed) in left {
            error = error
                .context(format!("{kind} {id} is still being ended ({failed}); run `atlas reap`"))
                .with_leftover(id.clone())
                .with_effect(Effect::Unknown);
        }
        error
    }
}

/// A URL is signed for https alone, so over an open line such a machine would be paid for and never reached.
fn refuse_unsignable(request: &ComputeRequest, auth: Auth) -> Result<()> {
    if auth == Auth::SignedUrl && request.allow_plain_http {
        return Err(Error::validation(
            "no URL is signed for plain http: leave allow_plain_http out, or give the machine a bearer token",
        ));
    }
    Ok(())
}

/// Refuses, as rule C12 says, to send a key over an open line. Loopback never leaves the machine.
pub(super) fn refuse_plain_http(spawned: &Spawned, compute: &Compute) -> Result<()> {
    let allowed = spawned.allow_plain_http || spawned.credentials.auth() == Auth::None;
    match crate::probe::open_line(compute).filter(|_| !allowed) {
        None => Ok(()),
        Some(port) => Err(Error::validation(format!(
            "port {port} of machine {} has no TLS, and its key would travel in the open; allow_plain_http permits it",
            compute.id
        ))
        .with_provider(&compute.provider)),
    }
}
