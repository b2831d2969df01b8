//! A mock cloud to order. What is not said is as friendly as can be: everything at once, nothing short, no lies.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use atlas_auth::{Clock, Secret, SteadyClock};
use atlas_core::{Billing, Capabilities, Capability, CloudType, GoneRule, Money, Pace, ProviderId, ProxySigns, Traits};

use crate::clock::ManualClock;
use crate::faults::FaultPlan;
use crate::mock::{Hook, Inner, Mock, Moment, State, WebhookDelivery};
use crate::model::{Catalog, DataCentre, Settings};
use crate::probe::PROXY_HEADER;

/// What works.
const CAPABILITIES: Capabilities = Capabilities::NONE
    .with(Capability::Gpu)
    .with(Capability::Cpu)
    .with(Capability::Spot)
    .with(Capability::Serverless)
    .with(Capability::NetworkVolumes)
    .with(Capability::StopResume)
    .with(Capability::Logs)
    .with(Capability::HttpProxy)
    .with(Capability::RawTcp)
    .with(Capability::Webhooks)
    .with(Capability::Images)
    .with(Capability::Commands)
    .with(Capability::Catalog);

/// Builds a [`Mock`].
#[derive(Debug, Clone)]
#[must_use]
pub struct MockBuilder {
    id: String,
    traits: Traits,
    settings: Settings,
    seed: u64,
    key: Option<Secret>,
    faults: FaultPlan,
    moment: Moment,
    create_takes: Duration,
    delete_takes: Duration,
    call_takes: Duration,
    hook: Hook,
    clock: Option<Arc<dyn Clock>>,
}

impl MockBuilder {
    pub(crate) fn new() -> Self {
        let mut traits = Traits::new("mock", CAPABILITIES);
        // What it answers is true at once, unless faults are asked for.
        traits.settle_window = Duration::ZERO;
        traits.gone = GoneRule::NotFound;
        traits.stopped_bills = Billing::Free;
        traits.proxy = ProxySigns::new(&[], &[PROXY_HEADER]);
        Self {
            id: "mock".to_owned(),
            traits,
            settings: Settings::new("mock"),
            seed: 0,
            key: None,
            faults: FaultPlan::new(),
            moment: Moment::Arrival,
            create_takes: Duration::ZERO,
            delete_takes: Duration::ZERO,
            call_takes: Duration::ZERO,
            hook: Hook::default(),
            clock: None,
        }
    }

    /// The account's name; `mock` otherwise.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// From what ids and chances come; 0 otherwise.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The clock that the cloud's time follows; otherwise one that only [`Mock::advance`] moves.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// The key that the configuration names. Calls under another see another account.
    pub fn key(mut self, key: impl Into<Secret>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Faults that are there from the beginning.
    pub fn faults(mut self, faults: FaultPlan) -> Self {
        self.faults = faults;
        self
    }

    /// What the cloud has; [`Catalog::flat`] otherwise. Prices, capacity and regions of this builder change it, so it comes
    /// before them.
    pub fn catalog(mut self, catalog: Catalog) -> Self {
        self.settings.catalog = catalog;
        self
    }

    /// How many of a GPU there are (`cpu` for machines without one); what is not named is never short.
    pub fn capacity(mut self, gpu: &str, count: u32) -> Self {
        self.settings.catalog.set_capacity(gpu, CloudType::Any, None, count);
        self
    }

    /// What one such GPU costs an hour (`cpu` for machines without one).
    pub fn price(mut self, gpu: &str, per_hour: Money) -> Self {
        self.settings.catalog.set_price(gpu, per_hour);
        self
    }

    /// What one such GPU costs an hour as a spot machine; half the ordinary price otherwise.
    pub fn spot_price(mut self, gpu: &str, per_hour: Money) -> Self {
        self.settings.catalog.set_spot_price(gpu, per_hour);
        self
    }

    /// What everything costs an hour that has no price of its own; 0.36 dollars otherwise, a hundred millionths a second.
    pub fn price_per_hour(mut self, per_hour: Money) -> Self {
        self.settings.price = per_hour;
        self
    }

    /// What a stopped machine costs an hour; nothing otherwise. Declares that stopped machines bill.
    pub fn stopped_price(mut self, per_hour: Money) -> Self {
        self.settings.stopped_price = per_hour;
        self.traits.stopped_bills = if per_hour == Money::ZERO { Billing::Free } else { Billing::Billed };
        self
    }

    /// Where machines can stand, the usual place first; `mock-east` and `mock-west` otherwise.
    pub fn regions<I: IntoIterator<Item: Into<String>>>(mut self, regions: I) -> Self {
        self.settings.catalog.data_centres = regions.into_iter().map(DataCentre::new).collect();
        self
    }

    /// How long a machine is `starting`; not at all otherwise.
    pub fn startup(mut self, span: Duration) -> Self {
        self.settings.startup = span;
        self
    }

    /// How long a machine is `stopping`; not at all otherwise.
    pub fn stopping(mut self, span: Duration) -> Self {
        self.settings.stopping = span;
        self
    }

    /// How long a machine is `terminating`, and bills on; not at all otherwise.
    pub fn terminating(mut self, span: Duration) -> Self {
        self.settings.terminating = span;
        self
    }

    /// How long a machine that is gone is still shown as `terminated`; not at all otherwise.
    pub fn remembers(mut self, span: Duration) -> Self {
        self.settings.remembers = span;
        self
    }

    /// How long no read shows a new machine, which bills all the same. Says nothing of it: see
    /// [`settle_window`](Self::settle_window).
    pub fn appears_after(mut self, span: Duration) -> Self {
        self.settings.appears_after = span;
        self
    }

    /// How long the ports of a machine that runs do not answer yet.
    pub fn answers_after(mut self, span: Duration) -> Self {
        self.settings.answers_after = span;
        self
    }

    /// What a gigabyte of a network volume costs a month of 730 hours; 0.073 dollars otherwise, a hundred millionths an
    /// hour.
    pub fn volume_price(mut self, per_month: Money) -> Self {
        self.settings.volume_month = per_month;
        self
    }

    /// How long a serverless worker starts, and bills, before it takes a job; not at all otherwise.
    pub fn cold_start(mut self, span: Duration) -> Self {
        self.settings.cold_start = span;
        self
    }

    /// Who is told that a job is over, and says whether it accepts that; one that does not is told again ten seconds later,
    /// twice at the most. Without this each is accepted. It is called while this cloud is being asked or its clock moves.
    pub fn on_webhook(mut self, hook: impl Fn(&WebhookDelivery) -> bool + Send + Sync + 'static) -> Self {
        self.hook = Hook(Some(Arc::new(hook)));
        self
    }

    /// How long a create takes.
    pub fn create_takes(mut self, span: Duration) -> Self {
        self.create_takes = span;
        self
    }

    /// How long a terminate takes.
    pub fn delete_takes(mut self, span: Duration) -> Self {
        self.delete_takes = span;
        self
    }

    /// How long every other call takes.
    pub fn calls_take(mut self, span: Duration) -> Self {
        self.call_takes = span;
        self
    }

    /// When within the time that a call takes it has its effect; on arrival otherwise.
    pub fn effect_at(mut self, moment: Moment) -> Self {
        self.moment = moment;
        self
    }

    /// Allows so many creates within so much time, and declares it.
    pub fn launch_pace(mut self, creates: u32, within: Duration) -> Self {
        self.settings.launch_pace = Some(Pace::new(creates, within));
        self.traits.launch_pace = self.settings.launch_pace;
        self
    }

    /// Allows so many calls of any kind within so much time; the others are `rate_limited`.
    pub fn call_pace(mut self, calls: u32, within: Duration) -> Self {
        self.settings.call_pace = Some(Pace::new(calls, within));
        self
    }

    /// Whether a start gives a machine new ports outside: the old ones then belong to a stranger, who takes every key.
    pub fn moves_ports(mut self, moves: bool) -> Self {
        self.settings.moves_ports = moves;
        self
    }

    /// Whether a second live machine of the same name is refused. Declares it.
    pub fn unique_names(mut self, unique: bool) -> Self {
        self.settings.unique_names = unique;
        self.traits.unique_names = unique;
        self
    }

    /// Declares how long creates and deletes may stay invisible; not at all otherwise.
    pub fn settle_window(mut self, span: Duration) -> Self {
        self.traits.settle_window = span;
        self
    }

    /// Declares what proves a machine gone; one not-found otherwise.
    pub fn gone(mut self, rule: GoneRule) -> Self {
        self.traits.gone = rule;
        self
    }

    /// Declares whether stopped machines bill.
    pub fn stopped_bills(mut self, billing: Billing) -> Self {
        self.traits.stopped_bills = billing;
        self
    }

    /// Declares that machines may be moved to new ids.
    pub fn migrates(mut self, migrates: bool) -> Self {
        self.traits.migrates = migrates;
        self
    }

    /// Declares the longest name that the cloud keeps whole.
    pub fn name_limit(mut self, limit: usize) -> Self {
        self.traits.name_limit = limit;
        self
    }

    /// Declares how an answer of the proxy is known; by the header `x-mock-proxy` otherwise, which it always sends.
    pub fn proxy_signs(mut self, signs: ProxySigns) -> Self {
        self.traits.proxy = signs;
        self
    }

    /// Takes a capability away. Without `http_proxy` a machine's address is plain http on its own public address.
    pub fn without(mut self, capability: Capability) -> Self {
        self.traits.capabilities = self.traits.capabilities.without(capability);
        self
    }

    /// The cloud.
    ///
    /// # Panics
    /// If the account's name is none ([`ProviderId::parse`]).
    pub fn build(self) -> Mock {
        let id = ProviderId::parse(&self.id).expect("the name given to a mock must be a provider name");
        self.build_as(id)
    }

    /// The same under a name that is known to be one.
    pub(crate) fn build_as(self, id: ProviderId) -> Mock {
        let Self {
            traits, mut settings, seed, key, faults, moment, create_takes, delete_takes, call_takes, hook, ..
        } = self;
        id.as_str().clone_into(&mut settings.cloud);
        settings.has_proxy = traits.has(Capability::HttpProxy);
        let manual = self.clock.is_none().then(|| Arc::new(ManualClock::new()));
        let clock: Arc<dyn Clock> = match (self.clock, &manual) {
            (Some(clock), _) => Arc::new(SteadyClock::new(clock)),
            (None, Some(manual)) => manual.clone(),
            (None, None) => Arc::new(ManualClock::new()),
        };
        let origin = (clock.now(), clock.boot());
        let state = Mutex::new(State::new(settings.clone(), seed, key.clone()));
        let mock = Mock::from_inner(Inner {
            id,
            traits,
            settings,
            seed,
            key,
            faults,
            moment,
            create_takes,
            delete_takes,
            call_takes,
            hook,
            clock,
            manual,
            origin,
            state,
        });
        // The plan's spans begin now, as they do after each reset.
        mock.reset();
        mock
    }
}
