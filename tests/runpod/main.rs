//! RunPod as Atlas sees it: our own client over real sockets, against the simulated cloud that speaks as RunPod does.
#![allow(clippy::disallowed_methods, reason = "tests stand outside the seams")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod accounts;
mod chaos;
mod conformance;
mod ground;
mod histories;
mod hurry;
mod jobs;
mod judge;
mod page;
mod power;
mod prism;
mod rentals;
mod stage;
mod storm;
mod story;
mod traps;
mod webhooks;
mod wire;
