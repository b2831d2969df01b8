//! What the pod says went wrong, in the words of `atlas_core::Error`.

use std::io;
use std::path::Path;

use atlas_core::{ComputeId, Effect, Error, ErrorKind, files};
use atlas_pod::{LaunchError, PodError};

/// There is no such machine in the account's folder.
pub(crate) fn not_found(id: &ComputeId) -> Error {
    Error::not_found(format!("there is no machine {id} here; it was terminated, or made under another state directory"))
}

/// Another process is at work on it.
pub(crate) fn busy(what: &str, path: &Path) -> Error {
    Error::conflict(format!(
        "another process holds {} to {what} and does not let go; try again, or end that process",
        path.display()
    ))
    .with_effect(Effect::Rejected)
}

/// A file could not be read or written, and nothing was changed by that.
pub(crate) fn file(doing: &str, path: &Path, cause: &io::Error) -> Error {
    files::error(doing, path, cause).with_effect(Effect::Rejected)
}

/// What a look at a pod, or an ending, ran into.
pub(crate) fn pod(id: &ComputeId, error: PodError) -> Error {
    match error {
        PodError::Missing { .. } => not_found(id),
        PodError::Busy { path } => busy("start or end it", &path),
        PodError::Io { what, path, source } if source.kind() == io::ErrorKind::InvalidData => {
            let message = format!("cannot {what} of machine {id} in {}: {source}", path.display());
            Error::new(ErrorKind::Decode, message).with_effect(Effect::Unknown)
        }
        PodError::Io { what, path, source } => {
            files::error(&format!("{what} of machine {id} in"), &path, &source).with_effect(Effect::Unknown)
        }
        other => Error::new(ErrorKind::Provider, format!("machine {id}: {other}")),
    }
}

/// Why a machine did not start. Whether something runs all the same is for the caller to find out.
pub(crate) fn launch(error: &LaunchError) -> Error {
    let kind = match error {
        // Both are the word of whoever configured or asked, and no try later helps.
        LaunchError::Invalid(_) | LaunchError::Program { .. } => ErrorKind::Validation,
        _ => ErrorKind::Provider,
    };
    Error::new(kind, error.to_string())
}
