//! The parts of a request that may hold secrets, taken out of it so that they are stored only sealed (rule P6).

use std::collections::BTreeMap;

use atlas_auth::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Error, ErrorKind, Result};

/// Environment, options and registry credentials of a request. `Debug` shows none of them.
#[derive(Clone, Default, PartialEq)]
pub struct PrivateParts {
    /// The environment.
    pub env: BTreeMap<String, Secret>,
    /// The provider's own options.
    pub provider_opts: Map<String, Value>,
    /// The registry credentials.
    pub registry_auth: Option<Secret>,
}

/// The plain form, which exists only between opening and sealing.
#[derive(Serialize, Deserialize)]
struct Plain {
    env: BTreeMap<String, String>,
    provider_opts: Map<String, Value>,
    registry_auth: Option<String>,
}

impl PrivateParts {
    /// The plain bytes, to be sealed at once.
    pub fn to_bytes(&self) -> Vec<u8> {
        let plain = Plain {
            env: self.env.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect(),
            provider_opts: self.provider_opts.clone(),
            registry_auth: self.registry_auth.as_ref().map(|secret| secret.expose().to_owned()),
        };
        serde_json::to_vec(&plain).expect("maps of text have a JSON form")
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        // The cause is not kept: its text might quote a secret.
        let plain: Plain = serde_json::from_slice(bytes)
            .map_err(|_| Error::new(ErrorKind::Decode, "the sealed parts of a stored request cannot be read"))?;
        Ok(Self {
            env: plain.env.into_iter().map(|(name, value)| (name, Secret::new(value))).collect(),
            provider_opts: plain.provider_opts,
            registry_auth: plain.registry_auth.map(Secret::new),
        })
    }
}

impl std::fmt::Debug for PrivateParts {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("PrivateParts")
            .field("env", &self.env.keys())
            .field("provider_opts", &self.provider_opts.keys().collect::<Vec<_>>())
            .field("registry_auth", &self.registry_auth.is_some())
            .finish()
    }
}
