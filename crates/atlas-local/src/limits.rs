//! What a machine is held to: the account's settings, and the options of a request, which may ask for less.
//!
//! | name | what it bounds | from | to |
//! |---|---|---|---|
//! | `open_files` | files that one process has open at once | 16 | 1048576 |
//! | `address_space_mb` | address space of one process, in mebibytes: more than the memory in use, since many runtimes reserve a lot | 64 | 16777216 |
//! | `processor_seconds` | processor time of one process, after which the kernel kills it | 1 | 316224000 |
//! | `log_mb` | the log in all, in mebibytes; the oldest lines go first | 1 | 1024 |
//!
//! The first three are the kernel's limits of each process by itself, which a machine's processes hand down, and not a
//! share of this machine for all of them together: they stop accidents. That is why `cpus` and `memory_mb` of a request
//! stay refused. The number of processes is not among them: the kernel counts all that its user runs, so a machine's limit
//! would hit its neighbours.

use atlas_core::error::excerpt;
use atlas_core::{Error, Result, Settings};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::translate::KIND;

/// What a machine is held to; a bound that is not set is left to the system, and the log to 8 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct MachineLimits {
    /// Files that one process may have open at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u64>,
    /// Mebibytes of address space of one process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_space_mb: Option<u64>,
    /// Seconds of processor time of one process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processor_seconds: Option<u64>,
    /// Mebibytes of log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_mb: Option<u64>,
}

/// The names by which they are asked for, of an account and of a request alike.
pub(crate) const NAMES: [&str; 4] = ["open_files", "address_space_mb", "processor_seconds", "log_mb"];

impl MachineLimits {
    /// No bound but the system's own.
    pub const fn none() -> Self {
        Self { open_files: None, address_space_mb: None, processor_seconds: None, log_mb: None }
    }

    /// Bounds the files that one process may have open at once.
    #[must_use]
    pub const fn open_files(mut self, count: u64) -> Self {
        self.open_files = Some(count);
        self
    }

    /// Bounds the address space of one process, in mebibytes.
    #[must_use]
    pub const fn address_space_mb(mut self, mebibytes: u64) -> Self {
        self.address_space_mb = Some(mebibytes);
        self
    }

    /// Bounds the processor time of one process, in seconds.
    #[must_use]
    pub const fn processor_seconds(mut self, seconds: u64) -> Self {
        self.processor_seconds = Some(seconds);
        self
    }

    /// Bounds the log, in mebibytes.
    #[must_use]
    pub const fn log_mb(mut self, mebibytes: u64) -> Self {
        self.log_mb = Some(mebibytes);
        self
    }

    /// Whether nothing is bounded.
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::none()
    }

    /// Those that an account's settings name.
    pub(crate) fn of_settings(settings: &Settings) -> Result<Self> {
        let mut limits = Self::none();
        for name in NAMES {
            if let Some(text) = settings.text(name) {
                *limits.bound(name) = Some(whole(name, text.parse().ok())?);
            }
        }
        Ok(limits)
    }

    /// These, where a request's options ask for less; more, or what is no option, is refused.
    pub(crate) fn narrowed(mut self, options: &Map<String, Value>) -> Result<Self> {
        for (name, value) in options {
            let Some(name) = NAMES.into_iter().find(|known| known == name) else { return Err(unknown(name)) };
            let asked = whole(name, value.as_u64()).map_err(|error| error.context("provider_opts"))?;
            let bound = self.bound(name);
            if let Some(most) = bound.filter(|most| asked > *most) {
                return Err(Error::validation(format!(
                    "provider_opts: {name} is {asked}, and this account holds its machines to {most}: ask for no more"
                )));
            }
            *bound = Some(asked);
        }
        Ok(self)
    }

    /// Checks bounds that were set by hand.
    pub(crate) fn check(mut self) -> Result<()> {
        NAMES.into_iter().try_for_each(|name| match *self.bound(name) {
            Some(value) => whole(name, Some(value)).map(drop),
            None => Ok(()),
        })
    }

    /// What the kernel is told.
    pub(crate) fn of_processes(&self) -> atlas_pod::Limits {
        let mut limits = atlas_pod::Limits::none();
        limits.open_files = self.open_files;
        limits.address_space = self.address_space_mb.map(bytes);
        limits.processor_seconds = self.processor_seconds;
        limits
    }

    /// How much of the log is kept, in bytes.
    pub(crate) fn log_cap(&self) -> u64 {
        self.log_mb.map_or(atlas_pod::DEFAULT_LOG_CAP, bytes)
    }

    fn bound(&mut self, name: &str) -> &mut Option<u64> {
        match name {
            "open_files" => &mut self.open_files,
            "address_space_mb" => &mut self.address_space_mb,
            "processor_seconds" => &mut self.processor_seconds,
            _ => &mut self.log_mb,
        }
    }
}

const fn bytes(mebibytes: u64) -> u64 {
    mebibytes.saturating_mul(1024 * 1024)
}

/// What makes sense of each: below it no program starts, above it no machine goes.
const fn range(name: &str) -> (u64, u64) {
    match name.as_bytes() {
        b"open_files" => (16, 1 << 20),
        b"address_space_mb" => (64, 1 << 24),
        b"processor_seconds" => (1, 3660 * 24 * 3600),
        _ => (1, 1024),
    }
}

/// The value is not quoted: nobody knows what was written there by mistake.
fn whole(name: &str, value: Option<u64>) -> Result<u64> {
    let (least, most) = range(name);
    value
        .filter(|value| (least..=most).contains(value))
        .ok_or_else(|| Error::validation(format!("{name} must be a whole number from {least} to {most}")))
}

fn unknown(name: &str) -> Error {
    let why = match name {
        "processes" => "the kernel counts all processes of a user, so one machine's limit would hit the others",
        "cpus" | "memory_mb" => "its machines share this one, and it cannot give or limit a part of it",
        _ => "it has no such option",
    };
    Error::unsupported(format!(
        "{KIND} does not support provider_opts.{} ({why}); it knows {}",
        excerpt(name),
        NAMES.join(", ")
    ))
}

#[cfg(test)]
mod tests;
