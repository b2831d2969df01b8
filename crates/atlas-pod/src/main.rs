//! The pod's program, for those whose own program does not carry its subcommands.

use std::process::ExitCode;

#[expect(clippy::disallowed_methods, reason = "this is main")]
fn main() -> ExitCode {
    atlas_pod::main_with_args(std::env::args_os().skip(1))
}
