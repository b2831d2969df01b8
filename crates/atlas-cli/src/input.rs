//! What comes in beside the arguments: secrets by file, variable or standard input, and files of variables.

use std::io::Read;
use std::path::{Path, PathBuf};

use atlas::auth::Secret;
use atlas::config::Environment;
use clap::Args;
use serde_json::{Map, Value};

use crate::failure::Failure;

/// The most that is read of a secret or a file of variables. Whoever points at more has pointed at the wrong thing.
const LIMIT: u64 = 1024 * 1024;

/// The most that is read of a job's input: more than any cloud takes, so that the cloud's own limit is what is told.
const LONGEST_INPUT: u64 = 64 * 1024 * 1024;

/// Where a secret comes from: never from an argument, where every process of the machine could read it.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct SecretSource {
    /// Read the secret from this file; `-` is standard input
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Read the secret from this environment variable
    #[arg(long, value_name = "VARIABLE")]
    secret_env: Option<String>,
}

impl SecretSource {
    /// The secret, without the one newline that editors and `echo` leave at its end.
    pub(crate) fn read(&self) -> Result<Secret, Failure> {
        let (place, secret) = match (&self.secret_file, &self.secret_env) {
            (Some(path), _) => (path.display().to_string(), text(path)?),
            (None, Some(variable)) => {
                let environment = Environment::process();
                let secret = environment
                    .get(variable)
                    .ok_or_else(|| Failure::usage(format!("the variable {variable} is not set, or is no text")))?;
                (variable.clone(), Secret::from(secret))
            }
            (None, None) => return Err(Failure::usage("no secret is given: name --secret-file or --secret-env")),
        };
        let secret = without_newline(&secret);
        if secret.is_empty() {
            return Err(Failure::usage(format!("the secret in {place} is empty")));
        }
        Ok(secret)
    }
}

/// A provider's own options, each as KEY=JSON.
pub(crate) fn options(texts: &[String]) -> Result<Map<String, Value>, Failure> {
    let mut options = Map::new();
    for text in texts {
        let (name, value) = option_of("--opt", text)?;
        if options.insert(name.clone(), value).is_some() {
            return Err(Failure::usage(format!("--opt {name} is given twice")));
        }
    }
    Ok(options)
}

/// One of them, as the flag was given it.
pub(crate) fn option_of(flag: &str, text: &str) -> Result<(String, Value), Failure> {
    let (name, value) = text
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| Failure::usage(format!("{flag} takes KEY=JSON, and one of them has no key or no `=`")))?;
    // The value may be a secret, so it is not shown.
    let value = serde_json::from_str(value).map_err(|_| {
        Failure::usage(format!(
            "{flag} {name}: what follows `=` is no JSON; a text needs quotes: {flag} '{name}=\"text\"'"
        ))
    })?;
    Ok((name.to_owned(), value))
}

/// A secret from standard input. One that is no text is as wrong as any other wrong one.
pub(crate) fn secret_from_stdin() -> Result<Secret, Failure> {
    let bytes = stdin(LIMIT)?;
    let text = Secret::from(String::from_utf8_lossy(&bytes).into_owned());
    Ok(without_newline(&text))
}

/// The text of a file that may hold a secret, without the one newline at its end; `-` is standard input.
pub(crate) fn secret_from(path: &Path) -> Result<Secret, Failure> {
    Ok(without_newline(&text(path)?))
}

/// JSON from an argument, or from the file that it names; `@-` is standard input. It may be as long as a job's input.
pub(crate) fn json(flag: &str, text: &str) -> Result<Value, Failure> {
    let read = match text.strip_prefix('@') {
        Some(path) => text_within(Path::new(path), LONGEST_INPUT)?,
        None => Secret::from(text),
    };
    serde_json::from_str(read.expose()).map_err(|cause| Failure::usage(format!("{flag} is no JSON: {cause}")))
}

/// The lines `NAME=VALUE` of a file, in order. Blank lines and lines that begin with `#` are none.
fn variables(path: &Path) -> Result<Vec<(String, Secret)>, Failure> {
    let text = text(path)?;
    let mut variables = Vec::new();
    for (index, line) in text.expose().lines().enumerate() {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        // The line itself may hold a secret, so it is named and not shown.
        let (name, value) = line
            .split_once('=')
            .ok_or_else(|| Failure::usage(format!("{}:{}: this line is no NAME=VALUE", path.display(), index + 1)))?;
        variables.push((name.trim().to_owned(), Secret::from(value)));
    }
    Ok(variables)
}

/// The variables of a file, and after them those of the command line.
pub(crate) fn environment(file: Option<&Path>, words: &[String]) -> Result<Vec<(String, Secret)>, Failure> {
    let mut all = file.map_or_else(|| Ok(Vec::new()), variables)?;
    for variable in words {
        let (name, value) = variable
            .split_once('=')
            .ok_or_else(|| Failure::usage("--env takes NAME=VALUE, and one of them has no `=`"))?;
        all.push((name.to_owned(), Secret::from(value)));
    }
    Ok(all)
}

fn text(path: &Path) -> Result<Secret, Failure> {
    text_within(path, LIMIT)
}

fn text_within(path: &Path, limit: u64) -> Result<Secret, Failure> {
    let wrong = |why: &str| Failure::usage(format!("cannot read {}: {why}", path.display()));
    let bytes = if path == Path::new("-") {
        stdin(limit)?
    } else {
        let bytes = atlas::files::read_at_most(path, limit).map_err(|cause| wrong(&cause.to_string()))?;
        bytes.ok_or_else(|| wrong("there is no such file"))?
    };
    String::from_utf8(bytes).map(Secret::from).map_err(|_| wrong("it is no UTF-8 text"))
}

fn stdin(limit: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|cause| Failure::usage(format!("cannot read standard input: {cause}")))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(Failure::usage(format!(
            "standard input holds more than {limit} bytes, the most that is read of it"
        )));
    }
    Ok(bytes)
}

fn without_newline(secret: &Secret) -> Secret {
    let text = secret.expose();
    Secret::from(text.strip_suffix("\r\n").or_else(|| text.strip_suffix('\n')).unwrap_or(text))
}

#[cfg(test)]
mod tests {
    //! One newline is dropped, and only one.

    use super::*;

    #[test]
    fn one_newline_is_dropped() {
        for (read, kept) in [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a"), (" a ", " a "), ("\n", "")] {
            assert_eq!(without_newline(&Secret::from(read)).expose(), kept);
        }
    }
}
