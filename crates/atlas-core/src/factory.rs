//! How an account is built from its configuration (rule C11): the same for a built-in provider and a user's own.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use atlas_auth::{Clock, Entropy, Sealer, Secret};

use crate::error::excerpt;
use crate::{Error, Provider, ProviderId, Result};

/// Builds accounts of one kind of cloud.
pub trait ProviderFactory: Send + Sync + fmt::Debug + 'static {
    /// The kind's name in configuration. It is also the name of the account that needs no entry there.
    fn kind(&self) -> &'static str;

    /// The settings that it understands; any other is refused by name.
    fn settings(&self) -> &'static [&'static str];

    /// The cloud's own variable for the key, read when neither call nor configuration names one.
    fn key_variable(&self) -> Option<&'static str> {
        None
    }

    /// Builds one account. Sends nothing; a setting that cannot be right is a `validation` error that names it.
    fn build(&self, id: &ProviderId, settings: &Settings, context: &BuildContext) -> Result<Arc<dyn Provider>>;
}

/// What an account may use of its surroundings.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BuildContext {
    /// The state directory.
    pub state_dir: PathBuf,
    /// Seals what the account must keep on disk and nobody may read; the error where the master key is missing or not one,
    /// for whatever needs it. An account without it still lists and ends machines (rule P6).
    pub sealer: Result<Arc<Sealer>>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    #[cfg(feature = "http")]
    pub(crate) connections: crate::http::Connections,
}

impl BuildContext {
    /// These surroundings.
    pub fn new(state_dir: PathBuf, sealer: Arc<Sealer>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            state_dir,
            sealer: Ok(sealer),
            clock,
            entropy,
            #[cfg(feature = "http")]
            connections: crate::http::Connections::default(),
        }
    }

    /// Asks clouds through `transport` instead of connections of this process's own.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn with_transport(mut self, transport: Arc<dyn crate::http::Transport>) -> Self {
        self.connections = crate::http::Connections::of(transport);
        self
    }

    /// Through what clouds are asked. All accounts share it, and nothing is set up before the first of them asks.
    #[cfg(feature = "http")]
    pub fn transport(&self) -> Result<Arc<dyn crate::http::Transport>> {
        self.connections.get()
    }
}

/// The settings of one account, by name. Values are texts, and secret until shown otherwise.
#[derive(Debug, Clone, Default)]
pub struct Settings(BTreeMap<String, Secret>);

impl Settings {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets one.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// Whether one is set.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// One that is no secret, as text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(Secret::expose)
    }

    /// One that is a secret.
    pub fn secret(&self, name: &str) -> Option<&Secret> {
        self.0.get(name)
    }

    /// The names that are set.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Refuses every setting that is not among `known`.
    pub fn only(&self, kind: &str, known: &[&str]) -> Result<()> {
        match self.names().find(|name| !known.contains(name)) {
            None => Ok(()),
            Some(name) => Err(Error::validation(format!(
                "\"{}\" is no setting of {kind}; it knows {}",
                excerpt(name),
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            ))),
        }
    }
}
