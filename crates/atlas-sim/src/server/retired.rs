//! REST v1, which is past its retirement: whatever is asked, it is gone.

use axum::Router;
use axum::response::Response;
use axum::routing::any;
use http::StatusCode;
use serde_json::json;

use super::reply;

/// When it was retired, as its answers say.
const SUNSET: &str = "Sun, 15 Nov 2026 00:00:00 GMT";

pub(super) fn router() -> Router {
    Router::new().route("/v1", any(gone)).route("/v1/{*rest}", any(gone))
}

async fn gone() -> Response {
    let text = "The REST API v1 has been retired. Use https://api.runpod.io/v2 instead.";
    let mut response = reply::json_as(StatusCode::GONE, &json!({ "error": text, "status": 410 }));
    reply::set(response.headers_mut(), "sunset", SUNSET);
    response
}
