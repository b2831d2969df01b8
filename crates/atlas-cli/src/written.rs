//! Files that a person asks for beside the result. Their place is looked at before anything is begun, so that nobody waits, or
//! pays, for what cannot be written.

use std::path::Path;

use crate::Outcome;
use crate::failure::Failure;

/// Refuses a place where no file can be: in a folder that is not there, or where a folder stands.
pub(crate) fn check_place(flag: &str, path: &Path) -> Outcome {
    let wrong = |why: String| {
        let path = path.display();
        Err(Failure::usage(format!("{flag}: cannot write {path}: {why}; nothing was started")))
    };
    if atlas::files::is_folder(path) {
        return wrong("it is a folder, and not a file".to_owned())
            .map_err(|failure: Failure| failure.with_hint("name a file in it"));
    }
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) if !atlas::files::is_folder(folder) => wrong(format!("there is no folder {}", folder.display()))
            .map_err(|failure: Failure| failure.with_hint(format!("make it with `mkdir -p {}`", folder.display()))),
        _ => Ok(()),
    }
}

/// Writes it whole, or not at all.
pub(crate) fn write(flag: &str, path: &Path, content: &[u8]) -> Outcome {
    let written = std::path::absolute(path).and_then(|path| atlas::files::write_durably(&path, content));
    written.map_err(|cause| {
        let error = atlas::files::error("write", path, &cause);
        Failure::from(error.context(flag)).with_hint("name a file at another place")
    })
}
