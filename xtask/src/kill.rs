//! `cargo xtask kill`: kill -9 at random moments, and what a restart makes of it.

use crate::Outcome;
use crate::step::{cargo, run_cargo};
use crate::workspace::Workspace;

/// The verb. The words go on to the program: `--rounds N`, `--seed S`, `--round R`, `--lanes N`.
pub(crate) fn run(workspace: &Workspace, words: &[String]) -> Outcome {
    // The command and the example lie beside the program: one selection, the same as that of the tests.
    run_cargo(&workspace.root, &["build", "--workspace", "--all-features", "--bins", "--examples", "--locked"], &[])?;
    let status = cargo(&["run", "--workspace", "--all-features", "--locked", "--bin", "kill", "--"])
        .args(words)
        .current_dir(&workspace.root)
        .status()
        .map_err(|error| format!("cargo did not start: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("kill ended with {status}")) }
}
