//! HTTP on a pod's loopback: the server that both the guard and the built-in service stand on, and the proxy.

pub(crate) mod body;
mod client;
pub(crate) mod proxy;
pub(crate) mod server;
