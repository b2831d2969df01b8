//! The guard as a service: it asks, and forwards or answers. It keeps nothing between requests.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use pin_project_lite::pin_project;

use super::Policy;
use super::admission::{Verdict, judge, without_signature};
use super::origins::{Grant, is_preflight, preflight};

/// A service behind a guard; made by [`GuardLayer`](super::GuardLayer).
#[derive(Debug, Clone)]
pub struct Guard<S> {
    inner: S,
    policy: Arc<Policy>,
}

impl<S> Guard<S> {
    pub(super) const fn new(inner: S, policy: Arc<Policy>) -> Self {
        Self { inner, policy }
    }
}

impl<S, RequestBody, ResponseBody> tower_service::Service<Request<RequestBody>> for Guard<S>
where
    S: tower_service::Service<Request<RequestBody>, Response = Response<ResponseBody>>,
    ResponseBody: From<&'static str>,
{
    type Response = Response<ResponseBody>;
    type Error = S::Error;
    type Future = GuardFuture<S::Future, ResponseBody>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let grant = self.policy.origins.grant(&parts.headers);
        if is_preflight(&parts) {
            return GuardFuture::answered(answer_preflight(&parts, &grant));
        }
        let verdict = judge(&self.policy, &parts);
        if let Verdict::Refused(status) = verdict {
            return GuardFuture::answered(refuse(status, &grant));
        }
        if !self.policy.forward_credentials {
            // An `Authorization` that did not admit is the service's own affair.
            if verdict == Verdict::ByBearer {
                parts.headers.remove(AUTHORIZATION);
            }
            parts.uri = without_signature(parts.uri);
        }
        GuardFuture::forwarded(self.inner.call(Request::from_parts(parts, body)), grant)
    }
}

fn answer_preflight<ResponseBody: From<&'static str>>(request: &Parts, grant: &Grant) -> Response<ResponseBody> {
    if !grant.is_allowed() {
        return refuse(StatusCode::FORBIDDEN, grant);
    }
    let mut response = Response::new(ResponseBody::from(""));
    *response.status_mut() = StatusCode::NO_CONTENT;
    *response.headers_mut() = preflight(&request.headers);
    grant.write(response.headers_mut());
    response
}

/// A refusal that tells nothing but its status.
fn refuse<ResponseBody: From<&'static str>>(status: StatusCode, grant: &Grant) -> Response<ResponseBody> {
    let body = if status == StatusCode::UNAUTHORIZED { "unauthorized" } else { "forbidden" };
    let mut response = Response::new(ResponseBody::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    grant.write(headers);
    response
}

pin_project! {
    /// The answer of a [`Guard`], or of the service behind it.
    pub struct GuardFuture<F, ResponseBody> {
        #[pin]
        state: State<F, ResponseBody>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, ResponseBody> {
        Forwarded { #[pin] future: F, grant: Grant },
        Answered { response: Option<Response<ResponseBody>> },
    }
}

impl<F, ResponseBody> GuardFuture<F, ResponseBody> {
    const fn forwarded(future: F, grant: Grant) -> Self {
        Self { state: State::Forwarded { future, grant } }
    }

    const fn answered(response: Response<ResponseBody>) -> Self {
        Self { state: State::Answered { response: Some(response) } }
    }
}

impl<F, ResponseBody, E> Future for GuardFuture<F, ResponseBody>
where
    F: Future<Output = Result<Response<ResponseBody>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Forwarded { future, grant } => {
                let mut response = ready!(future.poll(context))?;
                grant.write(response.headers_mut());
                Poll::Ready(Ok(response))
            }
            StateProjection::Answered { response } => {
                Poll::Ready(Ok(response.take().expect("a future is not polled again once it is ready")))
            }
        }
    }
}

impl<F, ResponseBody> fmt::Debug for GuardFuture<F, ResponseBody> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("GuardFuture").finish_non_exhaustive()
    }
}
