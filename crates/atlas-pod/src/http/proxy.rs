//! Passes requests on to the command, and its answers back, chunk by chunk as they come.
//!
//! Each request has a connection of its own: a kept one may have been closed by the command at the very moment it is
//! used again, and then nobody knows whether the command saw the request. On loopback a new one costs next to nothing.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{CONNECTION, CONTENT_TYPE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE, UPGRADE};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::body::PassedBody;
use super::server::HEADERS;

/// The header by which an answer of the pod's proxy is told from one of the machine. Every answer that the proxy makes
/// itself bears it, with one of the values below; it is removed from what the machine answers.
pub const PROXY_HEADER: &str = "x-atlas-pod";

/// The value of [`PROXY_HEADER`] while nothing listens behind the port: the command is still starting, or has ended.
/// The status is 502.
pub const PROXY_STARTING: &str = "starting";

/// The value of [`PROXY_HEADER`] when the command accepted the connection but gave no answer that can be passed on. The
/// status is 502.
pub const PROXY_BROKEN: &str = "broken";

/// The value of [`PROXY_HEADER`] for what the proxy cannot pass on, such as a WebSocket. The status is 501.
pub const PROXY_REFUSED: &str = "refused";

/// A connection on loopback is there at once, or the command's queue is full.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What concerns one connection and not the message (RFC 9110, section 7.6.1); besides, whatever `Connection` names.
/// `Trailer` is the message's: without it no trailer is passed on.
const HOP_BY_HOP: [HeaderName; 7] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy-authenticate"),
    TE,
    http::header::TRANSFER_ENCODING,
    UPGRADE,
];

/// Passes requests on to one port of this machine.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    inner: SocketAddr,
    /// The connections to the command, which end with the proxy.
    connections: Arc<Mutex<JoinSet<()>>>,
}

impl Proxy {
    pub(crate) fn new(inner_port: u16) -> Self {
        Self { inner: SocketAddr::from((Ipv4Addr::LOCALHOST, inner_port)), connections: Arc::default() }
    }

    pub(crate) async fn pass(self, request: Request<Incoming>) -> Result<Response<PassedBody>, Infallible> {
        Ok(self.try_pass(request).await.unwrap_or_else(Refusal::answer))
    }

    async fn try_pass(&self, request: Request<Incoming>) -> Result<Response<PassedBody>, Refusal> {
        let (mut parts, body) = request.into_parts();
        if parts.method == Method::CONNECT || asks_for_websocket(&parts.headers) {
            return Err(Refusal::Unsupported);
        }
        parts.uri = origin_form(&parts.uri);
        // The command is spoken to in the version that this proxy speaks, whatever the client's was.
        parts.version = Version::HTTP_11;
        prepare_request(&mut parts.headers, self.inner);
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(self.inner))
            .await
            .ok()
            .and_then(Result::ok)
            .ok_or(Refusal::Starting)?;
        let _ = stream.set_nodelay(true);
        let mut protocol = hyper::client::conn::http1::Builder::new();
        protocol.max_headers(HEADERS);
        let (mut sender, connection) =
            protocol.handshake(TokioIo::new(stream)).await.map_err(|_| Refusal::Broken(NO_ANSWER))?;
        {
            let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
            while connections.try_join_next().is_some() {}
            connections.spawn(async move {
                let _ = connection.await;
            });
        }
        let answer =
            sender.send_request(Request::from_parts(parts, body)).await.map_err(|error| Refusal::of(&error))?;
        let (mut parts, body) = answer.into_parts();
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            // What follows is no answer in HTTP, and the client asked for no such thing.
            return Err(Refusal::Broken(UNASKED_SWITCH));
        }
        parts.version = Version::HTTP_11;
        remove_hop_by_hop(&mut parts.headers);
        parts.headers.remove(PROXY_HEADER);
        Ok(Response::from_parts(parts, PassedBody::stream(body)))
    }
}

/// Why a [`Refusal::Broken`] is none of the machine's answers.
const NO_ANSWER: &str = "bad gateway: the machine gave no answer\n";
const NOT_HTTP: &str = "bad gateway: what the machine answered is not HTTP/1.1\n";
const LARGE_HEAD: &str =
    "bad gateway: the machine's answer has more than 1000 headers, or a head too large to pass on\n";
const UNASKED_SWITCH: &str = "bad gateway: the machine switched protocols without being asked to\n";

/// Why the proxy answers by itself.
#[derive(Debug, Clone, Copy)]
enum Refusal {
    Starting,
    Broken(&'static str),
    Unsupported,
}

impl Refusal {
    /// Why a request that was sent to the command has no answer.
    fn of(error: &hyper::Error) -> Self {
        Self::Broken(if error.is_parse_too_large() {
            LARGE_HEAD
        } else if error.is_parse() {
            NOT_HTTP
        } else {
            NO_ANSWER
        })
    }

    fn answer(self) -> Response<PassedBody> {
        let (status, kind, text) = match self {
            Self::Starting => (StatusCode::BAD_GATEWAY, PROXY_STARTING, "bad gateway: nothing listens on the port\n"),
            Self::Broken(text) => (StatusCode::BAD_GATEWAY, PROXY_BROKEN, text),
            Self::Unsupported => {
                (StatusCode::NOT_IMPLEMENTED, PROXY_REFUSED, "not implemented: upgraded connections\n")
            }
        };
        let mut response = Response::new(PassedBody::from(text));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(HeaderName::from_static(PROXY_HEADER), HeaderValue::from_static(kind));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// Other upgrades may be ignored by a server, and are: their headers go like the rest of the hop's.
fn asks_for_websocket(headers: &HeaderMap) -> bool {
    names(headers, &UPGRADE).any(|protocol| protocol.eq_ignore_ascii_case("websocket"))
}

/// What a header lists, over all its lines.
fn names<'a>(headers: &'a HeaderMap, header: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(header).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|value| value.split(',')).map(str::trim)
}

/// The target as a server expects it, also from a client that takes this for a proxy.
fn origin_form(uri: &Uri) -> Uri {
    uri.path_and_query().map_or_else(|| Uri::from_static("/"), |path| Uri::from(path.clone()))
}

fn prepare_request(headers: &mut HeaderMap, inner: SocketAddr) {
    let takes_trailers = names(headers, &TE).any(|coding| coding.eq_ignore_ascii_case("trailers"));
    remove_hop_by_hop(headers);
    if takes_trailers {
        // Each hop says so for itself, and this one passes them on.
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    // The server in front answers `100-continue` by itself.
    headers.remove(EXPECT);
    headers.insert(HeaderName::from_static("x-forwarded-proto"), HeaderValue::from_static("http"));
    headers.remove("x-forwarded-host");
    headers.remove("forwarded");
    if let Some(host) = headers.get(HOST).cloned() {
        headers.insert(HeaderName::from_static("x-forwarded-host"), host);
    } else if let Ok(host) = HeaderValue::from_str(&inner.to_string()) {
        headers.insert(HOST, host);
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = names(headers, &CONNECTION)
        .filter_map(|name| name.parse().ok())
        // The length of the body is the message's, whoever names it.
        .filter(|name| *name != http::header::CONTENT_LENGTH && *name != HOST)
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests;
