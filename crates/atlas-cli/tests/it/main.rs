//! The real program against the `local` provider and a simulated RunPod, as people and scripts meet it: every exit code, every word.
//!
//! Each test has a home of its own and leaves no process behind ([`home::Home`]).

#![allow(clippy::disallowed_methods, reason = "tests stand outside the seams")]

mod auth;
mod bad_configuration;
mod bad_state;
mod bad_words;
mod cloud;
mod conformance;
mod demo;
mod endpoints;
mod help;
mod home;
mod interrupt;
mod jobs;
mod life;
mod listing;
mod reaping;
mod runpod_input;
mod runpod_keys;
mod runpod_walk;
mod spawning;
mod unanswered;
mod volumes;
