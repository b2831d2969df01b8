//! A client's connection, whose breaking is noticed while nobody reads from it.
//!
//! A client that closes its own direction still waits for its answer, so the end of what it says ends nothing. One that has
//! gone looks the same at first: it too has said all. The difference shows in what its system makes of the next thing that
//! is sent there, so where there is no answer to send yet, the kernel asks by itself.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::{Shutdown, shutdown, sockopt};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// How long a client may be silent before its system is asked whether it is still there; one that has closed the
/// connection keeps it half open for a minute by itself, so asking earlier tells nothing.
const KEEPALIVE_IDLE: Duration = Duration::from_mins(1);

/// How often it is asked again, and how often in vain before it counts as gone.
const KEEPALIVE_PAUSE: Duration = Duration::from_secs(10);
const KEEPALIVE_TRIES: u32 = 3;

/// A client's connection.
#[derive(Debug)]
pub(super) struct ClientStream(Arc<TcpStream>);

/// The same connection, to be watched.
#[derive(Debug)]
pub(super) struct Watch(Arc<TcpStream>);

impl ClientStream {
    /// Takes over a connection that was accepted.
    pub(super) fn new(stream: TcpStream) -> (Self, Watch) {
        // Small chunks, such as the tokens of an answer as they are made, are not held back for company.
        let _ = stream.set_nodelay(true);
        // Best effort, all of it: without it a client that has gone is noticed when the answer comes.
        let _ = sockopt::set_tcp_keepidle(&stream, KEEPALIVE_IDLE);
        let _ = sockopt::set_tcp_keepintvl(&stream, KEEPALIVE_PAUSE);
        let _ = sockopt::set_tcp_keepcnt(&stream, KEEPALIVE_TRIES);
        let _ = sockopt::set_socket_keepalive(&stream, true);
        let shared = Arc::new(stream);
        (Self(Arc::clone(&shared)), Watch(shared))
    }
}

impl Watch {
    /// Returns when the connection is broken, and nothing can be sent over it any more.
    pub(super) async fn broken(self) {
        if self.0.ready(Interest::ERROR).await.is_err() {
            // Its runtime is going, and the connection with it.
            std::future::pending::<()>().await;
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(context))?;
            match self.0.try_read(buffer.initialize_unfilled()) {
                Ok(count) => {
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl ClientStream {
    fn poll_with(
        &self,
        context: &mut Context<'_>,
        mut write: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(context))?;
            match write(&self.0) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_with(context, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_with(context, |stream| stream.try_write_vectored(parts))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Everything is with the kernel at once.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(shutdown(&*self.0, Shutdown::Write).map_err(io::Error::from))
    }
}
