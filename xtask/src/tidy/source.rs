//! A Rust file with what is not code made harmless: comments become spaces, the insides of texts become `~`. Lines and
//! columns stay, so a rule searches code alone and still names the right line.

use std::ops::Range;

use super::lexer::{blank, without_comments_and_texts};

/// One Rust file, ready for the rules.
pub(super) struct Source {
    pub(super) path: String,
    /// As it was written.
    pub(super) text: String,
    /// The same length in characters, without comments, texts and in-file test modules.
    pub(super) code: Vec<char>,
    /// Whether all of the file is a test.
    pub(super) is_test: bool,
}

impl Source {
    pub(super) fn read(path: &str, text: &str) -> Self {
        let mut code = without_comments_and_texts(text);
        for module in test_modules(&code) {
            blank(&mut code[module], ' ');
        }
        let parts: Vec<&str> = path.split('/').collect();
        let is_test = path.ends_with("/tests.rs") || parts.contains(&"tests") || parts.contains(&"benches");
        Self { path: path.to_owned(), text: text.to_owned(), code, is_test }
    }

    /// The line, counted from one, of a place in the code.
    pub(super) fn line(&self, at: usize) -> usize {
        1 + self.code[..at].iter().filter(|character| **character == '\n').count()
    }

    /// Every place where `word` stands by itself in the code.
    pub(super) fn places(&self, word: &str) -> Vec<usize> {
        places(&self.code, word)
    }
}

/// Every place where `word` stands by itself, not as a part of a longer name.
pub(super) fn places(code: &[char], word: &str) -> Vec<usize> {
    let word: Vec<char> = word.chars().collect();
    let joins = |at: Option<usize>| at.and_then(|at| code.get(at)).is_some_and(|found| is_name(*found));
    let begins = |at: usize| !(is_name(word[0]) && joins(at.checked_sub(1)));
    let ends = |at: usize| !(is_name(word[word.len() - 1]) && joins(Some(at + word.len())));
    (0..code.len()).filter(|at| code[*at..].starts_with(&word) && begins(*at) && ends(*at)).collect()
}

pub(super) fn is_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// The first place from `from` on where one of `ends` stands outside all brackets (angle ones too) opened since then.
pub(super) fn until(code: &[char], from: usize, ends: &[char]) -> usize {
    let mut depth = 0_i32;
    for at in from..code.len() {
        let arrow = code[at] == '>' && matches!(code[at - 1], '-' | '=');
        if depth == 0 && !arrow && ends.contains(&code[at]) {
            return at;
        }
        match code[at] {
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            '>' if !arrow => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

/// One past the bracket that closes the one at `open`.
pub(super) fn closing(code: &[char], open: usize) -> usize {
    let opens = code[open];
    let closes = match opens {
        '(' => ')',
        '[' => ']',
        _ => '}',
    };
    let mut depth = 0_i32;
    for (at, found) in code.iter().enumerate().skip(open) {
        depth += i32::from(*found == opens) - i32::from(*found == closes);
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// Where `#[cfg(test)] mod name { … }` stand.
fn test_modules(code: &[char]) -> Vec<Range<usize>> {
    let module = |start: usize| -> Option<Range<usize>> {
        let open = start + code[start..].iter().position(|found| matches!(found, '{' | ';'))?;
        let words: String = code[start..open].iter().collect();
        let is_module = words.split_whitespace().any(|word| word == "mod");
        (code[open] == '{' && is_module).then(|| start..closing(code, open))
    };
    places(code, "#[cfg(test)]").into_iter().filter_map(module).collect()
}
