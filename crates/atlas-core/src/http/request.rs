//! One request, with what the stack must know of it: whether it may be repeated, and how urgent it is.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use atlas_auth::Secret;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Serialize;
use url::Url;

use super::Transport;
use crate::{CallContext, Error, Result};

/// Whether a request may be sent again when nobody knows what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Repeat {
    /// It changes nothing, or the second time changes nothing more.
    Safe,
    /// It carries a key by which the cloud knows it again.
    Keyed,
    /// Each time may rent something anew.
    Unsafe,
}

/// How urgent a request is where a rate limit makes requests wait: the first ones go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Ends something that bills.
    Terminate,
    /// Looks for something that may bill.
    Find,
    /// Makes something.
    Create,
    /// Reads many.
    List,
    /// Reads one.
    Get,
}

/// What this one call has of its own; travels with the request through the stack.
#[derive(Debug, Clone, Default)]
pub(crate) struct Terms {
    /// Bounds the whole call.
    pub(crate) timeout: Option<Duration>,
    /// When that bound is reached, by the clock's monotonic count.
    pub(crate) over_at: Option<Duration>,
    /// How often the request is repeated at the most.
    pub(crate) retries: Option<u32>,
    /// Goes instead of the account's key.
    pub(crate) key: Option<Secret>,
    /// Goes instead of the account's connection.
    pub(crate) transport: Option<Arc<dyn Transport>>,
    /// The caller's name for the call.
    pub(crate) id: Option<String>,
    /// Which try this is, from 1.
    pub(crate) attempt: u32,
    /// Whether something was sent of which nobody knows that it did nothing.
    pub(crate) exposed: Exposed,
}

impl Terms {
    /// Whether the call will be over once `wait` has passed from `now`.
    pub(crate) fn is_over_after(&self, wait: Duration, now: Duration) -> bool {
        self.over_at.is_some_and(|over_at| now.saturating_add(wait) >= over_at)
    }
}

/// Shared by all who hold a request: whether the cloud may have acted on it by now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exposed(Arc<AtomicBool>);

impl Exposed {
    pub(crate) fn set(&self, exposed: bool) {
        self.0.store(exposed, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// One request. `Debug` shows method and path, never a query, a header or the body.
#[derive(Clone)]
pub struct Request {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
    operation: &'static str,
    repeat: Repeat,
    lane: Lane,
    bucket: String,
    streams: bool,
    timeout: Option<Duration>,
    pub(crate) terms: Terms,
}

impl Request {
    /// A request for `operation`, such as `spawn`. A GET is safe to repeat, anything else is not unless it says so.
    pub fn new(method: Method, url: Url, operation: &'static str) -> Self {
        let repeat = if method == Method::GET { Repeat::Safe } else { Repeat::Unsafe };
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Self {
            method,
            url,
            headers,
            body: Bytes::new(),
            operation,
            repeat,
            lane: Lane::Get,
            bucket: String::new(),
            streams: false,
            timeout: None,
            terms: Terms::default(),
        }
    }

    /// A GET: safe to repeat.
    pub fn get(url: Url, operation: &'static str) -> Self {
        Self::new(Method::GET, url, operation)
    }

    /// A POST: unsafe to repeat unless it says otherwise.
    pub fn post(url: Url, operation: &'static str) -> Self {
        Self::new(Method::POST, url, operation)
    }

    /// A DELETE, which clouds treat alike however often it comes: safe to repeat, and first in line.
    pub fn delete(url: Url, operation: &'static str) -> Self {
        Self::new(Method::DELETE, url, operation).repeat(Repeat::Safe).lane(Lane::Terminate)
    }

    /// The same request at another address: for a transport that leads elsewhere.
    #[must_use]
    pub fn with_url(mut self, url: Url) -> Self {
        self.url = url;
        self
    }

    /// Whether it may be repeated.
    #[must_use]
    pub fn repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = repeat;
        self
    }

    /// How urgent it is.
    #[must_use]
    pub fn lane(mut self, lane: Lane) -> Self {
        self.lane = lane;
        self
    }

    /// Which of the client's limits it counts under; the empty name has none of its own.
    #[must_use]
    pub fn bucket(mut self, bucket: impl Into<String>) -> Self {
        self.bucket = bucket.into();
        self
    }

    /// Bounds one try of it, instead of the client's bound. For an answer that streams: the wait for its head.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Its answer comes in pieces, for as long as it likes.
    #[must_use]
    pub fn streams(mut self, accept: &'static str) -> Self {
        self.streams = true;
        self.headers.insert(ACCEPT, HeaderValue::from_static(accept));
        self
    }

    /// A header. A value that no header can carry is a `validation` error that does not show it.
    pub fn header(mut self, name: HeaderName, value: &str) -> Result<Self> {
        let value = HeaderValue::from_str(value)
            .map_err(|_| Error::validation(format!("the header {name} cannot carry this value")))?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// A header whose value is a secret.
    pub fn secret_header(mut self, name: HeaderName, value: &Secret) -> Result<Self> {
        let mut value = HeaderValue::from_str(value.expose())
            .map_err(|_| Error::validation(format!("the header {name} cannot carry this value")))?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(self)
    }

    /// A body in JSON.
    pub fn json(self, body: &impl Serialize) -> Result<Self> {
        // The cause is not kept: its text might quote a secret of the body.
        let bytes = serde_json::to_vec(body).map_err(|_| Error::validation("the request has no JSON form"))?;
        Ok(self.written_json(Bytes::from(bytes)))
    }

    /// A body in JSON that is written already.
    #[must_use]
    pub fn written_json(mut self, body: Bytes) -> Self {
        self.body = body;
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The whole address. Its query may hold a secret.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The headers. Some may hold a secret.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body. It may hold a secret.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// What it is for.
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// Whether its answer is read in pieces.
    pub fn is_streaming(&self) -> bool {
        self.streams
    }

    /// Which try this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.terms.attempt
    }

    /// Method, address, headers and body: all that goes over the wire.
    pub(crate) fn into_parts(self) -> (Method, Url, HeaderMap, Bytes) {
        (self.method, self.url, self.headers, self.body)
    }

    pub(crate) fn repeatable(&self) -> Repeat {
        self.repeat
    }

    pub(crate) fn urgency(&self) -> Lane {
        self.lane
    }

    pub(crate) fn counted_under(&self) -> &str {
        &self.bucket
    }

    pub(crate) fn bound(&self) -> Option<Duration> {
        self.timeout
    }

    pub(crate) fn under(mut self, context: &CallContext) -> Self {
        self.terms = Terms {
            timeout: context.timeout(),
            over_at: None,
            retries: context.retries(),
            key: context.key().cloned(),
            transport: context.transport().cloned(),
            id: context.operation().map(|id| id.as_str().to_owned()),
            attempt: 1,
            exposed: Exposed::default(),
        };
        self
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} ({}, {:?})", self.method, self.url.path(), self.operation, self.repeat)
    }
}
