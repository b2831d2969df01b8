//! The probe and the adapter against real sockets; the stack over scripts, in paused time.

mod adapter;
mod events;
mod limits;
mod probe;
mod stack;
