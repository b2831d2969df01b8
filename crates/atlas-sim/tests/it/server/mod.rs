//! The simulated RunPod over real sockets: the check-list of its fact sheet, line by line (`s9_2_…` is a test of line 2).

mod admin;
mod bills;
mod client;
mod faults;
mod graphql;
mod life;
mod many;
mod memory;
mod proxy;
mod resources;
mod runtime;
mod sdk;
mod wire;
