//! Key derivation (rule P6): one master key, from which every machine's keys follow by its rental's token, their purpose
//! and an epoch. Nothing derived is ever stored, and whoever holds the master key can hand it out again.
//!
//! Invariant: a key depends on all of its inputs and on nothing else. The derivation is therefore part of the stored
//! format: a change of it would lock out every user of a running machine.

use std::fmt;

use zeroize::Zeroizing;

use crate::{Entropy, Secret, base64url, crypto};

#[cfg(test)]
mod tests;

/// Stands in every derivation. A later derivation gets a version of its own.
const SALT: &[u8] = b"atlas master key, version 1";
/// Bytes of a fingerprint: enough that no two keys of one store are ever taken for each other.
pub(crate) const FINGERPRINT_BYTES: usize = 8;
/// Characters of 32 bytes in base64url without padding.
const TEXT_CHARACTERS: usize = 43;

/// What a derived key is for. Keys for different purposes have nothing to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyPurpose {
    /// A machine's bearer token.
    Bearer,
    /// The key of a machine's signed URLs.
    Signing,
}

impl KeyPurpose {
    const fn label(self) -> &'static str {
        match self {
            Self::Bearer => "key/bearer",
            Self::Signing => "key/signing",
        }
    }
}

/// The one key that all others are derived from: 256 bits, wiped from memory on drop, never printed.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; crypto::KEY_BYTES]>);

/// A text that is no master key. The text itself is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MasterKeyError {
    /// It has the wrong length.
    #[error("the master key must be 43 characters of base64url without padding (32 bytes), but has {0}")]
    Length(usize),
    /// It has the right length, and a character that base64url does not have, or trailing bits.
    #[error(
        "the master key is not base64url: only A-Z, a-z, 0-9, - and _ may stand in it, and it must encode 32 bytes"
    )]
    Alphabet,
}

impl MasterKey {
    /// A new master key.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = Zeroizing::new([0; crypto::KEY_BYTES]);
        entropy.fill(bytes.as_mut_slice());
        Self(bytes)
    }

    /// Reads what [`to_secret`](Self::to_secret) wrote: 43 characters of base64url without padding.
    pub fn parse(text: &Secret) -> Result<Self, MasterKeyError> {
        let characters = text.expose().chars().count();
        if characters != TEXT_CHARACTERS {
            return Err(MasterKeyError::Length(characters));
        }
        let decoded = Zeroizing::new(base64url::decode(text.expose()).ok_or(MasterKeyError::Alphabet)?);
        let mut bytes = Zeroizing::new([0; crypto::KEY_BYTES]);
        bytes.copy_from_slice(&decoded);
        Ok(Self(bytes))
    }

    /// The key as text, for the one place where it is kept.
    pub fn to_secret(&self) -> Secret {
        Secret::from(base64url::encode(self.0.as_slice()))
    }

    /// A short fingerprint, of no use for finding the key: a store keeps it to recognise the key it was made with.
    pub fn check_value(&self) -> String {
        let mut fingerprint = [0; FINGERPRINT_BYTES];
        self.expand("check", &[], &mut fingerprint);
        base64url::encode(&fingerprint)
    }

    /// The key for a purpose, of the rental with this token, in this epoch: 256 bits as 43 characters of base64url. The
    /// same inputs give the same key, always and everywhere.
    pub fn derive(&self, purpose: KeyPurpose, token: &str, epoch: u32) -> Secret {
        let mut key = Zeroizing::new([0; crypto::KEY_BYTES]);
        self.expand(purpose.label(), &[token.as_bytes(), &epoch.to_be_bytes()], key.as_mut_slice());
        Secret::from(base64url::encode(key.as_slice()))
    }

    /// HKDF under a label. Each part stands behind its length, so that no two lists of parts read alike.
    pub(crate) fn expand(&self, label: &str, parts: &[&[u8]], output: &mut [u8]) {
        let mut info = Vec::new();
        for part in std::iter::once(label.as_bytes()).chain(parts.iter().copied()) {
            let length = u64::try_from(part.len()).expect("a length in memory fits in 64 bits");
            info.extend_from_slice(&length.to_be_bytes());
            info.extend_from_slice(part);
        }
        crypto::hkdf_sha256(SALT, self.0.as_slice(), &info, output);
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("MasterKey([redacted])")
    }
}
