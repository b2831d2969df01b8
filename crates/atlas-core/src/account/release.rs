//! Ending a machine, or whatever else bills, until its end is proven (rules O6, P4, P15).

use std::time::Duration;

use tokio::time::error::Elapsed;

use super::evidence::Look;
use super::{Account, Permission};
use crate::intents::{IntentPhase, IntentRecord, Whose};
use crate::{
    ComputeId, Effect, Error, ErrorKind, Intent, Mark, Proof, RecordKey, RentalKind, Rented, Result, SpawnToken,
    TokenKind,
};

/// The word of an ordinary ending: the machine is plain and of this deployment, and somebody asked.
pub(super) const ASKED: &str = "asked";

impl Account {
    /// Ends a machine; returns when it is proven gone, at most two minutes later.
    ///
    /// Refuses a machine that is marked as a session's, and one without the mark of this deployment. An id that a record
    /// here knows and the cloud does not is a success; one that nobody knows is `not_found`. On `timeout` the record
    /// stays, and `reap` carries it on. Repeats safely.
    pub async fn terminate(&self, id: impl AsRef<ComputeId>) -> Result<()> {
        self.terminate_with(id, Permission::ordinary(), Duration::from_mins(2)).await
    }

    /// As [`terminate`](Self::terminate), with more allowed and another bound.
    pub async fn terminate_with(
        &self,
        id: impl AsRef<ComputeId>,
        permission: Permission,
        timeout: Duration,
    ) -> Result<()> {
        self.end_rented(RentalKind::Machine, id.as_ref(), permission, timeout).await
    }

    /// Ends whatever bills, as [`terminate_with`](Self::terminate_with) ends a machine: a volume **with all that is on
    /// it**, an endpoint with its jobs.
    pub async fn end_rented(
        &self,
        kind: RentalKind,
        id: &ComputeId,
        permission: Permission,
        timeout: Duration,
    ) -> Result<()> {
        let mut ending = Ending::default();
        let ended = tokio::time::timeout(timeout, async {
            let record = self.to_be_ended(kind, id, permission).await?;
            self.until_gone(record, id, ASKED, &mut ending).await
        })
        .await;
        self.told(kind, id, timeout, ending, ended)
    }

    /// Asks that a machine be ended, and does not wait for the proof: `reap` does.
    pub async fn terminate_soon(&self, id: impl AsRef<ComputeId>, permission: Permission) -> Result<()> {
        self.end_rented_soon(RentalKind::Machine, id.as_ref(), permission).await
    }

    /// Asks that whatever bills be ended, and does not wait for the proof.
    pub async fn end_rented_soon(&self, kind: RentalKind, id: &ComputeId, permission: Permission) -> Result<()> {
        self.step(ends(kind), self.begin_end(kind, id, permission)).await
    }

    async fn begin_end(&self, kind: RentalKind, id: &ComputeId, permission: Permission) -> Result<()> {
        let mut record = self.to_be_ended(kind, id, permission).await?;
        if !record.is_living() {
            return Ok(());
        }
        // A disk that takes no record must not keep a machine alive: the cloud is told first, the caller afterwards.
        let recorded = self.say_releasing(record.key(), id, ASKED).await;
        if recorded.is_ok() {
            self.release_step(record.key()).await?;
        } else {
            let look = self.look(&mut record, id).await;
            look.map_err(|error| unrecorded(&record, id, error))?;
        }
        recorded
    }

    /// Refuses what may not be ended. The record under which it is to be ended, made where there was none, so that a crash
    /// forgets nothing.
    ///
    /// What is recorded here goes by its record, whatever its cloud answers just now: the ending is written first, and each
    /// look afterwards reads whose machine it is.
    async fn to_be_ended(&self, kind: RentalKind, id: &ComputeId, permission: Permission) -> Result<IntentRecord> {
        let verb = if kind == RentalKind::Machine { "terminate" } else { "delete" };
        let known = match self.record_of(kind, id).await? {
            Some(record) if record.is_living() => {
                let record = self.in_scope(record).await?;
                if record.goes_by_its_word() && !permission.foreign {
                    if !matches!(record.phase, IntentPhase::Releasing { .. }) {
                        self.permit(kind, id, Some(&record.intent.mark), permission, verb)?;
                    }
                    return Ok(record);
                }
                Some(record)
            }
            other => other,
        };
        let read = self.read(kind, id).await;
        let rented = match (read, known) {
            (Ok(rented), None) => rented,
            (Ok(rented), Some(record)) => match record.whose(&rented) {
                Whose::Ours if rented.is_gone() => return Ok(record),
                Whose::Ours if record.is_living() && record.goes_by_its_word() => return Ok(record),
                Whose::Strangers if record.is_living() => {
                    self.displaced(record, id).await?;
                    rented
                }
                Whose::Strangers if !permission.foreign => return Err(self.used_again(&rented)),
                // It was closed and is there all the same, or an operator must say whose it is.
                Whose::Ours | Whose::Strangers | Whose::Unclear => rented,
            },
            (Err(error), Some(record)) if record.goes_by_its_word() && (record.is_living() || error.is_not_found()) => {
                return Ok(record);
            }
            (Err(error), _) => return Err(error),
        };
        let why = self.permit(kind, id, rented.mark().as_ref(), permission, verb)?;
        let intent = self.intent_for(&rented);
        self.on_disk(move |intents| intents.take_over(intent, &rented, why)).await
    }

    /// Another thing has the id of what is recorded, which is gone by that, or moved.
    async fn displaced(&self, record: IntentRecord, id: &ComputeId) -> Result<()> {
        let key = record.key();
        match self.over(&record, id).await? {
            Look::Gone => self.on_disk(move |intents| intents.close(&record, Proof::Gone)).await.map(drop),
            Look::Moved(moved) => self.on_disk(move |intents| intents.moved(key, &moved.id)).await,
            // Left as it is: a later look finds out.
            Look::NotYet => Ok(()),
        }
    }

    /// What was asked for is done, and what stands under its id now is another's: neither killed nor passed off as ended.
    fn used_again(&self, rented: &Rented) -> Error {
        let (kind, id) = (rented.kind, &rented.id);
        let still = if kind == RentalKind::Machine { "runs" } else { "bills" };
        Error::conflict(format!(
            "{kind} {id} was ended and its cloud gave the id to another, which still {still}: say --foreign to end that one"
        ))
        .with_effect(Effect::NotSent)
        .with_provider(self.provider.id())
    }

    /// What a record says of something that no create here made.
    pub(super) fn intent_for(&self, rented: &Rented) -> Intent {
        let mark = rented.mark().unwrap_or_else(|| {
            let shared = &self.surroundings;
            let token = SpawnToken::generate(TokenKind::Plain, &*shared.entropy);
            Mark::new(shared.deployment.clone(), shared.installation.clone(), token, None)
        });
        let (now, scope) = (self.now(), self.provider.scope(&self.context));
        Intent::machine(mark, self.provider.id(), scope, now, now).of_kind(rented.kind)
    }

    /// Whether what bears this mark may be stopped or ended by hand (rule O6), and on whose word.
    pub(super) fn permit(
        &self,
        kind: RentalKind,
        id: &ComputeId,
        mark: Option<&Mark>,
        permission: Permission,
        verb: &str,
    ) -> Result<&'static str> {
        let is_ours = mark.is_some_and(|mark| mark.deployment == self.surroundings.deployment);
        // Whose it is and what it is for are asked apart: a session of another deployment has a user too.
        let message = match mark.map(|mark| mark.token.kind()) {
            _ if !is_ours && !permission.foreign => format!(
                "{kind} {id} does not bear the mark of deployment {}: say --foreign to {verb} it",
                self.surroundings.deployment
            ),
            None | Some(TokenKind::Plain) if is_ours => return Ok(ASKED),
            None | Some(TokenKind::Plain) => return Ok("asked, as foreign"),
            Some(TokenKind::Session | TokenKind::Pool | TokenKind::Task) if permission.force => {
                return Ok(if is_ours { "asked, by force" } else { "asked, as foreign, by force" });
            }
            Some(TokenKind::Session) => {
                format!("{kind} {id} belongs to a session, whose user would lose it: end the session, or say --force")
            }
            Some(TokenKind::Pool | TokenKind::Task) => format!(
                "{kind} {id} was made by a newer Atlas for a purpose that this one does not know: say --force to {verb} it"
            ),
        };
        Err(Error::validation(message).with_provider(self.provider.id()))
    }

    /// Ends what a record is of, until the proof or the end of `timeout`.
    pub(super) async fn end(&self, record: IntentRecord, id: &ComputeId, why: &str, timeout: Duration) -> Result<()> {
        let (kind, mut ending) = (record.intent.kind, Ending::default());
        let ended = tokio::time::timeout(timeout, self.until_gone(record, id, why, &mut ending)).await;
        self.told(kind, id, timeout, ending, ended)
    }

    /// A disk that takes no record must not keep a machine alive: then the evidence is kept here, and the record is
    /// closed by a later look.
    async fn until_gone(&self, mut record: IntentRecord, id: &ComputeId, why: &str, ending: &mut Ending) -> Result<()> {
        let (key, mut id) = (record.key(), id.clone());
        let recorded = self.say_releasing(key, &id, why).await;
        let is_recorded = recorded.is_ok();
        ending.recorded = Some(recorded);
        let mut pause = Duration::from_millis(50);
        loop {
            let step = if is_recorded {
                self.release_step(key).await
            } else {
                match self.look(&mut record, &id).await {
                    Ok(Look::Gone) => Ok(true),
                    Ok(Look::NotYet) => Ok(false),
                    Ok(Look::Moved(moved)) => {
                        // What spoke for an absence told of the old id.
                        record.absence.seen();
                        id = moved.id;
                        Ok(false)
                    }
                    Err(error) => Err(unrecorded(&record, &id, error)),
                }
            };
            match step {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) if is_final(&error) || is_in_use(&record, &error) => {
                    ending.is_kept = (is_recorded || is_in_use(&record, &error)) && self.is_kept(key).await;
                    return Err(error);
                }
                Err(error) => ending.last = Some(error),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    async fn say_releasing(&self, key: RecordKey, id: &ComputeId, why: &str) -> Result<()> {
        let (id, why) = (id.clone(), why.to_owned());
        self.on_disk(move |intents| intents.releasing(key, &id, &why)).await
    }

    /// One step towards the proven end of what is recorded as being ended; `true` when it is proven.
    pub(super) async fn release_step(&self, key: RecordKey) -> Result<bool> {
        let Some(record) = self.on_disk(move |intents| intents.get(key)).await? else { return Ok(true) };
        if !record.is_living() {
            return Ok(true);
        }
        let mut record = self.in_scope(record).await?;
        let IntentPhase::Releasing { compute: id, .. } = record.phase.clone() else { return Ok(false) };
        let look = self.look(&mut record, &id).await;
        // What was seen is kept, whatever the cloud said to it.
        let (kept, record) = self.on_disk(move |intents| Ok((intents.observed(&record), record))).await?;
        if look.as_ref().is_err_and(|error| takes_back(&record, error)) {
            let taken_back = self.on_disk(move |intents| intents.keep(key)).await;
            taken_back.map_err(|error| error.context("its end was refused, and that cannot be recorded"))?;
        }
        match look.map_err(|error| if is_in_use(&record, &error) { kept_as_used(&id, error) } else { error })? {
            Look::Gone => {
                let closed = self.on_disk(move |intents| intents.close(&record, Proof::Gone)).await?;
                return Ok(!closed.is_living());
            }
            Look::Moved(moved) => self.on_disk(move |intents| intents.moved(key, &moved.id)).await?,
            Look::NotYet => kept?,
        }
        Ok(false)
    }

    /// Whether its ending was taken back. A record that cannot be read just now tells of none.
    async fn is_kept(&self, key: RecordKey) -> bool {
        let record = self.on_disk(move |intents| intents.get(key)).await;
        matches!(record, Ok(Some(IntentRecord { phase: IntentPhase::Bound { .. }, .. })))
    }

    /// Says of an ending that failed, or that nobody waits for any more, what becomes of the machine.
    fn told(
        &self,
        kind: RentalKind,
        id: &ComputeId,
        timeout: Duration,
        ending: Ending,
        ended: std::result::Result<Result<()>, Elapsed>,
    ) -> Result<()> {
        let carried_on = match &ending.recorded {
            Some(Ok(())) => "its record stays, and `atlas reap` carries it on".to_owned(),
            Some(Err(error)) => format!("nor could it be recorded that it is to go ({})", error.message()),
            None => "and nothing is recorded of it: ask again".to_owned(),
        };
        match ended {
            Ok(Err(error)) if ending.is_kept => Err(error),
            Ok(Err(error)) if ending.recorded.is_some() => {
                Err(error.context(format!("{kind} {id} is not proven gone, {carried_on}")))
            }
            Ok(outcome) => outcome,
            Err(_) => {
                let last = ending.last.map(|error| format!("; the last answer was: {error}")).unwrap_or_default();
                let waited = crate::duration::format(timeout);
                Err(Error::timeout(format!("{kind} {id} is not proven gone after {waited}; {carried_on}{last}"))
                    .with_provider(self.provider.id())
                    .with_operation(ends(kind))
                    .with_leftover(id.clone()))
            }
        }
    }
}

/// The operation by which such a thing is ended, as errors name it.
fn ends(kind: RentalKind) -> &'static str {
    match kind {
        RentalKind::Machine => "terminate",
        RentalKind::Volume => "delete_volume",
        RentalKind::Endpoint => "end_rented",
    }
}

/// How far an ending has come, for whoever stops waiting for it.
#[derive(Debug, Default)]
struct Ending {
    /// Whether it is written down that the machine is to go; `None` before it was tried.
    recorded: Option<Result<()>>,
    /// Whether it was refused and taken back.
    is_kept: bool,
    /// What went wrong last, where it may pass.
    last: Option<Error>,
}

/// Whether this refusal takes an ending back. Who asked is told that it is not deleted, and uses it or lets others use it:
/// a word from before would end what is on it as soon as nothing is in its way any more.
fn takes_back(record: &IntentRecord, error: &Error) -> bool {
    let bears_another_name = record.unclear && error.effect() == Effect::NotSent;
    record.intent.kind == RentalKind::Volume
        && error.kind() == ErrorKind::Conflict
        && (bears_another_name || is_in_use(record, error))
}

/// Whether the cloud did nothing to a volume because something uses it.
fn is_in_use(record: &IntentRecord, error: &Error) -> bool {
    record.intent.kind == RentalKind::Volume
        && error.kind() == ErrorKind::Conflict
        && error.effect() == Effect::Rejected
}

/// What who asked is to know of a volume in use, of whose ending nothing is recorded any more.
fn kept_as_used(id: &ComputeId, error: Error) -> Error {
    error.context(format!(
        "volume {id} is in use and was not deleted, and nothing deletes it later: end what uses it, then delete it again"
    ))
}

/// The same where the disk took no record of the ending: a word from before may stand there.
fn unrecorded(record: &IntentRecord, id: &ComputeId, error: Error) -> Error {
    let is_bound = matches!(record.phase, IntentPhase::Bound { .. });
    if is_bound && is_in_use(record, &error) { kept_as_used(id, error) } else { error }
}

/// Whether asking again is of no use until somebody has done something about it.
fn is_final(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Unauthorized | ErrorKind::Forbidden | ErrorKind::Unsupported | ErrorKind::Validation => true,
        // A cloud that is busy is asked again; what was judged here and never sent stays as it is.
        ErrorKind::Conflict => error.effect() == Effect::NotSent,
        ErrorKind::NotFound
        | ErrorKind::RateLimited
        | ErrorKind::Timeout
        | ErrorKind::Provider
        | ErrorKind::Transport
        | ErrorKind::Unknown
        | ErrorKind::NoCapacity
        | ErrorKind::Decode
        | ErrorKind::Quota => false,
    }
}
