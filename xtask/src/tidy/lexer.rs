//! Just enough of Rust's grammar to tell code from comments, texts, characters and lifetimes.

use super::source::is_name;

/// Comments become spaces, the insides of texts `~`; lines and columns stay.
pub(super) fn without_comments_and_texts(text: &str) -> Vec<char> {
    let mut code: Vec<char> = text.chars().collect();
    let mut at = 0;
    while at < code.len() {
        let (end, inside) = match token(&code, at) {
            Token::Comment(end) => (end, ' '),
            Token::Text(end) => (end, '~'),
            Token::Name(end) => {
                at = end;
                continue;
            }
            Token::Other => {
                at += 1;
                continue;
            }
        };
        let keep = usize::from(inside == '~');
        blank(&mut code[at + keep..(end - keep).max(at + keep)], inside);
        at = end;
    }
    code
}

enum Token {
    Comment(usize),
    Text(usize),
    Name(usize),
    Other,
}

fn token(code: &[char], at: usize) -> Token {
    let next = code.get(at + 1).copied();
    match (code[at], next) {
        ('/', Some('/')) => Token::Comment(find(code, at, |rest| rest[0] == '\n')),
        ('/', Some('*')) => Token::Comment(block_comment(code, at)),
        ('"', _) => Token::Text(text(code, at)),
        ('\'', Some('\\')) => Token::Text((find(code, at + 3, |rest| rest[0] == '\'') + 1).min(code.len())),
        ('\'', Some(_)) if code.get(at + 2) == Some(&'\'') => Token::Text(at + 3),
        ('r', Some('"' | '#')) => raw_text(code, at, at + 1),
        ('b' | 'c', Some('r')) if matches!(code.get(at + 2), Some('"' | '#')) => raw_text(code, at, at + 2),
        (found, _) if is_name(found) => {
            let end = find(code, at, |rest| !is_name(rest[0]));
            // A prefix such as `b` ends before its text.
            Token::Name(end)
        }
        _ => Token::Other,
    }
}

fn find(code: &[char], from: usize, matches: impl Fn(&[char]) -> bool) -> usize {
    (from.min(code.len())..code.len()).find(|at| matches(&code[*at..])).unwrap_or(code.len())
}

fn block_comment(code: &[char], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0_i32);
    while at < code.len() {
        match (code[at], code.get(at + 1)) {
            ('/', Some('*')) => (at, depth) = (at + 2, depth + 1),
            ('*', Some('/')) => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at.min(code.len())
}

fn text(code: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while at < code.len() && code[at] != '"' {
        at += if code[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(code.len())
}

fn raw_text(code: &[char], start: usize, hashes_from: usize) -> Token {
    let hashes = code[hashes_from..].iter().take_while(|found| **found == '#').count();
    if code.get(hashes_from + hashes) != Some(&'"') {
        // `r#type`: a name after all.
        return Token::Name(find(code, start + 2, |rest| !is_name(rest[0])));
    }
    let mut close = vec!['"'];
    close.extend(std::iter::repeat_n('#', hashes));
    let end = find(code, hashes_from + hashes + 1, |rest| rest.starts_with(&close));
    Token::Text((end + close.len()).min(code.len()))
}

/// Overwrites all but the ends of lines.
pub(super) fn blank(part: &mut [char], with: char) {
    part.iter_mut().filter(|character| **character != '\n').for_each(|character| *character = with);
}
