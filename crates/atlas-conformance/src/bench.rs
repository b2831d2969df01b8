//! What a case works with: calls whose machines are remembered, and a count of what is spent.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use atlas_auth::{Entropy, SystemEntropy, Timestamp};
use atlas_core::{
    CallContext, Compute, ComputeFilter, ComputeId, ComputeRequest, ComputeStatus, Effect, Error, Installation, Mark,
    Money, Provider, Result, SpawnOrder, SpawnToken,
};

use crate::dated;
use crate::harness::{Harness, Trouble};
use crate::lingering::Memory;

/// What a machine is taken to cost an hour while no price is known, so that a small limit holds for the first one too.
const UNTOLD: Money = Money::from_micros(1_000_000);

/// How often something that is waited for is looked at.
const PAUSE: Duration = Duration::from_millis(250);

/// Why a case did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// The promise is broken.
    Promise(String),
    /// The harness lacks the means to prove it.
    NotProvable(String),
}

impl Broken {
    /// The promise is broken, and how.
    pub fn because(words: impl Into<String>) -> Self {
        Self::Promise(words.into())
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Promise(words) | Self::NotProvable(words) => formatter.write_str(words),
        }
    }
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::Promise(error.to_string())
    }
}

/// Fails a case unless something holds.
macro_rules! ensure {
    ($holds:expr, $($words:tt)+) => {
        if !$holds {
            return Err($crate::bench::Broken::because(format!($($words)+)));
        }
    };
}
pub(crate) use ensure;

/// What was rented, from when on, at which price.
#[derive(Debug, Clone, Copy)]
struct Rented {
    since: Timestamp,
    price: Money,
}

/// What a case works with.
pub struct Bench<'h> {
    harness: &'h dyn Harness,
    provider: std::sync::Arc<dyn Provider>,
    pub(crate) installation: Installation,
    running: Mutex<BTreeMap<ComputeId, Rented>>,
    spent: Mutex<Money>,
    /// The highest price that was told so far.
    dearest: Mutex<Option<Money>>,
    memory: Memory,
}

impl<'h> Bench<'h> {
    pub(crate) fn new(harness: &'h dyn Harness) -> Self {
        Self {
            provider: harness.provider(),
            harness,
            installation: Installation::generate(&SystemEntropy),
            running: Mutex::default(),
            spent: Mutex::new(Money::ZERO),
            dearest: Mutex::new(harness.price_per_hour()),
            memory: Memory::default(),
        }
    }

    /// The harness.
    pub fn harness(&self) -> &'h dyn Harness {
        self.harness
    }

    /// The provider under proof.
    pub fn provider(&self) -> &std::sync::Arc<dyn Provider> {
        &self.provider
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The context of an ordinary call.
    pub fn context(&self) -> CallContext {
        CallContext::new().with_timeout(Duration::from_mins(1))
    }

    /// The cheapest machine.
    pub fn machine(&self) -> ComputeRequest {
        self.harness.machine()
    }

    /// A token of its own.
    pub fn token(&self) -> SpawnToken {
        dated::token(self.now())
    }

    /// A text that occurs nowhere by chance.
    pub fn canary(&self) -> String {
        let mut random = [0; 8];
        SystemEntropy.fill(&mut random);
        format!("canary-{:016x}", u64::from_le_bytes(random))
    }

    /// Makes the cheapest machine.
    pub async fn spawn(&self) -> Result<(Compute, SpawnToken), Broken> {
        self.spawn_as(self.machine()).await
    }

    /// Makes this machine.
    pub async fn spawn_as(&self, request: ComputeRequest) -> Result<(Compute, SpawnToken), Broken> {
        let order = self.order(request).await?;
        Ok((self.place(&order).await?, order.token()))
    }

    /// Sends an order, and counts what it costs.
    pub async fn place(&self, order: &SpawnOrder) -> Result<Compute> {
        let made = self.provider.spawn(&self.context(), order).await;
        match &made {
            Ok(compute) => {
                self.memory.expects(&compute.id, self.now());
                self.counts(compute);
            }
            Err(error) if error.is_safe_to_resend() => {}
            Err(_) => self.memory.doubts(self.now()),
        }
        made
    }

    /// Reads one machine.
    pub async fn get(&self, id: &ComputeId) -> Result<Compute> {
        let read = self.provider.get(&self.context(), id).await;
        read.inspect(|compute| self.memory.sees(compute))
    }

    /// Reads all machines.
    pub async fn list(&self) -> Result<Vec<Compute>> {
        let all = self.provider.list(&self.context(), &ComputeFilter::all()).await;
        all.inspect(|all| all.iter().for_each(|compute| self.memory.sees(compute)))
    }

    /// Waits until the machine has this status, or is gone where that is `terminated`.
    pub async fn until(&self, id: &ComputeId, wanted: &ComputeStatus) -> Result<Compute, Broken> {
        let until = self.now().plus(self.harness.patience());
        let mut last = String::from("nothing");
        while self.now() < until {
            match self.get(id).await {
                Ok(compute) if compute.status == *wanted => return Ok(compute),
                Ok(compute) if compute.status.is_over() && *wanted != ComputeStatus::Terminated => {
                    return Err(Broken::because(format!("machine {id} is {} and not {wanted}", compute.status)));
                }
                Ok(compute) => last = compute.status.to_string(),
                Err(error) if error.is_not_found() || error.is_transient() => last = error.to_string(),
                Err(error) => return Err(error.into()),
            }
            self.harness.pass(PAUSE).await;
        }
        Err(Broken::because(format!("machine {id} was not {wanted} in time; the last read showed {last}")))
    }

    /// Ends a machine, and waits until no read shows it alive.
    pub async fn end(&self, id: &ComputeId) -> Result<(), Broken> {
        self.provider.terminate(&self.context(), id).await?;
        let until = self.now().plus(self.harness.patience());
        while self.now() < until {
            match self.get(id).await {
                Ok(compute) if compute.status != ComputeStatus::Terminated => {}
                Err(error) if error.is_transient() => {}
                Err(error) if !error.is_not_found() => return Err(error.into()),
                Ok(_) | Err(_) => {
                    self.is_over(id);
                    return Ok(());
                }
            }
            self.harness.pass(PAUSE).await;
        }
        Err(Broken::because(format!("machine {id} was told to end, and reads still show it alive")))
    }

    /// Waits until reads and listings show a machine, at most as long as a create may stay invisible.
    pub async fn seen(&self, id: &ComputeId) {
        let until = self.settled_at();
        while !(self.shows(id).await && self.get(id).await.is_ok()) && self.waits(until).await {}
    }

    /// Waits until neither reads nor listings show a machine alive, at most as long as a delete may stay invisible.
    pub async fn unseen(&self, id: &ComputeId) {
        let until = self.settled_at();
        let alive = |compute: Compute| compute.status != ComputeStatus::Terminated;
        while (self.shows(id).await || self.get(id).await.is_ok_and(alive)) && self.waits(until).await {}
    }

    async fn shows(&self, id: &ComputeId) -> bool {
        let shown = |compute: &Compute| compute.id == *id && compute.status != ComputeStatus::Terminated;
        self.list().await.is_ok_and(|all| all.iter().any(shown))
    }

    /// When what is done now must be visible.
    pub fn settled_at(&self) -> Timestamp {
        self.now().plus(self.provider.traits().settle_window + PAUSE)
    }

    /// Lets a moment pass; `false`, at once, where `until` is past.
    pub async fn waits(&self, until: Timestamp) -> bool {
        if self.now() >= until {
            return false;
        }
        self.harness.pass(PAUSE).await;
        true
    }

    /// Lets a moment pass at the cloud, and one here: for what happens beside the cloud's hour.
    pub async fn moment(&self) {
        self.harness.pass(PAUSE).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    /// Lets as much time pass as a create or a delete may stay invisible: for what must *not* come to be seen.
    pub async fn settle(&self) {
        self.harness.pass(self.provider.traits().settle_window + PAUSE).await;
    }

    /// Arranges trouble, or gives up on the case.
    pub fn inject(&self, trouble: Trouble) -> Result<(), Broken> {
        if self.harness.inject(trouble) {
            self.memory.doubts(self.now());
            Ok(())
        } else {
            Err(Broken::NotProvable(format!("the harness cannot make the cloud fail so: {trouble:?}")))
        }
    }

    /// Gives up on the case where this trouble cannot be had: asked first where something is rented before it is needed.
    pub fn needs(&self, trouble: Trouble) -> Result<(), Broken> {
        self.inject(trouble)?;
        self.harness.heal();
        Ok(())
    }

    /// Does something that must be refused before anything is sent: the error, proven by its effect, and by the count of
    /// requests where there is one.
    pub async fn refused<T>(&self, what: &str, call: impl Future<Output = Result<T>>) -> Result<Error, Broken> {
        let before = self.harness.requests();
        let answer = call.await;
        let after = self.harness.requests();
        let Err(error) = answer else { return Err(Broken::because(format!("{what} was not refused"))) };
        ensure!(
            error.effect() == Effect::NotSent,
            "{what}: the effect of the refusal is {:?}, not NotSent: {error}",
            error.effect()
        );
        ensure!(before == after, "{what} was refused only after the cloud had been asked");
        Ok(error)
    }

    /// The cloud's time.
    pub fn now(&self) -> Timestamp {
        self.harness.clock().now()
    }

    fn counts(&self, compute: &Compute) {
        let price = compute.cost_per_hour.unwrap_or(Money::ZERO);
        let mut dearest = self.dearest.lock().unwrap_or_else(PoisonError::into_inner);
        *dearest = (*dearest).max(Some(price));
        self.running().insert(compute.id.clone(), Rented { since: self.now(), price });
    }

    /// Counts no more for a machine that is over.
    pub(crate) fn is_over(&self, id: &ComputeId) {
        if let Some(rented) = self.running().remove(id) {
            let cost = rented.price.for_span(self.now().since(rented.since));
            let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
            *spent += cost;
        }
    }

    /// What was spent so far.
    pub(crate) fn spent(&self) -> Money {
        let now = self.now();
        let running: Money = self.running().values().map(|rented| rented.price.for_span(now.since(rented.since))).sum();
        *self.spent.lock().unwrap_or_else(PoisonError::into_inner) + running
    }

    /// The most that so many machines can cost while one case lasts.
    pub(crate) fn at_most(&self, machines: u32) -> Money {
        let dearest = self.dearest.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(UNTOLD);
        (0..machines).map(|_| dearest.for_span(self.harness.patience())).sum()
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<ComputeId, Rented>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Bench<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Bench").field("provider", self.provider.id()).finish_non_exhaustive()
    }
}

/// The mark that a machine bears, in its name if nowhere else.
pub(crate) fn mark_of(compute: &Compute) -> Option<Mark> {
    compute.mark.clone().or_else(|| compute.name.as_deref().and_then(Mark::read))
}
