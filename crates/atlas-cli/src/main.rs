//! The `atlas` command: words on a screen for what the library does.
//!
//! ```text
//! main       supervisor? else: arguments ─► command ─► exit code    (nothing heavy before the arguments are known)
//! arguments  what all commands share: global flags, provider, permission
//! context    configuration ─► accounts
//! commands/  one file each: its flags, its help, what it does
//! output     results on stdout, progress on stderr, tables
//! written    files that a person asks for beside the result
//! failure    errors in words and as JSON, and the exit code of each
//! interrupt  Ctrl-C: the first undoes, the second leaves at once and names what may be left
//! ```
//!
//! Invariant: every way out is an exit code of the table in [`failure`], and no result is lost without a word.

mod arguments;
mod commands;
mod context;
mod describe;
mod failure;
mod input;
mod interrupt;
mod output;
mod table;
mod written;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::output::Output;

fn main() -> ExitCode {
    if let Some(code) = atlas::local::pod_main() {
        return code;
    }
    #[expect(clippy::disallowed_methods, reason = "this is main")]
    let words: Vec<OsString> = std::env::args_os().collect();
    if let (Some(word), Some(folder)) = (words.get(1), words.get(2))
        && word == commands::DEMO_CHILD
    {
        return commands::serve_demo(std::path::Path::new(folder));
    }
    let arguments = match Arguments::try_parse_from(&words) {
        Ok(arguments) => arguments,
        Err(error) => return arguments::refuse(&error, &words),
    };
    let output = Output::new(&arguments.global);
    output.start_tracing(arguments.global.verbose);
    match commands::run(arguments, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(output),
    }
}

/// What every command comes to.
type Outcome = Result<(), Failure>;
