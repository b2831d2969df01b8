//! The built-in service: what a pod runs that was given no command. It shows that a machine is there and reachable.
//!
//! | path | answer |
//! |---|---|
//! | `/` | 200 with `compute_id`, `pid`, `uptime_seconds`, as JSON |
//! | `/echo` | the request's body, as it comes |
//! | `/count` | how many requests came since the start, this one included |

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use atlas_auth::{Clock, SystemClock};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::net::TcpListener;

use crate::http::body::AnswerBody;
use crate::http::server;
use crate::program::say;
use crate::surroundings;

/// The built-in service of one machine, without a process of its own: for servers that stand in for many machines.
/// Nothing guards it by itself; [`PodKeys`](crate::PodKeys) makes the guard that a pod would put before it.
#[derive(Debug)]
pub struct BuiltIn {
    compute_id: String,
    begun: Duration,
    count: AtomicU64,
}

impl BuiltIn {
    /// The service as it begins.
    pub fn new(compute_id: impl Into<String>) -> Self {
        Self { compute_id: compute_id.into(), begun: SystemClock.monotonic(), count: AtomicU64::new(0) }
    }

    /// What it answers.
    pub fn answer<B>(&self, request: Request<B>) -> Response<AnswerBody<B>> {
        answer(self, request)
    }
}

/// Serves on `port` of the loopback until killed; without a port it just stays.
pub(crate) fn main(port: Option<u16>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("no runtime can be made: {error}")),
    };
    runtime.block_on(async {
        let Some(port) = port else {
            say("atlas-pod: the built-in service has no http port to serve");
            return std::future::pending().await;
        };
        match TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await {
            Ok(listener) => {
                say("atlas-pod: the built-in service is up");
                serve(listener).await
            }
            Err(error) => fail(&format!("port {port} cannot be bound: {error}")),
        }
    })
}

fn fail(why: &str) -> ExitCode {
    say(&format!("atlas-pod: the built-in service failed: {why}"));
    ExitCode::FAILURE
}

async fn serve(listener: TcpListener) -> ExitCode {
    let compute_id = surroundings::variable("ATLAS_COMPUTE_ID").unwrap_or_default();
    let shared = Arc::new(BuiltIn::new(compute_id.to_string_lossy()));
    let service = tower::service_fn(move |request: Request<Incoming>| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(shared.answer(request)) }
    });
    match server::serve(listener, service).await {}
}

fn answer<B>(shared: &BuiltIn, request: Request<B>) -> Response<AnswerBody<B>> {
    let count = shared.count.fetch_add(1, Ordering::Relaxed) + 1;
    let kind = request.headers().get(CONTENT_TYPE).cloned();
    match request.uri().path() {
        "/" => {
            let about = serde_json::json!({
                "compute_id": shared.compute_id,
                "pid": std::process::id(),
                "uptime_seconds": SystemClock.monotonic().saturating_sub(shared.begun).as_secs(),
            });
            with_type(Response::new(AnswerBody::from(format!("{about}\n"))), Some(JSON))
        }
        "/echo" => with_type(Response::new(AnswerBody::stream(request.into_body())), kind),
        "/count" => with_type(Response::new(AnswerBody::from(format!("{{\"count\":{count}}}\n"))), Some(JSON)),
        _ => {
            let mut response = with_type(Response::new(AnswerBody::from("not found\n")), Some(TEXT));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

fn with_type<B>(mut response: Response<AnswerBody<B>>, kind: Option<HeaderValue>) -> Response<AnswerBody<B>> {
    if let Some(kind) = kind {
        response.headers_mut().insert(CONTENT_TYPE, kind);
    }
    response
}
