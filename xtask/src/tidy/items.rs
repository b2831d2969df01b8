//! Public items cut out of a file, and the paths in them that may be types.

use super::source::{closing, is_name, until};

/// What the `pub` at `at` makes public: parts of the code, bodies of functions left out.
pub(super) fn public_parts(code: &[char], at: usize) -> Vec<(usize, usize)> {
    let start = at + 3;
    let rest: String = code[start..(start + 80).min(code.len())].iter().collect();
    if rest.trim_start().starts_with('(') {
        return Vec::new();
    }
    let words: Vec<&str> = rest.split(|found: char| !is_name(found)).filter(|word| !word.is_empty()).collect();
    let kind =
        words.iter().find(|word| !matches!(**word, "const" | "async" | "unsafe" | "extern" | "default")).copied();
    let is_function = kind == Some("fn");
    match words.first().copied() {
        Some("use" | "mod" | "macro") | None => Vec::new(),
        Some("enum") => fields_of_variants(code, start),
        Some("trait") => without_bodies(code, start),
        Some("struct") => vec![(start, until(code, start, &['{', '(', ';']))],
        _ if is_function => vec![(start, until(code, start, &['{', ';']))],
        Some("const" | "static" | "type") => {
            let name_ends = until(code, start, &['=', ';']);
            let is_type = words[0] == "type";
            vec![(start, if is_type { until(code, start, &[';']) } else { name_ends })]
        }
        // A field, named or not.
        _ => vec![(start, until(code, start, &[',', '}', ')', ';']))],
    }
}

/// One past the body of an enum.
fn body_end(code: &[char], from: usize) -> usize {
    let open = until(code, from, &['{', ';']);
    if code.get(open) == Some(&'{') { closing(code, open) } else { open }
}

/// An enum from its name on, without the names of its variants.
fn fields_of_variants(code: &[char], from: usize) -> Vec<(usize, usize)> {
    let open = until(code, from, &['{', ';']);
    let end = body_end(code, from);
    let mut parts = vec![(from, open)];
    let mut at = open + 1;
    while at < end {
        match code[at] {
            '[' => at = closing(code, at),
            '(' | '{' => {
                parts.push((at, closing(code, at)));
                at = closing(code, at);
            }
            _ => at += 1,
        }
    }
    parts
}

/// A trait from its name on, without the default bodies of its methods.
fn without_bodies(code: &[char], from: usize) -> Vec<(usize, usize)> {
    let open = until(code, from, &['{', ';']);
    let end = body_end(code, from);
    let mut parts = vec![(from, open)];
    let mut at = open + 1;
    while at < end {
        let stop = (at..end).find(|at| code[*at] == '{').unwrap_or(end);
        parts.push((at, stop));
        at = if stop < end { closing(code, stop) } else { end };
    }
    parts
}

/// Every path between `start` and `end` that may be a type, attributes left out: where it begins, and its text.
pub(super) fn paths(code: &[char], start: usize, end: usize) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut at = start;
    let mut before = String::new();
    while at < end {
        match code[at] {
            '#' if code.get(at + 1) == Some(&'[') => at = closing(code, at + 1),
            // A lifetime.
            '\'' => at += 1 + name_length(code, at + 1),
            character if is_name(character) || is_separator(code, at) => {
                let length = path_length(code, at);
                let path: String = code[at..at + length].iter().collect();
                let after = code[at + length..].iter().position(|found| !found.is_whitespace());
                let labels = after.is_some_and(|after| code[at + length + after] == ':') && !path.contains("::");
                let named = matches!(before.as_str(), "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static");
                if !labels && !named {
                    found.push((at, path.clone()));
                }
                before = path;
                at += length;
            }
            _ => at += 1,
        }
    }
    found
}

fn is_separator(code: &[char], at: usize) -> bool {
    code[at..].starts_with(&[':', ':'])
}

fn name_length(code: &[char], at: usize) -> usize {
    code[at..].iter().take_while(|found| is_name(**found)).count()
}

/// The length of names and `::` in turn from `at` on.
fn path_length(code: &[char], at: usize) -> usize {
    let mut end = at;
    loop {
        let step = if is_separator(code, end) { 2 } else { name_length(code, end) };
        if step == 0 {
            return end - at;
        }
        end += step;
    }
}
