//! `/v2/serverless`: endpoints. What they are is kept as it was asked for; how many workers there are is the model's.

use atlas_core::{ComputeId, EndpointId};
use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::super::app::{App, World};
use super::super::keys::Caller;
use super::super::reply::{self, Problem};
use super::super::shape::{self, Field, Shape, at_least, many, may, must};
use super::super::visit::Visit;
use super::endpoint_config::{Config, plan};
use super::order::{CPU, refused};
use super::paging::Page;
use crate::faults::{Fault, Operation};
use crate::model::{Endpoint, EndpointPlan, Refusal};

const VERSION: Shape = Shape::Version { clears: true };
static GPU: [Field; 5] = [
    may("pools", Shape::List(&Shape::Text(0), 1, usize::MAX)),
    may("excludedTypes", many(&Shape::Text(1))),
    may("count", at_least(1)),
    may("allowedCudaVersions", many(&VERSION)),
    may("minCudaVersion", VERSION),
];
const ONE_CPU: Shape = Shape::Object(&CPU);
static WORKERS: [Field; 3] =
    [may("min", at_least(0)), may("max", at_least(0)), may("idleTimeout", Shape::Integer(1, 3600))];
static SCALING: [Field; 3] = [
    must("type", Shape::Word(&["QUEUE_DELAY", "REQUEST_COUNT"])),
    may("queueDelay", Shape::Number(0.5)),
    may("requestCount", at_least(1)),
];

const fn fields(name: Field, scaling: Field, kind: Field) -> [Field; 19] {
    [
        name,
        scaling,
        kind,
        may("args", Shape::Text(0)),
        may("disk", at_least(1)),
        may("env", Shape::Texts),
        may("image", Shape::Text(0)),
        may("ports", many(&Shape::Text(0))),
        may("cmd", many(&Shape::Text(0))),
        may("entrypoint", many(&Shape::Text(0))),
        may("registry", Shape::TextOrNull),
        may("gpu", Shape::Object(&GPU)),
        may("cpu", Shape::List(&ONE_CPU, 1, usize::MAX)),
        may("dataCenterIds", many(&Shape::Text(0))),
        may("flashboot", Shape::Word(&["OFF", "FLASHBOOT", "PRIORITY_FLASHBOOT"])),
        may("networkVolumes", many(&Shape::Text(0))),
        may("templateId", Shape::Text(0)),
        may("timeout", Shape::Integer(0, i64::MAX)),
        may("workers", Shape::Object(&WORKERS)),
    ]
}

static CREATE: [Field; 19] = fields(
    must("name", Shape::Text(1)),
    must("scaling", Shape::Object(&SCALING)),
    must("type", Shape::Word(&["QUEUE", "LOAD_BALANCER"])),
);
static PATCH: [Field; 19] =
    fields(may("name", Shape::Text(1)), may("scaling", Shape::Object(&SCALING)), may("type", Shape::Anything));

/// Takes over what a template says and the body does not.
fn merge_template(world: &World, account: &str, body: &mut Map<String, Value>) -> Result<(), Problem> {
    let id = body.get("templateId").and_then(Value::as_str).filter(|id| !id.is_empty());
    let Some(id) = id.map(str::to_owned) else { return Ok(()) };
    let template = world.shelf.templates.get(account, &id).ok_or_else(|| Problem::not_found("template"))?;
    let mut env = serde_json::to_value(&template.env).unwrap_or_default();
    if let (Some(env), Some(Value::Object(over))) = (env.as_object_mut(), body.get("env")) {
        env.extend(over.clone());
    }
    body.insert("env".to_owned(), env);
    let image = Value::from(template.image.as_str());
    body.entry("image").or_insert(image);
    body.entry("disk").or_insert(template.disk.into());
    body.entry("ports").or_insert(template.ports.clone().into());
    body.entry("registry").or_insert(template.registry.clone().into());
    let has_command = ["args", "cmd", "entrypoint"].iter().any(|name| body.contains_key(*name));
    if !has_command && !template.command.args.is_empty() {
        body.insert("args".to_owned(), template.command.args.as_str().into());
    }
    Ok(())
}

fn read_config(body: Map<String, Value>) -> Result<Config, Problem> {
    serde_json::from_value(Value::Object(body)).map_err(|error| Problem::unprocessable(vec![format!("$: {error}")]))
}

/// An endpoint as a read shows it.
fn shown(app: &App, endpoint: &Endpoint) -> Value {
    let mut shown = endpoint.plan.notes.clone();
    let base = format!("{}/rt/v2/{}", app.addresses().origin, endpoint.id);
    shown["id"] = endpoint.id.as_str().into();
    shown["createdAt"] = endpoint.created_at.to_string().into();
    shown["requestUrls"] = if shown["type"] == "LOAD_BALANCER" {
        json!({ "base": base, "health": format!("{base}/ping") })
    } else {
        let of = |operation: &str| format!("{base}/{operation}");
        json!({
            "run": of("run"),
            "runSync": of("runsync"),
            "status": of("status/{job_id}"),
            "stream": of("stream/{job_id}"),
            "cancel": of("cancel/{job_id}"),
            "retry": of("retry/{job_id}"),
            "purgeQueue": of("purge-queue"),
            "health": of("health"),
        })
    };
    if let Some(shown) = shown.as_object_mut() {
        shown.remove("templateId");
    }
    shown
}

fn not_found(refusal: Refusal) -> Problem {
    if refusal == Refusal::NotFound { Problem::not_found("endpoint") } else { refused(refusal) }
}

pub(super) async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Response {
    let addresses = app.clone();
    app.visit(&caller, Operation::ListEndpoints, None, |world, visit| {
        let page = Page::read("serverless", query.as_deref())?;
        let mut all: Vec<_> = world.cloud.list_endpoints(&visit.account, visit.now).collect();
        all.reverse();
        let left = all.into_iter().filter(|endpoint| page.before.is_none_or(|before| endpoint.serial < before));
        let (endpoints, pagination) = page.cut("serverless", left, |endpoint| endpoint.serial);
        let endpoints: Vec<_> = endpoints.into_iter().map(|endpoint| shown(&addresses, endpoint)).collect();
        Ok(reply::ok(&json!({ "endpoints": endpoints, "pagination": pagination })))
    })
    .await
}

pub(super) async fn create(State(app): State<App>, Extension(caller): Extension<Caller>, body: Bytes) -> Response {
    let (body, addresses) = (shape::read(&body, &CREATE), app.clone());
    app.visit(&caller, Operation::CreateEndpoint, None, |world, visit| {
        let endpoint = make(world, visit, body?)?;
        Ok(reply::json_as(StatusCode::CREATED, &shown(&addresses, &endpoint)))
    })
    .await
}

fn make(world: &mut World, visit: &Visit, mut body: Map<String, Value>) -> Result<Endpoint, Problem> {
    if body.get("gpu").is_some_and(|gpu| gpu.get("pools").is_none()) {
        return Err(Problem::unprocessable(vec!["$.gpu: missing property 'pools'".to_owned()]));
    }
    merge_template(world, &visit.account, &mut body)?;
    let mut config = read_config(body)?;
    for fault in visit.faults() {
        match fault {
            Fault::CutsName(limit) => config.name = config.name.chars().take(*limit).collect(),
            Fault::AltersName => config.name = config.name.replace('-', "_"),
            _ => {}
        }
    }
    let (_, plan) = plan(config, &visit.account)?;
    if visit.is_struck_by(&Fault::Duplicates) {
        world.cloud.create_endpoint(plan.clone(), visit.now).map_err(refused)?;
    }
    let endpoint = world.cloud.create_endpoint(plan, visit.now).map_err(refused)?;
    if visit.is_struck_by(&Fault::Ignores) {
        world.cloud.delete_endpoint(&visit.account, &endpoint.id, visit.now).map_err(refused)?;
    }
    if visit.is_struck_by(&Fault::LeavesLeftover) {
        let detail = format!("endpoint {} was created but could not be read back", endpoint.id);
        return Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail));
    }
    Ok(endpoint)
}

/// A new endpoint for those who do not speak REST, by the same rules.
pub(in crate::server) fn make_endpoint(world: &mut World, visit: &Visit, body: &Value) -> Result<Endpoint, Problem> {
    make(world, visit, shape::read(&body.to_string().into(), &CREATE)?)
}

pub(super) async fn get(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Response {
    let addresses = app.clone();
    app.visit(&caller, Operation::GetEndpoint, Some(&ComputeId::new(&id)), |world, visit| {
        let id = EndpointId::new(&id);
        let endpoint = world.cloud.read_endpoint(&visit.account, &id, visit.now).map_err(not_found)?;
        Ok(reply::ok(&shown(&addresses, endpoint)))
    })
    .await
}

pub(super) async fn patch(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let (body, addresses) = (shape::read(&body, &PATCH), app.clone());
    app.visit(&caller, Operation::UpdateEndpoint, Some(&ComputeId::new(&id)), |world, visit| {
        let endpoint = change(world, visit, &EndpointId::new(&id), body?)?;
        Ok(reply::ok(&shown(&addresses, &endpoint)))
    })
    .await
}

fn change(world: &mut World, visit: &Visit, id: &EndpointId, change: Map<String, Value>) -> Result<Endpoint, Problem> {
    let plan = changed(world, visit, id, change)?;
    if !visit.is_struck_by(&Fault::Ignores) {
        world.cloud.change_endpoint(&visit.account, id, visit.now, |old| *old = plan).map_err(not_found)?;
    }
    world.cloud.read_endpoint(&visit.account, id, visit.now).cloned().map_err(not_found)
}

/// The same for those who do not speak REST.
pub(in crate::server) fn change_endpoint(
    world: &mut World,
    visit: &Visit,
    id: &EndpointId,
    body: &Value,
) -> Result<Endpoint, Problem> {
    change(world, visit, id, shape::read(&body.to_string().into(), &PATCH)?)
}

/// What an endpoint would be after a change.
fn changed(
    world: &World,
    visit: &Visit,
    id: &EndpointId,
    mut change: Map<String, Value>,
) -> Result<EndpointPlan, Problem> {
    // What an endpoint is does not change: to name its type is one field too many.
    if change.contains_key("type") {
        return Err(Problem::unprocessable(vec!["$: additional properties 'type' not allowed".to_owned()]));
    }
    merge_template(world, &visit.account, &mut change)?;
    let before = world.cloud.read_endpoint(&visit.account, id, visit.now).map_err(not_found)?.plan.notes.clone();
    let mut whole = before.as_object().cloned().unwrap_or_default();
    for family in ["gpu", "cpu"] {
        if change.contains_key(family) && !whole.contains_key(family) {
            return Err(Problem::bad_request("the compute family of an endpoint cannot be changed"));
        }
    }
    if ["args", "cmd", "entrypoint"].iter().any(|name| change.contains_key(*name)) {
        for name in ["args", "cmd", "entrypoint"] {
            whole.remove(name);
        }
    }
    for (name, value) in change {
        match (whole.get_mut(&name), value) {
            // Pools named anew clear the exclusions; what else is nested is merged.
            (Some(Value::Object(gpu)), Value::Object(new)) if name == "gpu" => {
                if new.contains_key("pools") {
                    gpu.remove("excludedTypes");
                }
                gpu.extend(new);
            }
            (Some(Value::Object(old)), Value::Object(new)) if name == "workers" => old.extend(new),
            (_, value) => drop(whole.insert(name, value)),
        }
    }
    plan(read_config(whole)?, &visit.account).map(|(_, plan)| plan)
}

pub(super) async fn delete(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Response {
    app.visit(&caller, Operation::EndEndpoint, Some(&ComputeId::new(&id)), |world, visit| {
        let id = EndpointId::new(&id);
        let endpoint = world.cloud.read_endpoint(&visit.account, &id, visit.now).map_err(not_found)?;
        let template = endpoint.plan.notes["templateId"].as_str().map(str::to_owned);
        if !visit.is_struck_by(&Fault::Ignores) {
            world.cloud.delete_endpoint(&visit.account, &id, visit.now).map_err(not_found)?;
            // The template that it stood on goes with it.
            template.and_then(|template| world.shelf.templates.remove(&visit.account, &template));
        }
        Ok(reply::no_content())
    })
    .await
}

/// The endpoint that is there from the beginning: `seconds` in a job's input is how long it takes.
pub(in crate::server) fn standing() -> EndpointPlan {
    let config = json!({
        "name": "simulated",
        "image": "simulated/worker:1",
        "type": "QUEUE",
        "gpu": { "pools": ["ADA_24"], "count": 1 },
        "workers": { "min": 0, "max": 5, "idleTimeout": 5 },
        "scaling": { "type": "QUEUE_DELAY", "queueDelay": 1 },
        "timeout": 600_000,
    });
    let config = serde_json::from_value(config).expect("this configuration is whole");
    plan(config, super::super::app::MAIN).map(|(_, plan)| plan).expect("this configuration fits")
}
