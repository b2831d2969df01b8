//! Whole pods, by the real program: what it promises is tried on real processes, ports and disks.
#![allow(clippy::disallowed_methods, reason = "tests stand outside the seams")]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may stop where it stands, and says what it skips")]

mod bench;
mod ending;
mod guard;
mod launching;
mod logs;
mod proxy;
mod strangers;
