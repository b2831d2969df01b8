//! Whole histories of the orchestrator over the simulated cloud, under paused time.

#![allow(clippy::disallowed_methods, reason = "tests stand outside the seams")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod bill;
mod crash;
mod drain;
mod events;
mod histories;
mod lanes;
mod leaving;
mod life;
mod loss;
mod mortal;
mod moves;
mod ownership;
mod promises;
mod reads;
mod scale;
mod secrets;
mod siblings;
mod traits;
mod world;
