//! One try: marks that the cloud may act from here on, tells the trace what came of it, and turns an answer that is a
//! refusal into an error in the cloud's own terms.

use std::sync::Arc;

use async_trait::async_trait;
use atlas_auth::Clock;

use super::{Request, Response, Transport};
use crate::error::excerpt;
use crate::{Effect, Error, ErrorKind, Result};

/// Reads a refusal: what a cloud means by a status and a body. Pure.
///
/// It says by the error's effect whether the cloud provably did nothing: only then may a create be sent again.
pub type ErrorReader = fn(operation: &'static str, &Response) -> Error;

/// What a refusal means where a cloud says nothing of its own.
///
/// A 4xx did nothing, a 5xx may have. A 401 or 403 in HTML is that of somebody in between, not of the cloud's own door.
pub fn plain_error(_: &'static str, response: &Response) -> Error {
    let status = response.status.as_u16();
    let (kind, effect, message) = match status {
        _ if is_page(response) => {
            (ErrorKind::Provider, Effect::Unknown, "somebody before the cloud answered in its place")
        }
        400 | 413 | 422 => (ErrorKind::Validation, Effect::Rejected, "the cloud refused what was asked"),
        401 => (ErrorKind::Unauthorized, Effect::Rejected, "the cloud does not know this key"),
        402 => (ErrorKind::Quota, Effect::Rejected, "the account's balance is too low"),
        403 => (ErrorKind::Forbidden, Effect::Rejected, "this key may not do that"),
        404 | 410 => (ErrorKind::NotFound, Effect::Rejected, "the cloud knows no such thing"),
        409 => (ErrorKind::Conflict, Effect::Rejected, "what was asked contradicts what is"),
        429 => (ErrorKind::RateLimited, Effect::Rejected, "too many calls"),
        408 | 504 => (ErrorKind::Timeout, Effect::Unknown, "the cloud took too long"),
        500..=599 => (ErrorKind::Provider, Effect::Unknown, "the cloud reports a failure of its own"),
        _ => (ErrorKind::Unknown, Effect::Unknown, "the cloud answered something unexpected"),
    };
    Error::new(kind, message).with_effect(effect)
}

/// Whether an answer is a page for a person to read. No API answers so: it is that of somebody in between, even where it
/// says 200, and what was asked may never have arrived.
fn is_page(response: &Response) -> bool {
    response.header("content-type").is_some_and(|kind| kind.trim_start().starts_with("text/html"))
}

/// One try.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) inner: Arc<dyn Transport>,
    pub(crate) provider: crate::ProviderId,
    pub(crate) api: &'static str,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) read_error: ErrorReader,
}

#[async_trait]
impl Transport for Attempt {
    async fn send(&self, request: Request) -> Result<Response> {
        let (attempt, exposed) = (request.terms.attempt, request.terms.exposed.clone());
        let began = self.clock.monotonic();
        // Of a request only this is ever shown.
        let (operation, method, path) =
            (request.operation(), request.method().clone(), request.url().path().to_owned());
        exposed.set(true);
        let answer = match self.inner.send(request).await {
            Ok(response) if response.status.is_success() && !is_page(&response) => Ok(response),
            Ok(response) => Err(self.refusal(operation, &response)),
            Err(error) => Err(error),
        };
        if answer.as_ref().err().is_some_and(Error::is_safe_to_resend) {
            exposed.set(false);
        }
        let status = match &answer {
            Ok(response) => Some(response.status.as_u16()),
            Err(error) => error.status(),
        };
        tracing::debug!(
            target: "atlas::http",
            provider = self.provider.as_str(),
            api = self.api,
            operation,
            method = method.as_str(),
            path,
            status,
            attempt,
            elapsed_ms = millis(self.clock.monotonic().saturating_sub(began)),
            error = answer.as_ref().err().map(|error| error.kind().name()),
            "try"
        );
        answer
    }
}

impl Attempt {
    fn refusal(&self, operation: &'static str, response: &Response) -> Error {
        let mut error = (self.read_error)(operation, response);
        if error.status().is_none() {
            error = error.with_status(response.status.as_u16());
        }
        if error.retry_after().is_none()
            && let Some(wait) = response.header("retry-after").and_then(|text| wait(text, self.clock.now()))
        {
            error = error.with_retry_after(wait);
        }
        if error.request_id().is_none()
            && let Some(id) = ["x-request-id", "fly-request-id", "cf-ray"].iter().find_map(|name| response.header(name))
        {
            error = error.with_request_id(excerpt(id));
        }
        error
    }
}

/// `Retry-After`, in seconds or as a date.
fn wait(text: &str, now: atlas_auth::Timestamp) -> Option<std::time::Duration> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Some(std::time::Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    Some(atlas_auth::Timestamp::from_system(at).since(now))
}

pub(super) fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
