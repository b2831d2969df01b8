//! Configuration: what an installation of Atlas is told.
//!
//! It comes from `atlas.yaml` (feature `config`) and from the environment, or is made in code by [`Config::builder`]. What
//! holds, the first that says something: the call or flag, the `ATLAS_…` variable, the file, the cloud's own variable for
//! its key, the default. A key that is given as nothing says nothing.
//!
//! - Every key can be set as `ATLAS_` and its path, with `__` between levels: `ATLAS_STATE_DIR`,
//!   `ATLAS_PROVIDERS__RUNPOD__BASE_URL`. A variable with `__` in it that is no key is an error.
//! - Inside the file's values `${VAR}` and `${VAR:-default}` are expanded after parsing, so that no value of a variable is
//!   ever read as YAML; `$${` stands for `${`. A missing variable of an account is an error of that account when it is used.
//! - `max_lifetime` takes a span or `unlimited`; `aliens` takes `report`, or `end after` and a span.
//! - Under an account, `settings` takes whatever a kind of the user's own understands.
//! - `fly` is read and kept for operations that come later. `budgets` is refused as unsupported: this version keeps none,
//!   and a limit that is not kept must not look as if it were.
//!
//! A mistake is one line that names the file, the line and the column, or the variable. No value that may be a secret
//! stands in it.

mod assemble;
mod environment;
#[cfg(feature = "config")]
mod expand;
#[cfg(feature = "config")]
mod load;
mod schema;
mod settings;
#[cfg(test)]
mod tests;
mod values;
#[cfg(feature = "config")]
mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use atlas_auth::Secret;

pub use environment::Environment;
pub use settings::{
    AlienPolicy, FlySettings, Lifetime, MissingVariable, OrchestratorSettings, ProviderEntry, StoreSetting,
};

use crate::{Deployment, Error, ProviderFactory, ProviderId, Result, Settings};
use values::Values;

/// What an installation of Atlas is told. Every value that may be a secret is one, so `Debug` shows none.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// The account that is used where none is named.
    pub default_provider: Option<ProviderId>,
    /// Part of every machine's mark.
    pub deployment: Deployment,
    /// Where this installation keeps what it knows.
    pub state_dir: PathBuf,
    /// Where sessions and rentals are kept.
    pub store: StoreSetting,
    /// The accounts, by name. A kind's own name needs no entry.
    pub providers: BTreeMap<ProviderId, ProviderEntry>,
    /// How sessions are kept and ended.
    pub orchestrator: OrchestratorSettings,
    /// Fly.io platform operations.
    pub fly: FlySettings,
    master_key: Option<Secret>,
    environment: Environment,
    values: Arc<Values>,
}

impl Config {
    /// The defaults, to be changed in code. Reads no file.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::default()
    }

    /// What `environment` says, over the defaults. Reads no file. `start_dir` is what relative paths are relative to.
    pub fn from_environment(environment: &Environment, start_dir: &Path) -> Result<Self> {
        Self::assemble(Values::default().overlaid(environment)?, environment, start_dir)
    }

    /// The master key, if one is configured; an error if it should be and its variable is missing.
    pub fn master_key(&self) -> Result<Option<Secret>> {
        match self.values.missing("master_key") {
            Some(missing) if self.master_key.is_none() => Err(missing.error()),
            _ => Ok(self.master_key.clone()),
        }
    }

    /// The file that was read.
    pub fn file(&self) -> Option<&Path> {
        self.values.file().map(|file| file.path.as_path())
    }

    /// The settings of an account, checked against what its kind understands; the key comes from the cloud's own variable
    /// where neither variable nor file gives one.
    ///
    /// A setting whose variable is missing, or that the kind does not know, is a `validation` error that says where it
    /// stands.
    pub fn settings_for(&self, id: &ProviderId, factory: &dyn ProviderFactory) -> Result<Settings> {
        let entry = self.providers.get(id);
        if let Some(missing) = entry.and_then(|entry| entry.missing.first()) {
            return Err(missing.error());
        }
        let mut settings = entry.map(|entry| entry.settings.clone()).unwrap_or_default();
        if let Some(name) = settings.names().find(|name| !factory.settings().contains(name)) {
            let place = self.values.place(&self.path_of(id, name));
            return settings
                .only(factory.kind(), factory.settings())
                .map(|()| Settings::new())
                .map_err(|error| error.context(place));
        }
        let key = factory.key_variable().and_then(|variable| self.environment.get_filled(variable));
        if let Some(key) = key.filter(|_| !settings.has("api_key")) {
            settings = settings.with("api_key", key);
        }
        Ok(settings)
    }

    /// Every key of the file whose variable is missing, whether it will be used or not.
    pub fn missing(&self) -> Vec<MissingVariable> {
        let keys = ["master_key"].into_iter().chain(self.values.below("providers")).chain(self.values.below("fly"));
        keys.filter_map(|path| self.values.missing(path)).collect()
    }

    /// Refuses names that can only be slips of the pen, given the kinds of cloud that are built in: an account that only
    /// variables name, without a kind, and an account to look for aliens at that does not exist.
    pub(crate) fn check_names(&self, is_kind: impl Fn(&str) -> bool) -> Result<()> {
        let is_kind = |name: &str| is_kind(name) || schema::KINDS.contains(&name);
        for (id, entry) in &self.providers {
            let path = format!("providers.{id}");
            let given = self.values.below(&path).first().map(|path| self.values.place(path));
            if let Some(place) = given.filter(|_| entry.kind == id.as_str() && !is_kind(&entry.kind))
                && !self.values.names_in_file(&path)
            {
                return Err(Error::validation(format!(
                    "the variable {place}: no account and no kind of cloud is called \"{id}\"; if it is a new account, \
                     set its kind with ATLAS_PROVIDERS__{}__KIND",
                    id.as_str().to_ascii_uppercase()
                )));
            }
        }
        let watched = self.orchestrator.reap_providers.iter().flatten();
        match watched.filter(|id| !self.providers.contains_key(*id)).find(|id| !is_kind(id.as_str())) {
            None => Ok(()),
            Some(id) => Err(Error::validation(format!(
                "{}: reap_providers names \"{id}\", and no account is called so",
                self.values.place("orchestrator.reap_providers")
            ))),
        }
    }

    /// Where an account's kind is given.
    pub(crate) fn place_of_kind(&self, id: &ProviderId) -> String {
        let kind = format!("providers.{id}.kind");
        self.values.place(if self.values.get(&kind).is_some() { &kind } else { &kind[..kind.len() - ".kind".len()] })
    }

    fn path_of(&self, id: &ProviderId, setting: &str) -> String {
        let free = format!("providers.{id}.settings.{setting}");
        if self.values.get(&free).is_some() { free } else { format!("providers.{id}.{setting}") }
    }
}

impl Default for Config {
    /// The defaults, with the state where the process's environment puts it, or in `.atlas` where it names no place.
    fn default() -> Self {
        let environment = Environment::process();
        let state_dir = assemble::default_state_dir(&environment).unwrap_or_else(|| PathBuf::from(".atlas"));
        Self::new(state_dir, environment)
    }
}

/// Makes a [`Config`] in code.
#[derive(Debug, Default)]
pub struct ConfigBuilder {
    config: Config,
}

impl ConfigBuilder {
    /// The account that is used where none is named.
    #[must_use]
    pub fn default_provider(mut self, id: ProviderId) -> Self {
        self.config.default_provider = Some(id);
        self
    }

    /// Part of every machine's mark.
    #[must_use]
    pub fn deployment(mut self, deployment: Deployment) -> Self {
        self.config.deployment = deployment;
        self
    }

    /// Where this installation keeps what it knows.
    #[must_use]
    pub fn state_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.config.state_dir = path.into();
        self
    }

    /// The key from which all others follow.
    #[must_use]
    pub fn master_key(mut self, key: impl Into<Secret>) -> Self {
        self.config.master_key = Some(key.into());
        self
    }

    /// Where sessions and rentals are kept.
    #[must_use]
    pub fn store(mut self, store: StoreSetting) -> Self {
        self.config.store = store;
        self
    }

    /// One account.
    #[must_use]
    pub fn provider(mut self, id: ProviderId, entry: ProviderEntry) -> Self {
        self.config.providers.insert(id, entry);
        self
    }

    /// How sessions are kept and ended.
    #[must_use]
    pub fn orchestrator(mut self, settings: OrchestratorSettings) -> Self {
        self.config.orchestrator = settings;
        self
    }

    /// Where the clouds' own variables are looked for, instead of the process's environment.
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> Self {
        self.config.environment = environment;
        self
    }

    /// Done.
    pub fn build(self) -> Config {
        self.config
    }
}

/// A file that was read, kept so that a mistake found later can still be placed.
#[derive(Debug, Clone)]
struct File {
    path: PathBuf,
    #[cfg_attr(not(feature = "config"), expect(dead_code, reason = "only the reader of files looks at it"))]
    text: Secret,
}

impl File {
    #[cfg(feature = "config")]
    fn new(path: &Path, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.into() }
    }

    /// File, line and column of the value at a path of keys.
    #[cfg(feature = "config")]
    fn place(&self, path: &str) -> String {
        match yaml::locate(self.text.expose(), path) {
            Some((line, column)) => format!("{}:{line}:{column}", self.path.display()),
            None => self.path.display().to_string(),
        }
    }

    #[cfg(not(feature = "config"))]
    fn place(&self, _path: &str) -> String {
        self.path.display().to_string()
    }
}
