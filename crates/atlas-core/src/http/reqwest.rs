//! The bottom of the stack: reqwest over rustls and ring. The one file that knows reqwest, but for the probe.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt};

use super::{Request, Response, Transport, tls};
use crate::{Effect, Error, ErrorKind, Result};

/// How Atlas names itself to clouds. One of them turns clients without a name of their own away.
const USER_AGENT: &str = concat!("atlas/", env!("CARGO_PKG_VERSION"));

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);

/// How long an answer that comes in pieces may be silent.
const SILENCE: Duration = Duration::from_secs(90);

/// No answer that is read whole may be longer, in bytes: ten thousand machines fit in many times.
const LONGEST: usize = 256 * 1024 * 1024;

/// Real connections. Cheap to clone; one suffices for a whole process, and its connections are used again.
#[derive(Clone)]
pub struct ReqwestTransport {
    out: reqwest::Client,
    loopback: reqwest::Client,
}

impl ReqwestTransport {
    /// A new one. Opens no connection yet. The environment's proxies are obeyed, but never for loopback.
    pub fn new() -> Result<Self> {
        let builder = || -> Result<reqwest::ClientBuilder> {
            Ok(reqwest::Client::builder()
                .tls_backend_preconfigured(tls::client_config()?)
                .user_agent(USER_AGENT)
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .connect_timeout(CONNECT)
                .read_timeout(SILENCE))
        };
        let built = |builder: reqwest::ClientBuilder| {
            builder
                .build()
                .map_err(|cause| Error::new(ErrorKind::Unknown, "cannot set up HTTP").with_source(cause.without_url()))
        };
        Ok(Self { out: built(builder()?)?, loopback: built(builder()?.no_proxy())? })
    }
}

impl fmt::Debug for ReqwestTransport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ReqwestTransport")
    }
}

#[async_trait]
impl Transport for ReqwestTransport {
    async fn send(&self, request: Request) -> Result<Response> {
        let client = if super::url::is_loopback(request.url()) { &self.loopback } else { &self.out };
        let is_streaming = request.is_streaming();
        let mut answer = client.execute(native(request)).await.map_err(failure)?;
        let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
        if is_streaming && status.is_success() {
            let url = answer.url().clone();
            let pieces = answer.bytes_stream().map_err(move |cause| failure(cause.with_url(url.clone()))).boxed();
            return Ok(Response::in_pieces(status, headers, pieces));
        }
        if answer.content_length().is_some_and(|length| length > LONGEST as u64) {
            return Err(Error::new(ErrorKind::Decode, "the cloud's answer is longer than can be read"));
        }
        Ok(Response::new(status, headers, answer.bytes().await.map_err(failure)?))
    }
}

/// The request in reqwest's form. Its parts are handed over, not copied.
fn native(request: Request) -> reqwest::Request {
    let (method, url, headers, body) = request.into_parts();
    let mut native = reqwest::Request::new(method, url);
    *native.headers_mut() = headers;
    *native.body_mut() = Some(body.into());
    native
}

/// Whom this asks. The rest of an address may hold what nobody shall read.
fn place(url: &url::Url) -> String {
    let host = url.host_str().unwrap_or("the cloud");
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn failure(cause: reqwest::Error) -> Error {
    let place = cause.url().map_or_else(|| "the cloud".to_owned(), place);
    let cause = cause.without_url();
    let error = if cause.is_connect() {
        let why = root(&cause);
        Error::transport(format!(
            "cannot connect to {place}, so nothing was sent: {why}; look at the network and base_url"
        ))
        .with_effect(Effect::NotSent)
    } else if cause.is_timeout() {
        Error::timeout("the cloud fell silent")
    } else if cause.is_builder() {
        Error::validation(format!("this request cannot be sent: {}", root(&cause)))
    } else {
        Error::transport(format!("the connection to {place} broke: {}", root(&cause)))
    };
    error.with_source(cause)
}

/// The innermost cause: the only one of the chain that says more than "error sending request".
pub(super) fn root(error: &dyn StdError) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    crate::error::excerpt(&innermost.to_string())
}
