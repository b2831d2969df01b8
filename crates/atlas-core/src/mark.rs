//! The mark (rule O2): what Atlas writes into a machine's name and environment to know it again.
//!
//! ```text
//! atlas-<deployment ≤ 20>-<installation 6>-<token 26>[-<user's name>]
//! ```
//!
//! A mark is parsed, never matched by prefix: `my-app` must not be taken for `my-app-2`. The token is longer than a
//! deployment may be, so the leftmost parse is the only one; the user's name comes last, and is what a cloud's limit
//! cuts.

use std::fmt;

use atlas_auth::Entropy;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::excerpt;
use crate::{Error, Result};

#[cfg(test)]
mod tests;

/// The environment variable in which a machine carries its mark uncut.
pub const MARK_ENV: &str = "ATLAS_MARK";

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const TOKEN_LENGTH: usize = 26;
const INSTALLATION_LENGTH: usize = 6;
const DEPLOYMENT_LIMIT: usize = 20;
const NAME_LIMIT: usize = 40;

/// One use of Atlas, by name: a service, a team. Part of every machine's mark.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deployment(String);

impl Deployment {
    /// Reads a deployment's name: lower-case letters, digits and `-`, at most 20, no `-` at either end.
    pub fn parse(text: &str) -> Result<Self> {
        let valid = !text.is_empty()
            && text.len() <= DEPLOYMENT_LIMIT
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::validation(format!(
                "\"{}\" is no deployment name: use lower-case letters, digits and `-` (not at the ends), at most 20",
                excerpt(text)
            )))
        }
    }

    /// The text of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Deployment {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

/// One store of Atlas, by random id: made once in its state directory, so that two stores of one deployment can tell
/// their machines apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Installation(String);

impl Installation {
    /// A new one.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut random = [0; INSTALLATION_LENGTH];
        entropy.fill(&mut random);
        Self(random.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect())
    }

    /// Reads six characters of base32.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() == INSTALLATION_LENGTH && is_base32(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::validation(format!("\"{}\" is no installation id: six of a-z and 2-7", excerpt(text))))
        }
    }

    /// The text of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a token was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TokenKind {
    /// A machine of a session.
    Session,
    /// A machine that somebody spawned by hand: shown, priced, never reaped (O6).
    Plain,
    /// A machine of a pool. Kept for a later version: this one ends none of them.
    Pool,
    /// A machine of a task. Kept for a later version: this one ends none of them.
    Task,
}

impl TokenKind {
    const fn code(self) -> u8 {
        match self {
            Self::Session => 0,
            Self::Plain => 1,
            Self::Pool => 2,
            Self::Task => 3,
        }
    }

    const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Session,
            1 => Self::Plain,
            2 => Self::Pool,
            _ => Self::Task,
        }
    }
}

/// The part of the mark that names one create: 128 random bits, and two that say what it is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpawnToken {
    code: u8,
    random: u128,
}

impl SpawnToken {
    /// A new one.
    pub fn generate(kind: TokenKind, entropy: &dyn Entropy) -> Self {
        let mut random = [0; 16];
        entropy.fill(&mut random);
        Self { code: kind.code(), random: u128::from_be_bytes(random) }
    }

    /// Reads 26 characters of base32.
    pub fn parse(text: &str) -> Result<Self> {
        Self::read(text)
            .ok_or_else(|| Error::validation(format!("\"{}\" is no spawn token: 26 of a-z and 2-7", excerpt(text))))
    }

    fn read(text: &str) -> Option<Self> {
        if text.len() != TOKEN_LENGTH {
            return None;
        }
        // 26 characters hold 130 bits: the first two say what the token is for.
        let mut code = 0;
        let mut random: u128 = 0;
        for (index, byte) in text.bytes().enumerate() {
            let value = u8::try_from(ALPHABET.iter().position(|letter| *letter == byte)?).ok()?;
            if index == 0 {
                code = value >> 3;
                random = u128::from(value & 7);
            } else {
                random = random << 5 | u128::from(value);
            }
        }
        Some(Self { code, random })
    }

    /// What it was made for.
    pub fn kind(self) -> TokenKind {
        TokenKind::from_code(self.code)
    }
}

impl fmt::Display for SpawnToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; TOKEN_LENGTH];
        let mut rest = self.random;
        for place in text.iter_mut().rev() {
            let index = usize::try_from(rest & 31).expect("five bits fit");
            *place = ALPHABET[index];
            rest >>= 5;
        }
        // The first character holds only three bits of the random number; the other two are the code.
        let top = usize::try_from(self.random >> 125).expect("three bits fit");
        text[0] = ALPHABET[usize::from(self.code) << 3 | top];
        formatter.write_str(std::str::from_utf8(&text).expect("the alphabet is ascii"))
    }
}

impl fmt::Debug for SpawnToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// What a machine of Atlas bears: who made it, for what, and in which create.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The use of Atlas that made it.
    pub deployment: Deployment,
    /// The store that recorded it.
    pub installation: Installation,
    /// The create that it came from.
    pub token: SpawnToken,
    /// The user's name for it, perhaps cut by the cloud.
    pub name: Option<String>,
}

impl Mark {
    /// A mark for a new machine.
    pub fn new(deployment: Deployment, installation: Installation, token: SpawnToken, name: Option<String>) -> Self {
        Self { deployment, installation, token, name }
    }

    /// Reads a machine's name or its [`MARK_ENV`]; `None` for anything that Atlas did not write.
    pub fn read(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("atlas-")?;
        // The leftmost segment of 26 characters is the token: a deployment of at most 20 has none so long.
        let mut start = 0;
        for segment in rest.split('-') {
            let end = start + segment.len();
            if segment.len() == TOKEN_LENGTH {
                let before = rest[..start].strip_suffix('-')?;
                let (deployment, installation) = before.rsplit_once('-')?;
                return Some(Self {
                    deployment: Deployment::parse(deployment).ok()?,
                    installation: Installation::parse(installation).ok()?,
                    token: SpawnToken::read(segment)?,
                    name: rest[end..].strip_prefix('-').filter(|name| !name.is_empty()).map(str::to_owned),
                });
            }
            start = end + 1;
        }
        None
    }

    /// The machine's name, cut to the cloud's limit; what is cut is the user's name, and only that.
    ///
    /// A limit too short for the rest is a `validation` error: an unmarked machine is never made.
    pub fn machine_name(&self, limit: usize) -> Result<String> {
        let core = format!("atlas-{}-{}-{}", self.deployment.0, self.installation.0, self.token);
        if core.len() > limit {
            return Err(Error::validation(format!(
                "this cloud keeps only {limit} characters of a name and the mark needs {}; use a shorter deployment name",
                core.len()
            )));
        }
        let room = limit.saturating_sub(core.len() + 1);
        Ok(match &self.name {
            Some(name) if room > 0 => {
                format!("{core}-{}", name[..name.floor_char_boundary(room)].trim_end_matches('-'))
            }
            _ => core,
        }
        .trim_end_matches('-')
        .to_owned())
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "atlas-{}-{}-{}", self.deployment.0, self.installation.0, self.token)?;
        match &self.name {
            Some(name) => write!(formatter, "-{name}"),
            None => Ok(()),
        }
    }
}

/// Checks a user's own name for a machine: letters, digits, `-`, `_` and `.`, at most 40, beginning with a letter or a
/// digit; one that reads as a mark is refused, for it would be taken for a machine of somebody else.
pub fn check_name(name: &str) -> Result<()> {
    let characters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if Mark::read(name).is_some() {
        return Err(Error::validation(format!(
            "the name \"{}\" reads as a mark of Atlas; choose one that does not begin with `atlas-`",
            excerpt(name)
        )));
    }
    if !characters || !first || name.len() > NAME_LIMIT {
        return Err(Error::validation(format!(
            "\"{}\" is no machine name: letters, digits, `-`, `_` and `.`, beginning with a letter or digit, at most 40",
            excerpt(name)
        )));
    }
    Ok(())
}

fn is_base32(text: &str) -> bool {
    text.bytes().all(|byte| ALPHABET.contains(&byte))
}

macro_rules! text_serde {
    ($($name:ident),*) => { $(
        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }
    )* };
}

text_serde!(Deployment, Installation);

impl Serialize for SpawnToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SpawnToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Mark {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mark {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::read(&text).ok_or_else(|| serde::de::Error::custom("no mark of Atlas"))
    }
}
