//! The mock provider through its public interface alone, as a user's tests see it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall end there")]

mod accounts;
mod addresses;
mod catalog;
mod chaos;
mod faults;
mod jobs;
mod life;
mod money;
mod one_off;
#[cfg(feature = "server")]
mod server;
mod support;
mod timing;
mod volumes;
mod webhooks;
