//! An endpoint's workers, their logs, and its releases.

use atlas_core::{ComputeId, EndpointId};
use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::super::app::App;
use super::super::keys::Caller;
use super::super::reply::{self, Answer, Problem};
use super::paging::{Page, Pagination};
use crate::faults::Operation;
use crate::model::{Hold, WorkerState};

pub(super) async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Response {
    app.visit(&caller, Operation::EndpointWorkers, Some(&ComputeId::new(&id)), |world, visit| {
        let now = visit.now;
        let (account, id, unknown) = (&visit.account, EndpointId::new(&id), |_| Problem::not_found("endpoint"));
        let endpoint = world.cloud.read_endpoint(account, &id, now).map_err(unknown)?;
        let health = world.cloud.health(account, &id, now).map_err(unknown)?;
        let held = endpoint.held(now);
        let workers = world.cloud.list_workers(account, &id, now).map_err(unknown)?;
        let workers: Vec<Value> = workers
            .map(|worker| {
                let status = match (worker.state, held) {
                    (WorkerState::Running(_), _) => "RUNNING",
                    (WorkerState::Initializing, _) => "INITIALIZING",
                    (WorkerState::Idle, None) => "IDLE",
                    (WorkerState::Idle, Some(Hold::Throttled)) => "THROTTLED",
                    (WorkerState::Idle, Some(Hold::Unhealthy)) => "UNHEALTHY",
                };
                json!({
                    "id": worker.id,
                    "status": status,
                    "isStale": worker.version < endpoint.version,
                    "version": worker.version,
                    "gpuCount": worker.gpu_count,
                    "image": endpoint.plan.image,
                    "uptimeSeconds": now.since(worker.started_at).as_secs(),
                    "gpuTypeId": (worker.gpu_count > 0).then_some(&worker.place.what),
                    "dataCenterId": worker.place.region,
                    "startedAt": worker.started_at.to_string(),
                })
            })
            .collect();
        let total = health.running + health.idle + health.initializing + health.throttled + health.unhealthy;
        Ok(reply::ok(&json!({
            "workers": workers,
            "summary": {
                "running": health.running,
                "idle": health.idle,
                "initializing": health.initializing,
                "throttled": health.throttled,
                "unhealthy": health.unhealthy,
                "total": total,
            },
            "endpointVersion": endpoint.version,
        })))
    })
    .await
}

/// The one release that there is: an endpoint's history is not kept.
pub(super) async fn releases(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    Page::read("releases", query.as_deref())?;
    app.with(|world, now| {
        let (account, id, unknown) = (&caller.account, EndpointId::new(&id), |_| Problem::not_found("endpoint"));
        let endpoint = world.cloud.read_endpoint(account, &id, now).map_err(unknown)?;
        let workers: Vec<_> = world.cloud.list_workers(account, &id, now).map_err(unknown)?.collect();
        let latest = workers.iter().filter(|worker| worker.version == endpoint.version).count();
        let percent = (latest * 100).checked_div(workers.len()).unwrap_or(100);
        Ok(reply::ok(&json!({
            "endpointVersion": endpoint.version,
            "rollout": {
                "inProgress": latest < workers.len(),
                "workersOnLatest": latest,
                "workersTotal": workers.len(),
                "percentOnLatest": percent,
            },
            "releases": [{
                "id": format!("{}-{}", endpoint.id, endpoint.version),
                "version": endpoint.version,
                "source": "MANUAL",
                "buildId": null,
                "createdByUserId": null,
                "workerCount": workers.len(),
                "createdAt": endpoint.created_at.to_string(),
                "diff": [],
            }],
            "pagination": Pagination::last(),
        })))
    })
}

/// A worker's log: the simulated ones have nothing to say but that they started.
pub(super) async fn logs(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((id, worker)): Path<(String, String)>,
) -> Answer {
    app.with(|world, now| {
        let id = EndpointId::new(&id);
        let workers = world.cloud.list_workers(&caller.account, &id, now);
        let mut workers = workers.map_err(|_| Problem::not_found("endpoint"))?;
        let worker = workers.find(|known| known.id.as_str() == worker).ok_or_else(|| Problem::not_found("worker"))?;
        let at = worker.started_at.to_string();
        let data = json!({ "ts": at, "source": "system", "line": "worker is started" });
        let event = format!("id: {at}/000000000000\ndata: {data}\n\n");
        Ok(reply::with_type(StatusCode::OK, "text/event-stream", Body::from(event)))
    })
}
