//! The serverless runtime: `/rt/v2/{endpoint}/…`, where jobs are sent, waited for, streamed and cancelled.

mod job;
mod limits;
mod send;
mod webhook;

use atlas_core::{ComputeId, EndpointId, JobId};
use axum::Extension;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{Method, StatusCode};
use serde_json::json;
use std::time::Duration;

use super::app::{App, World};
use super::dialect::Dialect;
use super::keys::{Caller, bearer_or_bare};
use super::reply;
use super::visit::Visit;
use crate::faults::{Fault, Operation};
use crate::model::{JobPhase, Refusal};

pub(super) use job::word;
pub(super) use limits::Turnstile;
pub(super) use webhook::deliver;

/// How long a stream that has nothing to say is held, unless its reader says otherwise.
const STREAM_WAIT: Duration = Duration::from_secs(10);

pub(super) fn router(app: &App) -> Router {
    Router::new()
        .route("/rt/v2/{endpoint}/run", post(send::run))
        .route("/rt/v2/{endpoint}/runsync", post(send::runsync))
        .route("/rt/v2/{endpoint}/status/{job}", get(status).post(status))
        .route("/rt/v2/{endpoint}/stream/{job}", get(stream).post(stream))
        .route("/rt/v2/{endpoint}/cancel/{job}", post(cancel))
        .route("/rt/v2/{endpoint}/retry/{job}", post(retry))
        .route("/rt/v2/{endpoint}/purge-queue", post(purge))
        .route("/rt/v2/{endpoint}/health", get(health))
        .route("/rt/v2/{endpoint}/requests", get(requests))
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(app.clone(), gate))
        .with_state(app.clone())
}

/// The key, the endpoint, and how often.
async fn gate(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let mut response = match admit(&app, &request) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    };
    let id = app.with(|world, _| world.next_request());
    reply::set(response.headers_mut(), "x-request-id", &id);
    response
}

fn admit(app: &App, request: &Request) -> Result<Caller, Refused> {
    let mut words = request.uri().path().trim_start_matches("/rt/v2/").split('/');
    let (endpoint, operation) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let changes = request.method() != Method::GET && !matches!(operation, "status" | "stream");
    app.with(|world, now| {
        let key = bearer_or_bare(request.headers()).and_then(|key| world.keys.find(key).cloned());
        // Whether a key is unknown or may not do this is told alike.
        let caller = key.filter(|caller| caller.may_use(endpoint, changes));
        let caller = caller.ok_or_else(|| Refused(StatusCode::UNAUTHORIZED, String::new()))?;
        world
            .cloud
            .read_endpoint(&caller.account, &EndpointId::new(endpoint), now)
            .map_err(|_| not_found("endpoint"))?;
        if world.turnstile.passes(endpoint, operation, now) {
            Ok(caller)
        } else {
            Err(Refused(StatusCode::TOO_MANY_REQUESTS, "rate limit exceeded for this endpoint".to_owned()))
        }
    })
}

/// What the runtime refuses.
#[derive(Debug)]
struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self.0 {
            StatusCode::UNAUTHORIZED => Dialect::Runtime.unauthorized(),
            status => Dialect::Runtime.error(status, &self.1),
        }
    }
}

fn not_found(what: &str) -> Refused {
    Refused(StatusCode::NOT_FOUND, format!("{what} not found"))
}

/// What the model refuses, as the runtime says it.
fn refused(refusal: &Refusal) -> Refused {
    match refusal {
        Refusal::NotRetriable(_) => {
            Refused(StatusCode::BAD_REQUEST, "only a job that FAILED or TIMED_OUT can be retried".to_owned())
        }
        _ => not_found("job"),
    }
}

/// One call about one job, with the faults that strike it.
async fn visit(
    app: &App,
    caller: &Caller,
    operation: Operation,
    name: &str,
    act: impl FnOnce(&mut World, &Visit) -> Result<Response, Refused>,
) -> Response {
    let name = ComputeId::new(name);
    let act = |world: &mut World, visit: &Visit| act(world, visit).unwrap_or_else(IntoResponse::into_response);
    app.visit_in(Dialect::Runtime, &caller.account, operation, Some(&name), act).await
}

type OneJob = Path<(String, String)>;

async fn status(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((endpoint, id)): OneJob,
) -> Response {
    let (endpoint, job) = (EndpointId::new(endpoint), JobId::new(&id));
    visit(&app, &caller, Operation::GetJob, &id, |world, visit| {
        let job = world.cloud.read_job(&visit.account, &endpoint, &job, visit.now).map_err(|error| refused(&error))?;
        Ok(reply::ok(&job::shown(job, visit.now)))
    })
    .await
}

async fn stream(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((endpoint, id)): OneJob,
    RawQuery(query): RawQuery,
) -> Response {
    let (endpoint, job) = (EndpointId::new(endpoint), JobId::new(&id));
    let wait = send::wait_of(query.as_deref(), STREAM_WAIT);
    // Waits until there is something to say; only then the call is made, so that what it drains is not lost on the way.
    let ready = app.until(wait, |world, now| {
        let job = world.cloud.read_job(&caller.account, &endpoint, &job, now);
        job.map_or(true, |job| job.phase.is_over() || job.chunks_given(now) > job.drained())
    });
    ready.await;
    visit(&app, &caller, Operation::StreamJob, &id, |world, visit| {
        let read =
            world.cloud.drain_job(&visit.account, &endpoint, &job, visit.now).map_err(|error| refused(&error))?;
        let pieces: Vec<_> = read.chunks.into_iter().map(|(_, output)| json!({ "output": output })).collect();
        // RunPod's own Python package would wait for ever for a stream that is CANCELLED.
        let phase = if read.phase == JobPhase::Cancelled { JobPhase::Failed } else { read.phase };
        Ok(reply::ok(&json!({ "status": word(phase), "stream": pieces })))
    })
    .await
}

async fn cancel(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((endpoint, id)): OneJob,
) -> Response {
    let (endpoint, job) = (EndpointId::new(endpoint), JobId::new(&id));
    visit(&app, &caller, Operation::CancelJob, &id, |world, visit| {
        let (account, now) = (&visit.account, visit.now);
        let read = |world: &World| {
            world.cloud.read_job(account, &endpoint, &job, now).map(|job| job.phase).map_err(|error| refused(&error))
        };
        let mut phase = read(world)?;
        if !phase.is_over() && !visit.is_struck_by(&Fault::Ignores) {
            world.cloud.cancel_job(account, &endpoint, &job, visit.landing, now).map_err(|error| refused(&error))?;
            phase = read(world)?;
        }
        // What was sent and has not landed yet is told as done.
        let told = if phase.is_over() { phase } else { JobPhase::Cancelled };
        Ok(reply::ok(&json!({ "id": id, "status": word(told) })))
    })
    .await
}

async fn retry(State(app): State<App>, Extension(caller): Extension<Caller>, Path((endpoint, id)): OneJob) -> Response {
    let (endpoint, job) = (EndpointId::new(endpoint), JobId::new(&id));
    visit(&app, &caller, Operation::RetryJob, &id, |world, visit| {
        if visit.is_struck_by(&Fault::Ignores) {
            world.cloud.read_job(&visit.account, &endpoint, &job, visit.now).map_err(|error| refused(&error))?;
        } else {
            world.cloud.retry_job(&visit.account, &endpoint, &job, visit.now).map_err(|error| refused(&error))?;
        }
        Ok(reply::ok(&json!({ "id": id, "status": "IN_QUEUE" })))
    })
    .await
}

async fn purge(State(app): State<App>, Extension(caller): Extension<Caller>, Path(endpoint): Path<String>) -> Response {
    let id = EndpointId::new(&endpoint);
    visit(&app, &caller, Operation::PurgeQueue, &endpoint, |world, visit| {
        let (account, now) = (&visit.account, visit.now);
        let removed = if visit.is_struck_by(&Fault::Ignores) {
            world.cloud.health(account, &id, now).map(|health| usize::try_from(health.in_queue).unwrap_or(usize::MAX))
        } else {
            world.cloud.purge_queue(account, &id, now)
        };
        let removed = removed.map_err(|_| not_found("endpoint"))?;
        Ok(reply::ok(&json!({ "removed": removed, "status": "completed" })))
    })
    .await
}

async fn health(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(endpoint): Path<String>,
) -> Response {
    let id = EndpointId::new(&endpoint);
    visit(&app, &caller, Operation::EndpointHealth, &endpoint, |world, visit| {
        let health = world.cloud.health(&visit.account, &id, visit.now).map_err(|_| not_found("endpoint"))?;
        let ended = health.ended;
        Ok(reply::ok(&json!({
            "jobs": {
                "completed": ended.completed,
                "failed": ended.failed + ended.timed_out,
                "inProgress": health.in_progress,
                "inQueue": health.in_queue,
                "retried": ended.retried,
            },
            "workers": {
                "idle": health.idle,
                "initializing": health.initializing,
                "ready": health.idle,
                "running": health.running,
                "throttled": health.throttled,
                "unhealthy": health.unhealthy,
            },
        })))
    })
    .await
}

/// Its shape is documented nowhere: the jobs that are kept, newest first.
async fn requests(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(endpoint): Path<String>,
) -> Response {
    let id = EndpointId::new(&endpoint);
    app.with(|world, now| {
        let Ok(jobs) = world.cloud.list_jobs(&caller.account, &id, now) else {
            return not_found("endpoint").into_response();
        };
        let mut jobs: Vec<_> = jobs.map(|job| job::shown(job, now)).collect();
        jobs.reverse();
        reply::ok(&json!({ "requests": jobs }))
    })
}
