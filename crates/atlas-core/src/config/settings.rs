//! The values of a configuration, each with its defaults and its form as text.

use std::path::PathBuf;
use std::time::Duration;

use atlas_auth::Secret;

use crate::{Error, ProviderId, Result, Settings, duration};

/// The longest span that makes sense anywhere in Atlas; a longer one is a slip of the finger.
const LONGEST: Duration = Duration::from_hours(10 * 366 * 24);

/// Where sessions and rentals are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum StoreSetting {
    /// In one file of the state directory, for one process at a time.
    #[default]
    Redb,
    /// In PostgreSQL, at this address. It may hold a password.
    Postgres(Secret),
}

impl StoreSetting {
    pub(super) fn parse(text: &str) -> Result<Self> {
        match text {
            "redb" => Ok(Self::Redb),
            url if url.starts_with("postgres://") || url.starts_with("postgresql://") => Ok(Self::Postgres(url.into())),
            // Not quoted: it may be an address with a password.
            _ => Err(Error::validation("that is no store: write redb, or a postgres:// URL")),
        }
    }
}

/// One account, as configured.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProviderEntry {
    /// The kind of cloud.
    pub kind: String,
    /// Its settings.
    pub settings: Settings,
    /// Settings that need a variable which is not set. Using the account is an error until it is.
    pub missing: Vec<MissingVariable>,
}

impl ProviderEntry {
    /// An account of this kind.
    pub fn new(kind: impl Into<String>, settings: Settings) -> Self {
        Self { kind: kind.into(), settings, missing: Vec::new() }
    }
}

/// A key of the file that needs a variable which is not set.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissingVariable {
    /// The key's path, such as `providers.runpod.api_key`.
    pub path: String,
    /// The variable.
    pub variable: String,
    /// Where the key stands: file, line and column.
    pub place: String,
}

impl MissingVariable {
    /// Whether it is the kind of the account, without which nothing else of it can be judged.
    pub(crate) fn is_kind(&self) -> bool {
        self.path.split('.').nth(2) == Some("kind")
    }

    pub(crate) fn error(&self) -> Error {
        Error::validation(format!(
            "{}: {} needs the variable {}, which is not set",
            self.place, self.path, self.variable
        ))
    }
}

/// How sessions are kept and ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrchestratorSettings {
    /// How often the reaper looks.
    pub reap_interval: Duration,
    /// How long after its first sighting the reaper waits before it ends a machine without a holder.
    pub reap_grace: Duration,
    /// Where aliens are looked for; `None` for every account.
    pub reap_providers: Option<Vec<ProviderId>>,
    /// How long a session lives without a touch, unless it says otherwise.
    pub idle_ttl: Duration,
    /// How long a session lives at most, unless it says otherwise.
    pub max_lifetime: Lifetime,
    /// How long a machine may take until it is ready.
    pub start_timeout: Duration,
    /// What is done about machines that bear our mark and are not in our store (rule O5).
    pub aliens: AlienPolicy,
}

impl Default for OrchestratorSettings {
    fn default() -> Self {
        Self {
            reap_interval: Duration::from_mins(1),
            reap_grace: Duration::from_mins(2),
            reap_providers: None,
            idle_ttl: Duration::from_mins(30),
            max_lifetime: Lifetime::Limited(Duration::from_hours(24)),
            start_timeout: Duration::from_mins(20),
            aliens: AlienPolicy::Report,
        }
    }
}

/// How long something may live at most. Unlimited must be said: it is no default anywhere (rule P7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// So long.
    Limited(Duration),
    /// For ever.
    Unlimited,
}

impl Lifetime {
    /// The limit, if there is one.
    pub const fn limit(self) -> Option<Duration> {
        match self {
            Self::Limited(limit) => Some(limit),
            Self::Unlimited => None,
        }
    }

    /// Reads a span such as `24h`, or `unlimited`.
    pub fn parse(text: &str) -> Result<Self> {
        if text == "unlimited" {
            Ok(Self::Unlimited)
        } else {
            parse_span(text).map(Self::Limited).map_err(|error| error.context("neither `unlimited` nor a good span"))
        }
    }
}

/// What is done about aliens (rule O5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AlienPolicy {
    /// They are reported and priced, and ended only by an operator.
    #[default]
    Report,
    /// They are ended this long after they were first seen.
    EndAfter(Duration),
}

impl AlienPolicy {
    /// Reads `report` or, for instance, `end after 12h`.
    pub fn parse(text: &str) -> Result<Self> {
        if text == "report" {
            return Ok(Self::Report);
        }
        match text.strip_prefix("end after ") {
            Some(span) => parse_span(span).map(Self::EndAfter),
            None => Err(Error::validation(format!(
                "\"{}\" is no policy for aliens: write `report`, or `end after` and a span, such as end after 12h",
                crate::error::excerpt(text)
            ))),
        }
    }
}

/// Fly.io platform operations. Read and kept; this version has no operation that uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlySettings {
    /// Where tokens are kept.
    pub storage: Option<PathBuf>,
    /// Where logs are read, instead of Fly's own address.
    pub logs_url: Option<String>,
    /// How often logs are asked for.
    pub poll_interval: Duration,
    /// How long `flyctl` may take.
    pub cli_timeout: Duration,
    /// Whether `flyctl`'s own configuration is read for a token.
    pub use_config_file: bool,
}

impl Default for FlySettings {
    fn default() -> Self {
        Self {
            storage: None,
            logs_url: None,
            poll_interval: Duration::from_secs(2),
            cli_timeout: Duration::from_secs(15),
            use_config_file: true,
        }
    }
}

/// A span that is more than nothing and no slip of the finger.
pub(super) fn parse_span(text: &str) -> Result<Duration> {
    match duration::parse(text)? {
        span if span.is_zero() => Err(Error::validation("a span of nothing is none: write more than zero")),
        span if span > LONGEST => Err(Error::validation("the span is longer than ten years")),
        span => Ok(span),
    }
}

pub(super) fn parse_flag(text: &str) -> Result<bool> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Error::validation(format!("\"{}\" is neither true nor false", crate::error::excerpt(text)))),
    }
}
