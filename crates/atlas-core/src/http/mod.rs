//! HTTP as a stack of small wrappers, the same for every cloud.
//!
//! ```text
//! HttpClient::send
//!   trace     one event a call
//!   deadline  bounds the whole call, waits and repetitions included
//!   retry     the one owner of repetition: only what may be repeated, with full jitter, obeying Retry-After
//!   limit     keeps the cloud's documented limits; terminate goes before find, create, list and get
//!   timeout   bounds one try
//!   auth      the key: the call's own, else the account's
//!   attempt   one event a try; the answer's status becomes an error in the cloud's own terms
//!   bottom    ReqwestTransport, or a transport in memory
//! ```
//!
//! Invariants. A request that is [`Unsafe`](Repeat::Unsafe) to repeat is sent a second time only when the first provably
//! did nothing. Whatever ends a call early says whether the cloud may have acted ([`Effect`](crate::Effect)). No event and
//! no error holds a query, a header or a body of a request. A redirect is never followed.

mod attempt;
mod auth;
mod client;
mod deadline;
mod limit;
mod probe;
mod request;
mod reqwest;
mod response;
mod retry;
pub mod sse;
#[cfg(test)]
mod tests;
mod timeout;
mod tls;
mod transport;
mod url;

pub use self::reqwest::ReqwestTransport;
pub use self::url::base_url;
pub use attempt::{ErrorReader, plain_error};
pub use client::{HttpClient, HttpClientBuilder};
pub use limit::{Learned, LimitReader, Quota};
pub use probe::HttpProbe;
pub use request::{Lane, Repeat, Request};
pub use response::{Body, Response};
pub(crate) use transport::Connections;
pub use transport::Transport;
