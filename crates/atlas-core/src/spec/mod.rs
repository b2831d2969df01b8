//! The normalised words for what is asked of a cloud and what it answers.

mod compute;
mod filter;
mod port;
mod private;
mod request;
#[cfg(test)]
mod tests;

pub use compute::{Compute, ComputeStatus};
pub use filter::ComputeFilter;
pub use port::{Port, PortSpec, Protocol};
pub use private::PrivateParts;
pub use request::{CloudType, ComputeRequest, Field};
