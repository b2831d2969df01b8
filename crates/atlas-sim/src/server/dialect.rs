//! How each of RunPod's APIs tells the same refusal.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};
use serde_json::{Value, json};

use super::reply::{self, NO_CAPACITY, Problem};
use crate::faults::{Fault, WireFault};

/// One of the APIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// REST v2: problem bodies.
    Rest,
    /// GraphQL: 200 with `errors`.
    GraphQl,
    /// The serverless runtime: `{"error": …}`.
    Runtime,
}

impl Dialect {
    /// The answer to a call that this fault ends before the cloud acted.
    pub(super) fn refusal(self, fault: &Fault) -> Option<Response> {
        Some(match fault {
            Fault::FailsBefore => reply::hang_up(),
            Fault::Errs => self.failed(),
            Fault::CapacityGone => self.error(StatusCode::BAD_REQUEST, NO_CAPACITY),
            Fault::QuotaReached => self.error(
                StatusCode::PAYMENT_REQUIRED,
                "Your account balance is too low to rent this. Add funds and try again.",
            ),
            Fault::RateLimited(span) => self.too_many(reply::seconds(*span)),
            Fault::Unauthorized => self.unauthorized(),
            Fault::Forbidden => self.forbidden(),
            Fault::Wire(WireFault::HtmlBadGateway) => reply::page(StatusCode::BAD_GATEWAY, "Bad Gateway"),
            Fault::Wire(WireFault::HtmlForbidden) => reply::page(StatusCode::FORBIDDEN, "error code: 1010"),
            Fault::Wire(WireFault::CursorExpired) => {
                self.error(StatusCode::UNPROCESSABLE_ENTITY, "cursor has expired; start over without one")
            }
            _ => return None,
        })
    }

    /// An error with this text.
    pub(super) fn error(self, status: StatusCode, text: &str) -> Response {
        match self {
            Self::Rest => Problem::new(status, text).into_response(),
            Self::GraphQl => graphql(text, None),
            Self::Runtime => reply::json_as(status, &json!({ "error": text })),
        }
    }

    /// 500: something broke inside.
    pub(super) fn failed(self) -> Response {
        match self {
            Self::GraphQl => graphql(
                "Something went wrong. Please try again later or contact support.",
                Some("INTERNAL_SERVER_ERROR"),
            ),
            Self::Rest | Self::Runtime => {
                self.error(StatusCode::INTERNAL_SERVER_ERROR, "an internal error occurred; try again later")
            }
        }
    }

    fn too_many(self, seconds: u64) -> Response {
        match self {
            Self::Rest => Problem::too_many("minute", seconds).into_response(),
            // The runtime documents no header: whoever is refused must wait by himself.
            Self::Runtime => reply::json_as(StatusCode::TOO_MANY_REQUESTS, &json!({ "error": "rate limit exceeded" })),
            Self::GraphQl => {
                let mut response = reply::json_as(StatusCode::TOO_MANY_REQUESTS, &errors("rate limit exceeded", None));
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
                response
            }
        }
    }

    /// The key is known to nobody.
    pub(super) fn unauthorized(self) -> Response {
        match self {
            Self::Rest => Problem::new(StatusCode::UNAUTHORIZED, "invalid bearer token").into_response(),
            Self::GraphQl => reply::json_as(StatusCode::UNAUTHORIZED, &errors("Unauthorized", None)),
            Self::Runtime => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::UNAUTHORIZED;
                response
            }
        }
    }

    /// The key may not do this.
    pub(super) fn forbidden(self) -> Response {
        match self {
            Self::Rest => Problem::forbidden().into_response(),
            Self::GraphQl => graphql("Unauthorized", None),
            // The runtime knows no 403.
            Self::Runtime => self.unauthorized(),
        }
    }
}

/// 200 with an error, as GraphQL has it.
pub(super) fn graphql(message: &str, code: Option<&str>) -> Response {
    reply::ok(&errors(message, code))
}

/// The body of an error in GraphQL.
pub(super) fn errors(message: &str, code: Option<&str>) -> Value {
    let mut error = json!({ "message": message });
    if let Some(code) = code {
        error["extensions"] = json!({ "code": code });
    }
    json!({ "errors": [error], "data": null })
}
