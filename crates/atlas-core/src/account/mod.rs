//! One account, as a user of the library holds it: a provider, and what a one-off spawn needs beside it.
//!
//! What is rented here is plain: no store tracks it and no idle time ends it. Its record is one file
//! ([`FileIntents`]); whoever finds a file that is not closed carries it on ([`Account::settle`]).

mod evidence;
mod jobs;
mod preference;
mod release;
mod rent;
mod rented;
mod settle;
mod spawn;
mod unanswered;
mod volumes;

use std::sync::Arc;
use std::time::Duration;

use atlas_auth::{Clock, Entropy};

pub use settle::Settled;

use crate::{
    CallContext, Compute, ComputeFilter, ComputeId, Deployment, Error, FileIntents, Installation, IntentPhase,
    IntentRecord, LogOptions, LogStream, Probe, Provider, ProviderExt, Rentable, RentalKind, Result, Spawned, probe,
};

/// How long one step that waits for no proof may take. A read may first wait until its cloud shows a new machine.
const STEP: Duration = Duration::from_mins(3);

/// What an operator allows beyond the ordinary (rule O6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Permission {
    /// To end or stop a machine that is marked as a session's: its user loses it. Leaves a receipt.
    pub force: bool,
    /// To end or stop a machine without the mark of this deployment. One of a session there needs `force` as well.
    pub foreign: bool,
}

impl Permission {
    /// Nothing beyond the ordinary.
    pub const fn ordinary() -> Self {
        Self { force: false, foreign: false }
    }

    /// Also machines marked as a session's.
    #[must_use]
    pub const fn force(mut self, allow: bool) -> Self {
        self.force = allow;
        self
    }

    /// Also machines without the mark of this deployment.
    #[must_use]
    pub const fn foreign(mut self, allow: bool) -> Self {
        self.foreign = allow;
        self
    }
}

/// What all accounts of one [`Atlas`](crate::Atlas) share.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) deployment: Deployment,
    pub(crate) installation: Installation,
    pub(crate) intents: FileIntents,
    /// The hour, for URLs that expire.
    pub(crate) clock: Arc<dyn Clock>,
    /// What evidence and time limits are counted in: a changed hour proves nothing (history 13).
    pub(crate) steady: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) probe: Option<Arc<dyn Probe>>,
}

/// One account of one cloud. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Account {
    provider: Arc<dyn Provider>,
    surroundings: Arc<Surroundings>,
    context: CallContext,
}

impl Account {
    pub(crate) fn new(provider: Arc<dyn Provider>, surroundings: Arc<Surroundings>) -> Self {
        Self { provider, surroundings, context: CallContext::new() }
    }

    /// The same account, with other terms for each call.
    #[must_use]
    pub fn with(&self, context: CallContext) -> Self {
        Self { context, ..self.clone() }
    }

    /// The provider itself, for what the account has no word for.
    pub fn provider(&self) -> &Arc<dyn Provider> {
        &self.provider
    }

    /// What each of its calls is made with, for calls of the provider's own type.
    pub fn context(&self) -> &CallContext {
        &self.context
    }

    /// Reads one machine. A not-found for a machine that was made within the cloud's settle window is asked again until
    /// the window is over.
    pub async fn get(&self, id: impl AsRef<ComputeId>) -> Result<Compute> {
        let id = id.as_ref();
        self.read_settled(RentalKind::Machine, id, || self.provider.get(&self.context, id)).await
    }

    /// Reads by `read` what a provider's own type shows of something. A not-found for what was made within the cloud's
    /// settle window is asked again until the window is over.
    pub async fn read_settled<T, Reading>(
        &self,
        kind: RentalKind,
        id: &ComputeId,
        read: impl Fn() -> Reading,
    ) -> Result<T>
    where
        Reading: Future<Output = Result<T>>,
    {
        let until = self.settles_at(kind, id).await?;
        loop {
            match read().await {
                Err(error) if error.is_not_found() && self.now() < until => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                answer => return answer,
            }
        }
    }

    /// Reads all machines that `filter` admits.
    pub async fn list(&self, filter: &ComputeFilter) -> Result<Vec<Compute>> {
        self.provider.list(&self.context, filter).await
    }

    /// Reads what a machine writes.
    pub fn logs(&self, id: impl AsRef<ComputeId>, options: &LogOptions) -> Result<LogStream> {
        self.provider.logs(&self.context, id.as_ref(), options)
    }

    /// Stops a machine, keeping its disk; returns when a read shows it stopped, at most `timeout` later.
    pub async fn stop(&self, id: impl AsRef<ComputeId>, permission: Permission, timeout: Duration) -> Result<Compute> {
        let id = id.as_ref();
        let stopping = async {
            self.begin_stop(id, permission).await?;
            self.provider.wait_stopped(&self.context, id, timeout).await
        };
        tokio::time::timeout(timeout, stopping).await.unwrap_or_else(|_| Err(self.not_yet(id, "stopped", timeout)))
    }

    /// Asks that a machine be stopped, and does not wait for it.
    pub async fn stop_soon(&self, id: impl AsRef<ComputeId>, permission: Permission) -> Result<()> {
        self.step("stop", self.begin_stop(id.as_ref(), permission)).await
    }

    async fn begin_stop(&self, id: &ComputeId, permission: Permission) -> Result<()> {
        let compute = self.get(id).await?;
        let why = self.permit(RentalKind::Machine, id, compute.mark().as_ref(), permission, "stop")?;
        if why != release::ASKED {
            // Said before it is done, as every receipt: its user loses the machine by it.
            let known = self.record_of(RentalKind::Machine, id).await?.filter(IntentRecord::is_living);
            let machine = compute.rented();
            let intent = known.map_or_else(|| self.intent_for(&machine), |record| record.intent);
            let why = format!("stopped, {why}");
            self.on_disk(move |intents| intents.receipt(intent, &machine, &why)).await?;
        }
        self.provider.stop(&self.context, id).await
    }

    /// Starts a stopped machine under the same keys; returns when a read shows it running. **Bills from now on.**
    pub async fn start(&self, id: impl AsRef<ComputeId>, timeout: Duration) -> Result<Compute> {
        let id = id.as_ref();
        let starting = async {
            self.provider.start(&self.context, id).await?;
            self.provider.wait_running(&self.context, id, timeout).await
        };
        tokio::time::timeout(timeout, starting).await.unwrap_or_else(|_| Err(self.not_yet(id, "running", timeout)))
    }

    /// Asks that a machine be started, and does not wait for it. **Bills from now on.**
    pub async fn start_soon(&self, id: impl AsRef<ComputeId>) -> Result<()> {
        self.step("start", self.provider.start(&self.context, id.as_ref())).await
    }

    /// Runs what waits for the disk, or for another process at it, away from the caller's thread. It is carried to its end
    /// even if nobody waits for it any more.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&FileIntents) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let intents = self.surroundings.intents.clone();
        crate::intents::blocking(move || work(&intents)).await
    }

    /// Bounds a step, so that a cloud that never answers holds nobody up.
    async fn step<T>(&self, operation: &'static str, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::time::timeout(STEP, work).await.unwrap_or_else(|_| {
            let waited = crate::duration::format(STEP);
            Err(Error::timeout(format!("no answer within {waited}; what is recorded stays as it is"))
                .with_provider(self.provider.id())
                .with_operation(operation))
        })
    }

    fn not_yet(&self, id: &ComputeId, wanted: &str, timeout: Duration) -> Error {
        let waited = crate::duration::format(timeout);
        Error::timeout(format!("machine {id} is not {wanted} after {waited}")).with_provider(self.provider.id())
    }

    /// Waits until the machine answers on its first http port, or runs where it has none (rule P12).
    pub async fn wait_ready(&self, spawned: &Spawned, timeout: Duration) -> Result<Compute> {
        let probe = self.surroundings.probe.as_deref().ok_or_else(|| {
            Error::unsupported("readiness cannot be asked: build with the feature `http`, or give a probe of your own")
        })?;
        let deadline = tokio::time::sleep(timeout);
        tokio::pin!(deadline);
        let mut pause = Duration::from_millis(100);
        loop {
            let asked = self.is_ready(probe, spawned);
            let (ready, compute) = tokio::select! {
                asked = asked => asked?,
                () = &mut deadline => return Err(not_ready(spawned, timeout)),
            };
            if ready {
                return Ok(compute);
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_secs(2)),
                () = &mut deadline => return Err(not_ready(spawned, timeout)),
            }
        }
    }

    async fn is_ready(&self, probe: &dyn Probe, spawned: &Spawned) -> Result<(bool, Compute)> {
        let compute = match self.provider.get(&self.context, &spawned.compute.id).await {
            Ok(compute) => compute,
            // Not visible yet, or not reachable just now: the deadline decides.
            Err(error) if error.is_transient() || error.is_not_found() => return Ok((false, spawned.compute.clone())),
            Err(error) => return Err(error),
        };
        if compute.status.is_over() {
            let message = format!("machine {} is {} and will not become ready", compute.id, compute.status);
            let error = Error::new(crate::ErrorKind::Provider, message).with_provider(self.provider.id());
            // Where machines move, that may tell of the id alone; ended by it, the machine is searched for.
            let is_gone = compute.status == crate::ComputeStatus::Terminated && !self.provider.traits().migrates;
            return Err(if is_gone { error } else { error.with_leftover(compute.id) });
        }
        if compute.status != crate::ComputeStatus::Running {
            return Ok((false, compute));
        }
        if compute.first_http().is_none() {
            return Ok((true, compute));
        }
        // Its address may have come only now.
        spawn::refuse_plain_http(spawned, &compute).map_err(|error| error.with_leftover(compute.id.clone()))?;
        let question = probe::question(&compute, None, &spawned.credentials, &*self.surroundings.clock)
            .map_err(|error| error.with_provider(self.provider.id()).with_leftover(compute.id.clone()))?;
        let Some(question) = question else { return Ok((false, compute)) };
        let signs = &self.provider.traits().proxy;
        let has_key = spawned.credentials.env().is_some();
        let ready = match probe.ask(&question).await {
            Ok(answer) => probe::is_ready(&answer, signs, false, has_key),
            Err(_) => false,
        };
        Ok((ready, compute))
    }

    /// Until when a not-found may only mean that it is new.
    async fn settles_at(&self, kind: RentalKind, id: &ComputeId) -> Result<atlas_auth::Timestamp> {
        let window = self.provider.traits().settle_window;
        if window.is_zero() {
            return Ok(atlas_auth::Timestamp::EPOCH);
        }
        // What is being ended is missing for a good reason.
        let bound = self.record_of(kind, id).await?.filter(|record| matches!(record.phase, IntentPhase::Bound { .. }));
        Ok(bound.map_or(atlas_auth::Timestamp::EPOCH, |record| record.made_at().plus(window)))
    }

    fn now(&self) -> atlas_auth::Timestamp {
        self.surroundings.steady.now()
    }
}

fn not_ready(spawned: &Spawned, timeout: Duration) -> Error {
    Error::timeout(format!(
        "machine {} did not become ready within {}",
        spawned.compute.id,
        crate::duration::format(timeout)
    ))
    .with_provider(&spawned.compute.provider)
    .with_leftover(spawned.compute.id.clone())
}
