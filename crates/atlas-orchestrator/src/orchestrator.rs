//! The orchestrator as its user holds it.

use std::sync::Arc;
use std::time::Duration;

use atlas_auth::Timestamp;
use atlas_core::{Atlas, Money};

use crate::activity::Touched;
use crate::books::{Expect, Read};
use crate::builder::OrchestratorBuilder;
use crate::engine;
use crate::events::{Event, EventStream, What};
use crate::inner::Inner;
use crate::rental::{self, Power, RentalPhase};
use crate::request::SessionRequest;
use crate::session::{Reason, Receipt, SessionPhase, SessionRecord, Wait};
use crate::store::{CommitError, Cursor, Guard, Kind, Range};
use crate::view::{self, SessionView};
use crate::{Error, Result, Session, SessionId};

/// How long `ensure` waits for the key of a session that is just ending to become free.
const KEY_PATIENCE: u32 = 50;

/// The longest grace after which a session may be told to end.
const LONGEST_GRACE: Duration = Duration::from_hours(8784);

/// A machine for each user, kept while it is used, ended when it is idle, never forgotten. Cheap to clone.
///
/// Dropping it stops nothing that it has begun, and ends no machine; [`shutdown`](Self::shutdown) ends its tasks in good
/// order.
#[derive(Debug, Clone)]
pub struct Orchestrator {
    pub(crate) inner: Arc<Inner>,
}

impl Orchestrator {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// Opens the store that `atlas` is configured with, finds out what was, and begins to drive it.
    pub async fn open(atlas: Atlas) -> Result<Self> {
        Self::builder(atlas).open().await
    }

    /// Begins with the accounts and the configuration of `atlas`.
    pub fn builder(atlas: Atlas) -> OrchestratorBuilder {
        OrchestratorBuilder::new(atlas)
    }

    /// The one live session of `key` (a user, a page), or a new one, however many ask at once (rule P10). Also a durable
    /// touch. **A new one bills until it ends.**
    ///
    /// Returns when the session is durable; its machine is on its way. A differing request returns the live session, with
    /// the differences in its view. Starts that failed lately are an error until their pause is over.
    pub async fn ensure(&self, key: &str, request: SessionRequest) -> Result<Session> {
        if key.is_empty() || key.len() > 256 || key.chars().any(char::is_control) {
            return Err(Error::validation("the key is empty, longer than 256 bytes, or has control characters"));
        }
        self.check(&request)?;
        let (this, key) = (self.clone(), key.to_owned());
        self.inner.owned(async move { this.revisit_or_create(&key, &request).await }).await
    }

    async fn revisit_or_create(&self, key: &str, request: &SessionRequest) -> Result<Session> {
        let mut tries = 0;
        loop {
            if let Some(read) = self.inner.books.session_of_key(key).await? {
                if let Some(session) = self.revisit(&read.record, request).await? {
                    return Ok(session);
                }
            } else {
                self.inner.check_breakers(Some(key)).await?;
                match self.create(Some(key), request).await {
                    Err(Error::Commit(CommitError::Conflict { .. })) => {}
                    made => return made,
                }
            }
            // Its ending frees the key in the very commit that is being written now.
            tries += 1;
            if tries >= KEY_PATIENCE {
                let message = format!("the session of key {key} is ending and its ending cannot be written; try again");
                return Err(Error::Core(atlas_core::Error::conflict(message)));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A new session without a key. **Bills until it ends.** Not to be repeated on a lost answer: use
    /// [`ensure`](Self::ensure) where that may happen.
    pub async fn start(&self, request: SessionRequest) -> Result<Session> {
        self.check(&request)?;
        let this = self.clone();
        let work = async move {
            this.inner.check_breakers(request.user.as_deref()).await?;
            this.create(None, &request).await
        };
        self.inner.owned(work).await
    }

    /// Says that a session is in use. No await, no disk: call it as often as you like.
    pub fn touch(&self, session: &SessionId) -> Result<()> {
        // What would be stored no more must not be promised.
        if self.inner.is_draining() {
            return Err(Error::Closed);
        }
        match self.inner.activity.touch(session, self.inner.idle.stamp()) {
            Touched::Counted => Ok(()),
            Touched::TooLate(reason) => Err(Error::Over { session: *session, reason }),
            Touched::Unknown => Err(Error::NoSession(*session)),
        }
    }

    /// As [`touch`](Self::touch), for the session that bears this key. One look-up more, and as cheap.
    pub fn touch_key(&self, key: &str) -> Result<()> {
        let session = self.inner.activity.bearer(key).ok_or_else(|| Error::NoSessionOf(key.to_owned()))?;
        match self.touch(&session) {
            Err(Error::NoSession(_)) => Err(Error::NoSessionOf(key.to_owned())),
            touched => touched,
        }
    }

    /// The live session that bears this key, as `ensure` would give it; no touch, and nothing is made.
    pub async fn session_of(&self, key: &str) -> Result<Session> {
        match self.inner.books.session_of_key(key).await? {
            Some(read) => Ok(self.handle(read.record.id)),
            None => Err(Error::NoSessionOf(key.to_owned())),
        }
    }

    /// A session by its id, living or remembered.
    pub async fn session(&self, id: SessionId) -> Result<Session> {
        match self.inner.books.session(id).await? {
            Some(_) => Ok(self.handle(id)),
            None => Err(Error::NoSession(id)),
        }
    }

    /// Ends a session. Returns when the ending is durable: from then on it is irrevocable, and its machines are ended
    /// until they are proven gone. Repeats safely.
    pub async fn end(&self, session: &SessionId) -> Result<()> {
        self.end_because(session, "asked", "a caller").await
    }

    /// As [`end`](Self::end), with who asked and why for the receipt.
    pub async fn end_because(&self, session: &SessionId, why: &str, asked_by: &str) -> Result<()> {
        let receipt = Receipt::new(Reason::Asked, why, asked_by, self.inner.now());
        let (inner, session) = (self.inner.clone(), *session);
        self.inner.owned(async move { inner.end_session(session, &receipt).await.map(drop) }).await
    }

    /// Says that a session's user has left: it ends after `grace`, unless it is touched meanwhile. Whoever is touched by
    /// another page, or by the same one loaded again, stays; so `grace` is longer than the pause between two touches.
    ///
    /// Returns when that is durable: it survives a restart, after which the grace begins anew. It never lengthens a life,
    /// runs while a machine is still starting too, and not while it is stopped. The latest grace counts.
    pub async fn end_after(&self, session: &SessionId, grace: Duration) -> Result<()> {
        if grace > LONGEST_GRACE {
            return Err(Error::validation("a grace is a year at most"));
        }
        let (inner, session) = (self.inner.clone(), *session);
        self.inner.owned(async move { inner.leave(session, grace).await }).await
    }

    /// Stops a session's machine, keeping its disk. Idle time stands still until [`resume`](Self::resume); its lifetime
    /// does not. Returns when that is durable.
    pub async fn stop(&self, session: &SessionId) -> Result<()> {
        let (this, session) = (self.clone(), *session);
        self.inner.owned(async move { this.switch(session, rental::Input::Stop).await }).await
    }

    /// Starts a session's stopped machine again, under the same keys and a new endpoint. Returns when that is durable.
    pub async fn resume(&self, session: &SessionId) -> Result<()> {
        let (this, session) = (self.clone(), *session);
        let work = async move {
            this.switch(session, rental::Input::Start).await?;
            // Whoever had left is here again.
            this.inner.activity.touch(&session, this.inner.idle.stamp());
            Ok(())
        };
        self.inner.owned(work).await
    }

    /// All sessions that live or are ending.
    pub async fn sessions(&self) -> Result<Vec<SessionView>> {
        let mut cursor = Cursor::START;
        let mut views = Vec::new();
        loop {
            let page = self.inner.books.store().scan(Range::rows(Kind::SESSION), cursor, 1000).await?;
            let next = page.next.clone();
            for row in page.into_rows().iter().filter(|row| row.phase != "ended") {
                // One that cannot be read is exposure.
                if let Ok(read) = crate::books::read_session(row) {
                    views.push(self.inner.view(&read.record).await?);
                }
            }
            match next {
                Some(next) => cursor = next,
                None => return Ok(views),
            }
        }
    }

    /// How many sessions live, as far as memory knows. Cheap.
    pub fn living(&self) -> usize {
        self.inner.activity.len()
    }

    /// Follows everything that happens: the present state first.
    pub async fn events(&self) -> Result<EventStream> {
        // The number first, so that what happens between the two reads is told rather than missed.
        let seen = self.last_event().await?;
        Ok(EventStream::new(&self.inner, None, seen, self.sessions().await?))
    }

    /// The orchestrator's steady time.
    pub fn now(&self) -> Timestamp {
        self.inner.now()
    }

    pub(crate) async fn last_event(&self) -> Result<u64> {
        let range = Range::Events { after: u64::MAX - 1 };
        let page = self.inner.books.store().scan(range, Cursor::START, 1).await?;
        Ok(page.next_event.saturating_sub(1))
    }

    fn handle(&self, id: SessionId) -> Session {
        Session { id, orchestrator: self.clone(), differs: Vec::new() }
    }

    /// Refuses what cannot be right before anything is written.
    fn check(&self, request: &SessionRequest) -> Result<()> {
        if self.inner.is_draining() {
            return Err(Error::Closed);
        }
        request.validate()?;
        if let crate::inner::Keys::Unknown(why) = &self.inner.keys {
            return Err(Error::NoMasterKey(why.clone()));
        }
        let provider = self.inner.account(self.provider_of(request)?)?;
        provider.check(&request.compute)?;
        Ok(())
    }

    fn provider_of<'a>(&'a self, request: &'a SessionRequest) -> Result<&'a atlas_core::ProviderId> {
        let only = || match self.inner.accounts.keys().collect::<Vec<_>>().as_slice() {
            [only] => Some(*only),
            _ => None,
        };
        request.provider.as_ref().or(self.inner.default_provider.as_ref()).or_else(only).ok_or_else(|| {
            Error::validation("no provider is named, and there is no default: set default_provider, or name one")
        })
    }

    /// Another caller of the same key: a touch that counts durably, or nothing if the session is just ending.
    async fn revisit(&self, session: &SessionRecord, request: &SessionRequest) -> Result<Option<Session>> {
        if !session.is_living() || self.inner.activity.touch(&session.id, self.inner.idle.stamp()) != Touched::Counted {
            return Ok(None);
        }
        if let Some(key) = &session.key {
            self.inner.activity.bears(session.id, key);
        }
        engine::store_touch(&self.inner, session.id).await;
        let mut handle = self.handle(session.id);
        handle.differs = self.differences(session, request);
        Ok(Some(handle))
    }

    fn differences(&self, session: &SessionRecord, request: &SessionRequest) -> Vec<&'static str> {
        let mut plain = request.compute.clone();
        let private = plain.take_private();
        let stored = self.inner.unseal(session).map(|mut whole| whole.take_private()).unwrap_or_default();
        let policy = &self.inner.policy;
        let provider_differs = request.provider.as_ref().is_some_and(|provider| *provider != session.provider);
        [
            ("compute", plain != session.request || private != stored),
            ("provider", provider_differs),
            ("auth", request.auth != session.auth),
            ("idle_ttl", request.idle_ttl.or(Some(policy.idle_ttl)) != session.idle_ttl),
            ("max_lifetime", request.max_lifetime.or(policy.max_lifetime) != session.max_lifetime),
            ("ready_path", request.ready_path != session.ready_path),
            ("start_timeout", request.start_timeout.unwrap_or(policy.start_timeout) != session.start_timeout),
            ("on_loss", request.on_loss != session.on_loss),
            ("labels", request.labels != session.labels),
        ]
        .into_iter()
        .filter_map(|(what, differs)| differs.then_some(what))
        .collect()
    }

    async fn create(&self, key: Option<&str>, request: &SessionRequest) -> Result<Session> {
        let inner = &self.inner;
        let id = SessionId::generate(&*inner.entropy);
        let now = inner.now();
        let (plain, private) = inner.seal(id, request.compute.clone())?;
        let policy = &inner.policy;
        let user = request.user.clone().or_else(|| key.map(str::to_owned)).unwrap_or_default();
        let record = SessionRecord {
            id,
            user: user.clone(),
            key: key.map(str::to_owned),
            provider: self.provider_of(request)?.clone(),
            request: plain,
            private,
            auth: request.auth,
            idle_ttl: request.idle_ttl.or(Some(policy.idle_ttl)),
            max_lifetime: request.max_lifetime.or(policy.max_lifetime),
            start_timeout: request.start_timeout.unwrap_or(policy.start_timeout),
            ready_path: request.ready_path.clone(),
            on_loss: request.on_loss,
            labels: request.labels.clone(),
            created_at: now,
            phase: SessionPhase::Waiting { wait: Wait::Turn },
            current: None,
            rentals: Vec::new(),
            attempt: 0,
            refusals: 0,
            failed_starts: 0,
            closed_cost: Money::ZERO,
            unpriced: Vec::new(),
            starting_since: Some(now),
            ready_since: None,
            is_proven: false,
            generation: 0,
            warned_of: None,
            warned_of_lifetime: false,
            leave_grace: None,
            stopped: false,
            found_stopped: false,
            later: std::collections::BTreeMap::new(),
        };
        inner.activity.enter(id, inner.idle.stamp(), 0);
        let mut change = inner.books.change();
        if let Some(key) = key {
            change = change.guard(Guard::UniqueFree(inner.books.key_name(key)));
        }
        let made = change
            .session(&record, Expect::New, Some(now))
            .event(&Event::of_session(now, id, What::Created { user }))
            .commit()
            .await;
        if let Err(error) = made {
            inner.activity.forget(&id, None);
            return Err(error.into());
        }
        if let Some(key) = key {
            inner.activity.bears(id, key);
        }
        Ok(self.handle(id))
    }

    async fn switch(&self, id: SessionId, input: rental::Input) -> Result<()> {
        loop {
            let Some(Read { record: mut session, version }) = self.inner.books.session(id).await? else {
                return Err(Error::NoSession(id));
            };
            if let Some(receipt) = session.receipt() {
                return Err(Error::Over { session: id, reason: receipt.reason });
            }
            let provider = self.inner.account(&session.provider)?;
            if !provider.traits().has(atlas_core::Capability::StopResume) {
                let capability = atlas_core::Capability::StopResume;
                return Err(Error::Core(provider.unsupported("stop", capability)));
            }
            let Some(current) = session.current else {
                return Err(Error::Core(atlas_core::Error::conflict(format!("session {id} has no machine yet"))));
            };
            let Some(Read { record: mut rental, version: rental_version }) = self.inner.books.rental(current).await?
            else {
                return Err(Error::Core(atlas_core::Error::conflict(format!("session {id} has no machine yet"))));
            };
            let (next, _) = rental::step(rental.state(), input);
            let rental::State::Held(power) = next else {
                return Err(Error::Core(atlas_core::Error::conflict(format!("session {id} has no machine yet"))));
            };
            if next == rental.state() {
                return Ok(());
            }
            let now = self.inner.now();
            // The endpoint is forgotten in the commit that decides it: the old port may be a stranger's soon (P12).
            rental.phase = RentalPhase::Held { power, published: None };
            session.stopped = matches!(power, Power::Stopping | Power::Down);
            session.found_stopped = false;
            session.starting_since = (!session.stopped).then_some(now);
            if power == Power::Starting {
                rental.accrual.starting(now);
            }
            let phase = view::phase(&session, Some(&rental));
            let done = self
                .inner
                .books
                .change()
                .rental_after_drive(&rental, Expect::At(rental_version), Some(now))
                .session(&session, Expect::At(version), Some(now))
                .event(&Event::of_session(now, id, What::Phase { phase }))
                .commit()
                .await;
            match done {
                Err(CommitError::Conflict { .. }) => {}
                done => return Ok(done.map(|_| ())?),
            }
        }
    }
}
