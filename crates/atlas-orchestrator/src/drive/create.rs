//! Getting a machine for a session that waits (rules O1, P1, P2).
//!
//! The intent is one commit: the rental is on disk, and the session names it, before the cloud hears of it. The create
//! is then sent once. What became of it is a second commit; a machine whose result can no longer be recorded is ended by
//! its own caller.

use std::sync::Arc;

use atlas_auth::Timestamp;
use atlas_core::proof::Absence;
use atlas_core::{
    CallContext, Compute, Credentials, Effect, ErrorKind, Intent, Mark, Proof, Provider, SpawnOrder, SpawnToken,
    TokenKind, Traits, probe,
};

use super::intents::StoreIntents;
use super::{Held, Machine, twin_of};
use crate::books::{Change, Expect, Read};
use crate::events::{Event, What};
use crate::inner::{Inner, Keys};
use crate::leaving::Leave;
use crate::rental::{self, Holder, Power, RentalPhase, RentalRecord, billed_since};
use crate::session::{Action, Input, Reason, Receipt, SessionPhase, SessionRecord, Wait, step};
use crate::store::CommitError;
use crate::{Error, Phase, RentalId, Result};

/// How often the result of a create is tried to be written before its machine is ended instead.
const WRITE_TRIES: u32 = 5;

pub(crate) async fn create(inner: &Arc<Inner>, held: &Held, session: Read<SessionRecord>) -> Result<()> {
    if session.record.deadline().is_some_and(|deadline| deadline <= inner.now()) {
        return give_up(inner, held, session).await;
    }
    let cell = inner.activity.cell(&session.record.id);
    let leave = cell.and_then(|cell| inner.leave_of(&session.record, &cell));
    if let Some(leave) = leave.filter(|leave| leave.remains().is_zero()) {
        inner.books.release(&held.key, held.fence).await?;
        let receipt = Receipt::new(Reason::Left, Leave::evidence(leave.grace), "atlas", inner.now());
        inner.end_untouched(session.record.id, leave.left, &receipt).await?;
        return Ok(());
    }
    let waits = match &session.record.phase {
        // Its rental finds out what became of the create; here only the deadline counts.
        SessionPhase::Waiting { wait: Wait::Answer } => true,
        SessionPhase::Waiting { wait: Wait::Pause { until, .. } } => *until > inner.now(),
        _ => false,
    };
    if waits || leave.is_some() {
        // Nothing is rented for who has left: only the end counts.
        let due = match leave {
            Some(leave) => {
                let over = inner.now().plus(leave.remains());
                Some(session.record.deadline().map_or(over, |deadline| deadline.min(over)))
            }
            None => inner.session_due(&session.record),
        };
        let change = inner.books.change().under(&held.key, held.fence);
        change.session(&session.record, Expect::At(session.version), due).commit().await?;
        return Ok(());
    }
    if !step(session.record.state(), Input::Turn).1.contains(&Action::Rent) {
        return inner.books.release(&held.key, held.fence).await;
    }
    match rent(inner, held, session.clone()).await {
        Ok(()) => Ok(()),
        Err(Failed::Before(error)) => refused(inner, held, session, &error).await,
        Err(Failed::Store(error)) => Err(error),
        Err(Failed::Early(turn)) => {
            let due = session.record.deadline().map_or(turn, |deadline| deadline.min(turn));
            let change = inner.books.change().under(&held.key, held.fence);
            change.session(&session.record, Expect::At(session.version), Some(due)).commit().await?;
            Ok(())
        }
    }
}

/// Why no create was sent.
enum Failed {
    /// Nothing was recorded.
    Before(atlas_core::Error),
    /// The store failed; the row is as it was.
    Store(Error),
    /// Its turn comes then, at an account that takes only so many creates.
    Early(Timestamp),
}

async fn rent(inner: &Arc<Inner>, held: &Held, session: Read<SessionRecord>) -> Result<(), Failed> {
    let before = |error: Error| match error {
        Error::Core(error) => Failed::Before(error),
        // The key may be given back: that is no fault of the request.
        other => Failed::Before(atlas_core::Error::unknown(other.to_string())),
    };
    let provider = inner.account(&session.record.provider).map_err(before)?;
    let request = inner.unseal(&session.record).map_err(before)?;
    provider.check(&request).map_err(Failed::Before)?;
    let Keys::Known { master, .. } = &inner.keys else {
        return Err(Failed::Before(atlas_core::Error::unknown("the master key is not known")));
    };
    // What is refused without being sent costs nobody a turn.
    inner.take_turn(&session.record).map_err(Failed::Early)?;
    let token = SpawnToken::generate(TokenKind::Session, &*inner.entropy);
    let credentials = Credentials::derive(session.record.auth, master, token, 0);
    let mark = Mark::new(inner.deployment.clone(), inner.installation.clone(), token, request.name.clone());
    let context = CallContext::new().with_timeout(inner.policy.create_timeout);
    let now = inner.now();
    let intent =
        Intent::machine(mark, provider.id(), provider.scope(&context), now, now.plus(inner.policy.may_send_for));
    let allow_plain_http = request.allow_plain_http;
    let intents = StoreIntents::new(inner, held, session);
    let sending = inner.sending(token);
    let recorded = SpawnOrder::record(&intents, &intent, request, &credentials, provider.traits()).await;
    let order = match recorded {
        Ok(order) => order,
        // A mark that does not fit is refused before anything is recorded; else the store refused.
        Err(error) => {
            return Err(match intents.failure() {
                Some(failure) => Failed::Store(failure),
                None => Failed::Before(error),
            });
        }
    };
    // The sleeping sender: whoever was stopped between the intent and here must not send any more (history 4).
    let answer = if inner.now() >= order.not_after() {
        Err(atlas_core::Error::timeout("the create was put off too long and is not sent").with_effect(Effect::NotSent))
    } else {
        send(inner, &*provider, &context, &order).await
    };
    let answer = answer.map_err(|error| doubt_clash(error, provider.traits()));
    let answer = answer.and_then(|compute| check_answer(compute, &order, &credentials, allow_plain_http));
    record_answer(inner, &provider, token, answer).await;
    drop(sending);
    Ok(())
}

async fn send(
    inner: &Inner,
    provider: &dyn Provider,
    context: &CallContext,
    order: &SpawnOrder,
) -> atlas_core::Result<Compute> {
    let timeout = inner.policy.create_timeout;
    tokio::time::timeout(timeout, provider.spawn(context, order)).await.unwrap_or_else(|_| {
        let waited = atlas_core::duration::format(timeout);
        Err(atlas_core::Error::timeout(format!("the cloud did not answer the create within {waited}")))
    })
}

/// Where live names are unique, a conflict may mean that the name is taken, and nobody else's name bears this token: then
/// the create was carried out before, for whoever forwarded it sent it twice. What became of it is searched for.
fn doubt_clash(error: atlas_core::Error, traits: &Traits) -> atlas_core::Error {
    if traits.unique_names && error.kind() == ErrorKind::Conflict && error.leftovers().is_empty() {
        return error.with_effect(Effect::Unknown);
    }
    error
}

/// A machine with an altered mark, or whose key would travel in the open, is not handed out (rules O2, C12).
fn check_answer(
    compute: Compute,
    order: &SpawnOrder,
    credentials: &Credentials,
    allow_plain_http: bool,
) -> atlas_core::Result<Compute> {
    let refuse = |message: String| {
        Err(atlas_core::Error::validation(message).with_effect(Effect::Rejected).with_leftover(compute.id.clone()))
    };
    if compute.mark().is_none_or(|mark| {
        mark.token != order.token()
            || mark.deployment != order.mark().deployment
            || mark.installation != order.mark().installation
    }) {
        return refuse(format!("the cloud altered the mark of machine {}, so it is ended again", compute.id));
    }
    if credentials.env().is_some()
        && !allow_plain_http
        && let Some(port) = probe::open_line(&compute)
    {
        return refuse(format!(
            "port {port} of machine {} has no TLS, and its key would travel in the open; allow_plain_http permits it",
            compute.id
        ));
    }
    Ok(compute)
}

/// Writes what became of a create. Nothing may be lost here: what cannot be written is undone.
///
/// But not while the orchestrator closes: then the store is refused to this process because the next one has it or will,
/// and that one may have found the machine by its token and be serving it.
async fn record_answer(
    inner: &Arc<Inner>,
    provider: &Arc<dyn Provider>,
    token: SpawnToken,
    answer: atlas_core::Result<Compute>,
) {
    let machines = match &answer {
        Ok(compute) => vec![compute.id.clone()],
        Err(error) => error.leftovers().to_vec(),
    };
    for attempt in 0..WRITE_TRIES {
        match write_answer(inner, token, &answer).await {
            Ok(()) => return,
            Err(Error::Commit(CommitError::Conflict { .. })) => {}
            Err(error) => {
                tracing::warn!(rental = %token, %error, "the result of a create cannot be written");
                tokio::time::sleep(inner.pause(attempt)).await;
            }
        }
    }
    if inner.closing.is_cancelled() {
        tracing::warn!(rental = %token, "closed before a create could be recorded: the next opening finds it");
        return;
    }
    // The rental stays open on disk: whoever reads it next searches for the token, and proves or ends what it finds.
    for machine in machines {
        let ended = inner.bounded(provider.terminate(&inner.call(), &machine)).await;
        tracing::error!(rental = %token, compute = %machine, ended = ended.is_ok(),
            "a machine whose rental cannot be written was told to end");
    }
}

pub(super) async fn write_answer(
    inner: &Arc<Inner>,
    token: SpawnToken,
    answer: &atlas_core::Result<Compute>,
) -> Result<()> {
    let Some(Read { record: mut rental, version }) = inner.books.rental(RentalId::new(token)).await? else {
        return Err(Error::Unreadable { row: token.to_string(), why: "its rental is gone".to_owned() });
    };
    let mut session = match rental.holder {
        Holder::Session(id) => inner.books.session(id).await?,
        Holder::Plain | Holder::Nobody => None,
    };
    let now = inner.now();
    let mut change = inner.books.change().urgent();
    let mut due = now;
    let mut failed = None;
    let has_machine = answer.as_ref().map_or_else(|error| !error.leftovers().is_empty(), |_| true);
    if let Some(session) = session.as_mut().filter(|_| has_machine) {
        session.record.pay_for(&rental);
    }
    match answer {
        Ok(compute) => {
            bind(&mut rental, &Machine::from(compute), now);
            rental.was_marked = compute.mark().is_some();
            if let Some(session) = session.as_mut()
                && hold(inner, &mut session.record, &rental)
            {
                let what = What::Phase { phase: Phase::Starting };
                change = change.event(&Event::of_session(now, session.record.id, what));
            }
        }
        Err(error) if !error.leftovers().is_empty() => {
            // Something exists all the same: each is bound, the further ones to twins, so that it is ended by its id.
            let mut written = Vec::new();
            for (twin, leftover) in (0..).zip(error.leftovers()) {
                let machine = Machine::named(leftover);
                if twin == 0 {
                    bind(&mut rental, &machine, now);
                } else {
                    let twin = twin_of(&rental, twin, &machine, now);
                    change = change.rental(&twin, Expect::New, Some(now));
                    written.push(twin);
                }
            }
            rental.last_error = Some(error.to_string());
            if let Some(read) = session.as_mut() {
                let receipt = Receipt::new(Reason::Failed, error.to_string(), "atlas", now);
                rental.release(&receipt);
                let mut rentals = inner.rentals_of(&read.record).await?;
                rentals.retain(|other| other.record.id != rental.id);
                for twin in &written {
                    read.record.pay_for(twin);
                }
                written.push(rental.clone());
                change = inner.add_ending(change, &mut read.record, &mut rentals, &written, receipt);
                failed = Some(error);
            }
        }
        Err(error) if error.is_safe_to_resend() => {
            let proof = if error.effect() == Effect::NotSent { Proof::NotSent } else { Proof::Refused };
            if rental::step(rental.state(), rental::Input::NothingMade).0 == rental::State::Closed {
                rental.close(proof, now);
            }
            if let Some(read) = session.as_mut() {
                let lived = read.record.is_living();
                read.record.lose(&rental, now);
                change = settle_refusal(inner, change, &mut read.record, error).await?;
                if lived && !read.record.is_living() {
                    failed = Some(error);
                }
            }
        }
        // Nobody knows: the rental stays open, and a search finds out.
        Err(error) => rental.failed(error),
    }
    if matches!(rental.phase, RentalPhase::Closed { .. }) {
        due = now.plus(inner.policy.remember);
    }
    change = change.rental(&rental, Expect::At(version), Some(due));
    if let Some(read) = &mut session {
        change = inner.add_finish(change, &mut read.record);
        let due = inner.session_due(&read.record);
        change = change.session(&read.record, Expect::At(read.version), due);
    }
    change.commit().await?;
    if let Some(read) = &session {
        inner.after_ending(&read.record);
        if let Some(error) = failed {
            inner.note_failure(&read.record, &error.to_string()).await?;
        }
    }
    Ok(())
}

/// Binds a rental to its machine.
pub(super) fn bind(rental: &mut RentalRecord, machine: &Machine, now: Timestamp) {
    let compute = &machine.id;
    if let RentalPhase::Closed { at, .. } = rental.phase {
        // Closed by hand while its create was under way: there is a machine after all, and nobody's.
        let evidence = format!("its create was answered with machine {compute} after it was closed");
        let unpriced = rental.accrual.unpriced_since();
        rental.accrual.reopen(unpriced.map_or(at, |since| billed_since(machine.made, since, now)));
        rental.phase = RentalPhase::Releasing { receipt: Receipt::new(Reason::Failed, evidence, "atlas", now) };
    }
    let (next, _) = rental::step(rental.state(), rental::Input::Bound);
    rental.compute = Some(compute.clone());
    rental.bound_at = Some(now);
    rental.absence = Absence::new();
    rental.accrual.running(now, now, machine.price);
    rental.succeeded();
    if next == rental::State::Held(Power::Starting) {
        rental.phase = RentalPhase::Held { power: Power::Starting, published: None };
    }
}

/// Gives a session the machine that was made for it. Whether it has one now.
pub(super) fn hold(inner: &Inner, session: &mut SessionRecord, rental: &RentalRecord) -> bool {
    if session.current != Some(rental.id) || rental.power().is_none() {
        return false;
    }
    let (next, _) = step(session.state(), Input::Held);
    if next != crate::session::State::Served {
        return false;
    }
    session.phase = SessionPhase::Served;
    session.starting_since.get_or_insert(inner.now());
    true
}

/// A create was refused and nothing exists: it is tried again after a pause, or the session ends where that is in vain.
async fn settle_refusal<'a>(
    inner: &Inner,
    change: Change<'a>,
    session: &mut SessionRecord,
    error: &atlas_core::Error,
) -> Result<Change<'a>> {
    let now = inner.now();
    if !session.is_living() {
        return Ok(change);
    }
    if is_in_vain(error.kind()) {
        let receipt = Receipt::new(Reason::Failed, error.to_string(), "atlas", now);
        // Lost ones that it had before may still be ending.
        let mut rentals = inner.rentals_of(session).await?;
        return Ok(inner.add_ending(change, session, &mut rentals, &[], receipt));
    }
    inner.pause_session(session, error.to_string(), error.retry_after().unwrap_or_default());
    Ok(change.event(&Event::of_session(now, session.id, What::CreateRefused { error: error.to_string() })))
}

/// Whether the same create can never succeed. Of a kind that is not known here nothing is concluded.
fn is_in_vain(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Unauthorized
            | ErrorKind::Forbidden
            | ErrorKind::NotFound
            | ErrorKind::Unsupported
            | ErrorKind::Validation
            | ErrorKind::Conflict
    )
}

/// No create was recorded: the session pauses, or ends where another try is in vain.
async fn refused(
    inner: &Arc<Inner>,
    held: &Held,
    session: Read<SessionRecord>,
    error: &atlas_core::Error,
) -> Result<()> {
    let Read { mut record, version } = session;
    let change = inner.books.change().urgent().under(&held.key, held.fence);
    let mut change = settle_refusal(inner, change, &mut record, error).await?;
    change = inner.add_finish(change, &mut record);
    let due = inner.session_due(&record);
    change.session(&record, Expect::At(version), due).commit().await?;
    inner.after_ending(&record);
    if !record.is_living() {
        inner.note_failure(&record, &error.to_string()).await?;
    }
    Ok(())
}

/// The start took too long: the session ends, and whatever its create made goes with it.
async fn give_up(inner: &Arc<Inner>, held: &Held, session: Read<SessionRecord>) -> Result<()> {
    let life = session.record.max_lifetime.map(|lifetime| session.record.created_at.plus(lifetime));
    if life.is_some_and(|over| over <= inner.now()) {
        inner.books.release(&held.key, held.fence).await?;
        let receipt = Receipt::new(Reason::Lifetime, "its lifetime is over", "atlas", inner.now());
        return inner.end_session(session.record.id, &receipt).await.map(drop);
    }
    let why = match &session.record.phase {
        SessionPhase::Waiting { wait: Wait::Pause { why, .. } } => format!("no machine in time; last refusal: {why}"),
        _ => "no machine in time".to_owned(),
    };
    inner.books.release(&held.key, held.fence).await?;
    let receipt = Receipt::new(Reason::StartTimeout, why.clone(), "atlas", inner.now());
    if inner.end_session(session.record.id, &receipt).await? {
        inner.note_failure(&session.record, &why).await?;
    }
    Ok(())
}
