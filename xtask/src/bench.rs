//! `cargo xtask bench`: the figures of `docs/benchmarks.md`, each against the plainest thing that does as much.

use crate::Outcome;
use crate::step::{cargo, run_cargo};
use crate::workspace::Workspace;

/// The verb. A goal that is missed is printed as missed and fails nothing: machines differ, and figures are to be read.
///
/// The words go on to the program: `--json` prints for a program, the name of a part measures only that.
pub(crate) fn run(workspace: &Workspace, words: &[String]) -> Outcome {
    // All is built first, so that nothing compiles while something is measured. The command lies beside the program then.
    let build = ["build", "--release", "--locked", "-p", "atlas-machines-cli", "--bin", "atlas"];
    run_cargo(&workspace.root, &build, &[])?;
    let status = cargo(&["run", "--release", "--locked", "-p", "atlas-tests", "--bin", "bench", "--"])
        .args(words)
        .current_dir(&workspace.root)
        .status()
        .map_err(|error| format!("cargo did not start: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("the benchmarks ended with {status}")) }
}
