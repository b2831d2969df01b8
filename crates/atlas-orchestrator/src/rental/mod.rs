//! A rental: one create that may have happened, the unit of the first promise.

mod accrual;
mod record;
mod step;

pub(crate) use accrual::{Accrual, billed_since};
pub(crate) use record::{Holder, Published, RentalPhase, RentalRecord};
pub(crate) use step::{Action, Input, Power, State, step};
