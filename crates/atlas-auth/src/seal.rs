//! Sealing: what must be stored and may not be read (a request's env, registry credentials) is encrypted and bound to
//! its place (rule P6).
//!
//! Invariant: a sealed text opens under the key, the scope and the context that it was sealed with, unaltered, or not at
//! all. A cipher cannot tell a wrong key from an altered text, so a fingerprint of the key goes before it.
//!
//! The text is `v1.` and base64url of: fingerprint (8 bytes), nonce (12), ciphertext with its tag.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::keys::FINGERPRINT_BYTES;
use crate::{Entropy, MasterKey, base64url, crypto};

#[cfg(test)]
mod tests;

const VERSION: &str = "v1";

/// Seals and opens under one key, derived from the master key for a scope.
///
/// Nonces are random, 96 bits: one scope may seal some billions of texts before two could meet.
pub struct Sealer {
    key: Zeroizing<[u8; crypto::KEY_BYTES]>,
    fingerprint: [u8; FINGERPRINT_BYTES],
}

/// A sealed text: harmless to store and to copy, serialised as text.
///
/// It is checked when it is opened and not when it is read, so that a record with a spoilt secret in it can still be
/// read and acted on.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(String);

/// What was sealed, in the clear: wiped from memory on drop, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Unsealed(Zeroizing<Vec<u8>>);

/// Why a sealed text does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// It is no sealed text.
    #[error("the stored text is not a sealed one, or was cut: restore the record from a backup")]
    Malformed,
    /// It was sealed by a later version of Atlas.
    #[error(
        "the stored text was sealed in a format that this version of atlas does not know: use the version that wrote it"
    )]
    Version,
    /// It was sealed under another master key, or for another scope.
    #[error("the stored text was sealed under another master key: give the master key that this store was made with")]
    WrongKey,
    /// The key is the right one, and the text was altered or moved here from elsewhere.
    #[error("the stored text was altered, or belongs to another record: restore the record from a backup")]
    Altered,
}

impl Sealer {
    /// The sealer for a scope (a store, an account): what is sealed in one does not open in another.
    pub fn from_master(master: &MasterKey, scope: &str) -> Self {
        let mut key = Zeroizing::new([0; crypto::KEY_BYTES]);
        master.expand("sealer/key", &[scope.as_bytes()], key.as_mut_slice());
        let mut fingerprint = [0; FINGERPRINT_BYTES];
        master.expand("sealer/fingerprint", &[scope.as_bytes()], &mut fingerprint);
        Self { key, fingerprint }
    }

    /// Seals `plain` for its place: `context` says which record and field it belongs to, and must be said again to open
    /// it. It is not secret and not stored. Sealing the same twice gives two different texts.
    pub fn seal(&self, entropy: &dyn Entropy, context: &str, plain: &[u8]) -> Sealed {
        let mut nonce = [0; crypto::NONCE_BYTES];
        entropy.fill(&mut nonce);
        // Room for the tag, so that the plain bytes are never left behind by a reallocation.
        let mut bytes = Zeroizing::new(Vec::with_capacity(plain.len() + crypto::TAG_BYTES));
        bytes.extend_from_slice(plain);
        crypto::seal(&self.key, nonce, &self.associated(context), &mut bytes);
        let whole = [self.fingerprint.as_slice(), &nonce, &bytes].concat();
        Sealed(format!("{VERSION}.{}", base64url::encode(&whole)))
    }

    /// Opens what was sealed here for the same context.
    pub fn open(&self, context: &str, sealed: &Sealed) -> Result<Unsealed, SealError> {
        let (version, text) = sealed.0.split_once('.').ok_or(SealError::Malformed)?;
        if version != VERSION {
            let ours = version.strip_prefix('v').is_some_and(|number| number.parse::<u32>().is_ok());
            return Err(if ours { SealError::Version } else { SealError::Malformed });
        }
        let whole = base64url::decode(text).ok_or(SealError::Malformed)?;
        let (fingerprint, rest) = whole.split_first_chunk::<FINGERPRINT_BYTES>().ok_or(SealError::Malformed)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<{ crypto::NONCE_BYTES }>().ok_or(SealError::Malformed)?;
        if *fingerprint != self.fingerprint {
            return Err(SealError::WrongKey);
        }
        let mut bytes = Zeroizing::new(ciphertext.to_vec());
        if crypto::open(&self.key, *nonce, &self.associated(context), &mut bytes) {
            Ok(Unsealed(bytes))
        } else {
            Err(SealError::Altered)
        }
    }

    /// What the tag covers beside the ciphertext. The first two have fixed lengths, so the whole reads in one way only.
    fn associated(&self, context: &str) -> Vec<u8> {
        [VERSION.as_bytes(), &self.fingerprint, context.as_bytes()].concat()
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sealer([redacted])")
    }
}

impl Sealed {
    /// Takes a text that a store kept. Whether it is a sealed one is found out on opening.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text to store.
    pub fn as_text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Sealed({} characters)", self.0.len())
    }
}

impl Deref for Unsealed {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Unsealed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Unsealed([redacted])")
    }
}
