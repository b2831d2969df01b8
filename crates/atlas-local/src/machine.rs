//! The record of one machine: `machine.json`.
//!
//! Invariant: it holds no secret in the clear; the environment, and with it the machine's key, is sealed under the
//! machine's own id. A record of a later format is refused untouched, never rewritten with parts of it missing.

use atlas_auth::{Entropy, Sealed, Timestamp};
use atlas_core::{ComputeId, ComputeRequest, Mark, Money, PortSpec};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::limits::MachineLimits;

/// The format that this version reads and writes.
const FORMAT: u32 = 1;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const ID_PREFIX: &str = "m-";
const ID_RANDOM: usize = 10;

/// What its owner wants of a machine. Written before it is acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Wanted {
    /// It shall run.
    Running,
    /// It shall not run, and keep its folder.
    Stopped,
    /// It shall be no more.
    Gone,
}

/// What is kept of a machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Machine {
    format: u32,
    pub(crate) id: ComputeId,
    pub(crate) name: String,
    pub(crate) mark: Mark,
    /// What was asked, without what may be secret.
    pub(crate) request: ComputeRequest,
    /// The final environment, as sealed private parts.
    pub(crate) sealed: Sealed,
    /// The ports that it has: those asked for, or the built-in service's own.
    pub(crate) ports: Vec<PortSpec>,
    pub(crate) price_per_hour: Money,
    /// What it is held to in every run.
    #[serde(default, skip_serializing_if = "MachineLimits::is_none")]
    pub(crate) limits: MachineLimits,
    pub(crate) created_at: Timestamp,
    /// Which run is the latest; no two have the same number.
    pub(crate) run: u64,
    pub(crate) wanted: Wanted,
}

/// What a new machine is made of.
#[derive(Debug)]
pub(crate) struct Birth {
    pub(crate) name: String,
    pub(crate) mark: Mark,
    pub(crate) request: ComputeRequest,
    pub(crate) ports: Vec<PortSpec>,
    pub(crate) price_per_hour: Money,
    pub(crate) limits: MachineLimits,
    pub(crate) created_at: Timestamp,
}

/// The number of the first run.
pub(crate) const FIRST_RUN: u64 = 1;

impl Machine {
    /// A machine that is about to be started for the first time.
    pub(crate) fn new(id: ComputeId, sealed: Sealed, birth: Birth) -> Self {
        let Birth { name, mark, request, ports, price_per_hour, limits, created_at } = birth;
        let (run, wanted) = (FIRST_RUN, Wanted::Running);
        Self { format: FORMAT, id, name, mark, request, sealed, ports, price_per_hour, limits, created_at, run, wanted }
    }

    /// The same machine, of which this is wanted.
    pub(crate) fn wanting(&self, wanted: Wanted) -> Self {
        Self { wanted, ..self.clone() }
    }

    /// The same machine, to be run again.
    pub(crate) fn next_run(&self) -> Self {
        Self { run: self.run.saturating_add(1), wanted: Wanted::Running, ..self.clone() }
    }

    /// The text of `machine.json`.
    pub(crate) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("a record is texts, numbers and lists of them")
    }

    /// Reads `machine.json`; the error says what is wrong with it.
    pub(crate) fn decode(text: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let Format { format } =
            serde_json::from_slice(text).map_err(|error| format!("it is no record of a machine: {error}"))?;
        if format != FORMAT {
            return Err(format!(
                "its format is {format} and this version of atlas knows {FORMAT}; use the version that wrote it"
            ));
        }
        serde_json::from_slice(text).map_err(|error| format!("it cannot be understood: {error}"))
    }

    /// What may be shown to anybody.
    pub(crate) fn public(&self) -> Value {
        let mut value = serde_json::to_value(self).expect("a record is texts, numbers and lists of them");
        if let Value::Object(fields) = &mut value {
            fields.remove("sealed");
        }
        value
    }
}

/// A machine id that was never given before.
pub(crate) fn fresh_id(entropy: &dyn Entropy) -> ComputeId {
    let mut random = [0; ID_RANDOM];
    entropy.fill(&mut random);
    let letters = random.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    ComputeId::new(ID_PREFIX.chars().chain(letters).collect::<String>())
}

/// Whether this is a machine id of this provider: only such a text ever becomes part of a path.
pub(crate) fn is_id(text: &str) -> bool {
    text.strip_prefix(ID_PREFIX)
        .is_some_and(|rest| rest.len() == ID_RANDOM && rest.bytes().all(|byte| ALPHABET.contains(&byte)))
}

#[cfg(test)]
mod tests;
