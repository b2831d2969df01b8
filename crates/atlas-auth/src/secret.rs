//! A text that must never be printed.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroize;

use crate::{base64url, crypto};

#[cfg(test)]
mod tests;

/// Bytes of a fingerprint: enough that no two keys of one account are ever taken for each other.
const FINGERPRINT_BYTES: usize = 12;

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

    /// A short text by which the secret is known again. Nothing follows from it about a secret that cannot be guessed, such
    /// as the API key of a cloud.
    pub fn fingerprint(&self) -> String {
        let code = crypto::hmac_sha256(self.0.as_bytes(), b"atlas/fingerprint");
        base64url::encode(&code[..FINGERPRINT_BYTES])
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
