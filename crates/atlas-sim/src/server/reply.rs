//! Answers: JSON, the problem bodies of REST v2, the pages of a proxy before the cloud, and no answer at all.

use std::io;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::json;

/// The text by which clients know that of what they ask for nothing is free.
pub(super) const NO_CAPACITY: &str =
    "There are no longer any instances available with the requested specifications. Please refresh and try again.";

/// The text of a start whose host has no free GPU any more.
pub(super) const HOST_FULL: &str = "There are not enough free GPUs on the host machine to start this pod.";

/// What a handler of REST v2 answers.
pub(super) type Answer = Result<Response, Problem>;

/// Mark of an answer that is not sent: the connection is closed instead.
#[derive(Debug, Clone, Copy)]
pub(super) struct HangUp;

/// An error as REST v2 tells it: `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) detail: String,
    pub(super) errors: Vec<String>,
    pub(super) retry_after: Option<u64>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), errors: Vec::new(), retry_after: None }
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("{what} not found"))
    }

    pub(super) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "access denied")
    }

    /// What does not fit the schema.
    pub(super) fn unprocessable(errors: Vec<String>) -> Self {
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Request validation failed.") }
    }

    pub(super) fn too_many(window: &str, seconds: u64) -> Self {
        let detail = format!("rate limit exceeded for the {window} window");
        Self { retry_after: Some(seconds), ..Self::new(StatusCode::TOO_MANY_REQUESTS, detail) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let mut body = json!({ "title": title, "status": self.status.as_u16(), "detail": self.detail });
        if !self.errors.is_empty() {
            body["errors"] = self.errors.into();
        }
        let mut response = json_as(self.status, &body);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// A body in JSON.
pub(super) fn json_as(status: StatusCode, body: &impl Serialize) -> Response {
    let bytes = serde_json::to_vec(body).expect("what the simulated clouds say has a JSON form");
    with_type(status, "application/json", Body::from(bytes))
}

/// 200, in JSON.
pub(super) fn ok(body: &impl Serialize) -> Response {
    json_as(StatusCode::OK, body)
}

/// 204.
pub(super) fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// No answer: the connection is closed.
pub(super) fn hang_up() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(HangUp);
    response
}

/// A page of the proxy before the cloud, or before a pod.
pub(super) fn page(status: StatusCode, text: &str) -> Response {
    let number = status.as_u16();
    let html = format!(
        "<!DOCTYPE html>\n<html><head><title>{number}: {text}</title></head>\
         <body><center><h1>{number} {text}</h1></center><hr><center>cloudflare</center></body></html>\n"
    );
    let mut response = with_type(status, "text/html; charset=UTF-8", Body::from(html));
    response.headers_mut().insert(http::header::SERVER, HeaderValue::from_static("cloudflare"));
    response
}

/// The beginning of a good answer, as if it were the whole.
const BEGUN: &str = "{\"id\":\"ab";

/// The beginning of a good answer, which is all there is.
pub(super) fn garbled(status: StatusCode) -> Response {
    with_type(with_body(status), "application/json", Body::from(BEGUN))
}

/// The beginning of a good answer; then the connection breaks.
pub(super) fn cut(status: StatusCode) -> Response {
    let broken = || io::Error::from(io::ErrorKind::ConnectionAborted);
    let pieces = stream::iter([Ok(Bytes::from_static(BEGUN.as_bytes())), Err(broken())]);
    with_type(with_body(status), "application/json", Body::from_stream(pieces))
}

/// An answer that has no body cannot be spoilt in its body.
fn with_body(status: StatusCode) -> StatusCode {
    if status == StatusCode::NO_CONTENT { StatusCode::OK } else { status }
}

pub(super) fn with_type(status: StatusCode, kind: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Sets a header whose value is plain text of ours.
pub(super) fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// Whole seconds of a span, rounded up: at least one.
pub(super) fn seconds(span: std::time::Duration) -> u64 {
    span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0)).max(1)
}
