//! What a user of the whole sees: programs of the workspace as processes of their own, spoken to as the world does.
#![allow(clippy::disallowed_methods, reason = "tests stand outside the seams")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod backend;
mod browser;
mod gpu_per_user;
mod ground;
