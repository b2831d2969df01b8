//! Connections: accepts them or makes them in memory, serves, and closes one where an answer shall not come.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tower::ServiceExt;

use super::app::App;
use super::proxy;
use super::reply::HangUp;

/// When no connection can be accepted (no descriptors left, say), asking again at once would only burn a processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How much a connection in memory holds: as much as a socket would.
const IN_MEMORY: usize = 64 * 1024;

/// What every connection is served by. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Service {
    app: App,
    router: Router,
}

impl Service {
    pub(super) fn new(app: &App, router: Router) -> Self {
        Self { app: app.clone(), router }
    }

    async fn answer(self, request: Request<Incoming>) -> io::Result<axum::response::Response> {
        let request = request.map(Body::new);
        // A pod's own host name leads to it, whatever the path; see `proxy`.
        let response = match proxy::by_host(&self.app, &request) {
            Some(door) => proxy::pass(&self.app, door, request).await,
            None => self.router.oneshot(request).await.unwrap_or_else(|never| match never {}),
        };
        // To fail is how a service tells hyper to close the connection without an answer.
        if response.extensions().get::<HangUp>().is_some() {
            return Err(io::Error::from(io::ErrorKind::ConnectionAborted));
        }
        Ok(response)
    }

    /// Serves one connection until it ends.
    async fn connection(self, stream: impl AsyncRead + AsyncWrite + Unpin + 'static) {
        let mut protocol = hyper::server::conn::http1::Builder::new();
        protocol.timer(TokioTimer::new());
        let service = service_fn(move |request: Request<Incoming>| self.clone().answer(request));
        // A client that broke off is its own affair.
        let _ = protocol.serve_connection(TokioIo::new(stream), service).await;
    }

    /// Asks once, through a connection in memory that nobody else has.
    pub(super) async fn ask(&self, request: Request<Bytes>) -> io::Result<Response<Bytes>> {
        let (near, far) = tokio::io::duplex(IN_MEMORY);
        let (mut sender, ours) =
            hyper::client::conn::http1::handshake(TokioIo::new(near)).await.map_err(io::Error::other)?;
        let asking = async {
            let answer =
                sender.send_request(in_origin_form(request)?.map(Full::new)).await.map_err(io::Error::other)?;
            let (head, body) = answer.into_parts();
            let body = body.collect().await.map_err(io::Error::other)?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        let both_ends = async {
            let _ = tokio::join!(ours, self.clone().connection(far));
            pending().await
        };
        tokio::select! {
            biased;
            answer = asking => answer,
            never = both_ends => never,
        }
    }
}

/// As a request stands on a connection: the path alone, and the host in a header.
fn in_origin_form(request: Request<Bytes>) -> io::Result<Request<Bytes>> {
    let (mut head, body) = request.into_parts();
    if let Some(authority) = head.uri.authority()
        && !head.headers.contains_key(HOST)
    {
        let host = HeaderValue::from_str(authority.as_str()).map_err(io::Error::other)?;
        head.headers.insert(HOST, host);
    }
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    head.uri = target.parse::<Uri>().map_err(io::Error::other)?;
    Ok(Request::from_parts(head, body))
}

/// Binds, so that whoever is told the address finds it answering.
pub(super) async fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

/// Serves until dropped, which also ends the connections.
pub(super) async fn serve(listener: TcpListener, service: Service) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        connections.spawn(service.clone().connection(stream));
        while connections.try_join_next().is_some() {}
    }
}
