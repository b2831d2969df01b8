//! What end-to-end tests and benchmarks share: a cloud that remembers next to nothing, and a state directory filled
//! with many sessions at once.
#![allow(clippy::disallowed_methods, reason = "tests stand outside the seams")]

mod cloud;
mod crowd;

pub use cloud::{AlwaysReady, PlainCloud};
pub use crowd::{Crowd, Filled, Outcome, atlas, ids, records_path, request, store_path};
