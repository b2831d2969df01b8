//! The seam to the environment (rule S1).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use atlas_auth::Secret;

/// The environment variables, as they were when they were taken. Cheap to clone; `Debug` shows only how many.
#[derive(Clone, Default)]
pub struct Environment {
    variables: Arc<BTreeMap<String, Secret>>,
}

impl Environment {
    /// Those of this process. A name or value that is no UTF-8 is left out.
    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    pub fn process() -> Self {
        let readable = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self::from_pairs(std::env::vars_os().filter_map(readable))
    }

    /// None at all.
    pub fn empty() -> Self {
        Self::default()
    }

    /// These.
    pub fn from_pairs<N: Into<String>, V: Into<Secret>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let variables = pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { variables: Arc::new(variables) }
    }

    /// One of them; it may be set to nothing.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(Secret::expose)
    }

    /// One of them, if there is something in it.
    pub fn get_filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
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
