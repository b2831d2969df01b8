//! From configuration to accounts.

use std::path::Path;

use atlas::config::{Config, Environment};
use atlas::{Account, Atlas, ErrorKind, ProviderId};

use crate::arguments::Global;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::Output;

/// What a command that talks to clouds works with.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) atlas: Atlas,
    pub(crate) output: Output,
    pub(crate) interrupt: Interrupt,
}

impl Context {
    /// Reads the configuration. Nothing is made and nothing is sent.
    pub(crate) fn new(global: &Global, output: Output, interrupt: Interrupt) -> Result<Self, Failure> {
        let atlas = atlas::with_config(configuration(global.config.as_deref())?);
        for loose in atlas.loose_modes() {
            output.note(&loose);
        }
        Ok(Self { atlas, output, interrupt })
    }

    /// Another way in with the same configuration, to be given away.
    pub(crate) fn another(&self) -> Atlas {
        atlas::with_config(self.atlas.config().clone())
    }

    /// The account that was named, or the default one.
    pub(crate) fn account(&self, named: Option<&str>) -> Result<Account, Failure> {
        let default = || self.atlas.config().default_provider.as_ref().map(ProviderId::as_str);
        match named.or_else(default) {
            Some(name) => self.build(name),
            None => self.atlas.default_provider().map_err(|error| {
                Failure::from(error).with_hint("name one with --provider, or set ATLAS_DEFAULT_PROVIDER")
            }),
        }
    }

    /// The account that was named, or else every one that is configured or has a rental here.
    pub(crate) fn accounts(&self, named: Option<&str>) -> Result<Vec<ProviderId>, Failure> {
        match named {
            Some(name) => Ok(vec![ProviderId::parse(name)?]),
            None => Ok(self.atlas.in_use()?),
        }
    }

    /// Tells of the records that cannot be read: each may be somebody's machine (rule P14).
    pub(crate) fn tell_unreadable(&self) -> Result<(), Failure> {
        for unreadable in self.atlas.unreadable()? {
            self.output.note(&format!("{unreadable}; it was left untouched"));
        }
        Ok(())
    }

    /// An account by name. What is wrong with a known one is wrong in its configuration.
    pub(crate) fn build(&self, name: &str) -> Result<Account, Failure> {
        let known = self.atlas.known().iter().any(|id| id.as_str() == name);
        self.atlas.provider(name).map_err(|error| match error.kind() {
            ErrorKind::Validation if known => Failure::config(error),
            _ => Failure::from(error),
        })
    }
}

fn configuration(named: Option<&Path>) -> Result<Config, Failure> {
    #[expect(clippy::disallowed_methods, reason = "only the program knows where it was called")]
    let here = std::env::current_dir().map_err(|cause| {
        Failure::config(atlas::Error::validation(format!("the working directory cannot be told: {cause}")))
    })?;
    Config::load_with(&Environment::process(), named, &here).map_err(Failure::config)
}
