//! The crate as others use it.

#![allow(clippy::disallowed_methods, reason = "tests stand outside the seams")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod canary;
#[cfg(feature = "guard")]
mod guard;
