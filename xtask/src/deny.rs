//! `cargo xtask deny`: what cargo-deny says of the dependencies, under `deny.toml`. The tool is optional: where it is
//! missing, or the list of advisories is out of reach, that is said loudly and nothing fails.

use std::process::Stdio;

use crate::step::{cargo, run_cargo};
use crate::workspace::Workspace;
use crate::{Outcome, no_words};

/// All checks, advisories too.
pub(crate) fn run(workspace: &Workspace, words: &[String]) -> Outcome {
    no_words(words)?;
    if !installed() {
        skipped("cargo-deny is not installed", "all checks", "install it with: cargo install cargo-deny --locked");
        return Ok(());
    }
    without_advisories(workspace)?;
    if run_cargo(&workspace.root, &["deny", "fetch", "db"], &[]).is_err() {
        skipped("the advisory list could not be fetched", "advisories", "run this again with a network");
        return Ok(());
    }
    run_cargo(&workspace.root, &["deny", "--all-features", "check", "--disable-fetch", "advisories"], &[])
}

/// What depends on this tree alone: an advisory published tomorrow must not fail the commit of today.
pub(crate) fn without_advisories(workspace: &Workspace) -> Outcome {
    if installed() {
        run_cargo(&workspace.root, &["deny", "--all-features", "--locked", "check", "bans", "licenses", "sources"], &[])
    } else {
        skipped(
            "cargo-deny is not installed",
            "licences, bans, sources",
            "install it with: cargo install cargo-deny --locked",
        );
        Ok(())
    }
}

fn installed() -> bool {
    let asked = cargo(&["deny", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

fn skipped(why: &str, what: &str, remedy: &str) {
    println!("!!! SKIPPED: {what}: {why}; {remedy}");
}
