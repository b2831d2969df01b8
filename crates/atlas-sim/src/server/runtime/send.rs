//! Sending a job: `run`, which returns at once, and `runsync`, which waits a while.

use std::time::Duration;

use atlas_core::EndpointId;
use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::super::app::{App, World};
use super::super::keys::Caller;
use super::super::reply;
use super::super::visit::Visit;
use super::{Refused, job, not_found, refused};
use crate::faults::{Fault, Operation};
use crate::model::{Hold, Job, JobPlan};

/// The largest bodies.
const RUN_BYTES: usize = 10 * 1024 * 1024;
const RUNSYNC_BYTES: usize = 20 * 1024 * 1024;

/// How long `runsync` waits unless its sender says otherwise.
const SYNC_WAIT: Duration = Duration::from_secs(90);

/// The bounds of every wait, of an execution's time-out, and of a job's time to live.
const WAITS: (u64, u64) = (1_000, 300_000);
const EXECUTIONS: (u64, u64) = (5_000, 604_800_000);
const LIVES: (u64, u64) = (10_000, 604_800_000);

pub(super) async fn run(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(endpoint): Path<String>,
    body: Bytes,
) -> Response {
    let plan = match plan(&body, RUN_BYTES, false) {
        Ok(plan) => plan,
        Err(refusal) => return refusal.into_response(),
    };
    super::visit(&app, &caller, Operation::RunJob, &endpoint, |world, visit| {
        let job = take(world, visit, &EndpointId::new(&endpoint), plan)?;
        Ok(reply::ok(&json!({ "id": job.id, "status": "IN_QUEUE" })))
    })
    .await
}

pub(super) async fn runsync(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(endpoint): Path<String>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    let plan = match plan(&body, RUNSYNC_BYTES, true) {
        Ok(plan) => plan,
        Err(refusal) => return refusal.into_response(),
    };
    let (id, mut made) = (EndpointId::new(&endpoint), None);
    let answer = super::visit(&app, &caller, Operation::RunJob, &endpoint, |world, visit| {
        let job = take(world, visit, &id, plan)?;
        made = Some((visit.account.clone(), job.id.clone()));
        let mut answer = reply::ok(&job::shown(&job, visit.now));
        answer.extensions_mut().insert(Unspoilt);
        Ok(answer)
    })
    .await;
    // An answer that faults have spoilt is not waited for.
    let is_good = answer.extensions().get::<Unspoilt>().is_some();
    let Some((account, job)) = made.filter(|_| is_good) else { return answer };
    let mut shown = answer;
    app.until(wait_of(query.as_deref(), SYNC_WAIT), |world, now| {
        match world.cloud.read_job(&account, &id, &job, now) {
            Ok(job) => {
                shown = reply::ok(&job::shown(job, now));
                job.phase.is_over()
            }
            // It was forgotten, or never came to be: what was last seen of it is told.
            Err(_) => true,
        }
    })
    .await;
    shown
}

/// Mark of an answer that no fault has taken away.
#[derive(Debug, Clone, Copy)]
struct Unspoilt;

/// How long somebody wants to wait.
pub(super) fn wait_of(query: Option<&str>, usual: Duration) -> Duration {
    let mut pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let asked = pairs.find(|(name, _)| name == "wait").and_then(|(_, wait)| wait.parse::<u64>().ok());
    asked.map_or(usual, |wait| Duration::from_millis(wait.clamp(WAITS.0, WAITS.1)))
}

/// What is asked for.
fn plan(body: &Bytes, most: usize, is_sync: bool) -> Result<JobPlan, Refused> {
    let refused = |status, text: &str| Refused(status, text.to_owned());
    let wrong = |text: &str| refused(StatusCode::BAD_REQUEST, text);
    if body.len() > most {
        return Err(refused(StatusCode::PAYLOAD_TOO_LARGE, "request body is too large"));
    }
    let body: Value = serde_json::from_slice(body).map_err(|_| wrong("request body is not valid JSON"))?;
    let input = body.get("input").ok_or_else(|| wrong("input is missing"))?;
    let policy = |name: &str, (least, most): (u64, u64)| match body.get("policy").and_then(|policy| policy.get(name)) {
        None | Some(Value::Null) => Ok::<_, Refused>(None),
        Some(value) => {
            let millis = value.as_u64().filter(|millis| (least..=most).contains(millis));
            let millis = millis.ok_or_else(|| wrong(&format!("policy.{name} must be from {least} to {most}")))?;
            Ok(Some(Duration::from_millis(millis)))
        }
    };
    let mut plan = JobPlan::new(input.clone());
    plan.is_sync = is_sync;
    plan.webhook = body.get("webhook").and_then(Value::as_str).map(Into::into);
    plan.execution_timeout = policy("executionTimeout", EXECUTIONS)?;
    plan.ttl = policy("ttl", LIVES)?.unwrap_or(plan.ttl);
    plan.low_priority = body.pointer("/policy/lowPriority").and_then(Value::as_bool).unwrap_or(false);
    // RunPod's worker takes an empty input for none, and dies of it every time.
    if input.as_object().is_some_and(serde_json::Map::is_empty) || input.is_null() {
        plan.crashes = u32::MAX;
    }
    Ok(plan)
}

/// Takes a job, with the faults that strike the call.
fn take(world: &mut World, visit: &Visit, endpoint: &EndpointId, mut plan: JobPlan) -> Result<Job, Refused> {
    let (account, now) = (&visit.account, visit.now);
    for fault in visit.faults() {
        let (hold, span) = match fault {
            Fault::WorkersThrottled(span) => (Hold::Throttled, *span),
            Fault::WorkersUnhealthy(span) => (Hold::Unhealthy, *span),
            Fault::WorkerCrashes => {
                plan.crashes = plan.crashes.saturating_add(1);
                continue;
            }
            _ => continue,
        };
        let held = world.cloud.hold_workers(account, endpoint, hold, now.plus(span), now);
        held.map_err(|_| not_found("endpoint"))?;
    }
    if visit.is_struck_by(&Fault::Ignores) {
        let of = world.cloud.read_endpoint(account, endpoint, now).map_err(|_| not_found("endpoint"))?.serial;
        return Ok(world.cloud.draft_job(of, endpoint, plan, now));
    }
    world.cloud.run_job(account, endpoint, plan, visit.landing, now).map_err(|error| refused(&error))
}
