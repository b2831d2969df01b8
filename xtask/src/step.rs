//! One step of a chore: announced, timed, and loud about how to repeat it when it fails.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::Outcome;

/// `cargo` with these words: the one that started us, and with the environment that a person's own call would have.
///
/// `cargo run` tells the program about its package by variables. Handed on, they would make build scripts that watch
/// them (ring's, rustix's) run again, and all that stands on them compile again, at every change between the two.
pub(crate) fn cargo(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let told = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(told)) {
        command.env_remove(name);
    }
    command.args(words).stdin(Stdio::null());
    command
}

/// Runs `cargo` with these words in `root`, its output shown as it comes.
pub(crate) fn run_cargo(root: &Path, words: &[&str], environment: &[(&str, &str)]) -> Outcome {
    let status = cargo(words)
        .envs(environment.iter().copied())
        .current_dir(root)
        .status()
        .map_err(|error| format!("cargo did not start: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("cargo {} ended with {status}", words[0])) }
}

/// What `cargo` with these words prints in `root`.
pub(crate) fn read_cargo(root: &Path, words: &[&str]) -> Result<String, String> {
    let output = cargo(words).current_dir(root).output().map_err(|error| format!("cargo did not start: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("cargo {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
    }
}

/// The command as a person would type it.
pub(crate) fn spelled(words: &[&str], environment: &[(&str, &str)]) -> String {
    let quoted = |text: &str| if text.contains(' ') { format!("\"{text}\"") } else { text.to_owned() };
    let settings = environment.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
    let command = std::iter::once("cargo".to_owned()).chain(words.iter().map(|word| quoted(word)));
    settings.chain(command).collect::<Vec<_>>().join(" ")
}

/// Announces `name`, runs `body`, says how long it took; a failure names the step and how to repeat it alone.
pub(crate) fn timed(name: &str, repeat: &str, body: impl FnOnce() -> Outcome) -> Outcome {
    println!("\n==> {name}: {repeat}");
    let started = Instant::now();
    let outcome = body();
    let seconds = started.elapsed().as_secs_f64();
    match outcome {
        Ok(()) => {
            println!("==> {name}: done in {seconds:.1} s");
            Ok(())
        }
        Err(message) => {
            Err(format!("step \"{name}\" FAILED after {seconds:.1} s: {message}\n    repeat it with: {repeat}"))
        }
    }
}
