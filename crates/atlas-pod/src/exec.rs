//! The last stage before the command: ties the process to its supervisor's life, sets its limits, and becomes it.
//!
//! A stage of its own, because between fork and exec nothing can be done in safe Rust.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use rustix::process::{Resource, Rlimit, Signal, getppid, getrlimit, set_parent_process_death_signal, setrlimit};

use crate::program::say;
use crate::spec::Limits;

/// As shells say it: the command is there but cannot be run, or is not there.
const CANNOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;

/// The arguments that lead to [`main`].
pub(crate) fn arguments(supervisor: i32, limits: &Limits) -> [String; 4] {
    let limits = serde_json::to_string(limits).expect("limits are plain numbers");
    ["exec".to_owned(), supervisor.to_string(), limits, "--".to_owned()]
}

pub(crate) fn main(words: &[OsString]) -> ExitCode {
    let [parent, limits, dashes, program, rest @ ..] = words else { return refuse("it was given too few arguments") };
    let parent: Option<i32> = parent.to_str().and_then(|text| text.parse().ok());
    let limits: Option<Limits> = limits.to_str().and_then(|text| serde_json::from_str(text).ok());
    let (Some(parent), Some(limits)) = (parent, limits) else { return refuse("its arguments cannot be understood") };
    if dashes != "--" {
        return refuse("its arguments cannot be understood");
    }
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return refuse(&format!("it cannot be tied to its supervisor: {error}"));
    }
    // A supervisor that died before the line above is not noticed by the kernel any more.
    if getppid().map(|pid| pid.as_raw_nonzero().get()) != Some(parent) {
        return ExitCode::from(CANNOT_RUN);
    }
    if let Err(error) = limit(&limits) {
        return refuse(&format!("its limits cannot be set: {error}"));
    }
    #[expect(clippy::disallowed_methods, reason = "this process becomes the command")]
    let error = Command::new(program).args(rest).exec();
    say(&format!("atlas-pod: cannot run {}: {error}", program.display()));
    ExitCode::from(if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_RUN })
}

fn refuse(why: &str) -> ExitCode {
    say(&format!("atlas-pod: the command was not started: {why}"));
    ExitCode::from(CANNOT_RUN)
}

fn limit(limits: &Limits) -> io::Result<()> {
    set(Resource::Core, Some(0))?;
    set(Resource::Nofile, limits.open_files)?;
    set(Resource::As, limits.address_space)?;
    set(Resource::Cpu, limits.processor_seconds)
}

/// Lowers a limit; one that is lower already stays.
fn set(resource: Resource, wanted: Option<u64>) -> io::Result<()> {
    let Some(wanted) = wanted else { return Ok(()) };
    let lowered = getrlimit(resource).maximum.map_or(wanted, |maximum| maximum.min(wanted));
    setrlimit(resource, Rlimit { current: Some(lowered), maximum: Some(lowered) })?;
    Ok(())
}
