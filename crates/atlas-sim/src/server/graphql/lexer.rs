//! A GraphQL document as tokens.

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// `{`, `}`, `(`, `)`, `[`, `]`, `:`, `=`, `!`, `$`, `@`, `|`, `&`
    Sign(char),
    /// `...`
    Spread,
    Name(String),
    /// A number, as it was written.
    Number(String),
    Text(String),
}

/// Cuts a document into tokens; the error says what cannot be read.
pub(super) fn tokens(document: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = document;
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            // Commas are white space, as are byte order marks.
            _ if first.is_whitespace() || first == ',' || first == '\u{feff}' => (None, first.len_utf8()),
            '#' => (None, rest.find('\n').unwrap_or(rest.len())),
            '{' | '}' | '(' | ')' | '[' | ']' | ':' | '=' | '!' | '$' | '@' | '|' | '&' => {
                (Some(Token::Sign(first)), 1)
            }
            '.' if rest.starts_with("...") => (Some(Token::Spread), 3),
            '"' if rest.starts_with("\"\"\"") => {
                let end = rest[3..].find("\"\"\"").ok_or("Unterminated string.")?;
                (Some(Token::Text(rest[3..3 + end].trim().to_owned())), end + 6)
            }
            '"' => {
                let (text, length) = text(rest)?;
                (Some(Token::Text(text)), length)
            }
            _ if first.is_ascii_alphabetic() || first == '_' => {
                let length = span(rest, |letter| letter.is_ascii_alphanumeric() || letter == '_');
                (Some(Token::Name(rest[..length].to_owned())), length)
            }
            _ if first.is_ascii_digit() || first == '-' => {
                let length = span(rest, |letter| letter.is_ascii_digit() || "-+.eE".contains(letter));
                (Some(Token::Number(rest[..length].to_owned())), length)
            }
            other => return Err(format!("Syntax Error: Unexpected character: \"{other}\".")),
        };
        tokens.extend(token);
        rest = &rest[length..];
    }
    Ok(tokens)
}

fn span(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|letter| !belongs(letter)).unwrap_or(text.len())
}

/// A quoted text, and how many bytes it took.
fn text(rest: &str) -> Result<(String, usize), String> {
    let mut text = String::new();
    let mut letters = rest.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok((text, at + 1)),
            '\n' => break,
            '\\' => match letters.next().map(|(_, escaped)| escaped) {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('r') => text.push('\r'),
                Some('b') => text.push('\u{8}'),
                Some('f') => text.push('\u{c}'),
                Some('u') => {
                    let digits: String = letters.by_ref().take(4).map(|(_, digit)| digit).collect();
                    let letter = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                    text.push(letter.ok_or("Syntax Error: Invalid Unicode escape sequence.")?);
                }
                Some(escaped) => text.push(escaped),
                None => break,
            },
            other => text.push(other),
        }
    }
    Err("Syntax Error: Unterminated string.".to_owned())
}
