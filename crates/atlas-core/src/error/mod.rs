//! What went wrong, for the person who is woken by it: what failed, for which machine, whether the cloud may have
//! acted, what to do (rule C8).
//!
//! Two facts decide what may follow an error, and neither can be told from the other: its [`kind`](Error::kind) says
//! what is wrong, its [`effect`](Error::effect) whether the cloud may have acted all the same.

mod kind;
#[cfg(test)]
mod tests;

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

pub use kind::{Effect, ErrorKind};

use crate::{ComputeId, JobId, ProviderId};

/// The result of every call in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The longest excerpt of a foreign text that an error carries, in bytes.
const EXCERPT: usize = 512;

/// What went wrong. Cheap to clone, one word wide.
///
/// `Display` is one lower-case line. The serialised form is the one that `atlas --json` prints; neither holds a secret.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    effect: Effect,
    message: String,
    provider: Option<ProviderId>,
    operation: Option<&'static str>,
    status: Option<u16>,
    request_id: Option<String>,
    leftovers: Vec<ComputeId>,
    job: Option<JobId>,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

macro_rules! shorthands {
    ($($(#[$doc:meta])* $name:ident => $kind:ident, $effect:ident;)*) => {
        $($(#[$doc])*
        pub fn $name(message: impl Into<String>) -> Self {
            Self::new(ErrorKind::$kind, message).with_effect(Effect::$effect)
        })*
    };
}

impl Error {
    /// An error whose effect is not known: the honest default. A message is one line of at most 512 bytes, whatever a cloud
    /// or a path puts into it.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            effect: Effect::Unknown,
            message: one_line(message.into()),
            provider: None,
            operation: None,
            status: None,
            request_id: None,
            leftovers: Vec::new(),
            job: None,
            retry_after: None,
            source: None,
        }))
    }

    shorthands! {
        /// What was asked cannot be right. Nothing was sent.
        validation => Validation, NotSent;
        /// This cloud cannot do what was asked. Nothing was sent.
        unsupported => Unsupported, NotSent;
        /// The cloud knows no such thing.
        not_found => NotFound, Rejected;
        /// The cloud refused for want of machines; provably nothing exists.
        no_capacity => NoCapacity, Rejected;
        /// What was asked contradicts what is.
        conflict => Conflict, Rejected;
        /// Nobody answered in time; the cloud may have acted.
        timeout => Timeout, Unknown;
        /// The way to the cloud failed; it may have acted.
        transport => Transport, Unknown;
        /// Something that this version cannot classify.
        unknown => Unknown, Unknown;
    }

    /// Says whether the cloud may have acted.
    #[must_use]
    pub fn with_effect(mut self, effect: Effect) -> Self {
        self.0.effect = effect;
        self
    }

    /// Names the account.
    #[must_use]
    pub fn with_provider(mut self, provider: &ProviderId) -> Self {
        self.0.provider = Some(provider.clone());
        self
    }

    /// Names the operation, such as `spawn`.
    #[must_use]
    pub fn with_operation(mut self, operation: &'static str) -> Self {
        self.0.operation = Some(operation);
        self
    }

    /// Adds the HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Adds the cloud's own id of the request, for its support.
    #[must_use]
    pub fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.0.request_id = Some(id.into());
        self
    }

    /// Names something that exists all the same, and that its caller must now end.
    #[must_use]
    pub fn with_leftover(mut self, compute: ComputeId) -> Self {
        self.0.leftovers.push(compute);
        self
    }

    /// Says that what was left over has been ended since: provably nothing is left.
    #[must_use]
    pub fn with_nothing_left(mut self) -> Self {
        self.0.leftovers.clear();
        self.with_effect(Effect::Rejected)
    }

    /// Names the job that was taken before this went wrong. It goes on by itself until its policy ends it.
    #[must_use]
    pub fn with_job(mut self, job: JobId) -> Self {
        self.0.job = Some(job);
        self
    }

    /// Says how long the cloud asked to wait.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Adds the cause. Its text must hold no secret.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// Puts words before the message: what was being done.
    #[must_use]
    pub fn context(mut self, words: impl fmt::Display) -> Self {
        self.0.message = format!("{}: {}", one_line(words.to_string()), self.0.message);
        self
    }

    /// What is wrong. Stable: match on this.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the cloud may have acted.
    pub fn effect(&self) -> Effect {
        self.0.effect
    }

    /// What is wrong, in words, without provider and operation.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The account that it happened with.
    pub fn provider(&self) -> Option<&ProviderId> {
        self.0.provider.as_ref()
    }

    /// The operation that failed.
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// The HTTP status, where there was one.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The cloud's own id of the request.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// Things that exist all the same. Whoever gets this error must end them.
    pub fn leftovers(&self) -> &[ComputeId] {
        &self.0.leftovers
    }

    /// The job that was taken before this went wrong.
    pub fn job(&self) -> Option<&JobId> {
        self.0.job.as_ref()
    }

    /// How long the cloud asked to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether the cloud knows no such thing.
    pub fn is_not_found(&self) -> bool {
        self.0.kind == ErrorKind::NotFound
    }

    /// Whether provably nothing happened and nothing is left: only then may a create be sent again.
    pub fn is_safe_to_resend(&self) -> bool {
        self.0.effect != Effect::Unknown && self.0.leftovers.is_empty()
    }

    /// Whether the same call may well succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self.0.kind {
            ErrorKind::RateLimited
            | ErrorKind::Timeout
            | ErrorKind::Transport
            | ErrorKind::Provider
            | ErrorKind::NoCapacity => true,
            ErrorKind::Unauthorized
            | ErrorKind::Forbidden
            | ErrorKind::NotFound
            | ErrorKind::Unsupported
            | ErrorKind::Validation
            | ErrorKind::Unknown
            | ErrorKind::Conflict
            | ErrorKind::Decode
            | ErrorKind::Quota => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(provider) = &self.0.provider {
            write!(formatter, "{provider}: ")?;
        }
        if let Some(operation) = self.0.operation {
            write!(formatter, "{operation}: ")?;
        }
        formatter.write_str(&self.0.message)?;
        if let Some(status) = self.0.status {
            write!(formatter, " (http {status})")?;
        }
        match self.0.leftovers.as_slice() {
            [] => Ok(()),
            leftovers => {
                formatter.write_str("; still there: ")?;
                for (index, leftover) in leftovers.iter().enumerate() {
                    write!(formatter, "{}{leftover}", if index == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("effect", &self.0.effect)
            .field("message", &self.to_string())
            .field("request_id", &self.0.request_id)
            .field("retry_after", &self.0.retry_after)
            .field("source", &self.0.source.as_ref().map(ToString::to_string))
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| source.as_ref() as &(dyn StdError + 'static))
    }
}

impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Error", 10)?;
        fields.serialize_field("kind", &self.0.kind)?;
        fields.serialize_field("message", &self.0.message)?;
        fields.serialize_field("provider", &self.0.provider)?;
        fields.serialize_field("operation", &self.0.operation)?;
        fields.serialize_field("status", &self.0.status)?;
        fields.serialize_field("request_id", &self.0.request_id)?;
        fields.serialize_field("effect", &self.0.effect)?;
        fields.serialize_field("leftovers", &self.0.leftovers)?;
        fields.serialize_field("job", &self.0.job)?;
        fields.serialize_field("retry_after", &self.0.retry_after.map(|wait| wait.as_secs_f64()))?;
        fields.end()
    }
}

/// A foreign text made fit for one line of an error: control characters replaced, cut at 512 bytes.
pub fn excerpt(text: &str) -> String {
    let mut end = text.len().min(EXCERPT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut excerpt: String =
        text[..end].chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    if end < text.len() {
        excerpt.push('…');
    }
    excerpt
}

fn one_line(text: String) -> String {
    if text.len() <= EXCERPT && !text.contains(char::is_control) { text } else { excerpt(&text) }
}
