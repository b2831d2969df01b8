//! The shape of a file: module docs first, no more code than one sitting reads, every `allow` with its reason.

use super::Violation;
use super::source::{Source, closing};

/// Lines of code in one file, tests, comments and blank lines not counted.
const LONGEST: usize = 400;

pub(super) fn check(source: &Source) -> Vec<Violation> {
    let mut found = Vec::new();
    let first = source.text.lines().next().unwrap_or_default();
    if !first.starts_with("//!") {
        found.push(Violation::new(&source.path, 1, "begin with `//!`: what this file is, and its invariant"));
    }
    let lines = code_lines(source);
    if lines > LONGEST && !source.is_test {
        let what = format!("{lines} lines of code, more than {LONGEST}: this is two rooms, give each its own file");
        found.push(Violation::new(&source.path, 1, what));
    }
    for at in ["allow", "expect"].iter().flat_map(|word| source.places(word)) {
        if is_attribute(&source.code, at) && !has_reason(source, at) {
            let what = "an exception from a lint without a reason: add `reason = \"…\"`";
            found.push(Violation::new(&source.path, source.line(at), what));
        }
    }
    found
}

fn code_lines(source: &Source) -> usize {
    source
        .code
        .split(|character| *character == '\n')
        .filter(|line| line.iter().any(|found| !found.is_whitespace()))
        .count()
}

/// Whether the word at `at` opens an attribute: `#[allow(` or `#![allow(`.
fn is_attribute(code: &[char], at: usize) -> bool {
    let before: String = code[at.saturating_sub(3)..at].iter().collect();
    before.ends_with("#[") || before.ends_with("#![")
}

fn has_reason(source: &Source, at: usize) -> bool {
    let attribute = &source.code[at - 1..closing(&source.code, at - 1)];
    !super::source::places(attribute, "reason").is_empty()
}
