//! A session: one user's use of a machine, the unit of the second promise.

mod record;
mod step;

pub use record::{Reason, Receipt};
pub(crate) use record::{SessionPhase, SessionRecord, Wait};
pub(crate) use step::{Action, Input, State, step};
