//! What the orchestrator's tasks and its callers share.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use atlas_auth::{Clock, Entropy, MasterKey, Sealer, Timestamp};
use atlas_core::{
    Atlas, CallContext, ComputeRequest, Credentials, Deployment, Installation, PrivateParts, Probe, Provider,
    ProviderId, Scope, SpawnToken,
};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::activity::Activity;
use crate::books::{Books, Read};
use crate::engine::Frontier;
use crate::pace::Turns;
use crate::policy::Policy;
use crate::rental::RentalRecord;
use crate::session::SessionRecord;
use crate::time::IdleClock;
use crate::view::{self, SessionView};
use crate::{Error, Result, SessionId};

/// One account: usable, or why not. An account that cannot be built is exposure, not a reason not to start (rule P14).
#[derive(Debug, Clone)]
pub(crate) enum AccountState {
    Usable(Arc<dyn Provider>),
    Broken(atlas_core::Error),
}

/// The keys from which all others follow; without them machines are still watched and ended (rule P6).
#[derive(Debug)]
pub(crate) enum Keys {
    Known { master: MasterKey, sealer: Box<Sealer> },
    Unknown(String),
}

/// What the orchestrator's tasks and its callers share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) books: Arc<Books>,
    pub(crate) activity: Arc<Activity>,
    pub(crate) idle: IdleClock,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) deployment: Deployment,
    pub(crate) installation: Installation,
    /// When the store was made: one that is new ends no alien (rule O5).
    pub(crate) store_made_at: Timestamp,
    pub(crate) keys: Keys,
    pub(crate) policy: Policy,
    /// What stood with the last beat.
    pub(crate) frontier: Mutex<Option<Frontier>>,
    pub(crate) probe: Option<Arc<dyn Probe>>,
    pub(crate) accounts: BTreeMap<ProviderId, AccountState>,
    pub(crate) default_provider: Option<ProviderId>,
    /// Groups of scopes, each known to be one account (rule O3).
    pub(crate) joined: RwLock<BTreeMap<ProviderId, Vec<Vec<Scope>>>>,
    /// Whose one-off spawns are exposure too, where nobody can tell what they made.
    pub(crate) atlas: Arc<Atlas>,
    /// Whose turn it is to have a create sent, by account.
    turns: Mutex<BTreeMap<ProviderId, Turns>>,
    /// Creates that this process is sending now.
    sending: Mutex<HashSet<SpawnToken>>,
    /// The tasks: dropping a caller's future stops none of them (rule P14).
    pub(crate) tasks: TaskTracker,
    pub(crate) closing: CancellationToken,
    /// Whether sessions and touches are refused: touches take no lock.
    draining: AtomicBool,
}

/// What [`Inner`] is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) books: Arc<Books>,
    pub(crate) activity: Arc<Activity>,
    pub(crate) idle: IdleClock,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) deployment: Deployment,
    pub(crate) installation: Installation,
    pub(crate) store_made_at: Timestamp,
    pub(crate) keys: Keys,
    pub(crate) policy: Policy,
    pub(crate) frontier: Option<Frontier>,
    pub(crate) probe: Option<Arc<dyn Probe>>,
    pub(crate) accounts: BTreeMap<ProviderId, AccountState>,
    pub(crate) default_provider: Option<ProviderId>,
    pub(crate) joined: BTreeMap<ProviderId, Vec<Vec<Scope>>>,
    pub(crate) atlas: Arc<Atlas>,
}

impl Inner {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            books: parts.books,
            activity: parts.activity,
            idle: parts.idle,
            clock: parts.clock,
            entropy: parts.entropy,
            deployment: parts.deployment,
            installation: parts.installation,
            store_made_at: parts.store_made_at,
            keys: parts.keys,
            policy: parts.policy,
            frontier: Mutex::new(parts.frontier),
            probe: parts.probe,
            accounts: parts.accounts,
            default_provider: parts.default_provider,
            joined: RwLock::new(parts.joined),
            atlas: parts.atlas,
            turns: Mutex::default(),
            sending: Mutex::default(),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
            draining: AtomicBool::new(false),
        }
    }

    /// From now on no session begins, and touches are refused.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// From now on nothing at all is begun.
    pub(crate) fn close(&self) {
        self.drain();
        self.closing.cancel();
    }

    /// Whether sessions and touches are refused. One atomic load.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.books.now()
    }

    /// An account that can be used; what is wrong with it otherwise.
    pub(crate) fn account(&self, id: &ProviderId) -> Result<Arc<dyn Provider>> {
        match self.accounts.get(id) {
            Some(AccountState::Usable(provider)) => Ok(provider.clone()),
            Some(AccountState::Broken(error)) => Err(Error::Core(error.clone())),
            None => Err(Error::Core(
                atlas_core::Error::validation(format!(
                    "account {id} has rentals in the store and no place in the configuration; put it back, or its \
                     machines bill on"
                ))
                .with_provider(id),
            )),
        }
    }

    /// The terms of a call that creates nothing.
    pub(crate) fn call(&self) -> CallContext {
        CallContext::new().with_timeout(self.policy.call_timeout)
    }

    /// Bounds a call by the policy, whatever the provider makes of its context (rule P16).
    pub(crate) async fn bounded<T>(&self, call: impl Future<Output = atlas_core::Result<T>>) -> atlas_core::Result<T> {
        let timeout = self.policy.call_timeout;
        tokio::time::timeout(timeout, call).await.unwrap_or_else(|_| {
            let waited = atlas_core::duration::format(timeout);
            Err(atlas_core::Error::timeout(format!("the cloud did not answer within {waited}")))
        })
    }

    /// The keys of a rental's machine.
    pub(crate) fn credentials(&self, session: &SessionRecord, rental: &RentalRecord) -> Result<Credentials> {
        match &self.keys {
            Keys::Known { master, .. } => {
                Ok(Credentials::derive(session.auth, master, rental.mark.token, rental.epoch))
            }
            Keys::Unknown(why) => Err(Error::NoMasterKey(why.clone())),
        }
    }

    /// Splits a request into what is stored plain and what is stored sealed.
    pub(crate) fn seal(
        &self,
        session: SessionId,
        mut request: ComputeRequest,
    ) -> Result<(ComputeRequest, Option<atlas_auth::Sealed>)> {
        let private = request.take_private();
        if private == PrivateParts::default() {
            return Ok((request, None));
        }
        match &self.keys {
            Keys::Known { sealer, .. } => {
                let sealed = sealer.seal(&*self.entropy, &session.to_string(), &private.to_bytes());
                Ok((request, Some(sealed)))
            }
            Keys::Unknown(why) => Err(Error::NoMasterKey(why.clone())),
        }
    }

    /// The whole request again.
    pub(crate) fn unseal(&self, session: &SessionRecord) -> Result<ComputeRequest> {
        let request = session.request.clone();
        let Some(sealed) = &session.private else { return Ok(request) };
        match &self.keys {
            Keys::Known { sealer, .. } => {
                let bytes = sealer.open(&session.id.to_string(), sealed).map_err(|error| {
                    Error::NoMasterKey(format!("the sealed parts of session {} do not open: {error}", session.id))
                })?;
                Ok(request.with_private(PrivateParts::from_bytes(&bytes)?))
            }
            Keys::Unknown(why) => Err(Error::NoMasterKey(why.clone())),
        }
    }

    /// Takes the turn of a session to have a create sent, as fast as its cloud allows; else says when to come again.
    pub(crate) fn take_turn(&self, session: &SessionRecord) -> Result<(), Timestamp> {
        // What is wrong with an account is found out by whoever uses it.
        let Ok(provider) = self.account(&session.provider) else { return Ok(()) };
        let Some(pace) = provider.traits().launch_pace else { return Ok(()) };
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.entry(session.provider.clone()).or_default().take(session.id, pace, self.now())
    }

    /// Gives back the turn of a session that is over, or can have no create.
    pub(crate) fn give_turn_back(&self, session: &SessionRecord) {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = turns.get_mut(&session.provider) {
            turns.give_back(session.id);
        }
    }

    /// Says that a create is being sent, until the guard is dropped.
    pub(crate) fn sending(self: &Arc<Self>, token: SpawnToken) -> Sending {
        self.sending_set().insert(token);
        Sending { inner: self.clone(), token }
    }

    /// Whether this process is sending this create now.
    pub(crate) fn is_sending(&self, token: SpawnToken) -> bool {
        self.sending_set().contains(&token)
    }

    fn sending_set(&self) -> std::sync::MutexGuard<'_, HashSet<SpawnToken>> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rentals of a session that are not closed. One that cannot be read is left out here and counted as exposure.
    pub(crate) async fn rentals_of(&self, session: &SessionRecord) -> Result<Vec<Read<RentalRecord>>> {
        let mut rentals = Vec::with_capacity(session.rentals.len());
        for id in &session.rentals {
            match self.books.rental(*id).await {
                Ok(Some(rental)) => rentals.push(rental),
                Ok(None) | Err(Error::Unreadable { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(rentals)
    }

    /// What people see of a session now.
    pub(crate) async fn view(&self, session: &SessionRecord) -> Result<SessionView> {
        let rentals: Vec<_> = self.rentals_of(session).await?.into_iter().map(|read| read.record).collect();
        Ok(view::view(session, &rentals, self.now(), self.idle_for(session.id)))
    }

    /// How long a session has gone untouched.
    pub(crate) fn idle_for(&self, session: SessionId) -> Option<Duration> {
        let last = self.activity.cell(&session)?.last()?;
        Some(Duration::from_millis(self.idle.now(self.clock.monotonic()).saturating_sub(last)))
    }

    /// Runs what a caller asked for in a task of ours, so that it is carried through whatever becomes of the caller: a
    /// web framework drops its handler when the browser goes away (rule P14).
    pub(crate) async fn owned<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        match self.tasks.spawn(work).await {
            Ok(done) => done,
            Err(broken) => match broken.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Its runtime is being shut down under it.
                Err(_) => Err(Error::Closed),
            },
        }
    }

    /// A pause before the next try, spread so that many who failed together do not come back together.
    pub(crate) fn pause(&self, failures: u32) -> Duration {
        let pause = self.policy.pause(failures);
        let mut random = [0; 2];
        self.entropy.fill(&mut random);
        pause / 2 + (pause / 2).mul_f64(f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX))
    }
}

/// While this lives, a create is being sent.
#[derive(Debug)]
pub(crate) struct Sending {
    inner: Arc<Inner>,
    token: SpawnToken,
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.inner.sending_set().remove(&self.token);
    }
}
