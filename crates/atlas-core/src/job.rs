//! Serverless jobs: what is asked of an endpoint, and what becomes of it.
//!
//! A job is no rental: it ends by the time-outs that Atlas always sends with it. Its result is kept by the cloud for a
//! while only, so whoever wants it reads it in time.

use std::fmt;
use std::time::Duration;

use atlas_auth::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{BoxStream, Error, ProviderId, Result};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes a cloud's own id.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The cloud's own id.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    /// What a cloud calls one of its serverless endpoints.
    EndpointId
    /// What a cloud calls one job of an endpoint.
    JobId
}

/// How a job is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobMode {
    /// Not at all: the answer is the queued job.
    #[default]
    Async,
    /// Until it is over, or the request's time-out.
    Sync,
}

/// How long a job may take, as its cloud enforces it. Always sent, so that no job goes on for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct JobPolicy {
    /// How long it may run once a worker has it.
    #[serde(with = "crate::duration")]
    pub execution_timeout: Duration,
    /// How long it and its result are kept from when it was asked for: queue, run and result together.
    #[serde(with = "crate::duration")]
    pub ttl: Duration,
    /// Whether it may wait for others.
    pub low_priority: bool,
}

impl Default for JobPolicy {
    fn default() -> Self {
        Self { execution_timeout: Duration::from_mins(10), ttl: Duration::from_hours(24), low_priority: false }
    }
}

impl JobPolicy {
    /// Ten minutes to run, a day to be kept.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long it may run.
    #[must_use]
    pub fn execution_timeout(mut self, timeout: Duration) -> Self {
        self.execution_timeout = timeout;
        self
    }

    /// How long it and its result are kept.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Whether it may wait for others.
    #[must_use]
    pub fn low_priority(mut self, low: bool) -> Self {
        self.low_priority = low;
        self
    }
}

/// What is asked of an endpoint. `Debug` shows neither the input nor the webhook's address, which may hold a secret.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct JobRequest {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// The input, as the endpoint's worker understands it.
    pub input: Value,
    /// How it is waited for.
    pub mode: JobMode,
    /// For [`JobMode::Sync`]: how long it is waited for on this side. A hard bound.
    pub timeout: Duration,
    /// Where the cloud shall tell that it is over. May hold a secret.
    pub webhook: Option<Secret>,
    /// How long it may take.
    pub policy: JobPolicy,
    /// The provider's own options, merged last into what is sent.
    pub provider_opts: Map<String, Value>,
}

impl JobRequest {
    /// A job with this input, not waited for.
    pub fn new(endpoint: impl Into<String>, input: Value) -> Self {
        Self {
            endpoint: EndpointId::new(endpoint),
            input,
            mode: JobMode::Async,
            timeout: Duration::from_mins(1),
            webhook: None,
            policy: JobPolicy::default(),
            provider_opts: Map::new(),
        }
    }

    /// Waits until it is over, at most so long.
    #[must_use]
    pub fn sync(mut self, timeout: Duration) -> Self {
        self.mode = JobMode::Sync;
        self.timeout = timeout;
        self
    }

    /// Where the cloud shall tell that it is over.
    #[must_use]
    pub fn webhook(mut self, url: impl Into<Secret>) -> Self {
        self.webhook = Some(url.into());
        self
    }

    /// How long it may take.
    #[must_use]
    pub fn policy(mut self, policy: JobPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// One of the provider's own options.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: Value) -> Self {
        self.provider_opts.insert(name.into(), value);
        self
    }

    /// Checks what can be wrong on any cloud. Nothing is sent.
    pub fn validate(&self) -> Result<()> {
        check_id("endpoint", self.endpoint.as_str())?;
        if self.timeout.is_zero() {
            return Err(Error::validation("the job's timeout is nothing: write more than zero"));
        }
        if let Some(webhook) = &self.webhook {
            let good = url::Url::parse(webhook.expose())
                .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            if !good {
                return Err(Error::validation(
                    "the webhook is no http or https address: write it such as https://me.example/hook",
                ));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for JobRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("JobRequest")
            .field("endpoint", &self.endpoint)
            .field("mode", &self.mode)
            .field("timeout", &self.timeout)
            .field("webhook", &self.webhook)
            .field("policy", &self.policy)
            .field("provider_opts", &self.provider_opts.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// An id that stands in a path: nothing in it may lead elsewhere.
pub(crate) fn check_id(what: &str, id: &str) -> Result<()> {
    let good = !id.is_empty()
        && id.len() <= 200
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':'))
        && id.bytes().any(|byte| byte != b'.');
    if good { Ok(()) } else { Err(Error::validation(format!("\"{}\" is no {what} id", crate::error::excerpt(id)))) }
}

/// How a job stands. Open: a word that Atlas does not know is kept as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JobStatus {
    /// It waits for a worker.
    Queued,
    /// A worker has it.
    Running,
    /// It is done, and has an output.
    Completed,
    /// Its worker failed.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// It took longer than its policy allows.
    TimedOut,
    /// A word that this version does not know.
    Other(String),
}

impl JobStatus {
    /// The word for it in `--json`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
            Self::Other(word) => word,
        }
    }

    /// Whether it will not change any more.
    pub fn is_over(&self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::Cancelled | Self::TimedOut => true,
            Self::Queued | Self::Running | Self::Other(_) => false,
        }
    }
}

impl fmt::Display for JobStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for JobStatus {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One job, as its cloud describes it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Job {
    /// What the cloud calls it.
    pub id: JobId,
    /// Its endpoint.
    pub endpoint: EndpointId,
    /// The account.
    pub provider: ProviderId,
    /// How it stands.
    pub status: JobStatus,
    /// What its worker gave, if anything yet.
    pub output: Option<Value>,
    /// What its worker or the cloud says went wrong.
    pub error: Option<Value>,
    /// How long it waited for a worker, in milliseconds.
    pub delay_ms: Option<u64>,
    /// How long it ran, in milliseconds.
    pub execution_ms: Option<u64>,
    /// Which worker had it.
    pub worker: Option<String>,
    /// The cloud's own answer.
    pub raw: Value,
}

impl Job {
    /// A job of which only this much is known.
    pub fn new(provider: &ProviderId, endpoint: &EndpointId, id: JobId, status: JobStatus) -> Self {
        Self {
            id,
            endpoint: endpoint.clone(),
            provider: provider.clone(),
            status,
            output: None,
            error: None,
            delay_ms: None,
            execution_ms: None,
            worker: None,
            raw: Value::Null,
        }
    }
}

/// One piece of a job's output, in the order in which its worker gave it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct JobChunk {
    /// Which piece, from 0.
    pub index: u64,
    /// What the worker gave.
    pub output: Value,
}

impl JobChunk {
    /// The piece with this number.
    pub fn new(index: u64, output: Value) -> Self {
        Self { index, output }
    }
}

/// A job's output as it comes. It ends by itself when the job is over; a job that ended badly ends it with an error.
pub type JobStream = BoxStream<'static, Result<JobChunk>>;
