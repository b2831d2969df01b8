//! The `use` lines of a file, taken apart: which name stands for which path.

use super::source::{is_name, places};

/// One name that a `use` brings in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Import {
    /// The name in this file; `*` for all of a module.
    pub(super) name: String,
    pub(super) path: String,
    /// Whether it is given on with plain `pub`.
    pub(super) public: bool,
    /// Where the `use` stands.
    pub(super) at: usize,
}

/// All imports of a file, those of its inner modules too.
pub(super) fn read(code: &[char]) -> Vec<Import> {
    let mut found = Vec::new();
    for at in places(code, "use") {
        let end = at + code[at..].iter().position(|character| *character == ';').unwrap_or(code.len() - at);
        let before: String = code[..at].iter().rev().skip_while(|found| found.is_whitespace()).take(3).collect();
        let public = before == "bup";
        let tokens = tokens(&code[at + 3..end]);
        // `use<'a>` in a return type captures lifetimes and imports nothing.
        if tokens.first().is_none_or(|first| first != "<") {
            flatten(&tokens, String::new(), &mut |name, path| found.push(Import { name, path, public, at }));
        }
    }
    found
}

fn tokens(code: &[char]) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut joined = false;
    for character in code {
        let part = is_name(*character) || *character == ':';
        let same_sort = tokens.last().is_some_and(|last| last.ends_with(is_name) == is_name(*character));
        match tokens.last_mut() {
            Some(last) if part && joined && same_sort => last.push(*character),
            _ if !character.is_whitespace() => tokens.push(character.to_string()),
            _ => {}
        }
        joined = part;
    }
    tokens
}

/// Walks one `use` tree; `give` gets each name with its whole path.
fn flatten(tokens: &[String], prefix: String, give: &mut dyn FnMut(String, String)) {
    let mut path = prefix;
    for (index, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "{" => {
                for branch in branches(&tokens[index + 1..]) {
                    flatten(branch, path.clone(), give);
                }
                return;
            }
            "as" => {
                let name = tokens.get(index + 1).cloned().unwrap_or_default();
                return give(name, path);
            }
            "self" if path.ends_with("::") => path.truncate(path.len() - 2),
            other => path.push_str(other),
        }
    }
    let name = path.rsplit("::").next().unwrap_or(&path).to_owned();
    if !name.is_empty() {
        give(name, path);
    }
}

/// The parts between commas, up to the brace that closes.
fn branches(tokens: &[String]) -> Vec<&[String]> {
    let mut parts = Vec::new();
    let (mut start, mut depth) = (0, 0_i32);
    for (index, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "{" => depth += 1,
            "}" if depth == 0 => {
                parts.push(&tokens[start..index]);
                return parts;
            }
            "}" => depth -= 1,
            "," if depth == 0 => {
                parts.push(&tokens[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts
}
