//! What all requests share: one world behind one lock, which is held for as long as it takes to change or to show it,
//! and never while anything is awaited.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use atlas_auth::{Entropy, SeededEntropy, Timestamp};
use atlas_core::Money;
use tokio::sync::Notify;

use super::catalog;
use super::keys::{Keys, Reach};
use super::limits::Meter;
use super::pods::Pod;
use super::proxy::Doors;
use super::runtime::Turnstile;
use super::stock::Shortage;
use super::time::{Pace, Time};
use super::{Addresses, Setup, v2};
use crate::faults::FaultPlan;
use crate::model::{Cloud, IdKind, Serial, Settings};

/// The account whose key is configured.
pub(super) const MAIN: &str = "main";

/// How often those who wait look again by themselves.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What all requests share. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct App(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    setup: Setup,
    addresses: Addresses,
    world: Mutex<World>,
    /// Rings whenever something may have changed that somebody waits for.
    changed: Notify,
    doors: Doors,
}

/// Everything there is at the simulated cloud.
#[derive(Debug)]
pub(super) struct World {
    pub(super) time: Time,
    pub(super) cloud: Cloud,
    /// What RunPod knows of a machine beside the model.
    pub(super) pods: BTreeMap<Serial, Pod>,
    /// What is limited, as it was said.
    pub(super) stock: Vec<Shortage>,
    pub(super) plan: FaultPlan,
    pub(super) keys: Keys,
    pub(super) meter: Meter,
    pub(super) accounts: BTreeMap<String, Account>,
    pub(super) shelf: v2::Shelf,
    pub(super) turnstile: Turnstile,
    pub(super) chance: SeededEntropy,
    names: SeededEntropy,
    /// The endpoint that is there from the beginning.
    pub(super) endpoint: String,
    calls: usize,
    requests: u64,
}

/// What an account has beside machines.
#[derive(Debug, Clone, Default)]
pub(super) struct Account {
    /// Dollars left before anything was rented; without it nobody is ever poor.
    pub(super) balance: Option<f64>,
    /// Dollars an hour that may be spent at once.
    pub(super) spend_limit: Option<f64>,
    // not a secret: public keys
    pub(super) ssh_keys: Vec<String>,
}

impl World {
    pub(super) fn new(setup: &Setup) -> Self {
        let mut keys = Keys::default();
        keys.add(&setup.api_key, MAIN, Reach::All);
        let time = Time::new(Arc::clone(&setup.outside), setup.pace);
        let mut world = Self {
            cloud: Cloud::new(setup.timing.settings(), setup.seed),
            pods: BTreeMap::new(),
            stock: Vec::new(),
            plan: FaultPlan::new(),
            keys,
            meter: Meter::new(setup.rate_limits),
            accounts: BTreeMap::new(),
            shelf: v2::Shelf::default(),
            turnstile: Turnstile::default(),
            // Sequences of their own, so that a fault more gives no machine another name.
            chance: SeededEntropy::new(!setup.seed),
            names: SeededEntropy::new(setup.seed.rotate_left(32) ^ 0x5115),
            endpoint: String::new(),
            calls: 0,
            requests: 0,
            time,
        };
        let now = world.time.now();
        let standing = world.cloud.create_endpoint(v2::standing(), now);
        world.endpoint = standing.map(|endpoint| endpoint.id.as_str().to_owned()).unwrap_or_default();
        for rule in setup.script.rules.rules() {
            world.plan.add(rule.clone(), now);
        }
        for entry in &setup.script.stock {
            world.limit(entry.clone());
        }
        world
    }

    /// Everything as it was at first; only time goes on.
    pub(super) fn reset(&mut self, setup: &Setup) {
        let (hour, pace) = (self.time.now(), self.time.pace());
        *self = Self::new(setup);
        let behind = hour.since(self.time.now());
        self.time.follow(pace);
        self.time.advance(behind);
    }

    pub(super) fn account(&self, name: &str) -> Account {
        self.accounts.get(name).cloned().unwrap_or_default()
    }

    /// The number of the next call.
    pub(super) fn number(&mut self) -> usize {
        self.calls += 1;
        self.calls
    }

    /// An id of so many letters and digits.
    pub(super) fn new_id(&mut self, letters: usize) -> String {
        const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let mut random = vec![0; letters];
        self.names.fill(&mut random);
        random.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
    }

    /// What the header `x-request-id` says next: a number of its own, so that requests change no other id.
    pub(super) fn next_request(&mut self) -> String {
        self.requests += 1;
        format!("req_{:016x}", self.requests)
    }
}

impl App {
    pub(super) fn new(setup: Setup, addresses: Addresses) -> Self {
        let world = Mutex::new(World::new(&setup));
        Self(Arc::new(Inner { setup, addresses, world, changed: Notify::new(), doors: Doors::default() }))
    }

    pub(super) fn setup(&self) -> &Setup {
        &self.0.setup
    }

    pub(super) fn addresses(&self) -> &Addresses {
        &self.0.addresses
    }

    pub(super) fn doors(&self) -> &Doors {
        &self.0.doors
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.0.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes or shows the world, in which everything has happened by then that was due.
    pub(super) fn with<T>(&self, look: impl FnOnce(&mut World, Timestamp) -> T) -> T {
        let mut world = self.lock();
        let now = world.time.now();
        let now = world.cloud.settle(now);
        look(&mut world, now)
    }

    /// Everything as it was at the start, but for the hour.
    pub(super) fn reset(&self) {
        self.with(|world, _| world.reset(self.setup()));
        self.doors().close_all();
        self.ring();
    }

    /// Tells everybody who waits that something may have changed.
    pub(super) fn ring(&self) {
        self.0.changed.notify_waiters();
    }

    /// Waits until `is_there`, or as long as somebody wants to wait: by the clouds' clock or by the one outside, whichever
    /// comes first, since the clouds' may stand still.
    pub(super) async fn until(&self, wait: Duration, mut is_there: impl FnMut(&mut World, Timestamp) -> bool) {
        let deadline = self.with(|_, now| now.plus(wait));
        let looking = async {
            loop {
                let (is_over, next) = self.with(|world, now| {
                    let next = world.cloud.next_at().filter(|_| world.time.pace() == Pace::Real);
                    (is_there(world, now) || now >= deadline, next.map(|next| next.since(now)))
                });
                if is_over {
                    return;
                }
                let next = next.unwrap_or(LOOK_AGAIN).clamp(Duration::from_millis(1), LOOK_AGAIN);
                let _ = tokio::time::timeout(next, self.0.changed.notified()).await;
            }
        };
        // It looks at least once, and is told nothing new by being cut off.
        let _ = tokio::time::timeout(wait, looking).await;
    }

    /// Waits until something may have changed, a little at the most.
    pub(super) async fn pause(&self) {
        let _ = tokio::time::timeout(LOOK_AGAIN, self.0.changed.notified()).await;
    }
}

/// How the simulated RunPod takes its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Timing {
    /// How long a pod is PROVISIONING.
    #[serde(with = "atlas_core::duration")]
    pub provisioning: Duration,
    /// How long it is STARTING then, or after a start.
    #[serde(with = "atlas_core::duration")]
    pub starting: Duration,
    /// How long a RUNNING pod has no `runtime`, no `ssh.direct` and nothing that answers.
    #[serde(with = "atlas_core::duration")]
    pub ports_after: Duration,
    /// How long reads still show a pod that is gone.
    #[serde(with = "atlas_core::duration")]
    pub delete_lag: Duration,
    /// How long no read shows a new pod.
    #[serde(with = "atlas_core::duration")]
    pub create_lag: Duration,
    /// How long the proxy waits for a pod's answer before it says 524.
    #[serde(with = "atlas_core::duration")]
    pub proxy_cap: Duration,
    /// How long a serverless worker takes to start.
    #[serde(with = "atlas_core::duration")]
    pub cold_start: Duration,
    /// How late billing records are.
    #[serde(with = "atlas_core::duration")]
    pub billing_lag: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            provisioning: Duration::from_millis(500),
            starting: Duration::from_millis(500),
            ports_after: Duration::from_millis(500),
            delete_lag: Duration::from_millis(500),
            create_lag: Duration::ZERO,
            proxy_cap: Duration::from_secs(100),
            cold_start: Duration::from_millis(500),
            billing_lag: Duration::ZERO,
        }
    }
}

impl Timing {
    /// Everything at once: for tests of what has nothing to do with time.
    pub fn at_once() -> Self {
        Self {
            provisioning: Duration::ZERO,
            starting: Duration::ZERO,
            ports_after: Duration::ZERO,
            delete_lag: Duration::ZERO,
            cold_start: Duration::ZERO,
            ..Self::default()
        }
    }

    /// What the model must know of it.
    pub(super) fn settings(&self) -> Settings {
        let mut settings = Settings::new("runpod");
        settings.id = runpod_id;
        settings.catalog = catalog::model();
        settings.disk_month = Money::from_micros(catalog::DISK_MONTH);
        settings.stopped_disk_month = Money::from_micros(catalog::STOPPED_DISK_MONTH);
        settings.volume_month = Money::from_micros(catalog::VOLUME_MONTH);
        settings.cold_start = self.cold_start;
        settings.moves_ports = true;
        settings.startup = self.provisioning + self.starting;
        settings.answers_after = self.ports_after;
        settings.remembers = self.delete_lag;
        settings.appears_after = self.create_lag;
        settings
    }
}

impl App {
    /// How things take their time.
    pub(super) fn timing(&self) -> Timing {
        self.setup().timing
    }
}

/// How RunPod writes ids.
fn runpod_id(kind: IdKind, random: [u8; 16]) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let letters = |count: usize| -> String {
        random.iter().take(count).map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
    };
    match kind {
        IdKind::Machine | IdKind::Endpoint | IdKind::Worker => letters(14),
        IdKind::Volume => letters(10),
        IdKind::Job => format!("{}-u1", uuid(random)),
        IdKind::SyncJob => format!("sync-{}-u1", uuid(random)),
    }
}

/// An id in the form of a UUID.
fn uuid(random: [u8; 16]) -> String {
    let hex = format!("{:032x}", u128::from_le_bytes(random));
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}
