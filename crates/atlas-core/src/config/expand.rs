//! `${VAR}` and `${VAR:-default}` inside a text. Pure.
//!
//! What a variable holds is put in as it is: it is never expanded again, and never read as YAML.

use super::Environment;

/// What became of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expanded {
    /// All variables were there.
    Text(String),
    /// This one was not, and has no default.
    Missing(String),
}

/// Expands `text`. `$${` stands for `${`; a `$` before anything else is a `$`. As in a shell, `${VAR}` needs a variable that
/// is set, be it to nothing, and `${VAR:-default}` takes the default for one that is not set or empty.
pub(super) fn expand(text: &str, environment: &Environment) -> Result<Expanded, String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let before = &rest[..at];
        rest = &rest[at + 2..];
        if let Some(before) = before.strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            continue;
        }
        expanded.push_str(before);
        let (inside, after) =
            rest.split_once('}').ok_or("a `${` has no `}`; write `$${` for the two characters themselves")?;
        rest = after;
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        if !is_variable(name) {
            return Err("what stands between `${` and `}` is no variable: write ${NAME} or ${NAME:-default}".to_owned());
        }
        match (environment.get(name), default) {
            (Some("") | None, Some(default)) => expanded.push_str(default),
            (Some(value), _) => expanded.push_str(value),
            (None, None) => return Ok(Expanded::Missing(name.to_owned())),
        }
    }
    expanded.push_str(rest);
    Ok(Expanded::Text(expanded))
}

fn is_variable(name: &str) -> bool {
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    letters && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}
