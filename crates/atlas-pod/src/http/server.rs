//! Serves HTTP/1.1 on a listener, within bounds that no client can stretch.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::body::PassedBody;
use super::client::ClientStream;

/// Connections at once; more wait in the kernel's queue. Each has at most two sockets and some 100 KiB of buffers.
const CONNECTIONS: usize = 1024;

/// How long a client may take to send a request's head, and an idle connection may stay.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// The largest head of a request: generous, since the head carries cookies and signatures.
const HEAD_BYTES: usize = 64 * 1024;

/// The most headers of a request, and of a command's answer: hyper's own limit of 100 is not out of a chatty program's
/// reach. The proxy's words for an answer with more name this number.
pub(super) const HEADERS: usize = 1000;

/// When no connection can be accepted (no descriptors left, say), asking again at once would only burn a processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until dropped, which also ends the connections.
pub(crate) async fn serve<S>(listener: TcpListener, service: S) -> Infallible
where
    S: tower::Service<Request<Incoming>, Response = Response<PassedBody>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    let mut protocol = hyper::server::conn::http1::Builder::new();
    protocol.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_BYTES).max_headers(HEADERS);
    // Who has said all that it had to say still waits for the answer.
    protocol.half_close(true);
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let permit = Arc::clone(&free).acquire_owned().await.expect("this semaphore is never closed");
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (stream, watch) = ClientStream::new(stream);
        let connection = protocol.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service.clone()));
        connections.spawn(async move {
            // A client that broke off is its own affair. The command, which may be at work on a long answer, is told of it
            // by the end of its own connection.
            tokio::select! {
                _ = connection => {}
                () = watch.broken() => {}
            }
            drop(permit);
        });
        while connections.try_join_next().is_some() {}
    }
}
