//! Settings, and how an account comes of them.
//!
//! | setting | meaning |
//! |---|---|
//! | `open_files`, `address_space_mb`, `processor_seconds`, `log_mb` | what its machines are held to: [`MachineLimits`] |
//! | `price_per_hour` | what a machine is said to cost, in dollars, so that bills can be tried; 0 unless set |
//! | `pod` | the program that supervises: `atlas-pod`, or `atlas`; unless set, this program if it carries its pod, else the one beside it |

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use atlas_auth::{Clock, Entropy, Sealer, SystemClock, SystemEntropy};
use atlas_core::{BuildContext, Error, Money, Provider, ProviderFactory, ProviderId, Result, Settings};
use atlas_pod::PodProgram;

use crate::folder::AccountFolder;
use crate::limits::MachineLimits;
use crate::provider::{Local, Shared};
use crate::{program, translate};

/// The settings that an account understands.
const SETTINGS: &[&str] = &["price_per_hour", "pod", "open_files", "address_space_mb", "processor_seconds", "log_mb"];

/// The factory of `local` accounts, for a program that carries its pod ([`pod_main`](crate::pod_main)), or has `atlas-pod`
/// beside it or configured.
pub fn factory() -> LocalFactory {
    LocalFactory { program: None }
}

/// The factory of `local` accounts, for a program that knows its pod program. The setting `pod` still goes before it.
pub fn factory_with(program: PodProgram) -> LocalFactory {
    LocalFactory { program: Some(program) }
}

/// Builds `local` accounts.
#[derive(Debug, Clone)]
pub struct LocalFactory {
    program: Option<PodProgram>,
}

impl ProviderFactory for LocalFactory {
    fn kind(&self) -> &'static str {
        translate::KIND
    }

    fn settings(&self) -> &'static [&'static str] {
        SETTINGS
    }

    fn build(&self, id: &ProviderId, settings: &Settings, context: &BuildContext) -> Result<Arc<dyn Provider>> {
        settings.only(translate::KIND, SETTINGS)?;
        let mut builder = LocalBuilder::new(context.state_dir.clone(), context.sealer.clone())
            .id(id.clone())
            .limits(MachineLimits::of_settings(settings)?)
            .clock(Arc::clone(&context.clock))
            .entropy(Arc::clone(&context.entropy));
        if let Some(price) = settings.text("price_per_hour") {
            builder = builder.price_per_hour(Money::parse(price).map_err(|error| error.context("price_per_hour"))?);
        }
        if let Some(pod) = settings.text("pod") {
            program::runs(Path::new(pod)).map_err(|cause| Error::validation(format!("pod: {pod}: {cause}")))?;
            builder = builder.pod(program::pod_at(Path::new(pod)));
        } else if let Some(program) = &self.program {
            builder = builder.pod(program.clone());
        }
        Ok(Arc::new(builder.build()?))
    }
}

/// Gathers what an account of [`Local`] needs.
#[derive(Debug)]
#[must_use]
pub struct LocalBuilder {
    id: Option<ProviderId>,
    state_dir: PathBuf,
    program: Option<PodProgram>,
    price_per_hour: Money,
    grace: Duration,
    limits: MachineLimits,
    sealer: Result<Arc<Sealer>>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl LocalBuilder {
    pub(crate) fn new(state_dir: PathBuf, sealer: Result<Arc<Sealer>>) -> Self {
        Self {
            id: None,
            state_dir,
            program: None,
            price_per_hour: Money::ZERO,
            grace: atlas_pod::DEFAULT_GRACE,
            limits: MachineLimits::none(),
            sealer,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
        }
    }

    /// The account's name, which is also its folder's; `local` unless set.
    pub fn id(mut self, id: ProviderId) -> Self {
        self.id = Some(id);
        self
    }

    /// The program that supervises; unless set this program if it carries its pod ([`pod_main`](crate::pod_main)), else the
    /// `atlas-pod` or `atlas` beside it.
    pub fn pod(mut self, program: PodProgram) -> Self {
        self.program = Some(program);
        self
    }

    /// What a machine made from now on is said to cost an hour, in dollars.
    pub const fn price_per_hour(mut self, price: Money) -> Self {
        self.price_per_hour = price;
        self
    }

    /// How long a command may take to end after it was asked to, before it is killed; 5 s unless set.
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// What a machine made from now on is held to; a request may ask for less and not for more.
    pub const fn limits(mut self, limits: MachineLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Takes time from `clock`.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Takes randomness from `entropy`.
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    /// Builds it. Touches no file; a value that cannot be right is a `validation` error.
    pub fn build(self) -> Result<Local> {
        if self.price_per_hour < Money::ZERO {
            return Err(Error::validation(format!(
                "price_per_hour is {}; nobody is paid for renting: use 0 or more",
                self.price_per_hour
            )));
        }
        self.limits.check()?;
        let id = match self.id {
            Some(id) => id,
            None => ProviderId::parse(translate::KIND)?,
        };
        let state_dir = std::path::absolute(&self.state_dir).map_err(|cause| {
            Error::validation(format!("the state directory {} is no path: {cause}", self.state_dir.display()))
        })?;
        let folder = AccountFolder::new(state_dir.join(translate::KIND).join(id.as_str()));
        Ok(Local::new(Shared {
            id,
            traits: translate::traits(),
            folder,
            program: self.program.or_else(program::own_pod).or_else(program::pod_beside_own),
            price_per_hour: self.price_per_hour,
            grace: self.grace,
            limits: self.limits,
            sealer: self.sealer,
            clock: self.clock,
            entropy: self.entropy,
            scope: OnceLock::new(),
        }))
    }
}
