//! Signed URLs: an address that opens by itself, for one method, until an hour. What is signed, and how it is written,
//! stands at [`UrlSigner`].
//!
//! Invariant: two requests that an application could tell apart have different canonical lines. What could be read in
//! two ways (a repeated or nameless parameter, a dot segment, a user name, a fragment) is refused.

mod canonical;
mod sign;
#[cfg(test)]
mod tests;
mod verify;

pub use sign::{SignedUrl, UrlSigner};
pub use verify::UrlVerifier;

#[cfg(feature = "guard")]
pub(crate) use canonical::{authority, is_reserved};

use std::fmt;

use crate::{Secret, Timestamp};

/// The key id of a signer that never had another key, such as a machine that was given its key by environment.
pub const DEFAULT_KEY_ID: &str = "1";

const EXPIRES: &str = "atlas-expires";
const KEY: &str = "atlas-key";
const SIGNATURE: &str = "atlas-signature";
/// All parameters whose names begin so are Atlas's: those of today, and those of later versions.
const RESERVED_PREFIX: &str = "atlas-";
/// The last second that every JSON reader can hold exactly: 2^53 - 1.
const LATEST_EXPIRY: i64 = 9_007_199_254_740_991;

/// Why a URL was not signed, or not accepted. None of them tells a signature or a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// It is no URL that could be signed, or carries no well-formed signature.
    #[error("the URL is malformed: {0}")]
    Malformed(&'static str),
    /// Its signature is good, and its time is over.
    #[error("the signed URL expired at {0}: ask for a new one")]
    Expired(Timestamp),
    /// The signature belongs to another URL, method, host, expiry or key.
    #[error("the signature does not match this URL and method: ask for a new one, and use it unchanged")]
    BadSignature,
    /// It was signed by a key that is not, or no longer, accepted here.
    #[error("the URL was signed by the key \"{0}\", which is not accepted here: ask for a new one")]
    UnknownKey(String),
}

/// A key that URLs cannot be signed with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SigningKeyError {
    /// The secret is empty, so that everybody could sign.
    #[error("the signing key is empty: give it a secret of at least 32 random bytes")]
    Empty,
    /// The key's id cannot stand in a URL.
    #[error("a key id is 1 to 64 of the characters A-Z, a-z, 0-9, -, ., _ and ~")]
    Id,
    /// Two keys have the same id.
    #[error("there are two signing keys with the id \"{0}\": give each its own")]
    Duplicate(String),
}

/// A secret with the name by which URLs refer to it.
#[derive(Clone)]
struct SigningKey {
    id: String,
    secret: Secret,
}

impl SigningKey {
    fn new(id: String, secret: Secret) -> Result<Self, SigningKeyError> {
        if secret.is_empty() {
            return Err(SigningKeyError::Empty);
        }
        if !is_key_id(&id) {
            return Err(SigningKeyError::Id);
        }
        Ok(Self { id, secret })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey({:?})", self.id)
    }
}

fn is_key_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(canonical::is_unreserved)
}
