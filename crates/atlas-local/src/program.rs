//! The programs of this machine: the one that supervises, and the one that a user asks to be run. The seam to this
//! process's own environment (rule S1).

#![expect(clippy::disallowed_methods, reason = "this is the seam to the programs of this machine")]

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use atlas_core::{ComputeRequest, Error, Result};
use atlas_pod::PodProgram;

/// The hidden subcommand under which a program carries the pod.
pub(crate) const POD_SUBCOMMAND: &str = "__pod";

/// The pod program at a path that somebody configured: `atlas` carries it behind a subcommand.
pub(crate) fn pod_at(path: &Path) -> PodProgram {
    let program = PodProgram::new(path);
    if path.file_name().is_some_and(|name| name == "atlas") { program.prefix([POD_SUBCOMMAND]) } else { program }
}

/// Whether this very program is a pod program as well.
static CARRIES_POD: AtomicBool = AtomicBool::new(false);

/// Lets a program carry the supervisor of its machines: the first line of its `main`, before any thread and any runtime.
///
/// Behind a hidden subcommand the process is such a supervisor, runs to its end here, and gives the exit code. Otherwise
/// there is none, and from now on machines are launched through this very program, unless another one is named.
///
/// ```no_run
/// # fn serve() {}
/// fn main() -> std::process::ExitCode {
///     if let Some(code) = atlas_local::pod_main() {
///         return code;
///     }
///     serve();
///     std::process::ExitCode::SUCCESS
/// }
/// ```
pub fn pod_main() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == POD_SUBCOMMAND) {
        return Some(atlas_pod::main_with_args(arguments));
    }
    CARRIES_POD.store(true, Ordering::Relaxed);
    None
}

/// This very program, if it carries its pod.
pub(crate) fn own_pod() -> Option<PodProgram> {
    let own = CARRIES_POD.load(Ordering::Relaxed).then(std::env::current_exe)?.ok()?;
    Some(PodProgram::new(own).prefix([POD_SUBCOMMAND]))
}

/// The pod program beside this very program, if there is one.
pub(crate) fn pod_beside_own() -> Option<PodProgram> {
    let own = std::env::current_exe().ok()?;
    ["atlas-pod", "atlas"]
        .into_iter()
        .map(|name| own.with_file_name(name))
        .find(|path| runs(path).is_ok())
        .map(|path| pod_at(&path))
}

/// Refuses a command whose program is not there: on this machine that can be said before anything is made.
pub(crate) fn check(request: &ComputeRequest) -> Result<()> {
    let Some(program) = request.command.first() else { return Ok(()) };
    let search = match request.env.get("PATH") {
        Some(path) => Some(OsString::from(path.expose())),
        None => own_search_path(),
    };
    find(program, search.as_ref()).map_err(|why| Error::validation(format!("the command cannot be run: {why}")))
}

fn own_search_path() -> Option<OsString> {
    std::env::var_os("PATH")
}

/// Whether `program` is found as the pod will find it. Its working directory is empty, so nothing is found there.
fn find(program: &str, search: Option<&OsString>) -> std::result::Result<(), String> {
    let path = PathBuf::from(program);
    if path.is_absolute() {
        return runs(&path).map_err(|error| format!("{program}: {error}"));
    }
    if program.contains('/') {
        return Err(format!("{program} is no whole path, and the machine's own directory is empty; begin it with /"));
    }
    // A pod without a search path of ours has its own, which is not ours to know.
    let Some(search) = search else { return Ok(()) };
    let mut folders = std::env::split_paths(search).filter(|folder| folder.is_absolute());
    if folders.any(|folder| runs(&folder.join(program)).is_ok()) {
        Ok(())
    } else {
        Err(format!("{program} is not found in PATH; name it with its whole path"))
    }
}

/// Whether there is a program at `path`.
pub(crate) fn runs(path: &Path) -> io::Result<()> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not an executable file"))
    }
}

#[cfg(test)]
mod tests;
