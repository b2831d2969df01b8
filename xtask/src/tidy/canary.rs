//! The canary for secrets and for unfinished work: what lets a key slip into a log, and what must not be committed.

use super::Violation;
use super::source::{Source, closing, is_name, places, until};

/// A field with one of these words in its name holds a secret …
const SECRET_WORDS: &[&str] = &["key", "token", "secret", "password"];
/// … unless its last word says that it holds something about one.
const ABOUT_SECRETS: &[&str] =
    &["id", "ids", "hash", "name", "names", "env", "variable", "file", "path", "count", "kind", "length", "url"];
/// Types that show what they hold.
const PLAIN: &[&str] = &["String", "str", "u8", "Bytes", "HeaderValue"];
/// How a field that only sounds like a secret says so, on its own line or the one before.
const WAIVER: &str = "not a secret:";

/// For every file.
pub(super) fn check(source: &Source) -> Vec<Violation> {
    let mut found = Vec::new();
    for (word, why) in [
        ("todo!", "unfinished work"),
        ("unimplemented!", "unfinished work"),
        ("dbg!", "a trace of debugging; use `tracing`"),
    ] {
        let report = |at| Violation::new(&source.path, source.line(at), format!("`{word}` is {why}"));
        found.extend(source.places(word).into_iter().map(report));
    }
    found.extend(attributes(&source.code).into_iter().filter_map(|(start, end)| instrument(source, start, end)));
    if !source.is_test {
        found.extend(debugged_secrets(source));
    }
    found
}

/// For files of libraries: what takes a choice away from the program that uses them.
pub(super) fn check_library(source: &Source) -> Vec<Violation> {
    let banned = ["install_default", "#[tokio::main]"];
    let report = |(word, at)| {
        let what = format!("`{word}` in a library: it is the program that chooses its runtime and crypto provider");
        Violation::new(&source.path, source.line(at), what)
    };
    banned.iter().flat_map(|word| source.places(word).into_iter().map(move |at| (*word, at))).map(report).collect()
}

/// Start and end of each `#[…]` and `#![…]`.
pub(super) fn attributes(code: &[char]) -> Vec<(usize, usize)> {
    let open = |at: usize| [at + 1, at + 2].into_iter().find(|at| code.get(*at) == Some(&'['));
    let starts = (0..code.len()).filter(|at| code[*at] == '#');
    starts.filter_map(|at| Some((at, closing(code, open(at)?)))).collect()
}

fn instrument(source: &Source, start: usize, end: usize) -> Option<Violation> {
    let attribute = &source.code[start..end];
    let name: String = attribute.iter().skip(2).take_while(|found| is_name(**found) || **found == ':').collect();
    let bare =
        matches!(name.as_str(), "instrument" | "tracing::instrument") && places(attribute, "skip_all").is_empty();
    let what = "`#[instrument]` records every argument, keys too: add `skip_all` and name the fields";
    bare.then(|| Violation::new(&source.path, source.line(start), what))
}

/// Fields of plain text that sound like secrets, in a struct or enum that derives `Debug`.
fn debugged_secrets(source: &Source) -> Vec<Violation> {
    let code = &source.code;
    let derives_debug = |(start, end): &(usize, usize)| {
        let attribute = &code[*start..*end];
        !places(attribute, "derive").is_empty() && !places(attribute, "Debug").is_empty()
    };
    let derived = attributes(code).into_iter().filter(derives_debug);
    let secret = derived.flat_map(|(_, end)| fields(source, end, PLAIN));
    let report = |(name, at): (String, usize)| {
        let line = source.line(at);
        let what =
            format!("`{name}` is plain text and its type derives Debug: make it a `Secret`, or say `// {WAIVER} why`");
        (!waived(source, line)).then(|| Violation::new(&source.path, line, what))
    };
    secret.filter_map(report).collect()
}

/// The fields of one of these `types` that sound like secrets, in the struct or enum after `from`: each name, and where it
/// stands. One that has no names is its only field's name itself: `struct ApiKey(String);`.
pub(super) fn fields(source: &Source, from: usize, types: &[&str]) -> Vec<(String, usize)> {
    let code = &source.code;
    let is_text = |part: &[char]| types.iter().any(|word| !places(part, word).is_empty());
    let Some(open) = body_of_type(code, from) else {
        let Some((name, open)) = tuple(code, from) else { return Vec::new() };
        let secret = is_text(&code[open..closing(code, open)]) && sounds_secret(&snake(&name));
        return secret.then_some((name, open)).into_iter().collect();
    };
    let colons =
        (open..closing(code, open)).filter(|at| code[*at] == ':' && code[at - 1] != ':' && code[at + 1] != ':');
    let field = |colon: usize| -> Option<(String, usize)> {
        let backwards = code[..colon].iter().rev().take_while(|found| is_name(**found));
        let name: String = backwards.collect::<Vec<_>>().into_iter().rev().collect();
        let type_text = &code[colon + 1..until(code, colon + 1, &[',', '}'])];
        (is_text(type_text) && sounds_secret(&name)).then_some((name, colon))
    };
    colons.filter_map(field).collect()
}

/// The name of the tuple struct after `from`, and where its bracket opens.
fn tuple(code: &[char], from: usize) -> Option<(String, usize)> {
    let end = from + code[from..].iter().position(|found| *found == ';')?;
    let start = from + places(&code[from..end], "struct").first()? + "struct".len();
    let open = start + code[start..end].iter().position(|found| *found == '(')?;
    let name = code[start..open].iter().skip_while(|found| found.is_whitespace()).take_while(|found| is_name(**found));
    Some((name.collect(), open))
}

/// `ApiKey` as `api_key`.
fn snake(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

/// The brace that opens the struct or enum after `from`, further attributes skipped.
fn body_of_type(code: &[char], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(found) = code.get(at) {
        match found {
            '{' => return Some(at),
            ';' => return None,
            '#' => at = closing(code, at + 1),
            '(' => at = closing(code, at),
            _ => at += 1,
        }
    }
    None
}

pub(super) fn sounds_secret(name: &str) -> bool {
    let words: Vec<&str> = name.split('_').collect();
    let about = words.last().is_some_and(|last| ABOUT_SECRETS.contains(last));
    !about && words.iter().any(|word| SECRET_WORDS.contains(&word.strip_suffix('s').unwrap_or(word)))
}

pub(super) fn waived(source: &Source, line: usize) -> bool {
    let mut near = source.text.lines().skip(line.saturating_sub(2)).take(2);
    near.any(|text| text.contains(WAIVER))
}
