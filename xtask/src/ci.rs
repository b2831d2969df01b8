//! `cargo xtask ci`: everything that must hold before a change lands, quickest first, stopping at the first failure.
//!
//! What keeps it quick: one target folder, one profile, and always `--workspace --all-targets --all-features`, for another
//! selection means other features of the same dependencies and so a second build of them. Documentation asks for the
//! examples as well for that reason alone. The tests come last, so that their summary is the last thing on the screen.

use crate::step::{run_cargo, spelled, timed};
use crate::workspace::Workspace;
use crate::{Outcome, deny, features, kill, tidy};

/// One step: a cargo command with its environment, or a chore of ours with the words that start it alone.
enum Work {
    Cargo(&'static [&'static str], &'static [(&'static str, &'static str)]),
    Chore(&'static str, fn(&Workspace) -> Outcome),
}

const STEPS: &[(&str, Work)] = &[
    ("fmt", Work::Cargo(&["fmt", "--all", "--check"], &[])),
    ("tidy", Work::Chore("cargo xtask tidy", tidy::check)),
    ("features", Work::Chore("cargo xtask features", features::check)),
    ("deny", Work::Chore("cargo xtask ci deny", deny::without_advisories)),
    (
        "clippy",
        Work::Cargo(
            &["clippy", "--workspace", "--all-targets", "--all-features", "--locked", "--", "-D", "warnings"],
            &[],
        ),
    ),
    (
        "bare",
        Work::Cargo(
            &["clippy", "-p", "atlas-machines", "--no-default-features", "--locked", "--", "-D", "warnings"],
            &[],
        ),
    ),
    (
        "doc",
        Work::Cargo(
            &["doc", "--workspace", "--no-deps", "--all-features", "--lib", "--examples", "--locked"],
            &[("RUSTDOCFLAGS", "-D warnings")],
        ),
    ),
    ("build", Work::Cargo(&["build", "--workspace", "--all-targets", "--all-features", "--locked"], &[])),
    ("kill", Work::Chore(kill::SHORT_SPELLED, kill::short)),
    // Unit, integration and doc tests; the examples were built above. Snapshots are compared, never written.
    ("test", Work::Cargo(&["test", "--workspace", "--all-features", "--locked"], &[("INSTA_UPDATE", "no")])),
];

/// Runs all steps, or those that are named.
pub(crate) fn run(workspace: &Workspace, words: &[String]) -> Outcome {
    let names: Vec<&str> = STEPS.iter().map(|(name, _)| *name).collect();
    if let Some(unknown) = words.iter().find(|word| !names.contains(&word.as_str())) {
        return Err(format!("no step is called \"{unknown}\"; there are: {}", names.join(", ")));
    }
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| word == name);
    for (name, work) in STEPS.iter().filter(|(name, _)| wanted(name)) {
        match work {
            Work::Cargo(command, environment) => {
                timed(name, &spelled(command, environment), || run_cargo(&workspace.root, command, environment))?;
            }
            Work::Chore(repeat, check) => timed(name, repeat, || check(workspace))?,
        }
    }
    let ran = if words.is_empty() { "all steps".to_owned() } else { words.join(", ") };
    println!("\n==> ci: {ran} passed");
    Ok(())
}
