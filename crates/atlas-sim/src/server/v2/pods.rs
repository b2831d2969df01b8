//! `/v2/pods`: rent, read, stop, start, end.

use atlas_core::{ComputeId, ComputeStatus};
use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::super::app::{App, Timing, World};
use super::super::keys::Caller;
use super::super::pods::{self, PodView};
use super::super::reply::{self, Answer, HOST_FULL, Problem};
use super::super::shape::{self, Field, Shape, must};
use super::super::visit::Visit;
use super::order::{self, Draft, refused};
use super::paging::{Page, Pagination};
use crate::faults::{Fault, Operation, WireFault};
use crate::model::{Machine, Refusal};

#[derive(Serialize)]
struct Listing<'a> {
    pods: Vec<PodView<'a>>,
    pagination: Pagination,
}

pub(super) async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Response {
    let timing = app.timing();
    app.visit(&caller, Operation::List, None, |world, visit| {
        let page = Page::read("pods", query.as_deref())?;
        let short = visit.strikes.iter().filter(|strike| strike.fault == Fault::ListsShort).collect::<Vec<_>>();
        let left = world.cloud.list_before(&visit.account, page.before, visit.now);
        let shown = left.filter(|machine| short.iter().all(|strike| strike.compute.as_ref() != Some(&machine.id)));
        let views = shown.filter_map(|machine| view(world, machine, &timing, visit));
        let (mut pods, mut pagination) = page.cut("pods", views, |view| view.machine.serial);
        if short.iter().any(|strike| strike.compute.is_none()) {
            // The younger half, as if there were no more.
            let kept = pods.len() / 2;
            pods.drain(..pods.len() - kept);
            pagination = Pagination::last();
        }
        Ok(reply::ok(&Listing { pods, pagination }))
    })
    .await
}

pub(super) async fn create(State(app): State<App>, Extension(caller): Extension<Caller>, body: Bytes) -> Response {
    let (timing, disk_is_needed) = (app.timing(), app.setup().disk_is_needed);
    let draft = shape::read::<Draft>(&body, &order::CREATE);
    app.visit(&caller, Operation::Spawn, None, |world, visit| {
        let mut draft = draft?;
        if let Some(id) = draft.template_id.clone() {
            let template = world.shelf.templates.get(&visit.account, &id);
            let template = template.ok_or_else(|| Problem::not_found("template"))?;
            if template.serverless {
                let error = "$.templateId: a serverless template cannot be used for a pod".to_owned();
                return Err(Problem::unprocessable(vec![error]));
            }
            draft = draft.under(template)?;
        }
        let disk_is_needed = disk_is_needed && draft.template_id.is_none();
        let machine = order::rent(world, visit, draft, disk_is_needed)?;
        if visit.is_struck_by(&Fault::LeavesLeftover) {
            let detail = format!("create pod: pod {} was created but could not be read back", machine.id);
            return Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail));
        }
        let view = view(world, &machine, &timing, visit).ok_or_else(|| Problem::not_found("pod"))?;
        Ok(reply::json_as(StatusCode::CREATED, &view))
    })
    .await
}

pub(super) async fn get(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Response {
    let (timing, id) = (app.timing(), ComputeId::new(id));
    app.visit(&caller, Operation::Get, Some(&id), |world, visit| show(world, visit, &id, &timing)).await
}

pub(super) async fn delete(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Response {
    let id = ComputeId::new(id);
    app.visit(&caller, Operation::Terminate, Some(&id), |world, visit| terminate(world, visit, &id)).await
}

static ACTION: [Field; 1] = [must("action", Shape::Word(&["start", "stop", "restart", "terminate"]))];

#[derive(Deserialize)]
struct Action {
    action: String,
}

pub(super) async fn action(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let (timing, id) = (app.timing(), ComputeId::new(id));
    let action = shape::read::<Action>(&body, &ACTION);
    let operation = match action.as_ref().map(|action| action.action.as_str()) {
        Ok("start") => Operation::Start,
        Ok("terminate") => Operation::Terminate,
        Ok("restart") => Operation::Restart,
        Ok(_) => Operation::Stop,
        // What nobody understands does nothing, and is struck as a read is.
        Err(_) => Operation::Get,
    };
    app.visit(&caller, operation, Some(&id), |world, visit| {
        let action = action?.action;
        if action == "terminate" {
            return terminate(world, visit, &id);
        }
        act(world, visit, &id, &action, &timing)?;
        world.cloud.settle(visit.now);
        show(world, visit, &id, &timing)
    })
    .await
}

/// Ends a pod. One that is gone is not found, even while reads still show it.
pub(in crate::server) fn terminate(world: &mut World, visit: &Visit, id: &ComputeId) -> Answer {
    let machine = world.cloud.read(&visit.account, id, visit.now).map_err(refused)?;
    if machine.life.at(visit.now).is_ending() {
        return Err(Problem::not_found("pod"));
    }
    if !visit.is_struck_by(&Fault::Ignores) {
        world.cloud.delete(&visit.account, id, visit.landing, visit.now).map_err(refused)?;
    }
    Ok(reply::no_content())
}

/// Starts, stops or restarts a pod, where its status allows it.
pub(in crate::server) fn act(
    world: &mut World,
    visit: &Visit,
    id: &ComputeId,
    action: &str,
    timing: &Timing,
) -> Result<(), Problem> {
    let machine = world.cloud.read(&visit.account, id, visit.now).map_err(refused)?;
    if machine.life.at(visit.now).is_ending() {
        return Err(Problem::not_found("pod"));
    }
    let (serial, status) = (machine.serial, pods::status(machine, timing.provisioning, visit.now));
    if !pods::actions(status).contains(&action) {
        let detail = format!("action '{action}' is not valid while the pod is {status}");
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    if visit.is_struck_by(&Fault::Ignores) {
        return Ok(());
    }
    if action == "start" && world.pods.get(&serial).is_some_and(|pod| pod.host_full) {
        return Err(Problem::bad_request(HOST_FULL));
    }
    let (cloud, account) = (&mut world.cloud, &visit.account);
    if matches!(action, "stop" | "restart") {
        cloud.stop(account, id, visit.landing, visit.now).map_err(refused)?;
    }
    if matches!(action, "start" | "restart") {
        // It goes back to the same host or nowhere.
        cloud.start(account, id, visit.landing, visit.now).map_err(|refusal| match refusal {
            Refusal::NoCapacity(_) => Problem::bad_request(HOST_FULL),
            refusal => refused(refusal),
        })?;
    }
    if action == "start"
        && let Some(pod) = world.pods.get_mut(&serial)
    {
        let is_bare = visit.is_struck_by(&Fault::Wire(WireFault::StartsWithoutGpu));
        pod.bare_since = is_bare.then_some(visit.landing.at);
    }
    Ok(())
}

/// One pod, by its id.
pub(in crate::server) fn show(world: &World, visit: &Visit, id: &ComputeId, timing: &Timing) -> Answer {
    let machine = world.cloud.read(&visit.account, id, visit.now).map_err(refused)?;
    let view = view(world, machine, timing, visit).ok_or_else(|| Problem::not_found("pod"))?;
    Ok(reply::ok(&view))
}

/// A machine as this call shows it; none for one that is no pod.
pub(in crate::server) fn view<'a>(
    world: &'a World,
    machine: &'a Machine,
    timing: &'a Timing,
    visit: &'a Visit,
) -> Option<PodView<'a>> {
    let pod = world.pods.get(&machine.serial)?;
    Some(PodView { machine, pod, timing, now: visit.now, lie: lie(visit, &machine.id) })
}

/// The status that this call shows of a pod, whatever it is doing.
fn lie<'a>(visit: &'a Visit, id: &ComputeId) -> Option<&'a ComputeStatus> {
    visit.strikes.iter().find_map(|strike| match &strike.fault {
        Fault::LiesStatus(status) if strike.compute.as_ref().is_none_or(|about| about == id) => Some(status),
        _ => None,
    })
}
