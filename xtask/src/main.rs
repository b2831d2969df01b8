//! The chores of the workspace: `cargo xtask VERB`. A verb is a module with a `run`, and one line in [`VERBS`].
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a chore talks to the person who runs it")]
#![allow(clippy::disallowed_methods, reason = "chores stand outside the seams of the product")]

mod bench;
mod ci;
mod deny;
mod features;
mod kill;
mod prism;
mod step;
mod tidy;
mod workspace;

use std::process::ExitCode;

use workspace::Workspace;

/// What a chore answers: nothing more to say, or one line that says what failed.
type Outcome = Result<(), String>;

/// One chore.
struct Verb {
    name: &'static str,
    about: &'static str,
    run: fn(&Workspace, &[String]) -> Outcome,
}

const VERBS: &[Verb] = &[
    Verb {
        name: "ci",
        about: "all that must hold before a change lands; `ci STEP…` runs only the steps named",
        run: ci::run,
    },
    Verb {
        name: "tidy",
        about: "the rules that no compiler knows: arrows, lengths, foreign types, secrets",
        run: tidy::run,
    },
    Verb {
        name: "bench",
        about: "the figures of docs/benchmarks.md; `--json` for a program, the name of a part for that alone",
        run: bench::run,
    },
    Verb {
        name: "kill",
        about: "kill -9 at random moments, and what a restart makes of it; `--rounds N --seed S`",
        run: kill::run,
    },
    Verb {
        name: "prism",
        about: "Atlas, and the simulated RunPod, held against RunPod's description; `DESCRIPTION [-- CLIENT…]`",
        run: prism::run,
    },
    Verb { name: "features", about: "what a small selection of features must not pull in", run: features::run },
    Verb {
        name: "deny",
        about: "licences, bans, sources and advisories of the dependencies (cargo-deny)",
        run: deny::run,
    },
];

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let name = words.next().unwrap_or_default();
    let rest: Vec<String> = words.collect();
    if matches!(name.as_str(), "--help" | "-h" | "help") {
        println!("{}", help());
        return ExitCode::SUCCESS;
    }
    let Some(verb) = VERBS.iter().find(|verb| verb.name == name) else {
        eprintln!("xtask: no chore is called \"{name}\"\n{}", help());
        return ExitCode::from(2);
    };
    match Workspace::read().and_then(|workspace| (verb.run)(&workspace, &rest)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask {name}: {message}");
            ExitCode::FAILURE
        }
    }
}

fn help() -> String {
    let verbs: Vec<String> = VERBS.iter().map(|verb| format!("  {:<10}{}", verb.name, verb.about)).collect();
    format!("usage: cargo xtask VERB\n{}", verbs.join("\n"))
}

/// A chore that takes no words of its own refuses them, so that a slip is not passed over.
fn no_words(words: &[String]) -> Outcome {
    match words {
        [] => Ok(()),
        [first, ..] => Err(format!("\"{first}\" is not understood: this chore takes no arguments")),
    }
}
