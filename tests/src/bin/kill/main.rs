//! kill -9 at random moments, and what a restart makes of it. `cargo xtask kill` runs it.
//!
//! A round kills one victim: `atlas demo --stay`, its orchestrator child, the example backend, or `atlas spawn`. It is run
//! twice, each time over a state directory of its own: once with the books (the store and the intents) kept, once with
//! the books deleted after the kill. The folder of the provider `local` stands for the cloud and is never touched. After
//! each kill something is started again, and then:
//!
//! - every machine and every process that was started is tracked, shown, or ended: **none is forgotten**;
//! - **none is twice**: one machine for one user, at most one for one spawn;
//! - **no live user is ended**: who was heard of within the idle time-out keeps machine, address and key;
//! - without books nothing of before is ended, and all of it is reported.
//!
//! ```text
//! main     words ─► rounds ─► lanes of threads ─► what was seen, or what was wrong
//! plan     a round and its chance, from the seed          ground   a state directory, and what is there of it
//! process  a started program                              machines what the cloud and /proc show
//! demo, orchestrator, backend, spawn                      one file a victim
//! ```
#![allow(clippy::disallowed_methods, reason = "a test stands outside the seams")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to the person who runs it")]

mod asked;
mod backend;
mod browser;
mod demo;
mod ground;
mod lanes;
mod machines;
mod orchestrator;
mod plan;
mod process;
mod reap;
mod restart;
mod spawn;
mod story;

use std::process::ExitCode;

/// What was seen, or in one line what was wrong.
type Outcome<T = ()> = Result<T, String>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match asked::Asked::parse(&words).and_then(|asked| lanes::run(&asked)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kill: {error}");
            ExitCode::FAILURE
        }
    }
}
