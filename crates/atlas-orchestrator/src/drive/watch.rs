//! Watching a machine that somebody holds: its start, its endpoint, stop and start, and whether it is still there
//! (rules P5, P9, P12).

use std::sync::Arc;
use std::time::Duration;

use atlas_auth::Timestamp;
use atlas_core::{Capability, Compute, ComputeId, ComputeStatus, ErrorKind, Protocol, Provider, probe};

use super::missing::Silence;
use super::{Held, is_gone, is_strangers, put_off};
use crate::books::{Expect, Read};
use crate::events::{Event, What};
use crate::inner::Inner;
use crate::rental::{self, Action, Holder, Input, Power, Published, RentalPhase, RentalRecord, State};
use crate::session::{Reason, Receipt, SessionRecord};
use crate::{Error, Phase, Result, Unready};

/// The longest time between two reads of a machine that is starting.
const SLOWEST_START_READ: Duration = Duration::from_secs(5);

pub(crate) async fn watch(inner: &Arc<Inner>, held: &Held, rental: Read<RentalRecord>) -> Result<()> {
    let Some(compute) = rental.record.compute.clone() else {
        return put_off(inner, held, rental, "a held rental without a machine", Duration::ZERO).await;
    };
    let session = match rental.record.holder {
        Holder::Session(id) => match inner.books.session(id).await {
            Ok(session) => session,
            // It may be anybody's: nothing is judged about it.
            Err(error @ Error::Unreadable { .. }) => return put_off(inner, held, rental, &error, Duration::ZERO).await,
            Err(error) => return Err(error),
        },
        Holder::Plain | Holder::Nobody => None,
    };
    if is_orphan(&rental.record, session.as_ref()) {
        return release_orphan(inner, held, rental).await;
    }
    let provider = match inner.account(&rental.record.provider) {
        Ok(provider) => provider,
        Err(error) => return put_off(inner, held, rental, &error, Duration::ZERO).await,
    };
    if !inner.acts_in_scope(&provider, &rental.record).await? {
        let words = "the account acts under another key now, so nothing it says proves anything";
        return put_off(inner, held, rental, words, inner.policy.watch_interval).await;
    }
    let watched = Watched { inner, held, rental, session, provider, asked_at: inner.now() };
    match inner.bounded(watched.provider.get(&inner.call(), &compute)).await {
        Ok(found) if is_strangers(&found, &watched.rental.record) => {
            Box::pin(watched.silent(&compute, Silence::NotFound)).await
        }
        Ok(found) if is_gone(&found.status) => Box::pin(watched.silent(&compute, Silence::Terminated)).await,
        Ok(found) => Box::pin(watched.seen(found)).await,
        Err(error) if error.is_not_found() => Box::pin(watched.silent(&compute, Silence::NotFound)).await,
        Err(error) => {
            let at_least = error.retry_after().unwrap_or_default();
            put_off(inner, held, watched.rental, &error, at_least).await
        }
    }
}

/// What a read shows of the power of a machine that nobody here switches.
pub(crate) fn power_shown(status: &ComputeStatus) -> Power {
    match status {
        ComputeStatus::Stopped => Power::Down,
        ComputeStatus::Stopping => Power::Stopping,
        ComputeStatus::Starting => Power::Starting,
        _ => Power::Up,
    }
}

/// A rental without a living holder is releasing, whatever else happened.
fn is_orphan(rental: &RentalRecord, session: Option<&Read<SessionRecord>>) -> bool {
    match rental.holder {
        Holder::Plain => false,
        Holder::Nobody => true,
        Holder::Session(_) => {
            session.is_none_or(|read| !read.record.is_living() || read.record.current != Some(rental.id))
        }
    }
}

async fn release_orphan(inner: &Arc<Inner>, held: &Held, rental: Read<RentalRecord>) -> Result<()> {
    let Read { record: mut rental, version } = rental;
    let now = inner.now();
    rental.release(&Receipt::new(Reason::Failed, "it has no living holder", "atlas", now));
    let change = inner.books.change().urgent().under(&held.key, held.fence);
    change.rental(&rental, Expect::At(version), Some(now)).commit().await?;
    Ok(())
}

/// A held machine that is being looked at.
pub(super) struct Watched<'a> {
    pub(super) inner: &'a Arc<Inner>,
    pub(super) held: &'a Held,
    pub(super) rental: Read<RentalRecord>,
    pub(super) session: Option<Read<SessionRecord>>,
    pub(super) provider: Arc<dyn Provider>,
    /// When the read was asked for.
    pub(super) asked_at: Timestamp,
}

/// What a read shows of a held machine.
struct Seen {
    power: Power,
    published: Option<Published>,
    /// Since when reads say that it is over.
    over_since: Option<Timestamp>,
}

impl Watched<'_> {
    /// The machine is there.
    pub(super) async fn seen(mut self, compute: Compute) -> Result<()> {
        let now = self.inner.now();
        let rental = &mut self.rental.record;
        rental.absence.seen();
        rental.was_read = true;
        rental.was_marked |= compute.mark().is_some_and(|mark| mark.token == rental.mark.token);
        if rental.holder == Holder::Plain {
            return self.seen_plain(compute).await;
        }
        self.rental.record.unready = Some(Unready::Status { status: compute.status.clone() });
        let input = match self.input(&compute).await {
            Ok(input) => input,
            Err(error) => return put_off(self.inner, self.held, self.rental, &error, Duration::ZERO).await,
        };
        self.count(&compute);
        if input == Input::Over && !self.is_believed_over(now) {
            return self.doubt(now).await;
        }
        let rental = &mut self.rental.record;
        let (next, actions) = rental::step(rental.state(), input);
        if actions.contains(&Action::Start) {
            rental.accrual.starting(now);
        }
        if let Some(error) = self.act(actions, &compute.id).await {
            return put_off(self.inner, self.held, self.rental, &error, error.retry_after().unwrap_or_default()).await;
        }
        match next {
            State::Releasing => {
                let how = if compute.status == ComputeStatus::Failed { "broke" } else { "ended by itself" };
                let code = compute.exit_code.map(|code| format!(" with code {code}")).unwrap_or_default();
                self.free_holder(Reason::Failed, format!("machine {} {how}{code}", compute.id)).await
            }
            State::Held(power) => {
                let published = self.publish(power, actions, &compute);
                let due = now.plus(self.next_read(power));
                let seen = Seen { power, published, over_since: None };
                self.write(seen, due, Some(compute.id)).await
            }
            State::Open | State::Unfound | State::Closed => self.write_back(now).await,
        }
    }

    /// A plain machine is looked at and never acted on: it is its operator's, whatever becomes of it (O6).
    async fn seen_plain(mut self, compute: Compute) -> Result<()> {
        let now = self.inner.now();
        self.count(&compute);
        let over_since = compute.status.is_over().then(|| self.over_since(now));
        let seen = Seen { power: power_shown(&compute.status), published: None, over_since };
        let due = now.plus(self.inner.policy.watch_interval);
        self.write(seen, due, Some(compute.id)).await
    }

    /// Since when reads say that the machine is over, if this one does.
    pub(super) fn over_since(&self, now: Timestamp) -> Timestamp {
        self.rental.record.over_since.unwrap_or(now)
    }

    /// Whether they have said so for long enough.
    pub(super) fn is_believed_over(&self, now: Timestamp) -> bool {
        now.since(self.over_since(now)) >= self.believed_after().0
    }

    /// When it must be heard again.
    pub(super) fn hear_again(&self, now: Timestamp) -> Timestamp {
        let (after, interval) = self.believed_after();
        let (believed, again) = (self.over_since(now).plus(after), now.plus(interval));
        // Long enough said, and not believed yet for another reason: it is not read without pause.
        if believed > now { believed.min(again) } else { again }
    }

    /// For how long reads must say that the machine is over, and how often it is read meanwhile.
    fn believed_after(&self) -> (Duration, Duration) {
        let policy = &self.inner.policy;
        // An adopted machine is its operator's: as much somebody's as one that was handed out.
        if self.rental.record.was_handed_out() || self.rental.record.holder == Holder::Plain {
            (policy.over_after, policy.watch_interval)
        } else {
            (policy.broken_after, policy.start_interval)
        }
    }

    /// One read says that it is over: it is somebody's, so another one must say so too (promise 2).
    async fn doubt(self, now: Timestamp) -> Result<()> {
        let RentalPhase::Held { power, published } = self.rental.record.phase.clone() else { return Ok(()) };
        let due = self.hear_again(now);
        let over_since = Some(self.over_since(now));
        self.write(Seen { power, published, over_since }, due, None).await
    }

    /// What a read means. Only a machine that is starting is asked whether it answers.
    async fn input(&mut self, compute: &Compute) -> atlas_core::Result<Input> {
        Ok(match compute.status {
            // Other ports are another endpoint: it is asked before it is handed out (P12).
            ComputeStatus::Running
                if self.rental.record.published().is_some_and(|known| known.ports != compute.ports) =>
            {
                Input::Moved
            }
            ComputeStatus::Running if self.rental.record.power() == Some(Power::Starting) => {
                let unready = self.unready(compute).await?;
                self.rental.record.unready.clone_from(&unready);
                if unready.is_none() { Input::Ready } else { Input::Running }
            }
            ComputeStatus::Running | ComputeStatus::Starting => match self.rental.record.power() {
                // Where nobody can stop it, whoever holds it did not.
                Some(Power::Down)
                    if !self.provider.traits().has(Capability::StopResume)
                        || self.session.as_ref().is_none_or(|read| read.record.found_stopped) =>
                {
                    Input::Returned
                }
                _ => Input::Running,
            },
            ComputeStatus::Stopped => Input::Stopped,
            ComputeStatus::Exited | ComputeStatus::Failed | ComputeStatus::Terminating => Input::Over,
            // On its way, or a word that is not known: nothing is concluded from it.
            _ => match self.rental.record.power() {
                Some(Power::Stopping | Power::Down) => Input::Stop,
                Some(Power::Starting | Power::Up) | None => Input::Start,
            },
        })
    }

    /// Why a machine that runs is not ready; `None` if it is.
    async fn unready(&self, compute: &Compute) -> atlas_core::Result<Option<Unready>> {
        let Some(read) = &self.session else { return Ok(None) };
        // A port that was asked for and is not listed yet has no address: that is not readiness.
        if compute.first_http().is_none()
            && !read.record.request.ports.iter().any(|port| port.protocol == Protocol::Http)
        {
            return Ok(None);
        }
        let Some(probe) = &self.inner.probe else {
            return Err(atlas_core::Error::unsupported(
                "readiness cannot be asked: build with the feature `http`, or give a probe of your own",
            ));
        };
        let credentials = self
            .inner
            .credentials(&read.record, &self.rental.record)
            .map_err(|error| atlas_core::Error::new(ErrorKind::Unknown, error.to_string()))?;
        // An address that came after the create's answer may be an open line: the key never travels there (C12).
        if credentials.env().is_some()
            && !read.record.request.allow_plain_http
            && let Some(port) = probe::open_line(compute)
        {
            return Err(atlas_core::Error::validation(format!(
                "port {port} of machine {} has no TLS, and its key would travel in the open; allow_plain_http permits it",
                compute.id
            )));
        }
        let path = read.record.ready_path.as_deref();
        let question = probe::question(compute, path, &credentials, &*self.inner.clock)?;
        let Some(question) = question else { return Ok(Some(Unready::NoAddress)) };
        let signs = &self.provider.traits().proxy;
        // Bounded here too: a probe of one's own may forget to.
        Ok(match tokio::time::timeout(question.timeout, probe.ask(&question)).await {
            Ok(Ok(answer)) => {
                let is_ready = probe::is_ready(&answer, signs, path.is_some(), credentials.env().is_some());
                (!is_ready).then_some(Unready::Answer { status: answer.status })
            }
            Ok(Err(_)) | Err(_) => Some(Unready::NoAnswer),
        })
    }

    /// Counts what a read shows of its price.
    pub(super) fn count(&mut self, compute: &Compute) {
        let now = self.inner.now();
        self.rental.record.count(compute, self.provider.traits(), self.asked_at, now);
    }

    /// Tells the cloud what the stored power asks for (P9).
    async fn act(&self, actions: &[Action], compute: &ComputeId) -> Option<atlas_core::Error> {
        for action in actions {
            let done = match action {
                Action::Stop => self.inner.bounded(self.provider.stop(&self.inner.call(), compute)).await,
                Action::Start => self.inner.bounded(self.provider.start(&self.inner.call(), compute)).await,
                Action::Find
                | Action::Read
                | Action::Terminate
                | Action::Publish
                | Action::Unpublish
                | Action::FreeHolder
                | Action::StopCounting => Ok(()),
            };
            if let Err(error) = done {
                return Some(error);
            }
        }
        None
    }

    /// What is published after this read: under a higher generation whenever it is another endpoint.
    fn publish(&mut self, power: Power, actions: &[Action], compute: &Compute) -> Option<Published> {
        let rental = &mut self.rental.record;
        if power != Power::Up {
            return None;
        }
        let known = rental.published().filter(|known| known.ports == compute.ports).cloned();
        if known.is_some() && !actions.contains(&Action::Publish) {
            return known;
        }
        rental.generation += 1;
        Some(Published { generation: rental.generation, ports: compute.ports.clone() })
    }

    fn next_read(&self, power: Power) -> Duration {
        let policy = &self.inner.policy;
        match power {
            Power::Starting => {
                let since = self.session.as_ref().and_then(|read| read.record.starting_since);
                let tried = since.map_or(Duration::ZERO, |since| self.inner.now().since(since));
                (tried / 20).clamp(policy.start_interval, SLOWEST_START_READ.max(policy.start_interval))
            }
            Power::Stopping => policy.start_interval,
            Power::Up | Power::Down => policy.watch_interval,
        }
    }

    /// Writes what was seen, with what it means for the session; `there` is the machine, if that is beyond doubt.
    async fn write(self, seen: Seen, due: Timestamp, there: Option<ComputeId>) -> Result<()> {
        let Seen { power, published, over_since } = seen;
        let Read { record: mut rental, version } = self.rental;
        let inner = self.inner;
        let now = inner.now();
        let before = self.session.as_ref().map(|read| crate::view::phase(&read.record, Some(&rental)));
        let old_generation = rental.published().map(|published| published.generation);
        let found = there.filter(|_| rental.missing_since.is_some()).map(|compute| What::Found { compute });
        rental.phase = RentalPhase::Held { power, published };
        rental.settle_doubt();
        rental.over_since = over_since;
        rental.succeeded();
        let id = rental.id;
        let generation = rental.published().map(|published| published.generation);
        let mut change = inner.books.change().under(&self.held.key, self.held.fence);
        change = change.rental(&rental, Expect::At(version), Some(due));
        let session_id = self.session.as_ref().map(|read| read.record.id);
        if let Some(what) = found {
            change = change.event(&Event::of_rental(now, session_id, id, what));
        }
        if let Some(Read { record: mut session, version }) = self.session {
            let phase = crate::view::phase(&session, Some(&rental));
            if before != Some(phase) {
                change = change.event(&Event::of_session(now, session.id, What::Phase { phase }));
            }
            if let Some(generation) = generation.filter(|generation| Some(*generation) != old_generation) {
                change = change.event(&Event::of_session(now, session.id, What::EndpointChanged { generation }));
            }
            let is_news = session.note_ready(phase == Phase::Ready, now);
            let has_risen = session.note_generation(generation);
            let became_ready = power == Power::Up && session.starting_since.is_some();
            if became_ready {
                session.starting_since = None;
                change = change.session(&session, Expect::At(version), Some(now));
            } else if power == Power::Down && !session.stopped && self.provider.traits().has(Capability::StopResume) {
                // Somebody stopped it behind our back: idle time stands still until it runs again. Where it cannot be told
                // to, its user's silence ends it.
                session.stopped = true;
                session.found_stopped = true;
                change = change.session(&session, Expect::At(version), Some(now));
            } else if power == Power::Starting && (session.found_stopped || session.starting_since.is_none()) {
                // It runs again, or behind other ports: it must become ready anew.
                session.stopped = false;
                session.found_stopped = false;
                session.starting_since = Some(now);
                change = change.session(&session, Expect::At(version), Some(now));
            } else if is_news || has_risen {
                change = change.session(&session, Expect::At(version), Some(now));
            }
            if became_ready {
                // Idle time starts at ready (P12).
                inner.activity.begin_idle(&session.id, inner.idle.stamp());
            }
        }
        change.commit().await?;
        Ok(())
    }

    async fn write_back(self, due: Timestamp) -> Result<()> {
        let change = self.inner.books.change().under(&self.held.key, self.held.fence);
        change.rental(&self.rental.record, Expect::At(self.rental.version), Some(due)).commit().await?;
        Ok(())
    }
}
