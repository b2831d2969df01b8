//! HTTP over real sockets: the one place of this crate that opens any.

mod probe;
#[cfg(test)]
mod tests;
mod tls;

pub use probe::HttpProbe;
