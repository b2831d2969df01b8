//! What end-to-end tests and benchmarks share: a cloud that remembers next to nothing, a state directory filled with many
//! sessions at once, and orders for a provider by itself.
#![allow(clippy::disallowed_methods, reason = "tests stand outside the seams")]

mod cloud;
mod crowd;
mod orders;

pub use cloud::{AlwaysReady, PlainCloud};
pub use crowd::{Crowd, Filled, Outcome, atlas, ids, records_path, request, store_path};
pub use orders::{machine_order, rental_order};
