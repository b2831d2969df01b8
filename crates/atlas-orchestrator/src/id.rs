//! The names of sessions and rentals, each a type of its own.

use std::fmt;
use std::str::FromStr;

use atlas_auth::Entropy;
use atlas_core::SpawnToken;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Error;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const LENGTH: usize = 26;

/// What each byte stands for; 255 for what is not in the alphabet. Hundreds of thousands are read at an opening.
const VALUES: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let mut value = 0_u8;
    while value < 32 {
        values[ALPHABET[value as usize] as usize] = value;
        value += 1;
    }
    values
};

/// One user's use of a machine. 26 characters, random; it is a name, not a key: knowing it opens nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u128);

impl SessionId {
    pub(crate) fn generate(entropy: &dyn Entropy) -> Self {
        let mut random = [0; 16];
        entropy.fill(&mut random);
        Self(u128::from_be_bytes(random))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; LENGTH];
        let mut rest = self.0;
        for place in text.iter_mut().rev() {
            *place = ALPHABET[usize::try_from(rest & 31).unwrap_or_default()];
            rest >>= 5;
        }
        formatter.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for SessionId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::validation(format!("\"{}\" is no session id", atlas_core::error::excerpt(text)));
        if text.len() != LENGTH {
            return Err(wrong());
        }
        let mut number: u128 = 0;
        for (index, byte) in text.bytes().enumerate() {
            let value = VALUES[usize::from(byte)];
            // 26 characters hold 130 bits: the first may use only three of its five.
            if value == u8::MAX || index == 0 && value > 7 {
                return Err(wrong());
            }
            number = number << 5 | u128::from(value);
        }
        Ok(Self(number))
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// One create that may have happened. Named by its spawn token; where a cloud made several machines of one create, the
/// others are its twins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RentalId {
    /// The token in the machine's mark.
    pub token: SpawnToken,
    /// 0 for the create's own machine, from 1 on for those that a cloud made beside it.
    pub twin: u16,
}

impl RentalId {
    /// The rental of a create.
    pub const fn new(token: SpawnToken) -> Self {
        Self { token, twin: 0 }
    }
}

impl fmt::Display for RentalId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.token)?;
        if self.twin > 0 { write!(formatter, "~{}", self.twin) } else { Ok(()) }
    }
}

impl fmt::Debug for RentalId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for RentalId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (token, twin) = text.split_once('~').unwrap_or((text, "0"));
        let wrong = || Error::validation(format!("\"{}\" is no rental id", atlas_core::error::excerpt(text)));
        Ok(Self { token: SpawnToken::parse(token).map_err(|_| wrong())?, twin: twin.parse().map_err(|_| wrong())? })
    }
}

impl Serialize for RentalId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RentalId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_session_id_is_read_as_it_was_written(number: u128, place in 0..LENGTH, byte: u8) {
            let id = SessionId(number);
            let text = id.to_string();
            prop_assert_eq!(text.parse::<SessionId>().unwrap(), id);
            let mut bytes = text.into_bytes();
            bytes[place] = byte;
            if let Ok(other) = String::from_utf8(bytes) {
                let in_place = ALPHABET[..if place == 0 { 8 } else { 32 }].contains(&byte);
                prop_assert_eq!(other.parse::<SessionId>().is_ok(), in_place);
            }
        }
    }
}
