//! The program's subcommands. People do not type them: [`launch`](crate::launch) does.
//!
//! ```text
//! launch DIR                 reads a spec, starts `run DIR` as nobody's child, passes on its answer, ends
//! run DIR                    the supervisor's keeper: takes the lock, starts `supervise DIR`, clears up after it
//! supervise DIR              the supervisor
//! exec PARENT LIMITS -- …    becomes the command, tied to its parent's life
//! service [--port N]         the built-in service
//! ```

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::{exec, launch, service, supervisor, surroundings};

/// Wrong arguments, as the rest of the `atlas` command says it.
const USAGE_EXIT: u8 = 2;

const USAGE: &str =
    "usage: atlas-pod launch DIR | run DIR | supervise DIR | exec PARENT LIMITS -- COMMAND… | service [--port N]";

/// Runs a subcommand given by `arguments` (without the program's name) to its end. A program that carries them behind
/// a prefix of its own hands over what follows it, and that prefix in the
/// [`PodProgram`](crate::PodProgram::prefix) of its launches.
///
/// It builds its own runtime, so it must not be called from within one; and it must be called on the process's first
/// thread, before any other was started: the command dies with the thread that started it.
pub fn main_with_args(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut arguments = arguments.into_iter();
    let verb = arguments.next();
    let rest: Vec<OsString> = arguments.collect();
    match (verb.as_deref().and_then(std::ffi::OsStr::to_str), rest.as_slice()) {
        (Some("launch"), [directory]) => launch::launcher(&PathBuf::from(directory)),
        (Some("run"), [directory]) => supervisor::keeper(PathBuf::from(directory)),
        (Some("supervise"), [directory]) => supervisor::main(PathBuf::from(directory)),
        (Some("exec"), words) => exec::main(words),
        (Some("service"), []) => {
            service::main(surroundings::variable("PORT").and_then(|port| port.to_str()?.parse().ok()))
        }
        (Some("service"), [option, port]) if option == "--port" => {
            port.to_str().and_then(|port| port.parse().ok()).map_or_else(usage, |port| service::main(Some(port)))
        }
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    say(USAGE);
    ExitCode::from(USAGE_EXIT)
}

/// Says a line on standard error, which for the command's stage is the pod's log.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
