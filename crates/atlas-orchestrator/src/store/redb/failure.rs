//! What goes wrong in the file, in our words: no type of redb leaves this folder.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::store::commit::StoreError;

/// A failed read or write of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// No space left.
    Full,
    /// The file is damaged.
    Corrupt(String),
    /// The work panicked, it is not known where.
    Panicked(String),
    /// Anything else.
    Other(String),
}

impl Failure {
    pub(super) fn corrupt(what: &str) -> Self {
        Self::Corrupt(format!("{what} does not decode"))
    }

    pub(super) fn io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Self::Corrupt(error.to_string()),
            _ => Self::Other(error.to_string()),
        }
    }

    /// The failure as a reader is told of it.
    pub(super) fn told(self, path: &str) -> StoreError {
        match self {
            Self::Full => StoreError::Full(path.to_owned()),
            Self::Corrupt(reason) | Self::Panicked(reason) => StoreError::Corrupt { path: path.to_owned(), reason },
            Self::Other(reason) => StoreError::Unavailable(format!("{path}: {reason}")),
        }
    }
}

impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        match error.into() {
            redb::Error::Io(error) => Self::io(&error),
            redb::Error::Corrupted(reason) => Self::Corrupt(reason),
            redb::Error::UpgradeRequired(version) => {
                Self::Corrupt(format!("it has file format {version}, which is older than any that this program wrote"))
            }
            redb::Error::RepairAborted => Self::Corrupt("it could not be repaired".to_owned()),
            error @ (redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TableIsNotMultimap(_)
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::TableDoesNotExist(_)) => {
                Self::Corrupt(format!("it is not a store of this program: {error}"))
            }
            error => Self::Other(error.to_string()),
        }
    }
}

/// Runs what works on the file. A damaged page can make the library panic: that is a failure like any other here, and
/// the database is not used again by a writer after one.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(Failure::Panicked(said(panic.as_ref()))))
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("reading it panicked").to_owned()
}
