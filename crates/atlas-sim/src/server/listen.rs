//! The socket: accepts, serves, and closes the connection where an answer shall not come.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tower::ServiceExt;

use super::app::App;
use super::proxy;
use super::reply::HangUp;

/// When no connection can be accepted (no descriptors left, say), asking again at once would only burn a processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Binds, so that whoever is told the address finds it answering.
pub(super) async fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

/// Serves until dropped, which also ends the connections.
pub(super) async fn serve(listener: TcpListener, app: App, router: Router) -> Infallible {
    let mut protocol = hyper::server::conn::http1::Builder::new();
    protocol.timer(TokioTimer::new());
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (app, router) = (app.clone(), router.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (app, router) = (app.clone(), router.clone());
            let request = request.map(Body::new);
            async move {
                // A pod's own host name leads to it, whatever the path; see `proxy`.
                let response = match proxy::by_host(&app, &request) {
                    Some(door) => proxy::pass(&app, door, request).await,
                    None => router.oneshot(request).await.unwrap_or_else(|never| match never {}),
                };
                // To fail is how a service tells hyper to close the connection without an answer.
                if response.extensions().get::<HangUp>().is_some() {
                    return Err(io::Error::from(io::ErrorKind::ConnectionAborted));
                }
                Ok(response)
            }
        });
        let connection = protocol.serve_connection(TokioIo::new(stream), service);
        connections.spawn(async move {
            // A client that broke off is its own affair.
            let _ = connection.await;
        });
        while connections.try_join_next().is_some() {}
    }
}
