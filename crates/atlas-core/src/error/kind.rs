//! The kinds of error and the effects of a failed call: closed words that people match on.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is wrong. `docs/errors.md` has them all in a table with what to do about each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The key is missing or not known to the cloud.
    Unauthorized,
    /// The key is known but may not do this.
    Forbidden,
    /// The cloud knows no such thing.
    NotFound,
    /// Too many calls.
    RateLimited,
    /// Nobody answered in time.
    Timeout,
    /// This cloud cannot do what was asked.
    Unsupported,
    /// What was asked cannot be right.
    Validation,
    /// The cloud reports a failure of its own.
    Provider,
    /// The way to the cloud failed.
    Transport,
    /// Something that this version cannot classify.
    Unknown,
    /// What was asked contradicts what is.
    Conflict,
    /// The cloud has no such machine free.
    NoCapacity,
    /// The cloud answered something that cannot be read.
    Decode,
    /// A limit of the account is reached.
    Quota,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: [Self; 14] = [
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::RateLimited,
        Self::Timeout,
        Self::Unsupported,
        Self::Validation,
        Self::Provider,
        Self::Transport,
        Self::Unknown,
        Self::Conflict,
        Self::NoCapacity,
        Self::Decode,
        Self::Quota,
    ];

    /// The word for it in `--json` and in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::RateLimited => "rate_limited",
            Self::Timeout => "timeout",
            Self::Unsupported => "unsupported",
            Self::Validation => "validation",
            Self::Provider => "provider",
            Self::Transport => "transport",
            Self::Unknown => "unknown",
            Self::Conflict => "conflict",
            Self::NoCapacity => "no_capacity",
            Self::Decode => "decode",
            Self::Quota => "quota",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Whether a failed call may have had its effect all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Effect {
    /// The cloud never heard of it.
    NotSent,
    /// The cloud heard and provably did nothing.
    Rejected,
    /// The cloud may have acted.
    Unknown,
}
