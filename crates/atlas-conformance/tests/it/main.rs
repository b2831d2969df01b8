//! The suite holds the simulated cloud, and bites whatever breaks one of its promises.

#![allow(clippy::disallowed_methods, reason = "tests stand outside the seams")]

mod broken;
mod docs;
mod mock;
mod mutants;
mod stale;
