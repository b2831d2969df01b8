//! The gate: a body that is too large, then the key, then what the account may do and how often. What comes through
//! knows who asks.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_LENGTH;
use http::{Method, StatusCode};

use super::super::app::App;
use super::super::reply::{self, Problem};

/// The largest body in JSON.
pub(super) const MOST_BYTES: usize = 102_400;

pub(super) async fn gate(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = pass(&app, request, next).await;
    let id = app.with(|world, _| world.next_request());
    reply::set(response.headers_mut(), "x-request-id", &id);
    response
}

async fn pass(app: &App, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let announced = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let body = match announced {
        Some(length) if length > MOST_BYTES => return too_large().into_response(),
        _ => match to_bytes(body, MOST_BYTES).await {
            Ok(body) => body,
            Err(_) => return too_large().into_response(),
        },
    };
    let changes = parts.method != Method::GET && parts.method != Method::HEAD;
    let admitted = app.with(|world, now| {
        let caller = world.keys.by_bearer(&parts.headers)?.clone();
        let (left, counted) = world.meter.count(&caller.account, now);
        let allowed = counted.and(if caller.may_manage(changes) { Ok(()) } else { Err(Problem::forbidden()) });
        Ok::<_, Problem>((caller, left, allowed))
    });
    let (caller, left, allowed) = match admitted {
        Ok(admitted) => admitted,
        Err(problem) => return problem.into_response(),
    };
    let mut response = if let Err(problem) = allowed {
        problem.into_response()
    } else {
        let mut request = Request::from_parts(parts, Body::from(body));
        request.extensions_mut().insert(caller);
        next.run(request).await
    };
    // A key that is refused by a fault is told no limits either.
    if response.status() != StatusCode::UNAUTHORIZED {
        left.write(response.headers_mut());
    }
    response
}

/// What is said to a body that is too large.
pub(super) fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("request body exceeds {MOST_BYTES} bytes"))
}
