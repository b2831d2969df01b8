//! README's two commands are real: each chore, package and binary that it names exists, and `.ci/run` calls its test command.

use super::Violation;
use crate::workspace::Package;

const TESTS: &str = "cargo xtask ci";
const STORY: (&str, &str) = ("cargo run", "demo");
const PATH: &str = "README.md";

pub(super) fn check(readme: &str, ci: Option<&str>, packages: &[Package], verbs: &[&str]) -> Vec<Violation> {
    let commands = commands(readme);
    let mut found: Vec<Violation> = commands
        .iter()
        .filter_map(|(line, command)| Some(Violation::new(PATH, *line, missing(command, packages, verbs)?)))
        .collect();
    let has = |wanted: &dyn Fn(&str) -> bool| commands.iter().any(|(_, command)| wanted(command));
    if !has(&|command| command.starts_with(STORY.0) && command.split(' ').any(|word| word == STORY.1)) {
        found.push(Violation::new(PATH, 1, "no command that shows the story: `cargo run … demo` in a fenced block"));
    }
    if !has(&|command| command == TESTS) {
        found.push(Violation::new(PATH, 1, format!("no command that runs the tests: `{TESTS}` in a fenced block")));
    }
    let calls = |text: &str| text.lines().any(|line| line.trim().trim_start_matches("exec ") == TESTS);
    if !ci.is_some_and(calls) {
        found.push(Violation::new(".ci/run", 1, format!("does not run README's test command, `{TESTS}`")));
    }
    found
}

/// The cargo commands in fenced blocks, each with its line.
fn commands(readme: &str) -> Vec<(usize, String)> {
    let mut fenced = false;
    let mut found = Vec::new();
    for (index, line) in readme.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let command = line.trim().trim_start_matches("$ ").split(" #").next().unwrap_or_default().trim_end();
        if fenced && command.starts_with("cargo ") {
            found.push((index + 1, command.to_owned()));
        }
    }
    found
}

/// What a command names that is not there.
fn missing(command: &str, packages: &[Package], verbs: &[&str]) -> Option<String> {
    let words: Vec<&str> = command.split_whitespace().collect();
    if words.get(1) == Some(&"xtask") {
        let verb = words.get(2).copied().unwrap_or_default();
        return (!verbs.contains(&verb)).then(|| format!("there is no chore \"{verb}\" (cargo xtask help)"));
    }
    words.windows(2).find_map(|pair| {
        let exists = match pair[0] {
            "-p" | "--package" => packages.iter().any(|package| package.name == pair[1]),
            "--bin" => packages.iter().any(|package| package.binaries.iter().any(|name| name == pair[1])),
            _ => true,
        };
        (!exists).then(|| format!("`{command}`: there is no {}", pair[1]))
    })
}
