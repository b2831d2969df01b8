//! What goes wrong above the provider line: the store, a session that is not there, a cloud's error passed on.

use atlas_auth::Timestamp;

use crate::SessionId;
use crate::endpoint::NoEndpoint;
use crate::session::Reason;
use crate::store::{CommitError, StoreError};

/// What went wrong, for the person who reads it at night.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A cloud, the configuration or a request: the contract's own error.
    #[error("{0}")]
    Core(#[from] atlas_core::Error),
    /// The store could not be opened or read.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A change could not be written. Nothing was done unless the text says so.
    #[error("{0}")]
    Commit(#[from] CommitError),
    /// No session of this id lives here.
    #[error("session {0} is not known here, or ended long ago")]
    NoSession(SessionId),
    /// No session that lives here bears this key.
    #[error("no session of \"{0}\" lives here; ask for one")]
    NoSessionOf(String),
    /// The session is ending or has ended, and an ending is never taken back. Ask `ensure` for a new one.
    #[error("session {session} is over ({reason}); ask for a new one")]
    Over {
        /// The session.
        session: SessionId,
        /// Why it ends.
        reason: Reason,
    },
    /// The session lives, and there is nothing to be reached now.
    #[error("session {session} has no endpoint: {why}")]
    NoEndpoint {
        /// The session.
        session: SessionId,
        /// Why there is none.
        why: NoEndpoint,
    },
    /// Too many starts failed lately.
    #[error("{failures} starts for {what} failed in a row, so nothing is rented before {until}: {last}")]
    BackingOff {
        /// The key or the deployment.
        what: String,
        /// How many failed.
        failures: u32,
        /// When the next start may be tried.
        until: Timestamp,
        /// The last failure.
        last: String,
    },
    /// The master key is missing or another one; machines are still watched and ended, but no key can be handed out.
    #[error("{0}; machines are still watched and ended, but no key is handed out and nothing is rented")]
    NoMasterKey(String),
    /// A stored record cannot be read by this version. It was left as it is, and is counted as exposure.
    #[error("{row} cannot be read: {why}; it was left untouched")]
    Unreadable {
        /// The row.
        row: String,
        /// Why.
        why: String,
    },
    /// The orchestrator is shutting down.
    #[error("this orchestrator is shutting down; its machines live on and the next one takes them over")]
    Closed,
}

/// The result of every call of the orchestrator.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What was asked cannot be right.
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::Core(atlas_core::Error::validation(message))
    }

    /// The kind in the contract's words, for exit codes and `--json`.
    pub fn kind(&self) -> atlas_core::ErrorKind {
        use atlas_core::ErrorKind;
        match self {
            Self::Core(error) => error.kind(),
            Self::NoSession(_) | Self::NoSessionOf(_) => ErrorKind::NotFound,
            Self::Over { .. } | Self::NoEndpoint { .. } => ErrorKind::Conflict,
            Self::BackingOff { .. } => ErrorKind::RateLimited,
            Self::NoMasterKey(_) => ErrorKind::Validation,
            Self::Store(_) | Self::Commit(_) | Self::Unreadable { .. } | Self::Closed => ErrorKind::Unknown,
        }
    }
}
