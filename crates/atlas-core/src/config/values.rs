//! What was given, by path, before it has types: the file's values with the `ATLAS_…` variables over them.

use std::collections::BTreeMap;

use atlas_auth::Secret;

use super::schema::{Leaf, ROOT, Shape};
use super::settings::MissingVariable;
use super::{Environment, File};
use crate::{Error, Result};

/// One text.
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "config"), expect(dead_code, reason = "only the reader of files makes any"))]
pub(super) enum Text {
    /// This.
    Given(Secret),
    /// None, for want of this variable.
    Missing(String),
}

/// All texts, by path. Those from variables stand before those of the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Values {
    file: Option<File>,
    from_file: BTreeMap<String, Text>,
    /// With the variable that each came from.
    from_variables: BTreeMap<String, (Secret, String)>,
}

impl Values {
    /// Those of a file that was read.
    #[cfg(feature = "config")]
    pub(super) fn of_file(file: File, texts: BTreeMap<String, Text>) -> Self {
        Self { file: Some(file), from_file: texts, from_variables: BTreeMap::new() }
    }

    /// Lays the `ATLAS_…` variables over them. One that can only be meant for the configuration and is no key of it is an
    /// error; one that may be somebody else's (without `__`, and no known key) is left alone, and so is an empty one.
    pub(super) fn overlaid(mut self, environment: &Environment) -> Result<Self> {
        for variable in environment.unreadable() {
            let Some(name) = variable.strip_prefix("ATLAS_") else { continue };
            let segments = segments(name);
            if name == "CONFIG" || segments.len() > 1 || ROOT.below(&segments[0]).is_ok() {
                return Err(wrong(variable, "its value is no UTF-8 text"));
            }
        }
        for variable in environment.names() {
            let Some(name) = variable.strip_prefix("ATLAS_") else { continue };
            let segments = segments(name);
            let known = ROOT.below(&segments[0]).is_ok();
            if segments.len() == 1 && !known {
                continue;
            }
            let leaf = leaf(&segments).map_err(|what| wrong(variable, &what))?;
            let Some(text) = environment.get_filled(variable) else { continue };
            leaf.check(text).map_err(|error| wrong(variable, error.message()))?;
            self.from_variables.insert(segments.join("."), (text.into(), variable.to_owned()));
        }
        Ok(self)
    }

    /// The text at `path`; none where there is nothing, or nothing in it. Whether its variable is missing is told by
    /// [`missing`](Self::missing).
    pub(super) fn get(&self, path: &str) -> Option<&Secret> {
        match (self.from_variables.get(path), self.from_file.get(path)) {
            (Some((text, _)), _) | (None, Some(Text::Given(text))) => Some(text).filter(|text| !text.is_empty()),
            (None, Some(Text::Missing(_)) | None) => None,
        }
    }

    /// The variable for want of which there is nothing at `path`.
    pub(super) fn missing(&self, path: &str) -> Option<MissingVariable> {
        match (self.from_variables.get(path), self.from_file.get(path)) {
            (None, Some(Text::Missing(variable))) => {
                Some(MissingVariable { path: path.to_owned(), variable: variable.clone(), place: self.place(path) })
            }
            _ => None,
        }
    }

    /// The text at `path`, of a key that is always used.
    pub(super) fn needed(&self, path: &str) -> Result<Option<&Secret>> {
        match self.missing(path) {
            Some(missing) => Err(missing.error()),
            None => Ok(self.get(path)),
        }
    }

    /// All paths below `path`.
    pub(super) fn below(&self, path: &str) -> Vec<&str> {
        let prefix = format!("{path}.");
        let mut paths: Vec<_> = self.from_file.keys().chain(self.from_variables.keys()).map(String::as_str).collect();
        paths.retain(|path| path.starts_with(&prefix));
        paths.sort_unstable();
        paths.dedup();
        paths
    }

    /// Whether the text at `path` comes from the file, so that a relative path in it is relative to the file.
    pub(super) fn is_from_file(&self, path: &str) -> bool {
        !self.from_variables.contains_key(path) && self.from_file.contains_key(path)
    }

    /// Whether anything at or below `path` comes from the file.
    pub(super) fn names_in_file(&self, path: &str) -> bool {
        self.from_file
            .keys()
            .any(|key| key.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    }

    /// The file.
    pub(super) fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// Where the value at `path` was given: the variable, or file, line and column.
    pub(super) fn place(&self, path: &str) -> String {
        match (self.from_variables.get(path), &self.file) {
            (Some((_, variable)), _) => variable.clone(),
            (None, Some(file)) => file.place(path),
            (None, None) => path.to_owned(),
        }
    }
}

fn wrong(variable: &str, what: &str) -> Error {
    Error::validation(format!("the variable {variable}: {what}"))
}

/// The path that a variable means. An account's name may itself have `__` in it, so what it knows is counted from the end.
fn segments(name: &str) -> Vec<String> {
    let name = name.to_ascii_lowercase();
    let Some(account) = name.strip_prefix("providers__") else {
        return name.split("__").map(str::to_owned).collect();
    };
    let parts = match account.split_once("__settings__") {
        Some((account, setting)) => vec!["providers", account, "settings", setting],
        None => match account.rsplit_once("__") {
            Some((account, key)) => vec!["providers", account, key],
            None => vec!["providers", account],
        },
    };
    parts.into_iter().map(str::to_owned).collect()
}

/// What must stand at the end of a path.
fn leaf(segments: &[String]) -> Result<Leaf, String> {
    let shape = segments.iter().try_fold(&ROOT, |shape, segment| shape.below(segment))?;
    match shape {
        Shape::Leaf(leaf) => Ok(*leaf),
        Shape::Keys(_) | Shape::Each(_) => Err(format!("{} takes {}", segments.join("."), shape.expected())),
    }
}
