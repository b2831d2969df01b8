//! The reaper: what stands at the clouds against what stands in the store (rules O4, O5, O6, P3).
//!
//! It never calls a cloud to end anything. A machine without a living holder is seen twice, a grace apart, each time in
//! a complete listing followed by a fresh read of the store; then its rental becomes `Releasing`, and is ended as any
//! other. What this store does not know is an alien: told, priced, and left alone unless a policy or an operator says
//! otherwise. Plain machines are shown and never ended.

mod judge;
mod pass;
mod sighting;

pub use judge::{Finding, FindingKind};
pub use pass::{ReapOptions, ReapReport};
pub(crate) use pass::{reap, rental_for};
pub(crate) use sighting::{SightingKind, sightings};
