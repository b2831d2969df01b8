//! The way in: accounts by name, by value, or the default.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use atlas_auth::{Clock, Entropy, MasterKey, Sealer, SteadyClock, SystemClock, SystemEntropy};

use crate::account::Surroundings;
use crate::config::Config;
use crate::{
    Account, BuildContext, Error, FileIntents, IntentRecord, Probe, Provider, ProviderFactory, ProviderId, Result,
    StateDir, UnreadableIntent,
};

/// Hands out accounts. Nothing runs in the background, and no account is built before it is asked for.
#[derive(Debug)]
pub struct Atlas {
    config: Config,
    factories: BTreeMap<&'static str, Arc<dyn ProviderFactory>>,
    built: Mutex<BTreeMap<ProviderId, Arc<dyn Provider>>>,
    /// Those of `built` that were given by value.
    given: BTreeSet<ProviderId>,
    probe: Option<Arc<dyn Probe>>,
    clock: Arc<dyn Clock>,
    /// What evidence and time limits are counted in: one for all accounts, so that all agree.
    steady: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    #[cfg(feature = "http")]
    connections: crate::http::Connections,
}

/// Gathers what [`Atlas`] needs.
#[derive(Debug)]
pub struct AtlasBuilder {
    atlas: Atlas,
}

impl AtlasBuilder {
    /// Registers a kind of cloud; one registered later under the same name takes its place.
    #[must_use]
    pub fn factory(mut self, factory: Arc<dyn ProviderFactory>) -> Self {
        self.atlas.factories.insert(factory.kind(), factory);
        self
    }

    /// Registers an account by value, under its own id.
    #[must_use]
    pub fn provider(mut self, provider: Arc<dyn Provider>) -> Self {
        self.atlas.given.insert(provider.id().clone());
        self.atlas.built().insert(provider.id().clone(), provider);
        self
    }

    /// Asks readiness through `probe`.
    #[must_use]
    pub fn probe(mut self, probe: Arc<dyn Probe>) -> Self {
        self.atlas.probe = Some(probe);
        self
    }

    /// Asks clouds through `transport` instead of connections of this process's own.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn transport(mut self, transport: Arc<dyn crate::http::Transport>) -> Self {
        self.atlas.connections = crate::http::Connections::of(transport);
        self
    }

    /// Takes time from `clock`.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.atlas.steady = Arc::new(SteadyClock::new(clock.clone()));
        self.atlas.clock = clock;
        self
    }

    /// Takes randomness from `entropy`.
    #[must_use]
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.atlas.entropy = entropy;
        self
    }

    /// Done.
    pub fn build(self) -> Atlas {
        self.atlas
    }
}

impl Atlas {
    /// Begins with `config` and no kinds of cloud. With the feature `http`, readiness is asked over HTTP.
    pub fn builder(config: Config) -> AtlasBuilder {
        AtlasBuilder {
            atlas: Self {
                config,
                factories: BTreeMap::new(),
                built: Mutex::default(),
                given: BTreeSet::new(),
                probe: default_probe(),
                clock: Arc::new(SystemClock),
                steady: Arc::new(SteadyClock::new(Arc::new(SystemClock))),
                entropy: Arc::new(SystemEntropy),
                #[cfg(feature = "http")]
                connections: crate::http::Connections::default(),
            },
        }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Randomness.
    pub fn entropy(&self) -> &Arc<dyn Entropy> {
        &self.entropy
    }

    /// Through what readiness is asked.
    pub fn probe(&self) -> Option<&Arc<dyn Probe>> {
        self.probe.as_ref()
    }

    /// The kinds of cloud that are registered.
    pub fn factories(&self) -> impl Iterator<Item = &Arc<dyn ProviderFactory>> {
        self.factories.values()
    }

    /// The names that [`provider`](Self::provider) knows: configured accounts, kinds, accounts by value.
    pub fn known(&self) -> Vec<ProviderId> {
        let mut names: Vec<_> = self.config.providers.keys().cloned().collect();
        names.extend(self.factories.keys().filter_map(|kind| ProviderId::parse(kind).ok()));
        names.extend(self.built().keys().cloned());
        names.sort();
        names.dedup();
        names
    }

    /// The accounts that are named in the configuration or were given by value: those that are watched.
    pub fn configured(&self) -> Vec<ProviderId> {
        let mut names: Vec<_> = self.config.providers.keys().cloned().collect();
        names.extend(self.given.iter().cloned());
        names.sort();
        names.dedup();
        names
    }

    /// The accounts that are configured, the default one, and those that have a rental in the state directory: a record of
    /// a one-off spawn, or a machine of the `local` provider. Makes nothing.
    pub fn in_use(&self) -> Result<Vec<ProviderId>> {
        let mut names = self.configured();
        names.extend(self.config.default_provider.clone());
        let state = StateDir::at(&self.config.state_dir);
        // What is closed is only remembered.
        let living = self.intents(&state).all()?.into_iter().filter(IntentRecord::is_living);
        names.extend(living.map(|record| record.intent.provider));
        names.extend(self.unreadable()?.into_iter().filter_map(|unreadable| unreadable.provider));
        names.extend(state.local_accounts()?);
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// The records of one-off spawns that cannot be read, of whatever account: exposure, until somebody looks at them.
    /// Makes nothing.
    pub fn unreadable(&self) -> Result<Vec<UnreadableIntent>> {
        self.intents(&StateDir::at(&self.config.state_dir)).unreadable()
    }

    /// What of the state directory is open to other users of this machine, in words for its owner. Makes nothing.
    pub fn loose_modes(&self) -> Vec<String> {
        StateDir::at(&self.config.state_dir).loose_modes()
    }

    /// An account by name. An unknown name is a `validation` error that lists the known ones.
    pub fn provider(&self, name: &str) -> Result<Account> {
        let id = ProviderId::parse(name)
            .map_err(|error| Error::validation(format!("{}; known are {}", error.message(), self.known_text())))?;
        Ok(Account::new(self.build(&id)?, Arc::new(self.surroundings()?)))
    }

    /// An account by value: as good as a configured one.
    pub fn account(&self, provider: Arc<dyn Provider>) -> Result<Account> {
        Ok(Account::new(provider, Arc::new(self.surroundings()?)))
    }

    /// The default account: `default_provider` of the configuration.
    pub fn default_provider(&self) -> Result<Account> {
        match &self.config.default_provider {
            Some(id) => self.provider(id.as_str()),
            None => Err(Error::validation(format!(
                "no provider is named and no default is configured; known are {}",
                self.known_text()
            ))),
        }
    }

    /// Builds a provider, or hands out the one that was built before.
    pub fn build(&self, id: &ProviderId) -> Result<Arc<dyn Provider>> {
        if let Some(provider) = self.built().get(id) {
            return Ok(provider.clone());
        }
        let built: Vec<_> = self.built().keys().cloned().collect();
        let is_known = |name: &str| self.factories.contains_key(name) || built.iter().any(|id| id.as_str() == name);
        self.config.check_names(is_known)?;
        let entry = self.config.providers.get(id);
        if let Some(missing) = entry.and_then(|entry| entry.missing.iter().find(|missing| missing.is_kind())) {
            return Err(missing.error());
        }
        let kind = entry.map_or(id.as_str(), |entry| entry.kind.as_str());
        let factory = self.factories.get(kind).ok_or_else(|| {
            Error::validation(match entry {
                Some(_) => format!(
                    "{}: provider {id} is of kind \"{kind}\", which is not built in; built in are {}",
                    self.config.place_of_kind(id),
                    self.factories.keys().map(|kind| &**kind).collect::<Vec<_>>().join(", ")
                ),
                None => format!("no provider \"{id}\" is known; known are {}", self.known_text()),
            })
        })?;
        let settings = self.config.settings_for(id, &**factory)?;
        let provider = settings
            .only(kind, factory.settings())
            .and_then(|()| factory.build(id, &settings, &self.build_context(id)?))
            .map_err(|error| error.with_provider(id))?;
        // Whoever was first, if two asked at once: all hold the same one.
        Ok(self.built().entry(id.clone()).or_insert(provider).clone())
    }

    /// What the accounts share on disk.
    pub fn state(&self) -> Result<StateDir> {
        StateDir::open(&self.config.state_dir)
    }

    /// The key from which all others follow: the configured one, else that of the state directory.
    ///
    /// It is made where nothing is recorded yet. Where there are records a missing one was lost, and is an error: a new
    /// key would lock every user out (rule P6).
    pub fn master_key(&self) -> Result<MasterKey> {
        let state = self.state()?;
        let may_make = !state.has_store() && !state.has_rentals()?;
        state.master_key(self.config.master_key()?.as_ref(), may_make, &*self.entropy)
    }

    fn build_context(&self, id: &ProviderId) -> Result<BuildContext> {
        // Without a key an account lists and ends machines all the same.
        let sealer = self.master_key().map(|master| Arc::new(Sealer::from_master(&master, &format!("provider/{id}"))));
        let (clock, entropy) = (self.steady.clone(), self.entropy.clone());
        Ok(BuildContext {
            state_dir: self.state()?.path().to_owned(),
            sealer,
            clock,
            entropy,
            #[cfg(feature = "http")]
            connections: self.connections.clone(),
        })
    }

    fn surroundings(&self) -> Result<Surroundings> {
        let state = self.state()?;
        // The key comes before the first record, so that records without one tell of a loss. Whoever needs it is told.
        let _ = self.master_key();
        Ok(Surroundings {
            deployment: self.config.deployment.clone(),
            installation: state.installation(&*self.entropy)?,
            intents: self.intents(&state),
            clock: self.clock.clone(),
            steady: self.steady.clone(),
            entropy: self.entropy.clone(),
            probe: self.probe.clone(),
        })
    }

    fn intents(&self, state: &StateDir) -> FileIntents {
        FileIntents::new(state.intents(), self.steady.clone())
    }

    fn known_text(&self) -> String {
        self.known().iter().map(ProviderId::as_str).collect::<Vec<_>>().join(", ")
    }

    fn built(&self) -> std::sync::MutexGuard<'_, BTreeMap<ProviderId, Arc<dyn Provider>>> {
        self.built.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(feature = "http")]
fn default_probe() -> Option<Arc<dyn Probe>> {
    crate::HttpProbe::new().ok().map(|probe| Arc::new(probe) as Arc<dyn Probe>)
}

#[cfg(not(feature = "http"))]
fn default_probe() -> Option<Arc<dyn Probe>> {
    None
}
