//! One row of the table.

use std::fmt;
use std::pin::Pin;

use atlas_core::{Capabilities, Capability};

use crate::bench::{Bench, Broken};

/// What must be declared for a case to apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// This capability.
    With(Capability),
    /// That this capability is *not* declared: then it must be refused.
    Without(Capability),
}

impl Needs {
    /// Whether the case applies to a provider that declares `capabilities`.
    pub fn met_by(self, capabilities: Capabilities) -> bool {
        match self {
            Self::Nothing => true,
            Self::With(capability) => capabilities.has(capability),
            Self::Without(capability) => !capabilities.has(capability),
        }
    }
}

/// What a case rents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// Nothing.
    Free,
    /// So many machines, for as long as the case takes.
    Machines(u32),
    /// A volume or a job.
    Little,
}

/// What a case comes to.
pub type Verdict = Result<(), Broken>;

/// The proof of one promise.
pub type Proof = for<'a> fn(&'a Bench<'a>) -> Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>;

/// One row of the table.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its name: group and promise, such as `life/terminate-repeats`.
    pub name: &'static str,
    /// The promise, and the rule that it is part of.
    pub promise: &'static str,
    /// What must be declared.
    pub needs: Needs,
    /// What it rents.
    pub cost: Cost,
    /// The proof.
    pub prove: Proof,
    /// Whether it ends only when nothing can come to be seen any more of a create that nobody answered. Such cases run
    /// first, so that the others fill the wait.
    pub lingers: bool,
}

impl fmt::Debug for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.name, self.promise)
    }
}
