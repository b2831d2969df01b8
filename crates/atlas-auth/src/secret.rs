//! A text that must never be printed.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroize;

use crate::crypto;

#[cfg(test)]
mod tests;

/// What stands in a secret's place wherever it would be seen.
const REDACTED: &str = "[redacted]";

/// A secret text: an API key, a bearer token, a signing key.
///
/// `Debug` prints `[redacted]`, serialising writes `"[redacted]"` (which is refused when read back), there is no `Display`, and the memory is wiped on
/// drop. [`expose`](Secret::expose) is the only way to the text, so that every use can be found by its name.
#[derive(Clone, Default)]
pub struct Secret(String);

impl Secret {
    /// Takes a text as a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Hand it on to where it belongs; never to a log, an error or a store.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl PartialEq for Secret {
    /// In a time that does not tell how near the other came.
    fn eq(&self, other: &Self) -> bool {
        crypto::equal(self.0.as_bytes(), other.0.as_bytes())
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(REDACTED)
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let secret = String::deserialize(deserializer).map(Self)?;
        if secret.0 == REDACTED {
            return Err(serde::de::Error::custom("a secret was written as \"[redacted]\" and cannot be read back"));
        }
        Ok(secret)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}
