//! The ground that the rest of Atlas stands on: secrets, tokens, signed URLs, key derivation, the guard layer, and the
//! seams through which time and randomness come in.
//!
//! - [`Secret`]: a text that is never printed.
//! - [`BearerToken`], [`TokenHash`]: 256 bits that admit whoever presents them, and what a server keeps in their place.
//! - [`UrlSigner`], [`UrlVerifier`]: addresses that open by themselves, for one method, until an hour.
//! - [`MasterKey`]: the one key that all keys of machines are derived from, so that none of them need be stored.
//! - [`Sealer`]: encrypts what must be stored and may not be read.
//! - `GuardLayer` (feature `guard`): a tower layer that admits requests by bearer token or signed URL.
//! - [`Clock`], [`Entropy`]: where the hour and random numbers come from.
//!
//! ```
//! use std::time::Duration;
//! use atlas_auth::{BearerToken, Clock, KeyPurpose, MasterKey, SystemClock, SystemEntropy, UrlSigner, UrlVerifier};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A machine's keys follow from the master key: handed out again by whoever holds it, stored by nobody.
//! let master = MasterKey::generate(&SystemEntropy);
//! let token = BearerToken::from_secret(master.derive(KeyPurpose::Bearer, "2x7kq", 1));
//! let kept = token.hash();
//! assert!(kept.matches(token.expose()));
//! assert!(!kept.matches("guessed"));
//!
//! // A link that a browser can follow without a header.
//! let key = master.derive(KeyPurpose::Signing, "2x7kq", 1);
//! let now = SystemClock.now();
//! let url = UrlSigner::new("1", key.clone())?.sign("GET", "https://gpu.example/out.png", now.plus(Duration::from_secs(3600)))?;
//! UrlVerifier::new("1", key)?.verify("GET", url.expose(), now)?;
//!
//! // Nothing of it is ever printed.
//! assert_eq!(format!("{token:?} {master:?}"), "BearerToken([redacted]) MasterKey([redacted])");
//! # Ok(())
//! # }
//! ```
//!
//! This crate does no I/O. Nothing of `ring`, which does the cryptography, shows in its interface.

mod base64url;
mod crypto;
#[cfg(feature = "guard")]
mod guard;
mod keys;
mod seal;
mod seam;
mod secret;
mod signed_url;
mod steady;
mod token;

#[cfg(feature = "guard")]
pub use guard::{Guard, GuardBuilder, GuardError, GuardFuture, GuardLayer};
pub use keys::{KeyPurpose, MasterKey, MasterKeyError};
pub use seal::{SealError, Sealed, Sealer, Unsealed};
pub use seam::{Clock, Entropy, SeededEntropy, SystemClock, SystemEntropy, Timestamp, TimestampError};
pub use secret::Secret;
pub use signed_url::{DEFAULT_KEY_ID, SignedUrl, SigningKeyError, UrlError, UrlSigner, UrlVerifier};
pub use steady::SteadyClock;
pub use token::{BearerToken, PRESHARED_KEY_ENV, SIGNING_KEY_ENV, TokenHash, TokenHashError};
