//! The `mock` provider: the model behind a clock, a plan of faults and the contract of a provider.
//!
//! What a test may see and do beside the calls of a provider stands in `inspect`.

mod call;
mod describe;
mod inspect;
mod jobs;
mod provider;
mod translate;
mod volumes;
mod webhooks;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use atlas_auth::{Clock, Secret, SeededEntropy, Timestamp, TokenHash};
use atlas_core::{ComputeId, ErrorKind, ProviderId, SpawnToken, Traits};

use crate::builder::MockBuilder;
use crate::clock::ManualClock;
use crate::faults::{Fault, FaultPlan, Operation};
use crate::model::{Cloud, Settings};
use crate::probe::Asked;

pub use jobs::EndpointSpec;
pub(crate) use webhooks::Hook;
pub use webhooks::WebhookDelivery;

/// The account whose machines the configured key shows.
const MAIN: &str = "main";

/// When a call that takes time takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Moment {
    /// As soon as the cloud hears of it: the time is spent on the answer.
    #[default]
    Arrival,
    /// At the end of the time that it takes, even if its caller has gone away meanwhile.
    Departure,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Not yet, or its caller went away.
    Unanswered,
    /// Well.
    Done,
    /// With an error of this kind.
    Failed(ErrorKind),
}

/// One call that the cloud heard.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// When it arrived.
    pub at: Timestamp,
    /// Which operation.
    pub operation: Operation,
    /// Which machine, volume, endpoint (for a new job) or job it named.
    pub compute: Option<ComputeId>,
    /// Which create it was, or looked for.
    pub token: Option<SpawnToken>,
    /// The faults that struck it.
    pub faults: Vec<Fault>,
    /// How it ended.
    pub outcome: Outcome,
}

/// A whole cloud in memory, as a provider. Clones are the same cloud.
#[derive(Clone)]
pub struct Mock(Arc<Inner>);

/// What stays as it was built.
pub(crate) struct Inner {
    pub(crate) id: ProviderId,
    pub(crate) traits: Traits,
    pub(crate) settings: Settings,
    pub(crate) seed: u64,
    pub(crate) key: Option<Secret>,
    pub(crate) faults: FaultPlan,
    pub(crate) moment: Moment,
    pub(crate) create_takes: Duration,
    pub(crate) delete_takes: Duration,
    pub(crate) call_takes: Duration,
    pub(crate) hook: Hook,
    pub(crate) clock: Arc<dyn Clock>,
    /// The clock, if it is the cloud's own.
    pub(crate) manual: Option<Arc<ManualClock>>,
    /// What the wall clock and the boot clock showed when the cloud was made.
    pub(crate) origin: (Timestamp, Duration),
    pub(crate) state: Mutex<State>,
}

/// What changes.
pub(crate) struct State {
    pub(crate) cloud: Cloud,
    pub(crate) plan: FaultPlan,
    chance: SeededEntropy,
    calls: Vec<Call>,
    /// How many calls were forgotten before these: a call keeps its number over a reset.
    forgotten: usize,
    key: Option<Secret>,
    /// Whose account a key opens, by its fingerprint; a key that is not here opens one of its own.
    owners: BTreeMap<String, String>,
    pub(crate) asked: Vec<Asked>,
    deliveries: Vec<WebhookDelivery>,
    ahead: Duration,
}

impl State {
    pub(crate) fn new(settings: Settings, seed: u64, key: Option<Secret>) -> Self {
        let owners = key.iter().map(|key| (fingerprint(key), MAIN.to_owned())).collect();
        Self {
            cloud: Cloud::new(settings, seed),
            plan: FaultPlan::new(),
            // Another sequence than that of the ids, so that a fault more gives no machine another name.
            chance: SeededEntropy::new(!seed),
            calls: Vec::new(),
            forgotten: 0,
            key,
            owners,
            asked: Vec::new(),
            deliveries: Vec::new(),
            ahead: Duration::ZERO,
        }
    }

    /// The number of the next call.
    fn next_call(&self) -> usize {
        self.forgotten + self.calls.len()
    }

    /// A call by its number, unless it was forgotten.
    fn call_mut(&mut self, number: usize) -> Option<&mut Call> {
        self.calls.get_mut(number.checked_sub(self.forgotten)?)
    }

    /// The fingerprint under which a call acts, and whose machines it sees.
    fn account(&self, overriding: Option<&Secret>) -> (String, String) {
        match overriding.or(self.key.as_ref()) {
            None => (MAIN.to_owned(), MAIN.to_owned()),
            Some(key) => {
                let print = fingerprint(key);
                let owner = self.owners.get(&print).unwrap_or(&print).clone();
                (print, owner)
            }
        }
    }
}

/// A word for a key that tells nothing of it.
fn fingerprint(key: &Secret) -> String {
    TokenHash::of(key.expose()).to_string().chars().take(12).collect()
}

impl Mock {
    /// A cloud called `mock` that never fails, is never short of anything, answers at once and whose clock stands still
    /// until [`advance`](Self::advance) moves it.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A cloud to order.
    pub fn builder() -> MockBuilder {
        MockBuilder::new()
    }

    pub(crate) fn from_inner(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cloud's time. It is not its caller's: when the wall clock of the machine that Atlas runs on jumps, no cloud
    /// bills a day more. It began with the wall clock and passes with the boot clock.
    pub fn now(&self) -> Timestamp {
        let ahead = self.lock().ahead;
        self.time(ahead)
    }

    /// The same under the lock.
    pub(crate) fn now_in(&self, state: &State) -> Timestamp {
        self.time(state.ahead)
    }

    fn time(&self, ahead: Duration) -> Timestamp {
        let (wall, boot) = self.0.origin;
        wall.plus(self.0.clock.boot().saturating_sub(boot)).plus(ahead)
    }
}

impl Default for Mock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Mock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        formatter
            .debug_struct("Mock")
            .field("id", &self.0.id.as_str())
            .field("machines", &state.cloud.all().count())
            .field("calls", &state.calls.len())
            .field("faults", &state.plan.rules().len())
            .finish_non_exhaustive()
    }
}
