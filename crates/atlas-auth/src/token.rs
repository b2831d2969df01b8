//! Bearer tokens: 256 random bits that admit whoever presents them, and the hashes that a guard keeps in their place.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::{Entropy, Secret, base64url, crypto};

#[cfg(test)]
mod tests;

/// The environment variable in which a machine finds its bearer token.
pub const PRESHARED_KEY_ENV: &str = "ATLAS_PRESHARED_KEY";
/// The environment variable in which a machine finds the key that its signed URLs are made with.
pub const SIGNING_KEY_ENV: &str = "ATLAS_SIGNING_KEY";

/// A text that admits whoever presents it, as `Authorization: Bearer <text>`.
///
/// A minted one is 256 random bits as 43 characters of base64url. It is wiped from memory on drop, and never printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BearerToken(Secret);

impl BearerToken {
    /// A new token of 256 bits.
    pub fn mint(entropy: &dyn Entropy) -> Self {
        let mut bytes = Zeroizing::new([0; crypto::KEY_BYTES]);
        entropy.fill(bytes.as_mut_slice());
        Self(Secret::from(base64url::encode(bytes.as_slice())))
    }

    /// Takes a text, as it is, for a token: one that was minted or derived before.
    pub const fn from_secret(secret: Secret) -> Self {
        Self(secret)
    }

    /// The token's text.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What to keep in place of the token.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.expose())
    }

    /// The value of an `Authorization` header: `Bearer …`.
    pub fn header_value(&self) -> Secret {
        Secret::from(format!("Bearer {}", self.expose()))
    }

    /// The whole header line: `Authorization: Bearer …`.
    pub fn header(&self) -> Secret {
        Secret::from(format!("Authorization: Bearer {}", self.expose()))
    }

    /// The environment variable that hands the token to a machine, with its value.
    pub fn env(&self) -> (&'static str, Secret) {
        (PRESHARED_KEY_ENV, self.0.clone())
    }
}

impl From<BearerToken> for Secret {
    fn from(token: BearerToken) -> Self {
        token.0
    }
}

/// The SHA-256 of a token's text: enough to know the token again, of no use to who steals it. Written, printed and
/// serialised as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; crypto::KEY_BYTES]);

/// A text that is no hash of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenHashError {
    /// It has the wrong length.
    #[error("a token hash is 64 hexadecimal digits, this is {0} bytes long")]
    Length(usize),
    /// It holds something else than `0-9a-f`.
    #[error("a token hash is written in the digits 0-9 and a-f alone, in lower case; byte {0} is something else")]
    Digit(usize),
}

impl TokenHash {
    /// The hash of a token's text.
    pub fn of(token: &str) -> Self {
        Self(crypto::sha256(token.as_bytes()))
    }

    /// Reads 64 lower-case hexadecimal digits, and nothing else.
    pub fn parse(text: &str) -> Result<Self, TokenHashError> {
        let digits = text.as_bytes();
        if digits.len() != 2 * crypto::KEY_BYTES {
            return Err(TokenHashError::Length(digits.len()));
        }
        let mut bytes = [0; crypto::KEY_BYTES];
        for (index, digit) in digits.iter().enumerate() {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return Err(TokenHashError::Digit(index + 1)),
            };
            bytes[index / 2] = bytes[index / 2] << 4 | value;
        }
        Ok(Self(bytes))
    }

    /// Whether this is the hash of the presented text, in a time that does not tell how near it came.
    pub fn matches(&self, presented: &str) -> bool {
        crypto::equal(&self.0, &Self::of(presented).0)
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TokenHash({self})")
    }
}

impl FromStr for TokenHash {
    type Err = TokenHashError;

    fn from_str(text: &str) -> Result<Self, TokenHashError> {
        Self::parse(text)
    }
}

impl Serialize for TokenHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}
