//! `cargo xtask kill`: kill -9 at random moments, and what a restart makes of it.

use std::process::Command;

use crate::Outcome;
use crate::step::run_cargo;
use crate::workspace::Workspace;

/// What a change must stand before it lands: each victim once, at moments that are others each time. The runs mostly wait,
/// so all lanes together keep the two cores of a small machine no busier than a build.
const SHORT: [&str; 4] = ["--rounds", "5", "--lanes", "5"];

/// The same as a person would type it.
pub(crate) const SHORT_SPELLED: &str = "cargo xtask kill --rounds 5 --lanes 5";

/// A few rounds.
pub(crate) fn short(workspace: &Workspace) -> Outcome {
    run(workspace, &SHORT.map(str::to_owned))
}

/// The verb. The words go on to the program: `--rounds N`, `--seed S`, `--round R`, `--lanes N`.
pub(crate) fn run(workspace: &Workspace, words: &[String]) -> Outcome {
    // The same selection as that of `ci`, so that nothing is built twice. The command and the example then lie beside the
    // program, which `cargo run` could not start from here: it takes no `--workspace`, and less than that is another build.
    run_cargo(&workspace.root, &["build", "--workspace", "--all-targets", "--all-features", "--locked"], &[])?;
    let program = workspace.target.join("debug/kill");
    let status = Command::new(&program)
        .args(words)
        .current_dir(&workspace.root)
        .status()
        .map_err(|error| format!("{} did not start: {error}", program.display()))?;
    if status.success() { Ok(()) } else { Err(format!("kill ended with {status}")) }
}
