//! Names of things, each a type of its own, so that one is never taken for another.

use std::fmt;

use atlas_auth::Secret;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The configured name of an account: what `--provider` takes, and what stands in every [`Compute`](crate::Compute).
///
/// Lower-case letters, digits and `_`, at most 40 characters. A kind's own name (`local`, `runpod`) needs no entry in
/// the configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ProviderId(String);

impl ProviderId {
    /// Reads an account's name; a `validation` error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self> {
        let valid = !text.is_empty()
            && text.len() <= 40
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::validation(format!(
                "\"{}\" is no provider name: use lower-case letters, digits and `_`, at most 40",
                crate::error::excerpt(text)
            )))
        }
    }

    /// The text of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProviderId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ProviderId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// What a cloud calls one of its machines. Opaque: only that cloud knows its form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ComputeId(String);

impl ComputeId {
    /// Takes a cloud's own id.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The cloud's own id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ComputeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl AsRef<Self> for ComputeId {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// Names one call across its retries and its `tracing` events.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct OperationId(String);

impl OperationId {
    /// Takes a caller's own id, for instance of the request that it serves.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where a rental was made (rule O3): an answer counts as evidence only under the same scope.
///
/// A not-found from another account or another host proves nothing about a machine. The text is a provider's own and
/// holds no secret: a key appears only as a fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scope(String);

impl Scope {
    /// Takes a provider's description of where it acts: host, account, and app or organisation where there is one.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// `place` as whoever has this key sees it: only a fingerprint of the key is kept.
    pub fn of_key(place: &str, key: &Secret) -> Self {
        Self(format!("{place}/key-{}", key.fingerprint()))
    }

    /// The text of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
