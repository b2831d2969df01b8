//! Being told by RunPod that a job is over.
//!
//! RunPod signs nothing and may tell twice, so what it tells is only a hint. Invariants: a call without the secret of its
//! address is refused before its body is read; nothing of a body is believed but the job's id, and the job is then read from
//! RunPod; each end of a job is handed on once, as far back as is remembered; memory is bounded.

use std::collections::{HashSet, VecDeque};
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use atlas_auth::{Secret, TokenHash};
use atlas_core::{CallContext, EndpointId, Error, Job, JobId, Provider, Result};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;
use tokio::sync::Semaphore;
use url::Url;

use crate::RunPod;

/// The parameters of the address that RunPod is given.
const ENDPOINT: &str = "endpoint";
const SECRET: &str = "secret";

/// What a body may hold at the most, in bytes: RunPod sends the whole job, input and output included.
const LONGEST: usize = 32 * 1024 * 1024;

/// So many bodies are read at a time; others wait.
const AT_ONCE: usize = 4;

/// So many ends of jobs are remembered.
const REMEMBERED: usize = 4096;

/// Takes what RunPod tells, as a tower service: put it behind any path of an HTTP server.
///
/// Give what [`webhook_url`] makes to a job's `webhook`. For each job that is over, once, `handle` gets the job as RunPod describes
/// it to this account. Where it fails, RunPod is told to try again, which it does twice, ten seconds apart.
///
/// | answer | when |
/// |---|---|
/// | 200 | it was handed on, now or before |
/// | 403 | the secret is missing or wrong |
/// | 404 | RunPod knows no such job, or no longer: forged, or far too late |
/// | 400, 405, 413 | no webhook |
/// | 503 | the job cannot be read, is not over, is being handed on right now, or `handle` failed: try again |
pub struct Webhooks<H> {
    shared: Arc<Shared<H>>,
}

struct Shared<H> {
    account: RunPod,
    secret: TokenHash,
    handle: H,
    seen: Mutex<Seen>,
    reading: Semaphore,
}

impl<H> Webhooks<H> {
    /// A receiver for jobs of this account. `secret` stands in the address that RunPod is given; take a long random text.
    pub fn new<F>(account: &RunPod, secret: &Secret, handle: H) -> Self
    where
        H: Fn(Job) -> F + Send + Sync + 'static,
        F: Future<Output = Result<()>> + Send + 'static,
    {
        Self {
            shared: Arc::new(Shared {
                account: account.clone(),
                secret: TokenHash::of(secret.expose()),
                handle,
                seen: Mutex::default(),
                reading: Semaphore::new(AT_ONCE),
            }),
        }
    }
}

/// The address to give to a job of `endpoint` as its webhook: `base`, where the service is reached from outside, with the
/// endpoint and the secret. It is a secret itself.
pub fn webhook_url(base: &str, endpoint: &EndpointId, secret: &Secret) -> Result<Secret> {
    let url = Url::parse(base).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(mut url) = url else { return Err(Error::validation("the webhook's base is no http or https address")) };
    url.query_pairs_mut().append_pair(ENDPOINT, endpoint.as_str()).append_pair(SECRET, secret.expose());
    Ok(Secret::new(url))
}

impl<H> Clone for Webhooks<H> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<H> fmt::Debug for Webhooks<H> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Webhooks").field("account", self.shared.account.id()).finish_non_exhaustive()
    }
}

impl<H, F, B> tower_service::Service<Request<B>> for Webhooks<H>
where
    H: Fn(Job) -> F + Send + Sync + 'static,
    F: Future<Output = Result<()>> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<String>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let status = shared.take(request).await;
            let mut response = Response::new(String::new());
            *response.status_mut() = status;
            Ok(response)
        })
    }
}

/// What of a body is looked at.
#[derive(Deserialize)]
struct Told {
    id: String,
}

impl<H, F> Shared<H>
where
    H: Fn(Job) -> F + Send + Sync + 'static,
    F: Future<Output = Result<()>> + Send + 'static,
{
    async fn take<B>(&self, request: Request<B>) -> StatusCode
    where
        B: Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (endpoint, secret) = parameters(request.uri().query().unwrap_or_default());
        if !self.secret.matches(&secret.unwrap_or_default()) {
            return StatusCode::FORBIDDEN;
        }
        if *request.method() != Method::POST {
            return StatusCode::METHOD_NOT_ALLOWED;
        }
        let Some(endpoint) = endpoint else { return StatusCode::BAD_REQUEST };
        match self.read(request.into_body()).await {
            Ok(job) => self.verify(&EndpointId::new(endpoint), &job).await,
            Err(status) => status,
        }
    }

    async fn read<B>(&self, body: B) -> Result<JobId, StatusCode>
    where
        B: Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let _turn = self.reading.acquire().await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
        let body = Limited::new(body, LONGEST).collect().await.map_err(|error| {
            let too_long = error.is::<http_body_util::LengthLimitError>();
            if too_long { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::BAD_REQUEST }
        })?;
        let body: Bytes = body.to_bytes();
        let told: Told = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
        Ok(JobId::new(told.id))
    }

    /// Reads the job from RunPod, and hands it on if it is over and was not handed on before.
    async fn verify(&self, endpoint: &EndpointId, id: &JobId) -> StatusCode {
        let job = match self.account.get_job(&CallContext::new(), endpoint, id).await {
            Ok(job) if job.status.is_over() => job,
            Err(error) if error.is_not_found() => return StatusCode::NOT_FOUND,
            Err(error) if error.kind() == atlas_core::ErrorKind::Validation => return StatusCode::BAD_REQUEST,
            Ok(_) | Err(_) => return StatusCode::SERVICE_UNAVAILABLE,
        };
        // One that was tried again ends twice under its id, and both ends are news.
        let end = format!("{endpoint}/{id}/{}/{:?}", job.status, job.execution_ms);
        let turn = match self.begin(end) {
            Begun::New(turn) => turn,
            Begun::Under => return StatusCode::SERVICE_UNAVAILABLE,
            Begun::Before => return StatusCode::OK,
        };
        match (self.handle)(job).await {
            Ok(()) => {
                turn.done();
                StatusCode::OK
            }
            Err(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn begin(&self, end: String) -> Begun<'_> {
        let mut seen = lock(&self.seen);
        if seen.done.contains(&end) {
            Begun::Before
        } else if seen.under_way.insert(end.clone()) {
            Begun::New(Turn { seen: &self.seen, end })
        } else {
            Begun::Under
        }
    }
}

/// The ends of jobs that are being handed on, and those that were.
#[derive(Debug, Default)]
struct Seen {
    under_way: HashSet<String>,
    done: HashSet<String>,
    order: VecDeque<String>,
}

enum Begun<'a> {
    New(Turn<'a>),
    Under,
    Before,
}

/// An end that is being handed on; whoever drops it lets RunPod's next attempt try.
struct Turn<'a> {
    seen: &'a Mutex<Seen>,
    end: String,
}

impl Turn<'_> {
    fn done(&self) {
        let mut seen = lock(self.seen);
        seen.done.insert(self.end.clone());
        seen.order.push_back(self.end.clone());
        if seen.order.len() > REMEMBERED
            && let Some(oldest) = seen.order.pop_front()
        {
            seen.done.remove(&oldest);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(self.seen).under_way.remove(&self.end);
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Endpoint and secret of a query.
fn parameters(query: &str) -> (Option<String>, Option<String>) {
    let find = |wanted: &str| {
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == wanted)
            .map(|(_, text)| text.into_owned())
    };
    (find(ENDPOINT), find(SECRET))
}

#[cfg(test)]
mod tests;
