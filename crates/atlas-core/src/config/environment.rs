//! The seam to the environment (rule S1).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

use atlas_auth::Secret;

/// The environment variables, as they were when they were taken. Cheap to clone; `Debug` shows only how many.
#[derive(Clone, Default)]
pub struct Environment {
    variables: Arc<BTreeMap<String, Secret>>,
    /// The names of those whose value is no text.
    unreadable: Arc<Vec<String>>,
}

impl Environment {
    /// Those of this process. One whose value is no UTF-8 is left out, and an error of the configuration if it was meant
    /// for that.
    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    pub fn process() -> Self {
        Self::from_raw(std::env::vars_os())
    }

    pub(super) fn from_raw(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let (mut pairs, mut unreadable) = (Vec::new(), Vec::new());
        for (name, value) in variables {
            match (name.into_string(), value.into_string()) {
                (Ok(name), Ok(value)) => pairs.push((name, value)),
                (Ok(name), Err(_)) => unreadable.push(name),
                (Err(_), _) => {}
            }
        }
        Self { unreadable: Arc::new(unreadable), ..Self::from_pairs(pairs) }
    }

    /// None at all.
    pub fn empty() -> Self {
        Self::default()
    }

    /// These.
    pub fn from_pairs<N: Into<String>, V: Into<Secret>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let variables = pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { variables: Arc::new(variables), unreadable: Arc::default() }
    }

    /// One of them; it may be set to nothing.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(Secret::expose)
    }

    /// One of them, if there is something in it.
    pub fn get_filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// The names of variables that are set to what is no text.
    pub(super) fn unreadable(&self) -> impl Iterator<Item = &str> {
        self.unreadable.iter().map(String::as_str)
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Environment({} variables)", self.variables.len())
    }
}
