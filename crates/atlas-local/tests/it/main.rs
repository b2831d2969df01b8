//! Real machines: what the provider promises is tried on real processes, ports and disks.
#![allow(clippy::disallowed_methods, reason = "tests stand outside the seams")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod conformance;
mod crash;
mod disk;
mod life;
mod limits;
mod listing;
mod logs;
mod secrets;
mod support;
