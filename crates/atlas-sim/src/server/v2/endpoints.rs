//! `/v2/serverless`: endpoints. What they are is kept as it was asked for; how many workers there are is the model's.

use std::collections::BTreeMap;
use std::time::Duration;

use atlas_core::{ComputeId, EndpointId, VolumeId};
use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::app::{App, World};
use super::super::catalog;
use super::super::keys::Caller;
use super::super::pods::Command;
use super::super::reply::{self, Problem};
use super::super::shape::{self, Field, Shape, at_least, many, may, must};
use super::super::visit::Visit;
use super::order::{CPU, refused};
use super::paging::Page;
use crate::faults::{Fault, Operation};
use crate::model::{Endpoint, EndpointPlan, Refusal, Scaling};

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

/// What was asked for, as it is shown: everything but id, times and addresses.
#[derive(Debug, Clone, Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    name: String,
    #[serde(default)]
    image: String,
    #[serde(flatten)]
    command: Command,
    #[serde(default = "disk")]
    disk: u32,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    ports: Vec<String>,
    #[serde(default)]
    registry: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gpu: Option<Gpu>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cpu: Option<Vec<Cpu>>,
    #[serde(default)]
    workers: Workers,
    scaling: Value,
    #[serde(default)]
    data_center_ids: Vec<String>,
    #[serde(default)]
    network_volumes: Vec<String>,
    // Its description says 300000; what was seen is 0.
    #[serde(default)]
    timeout: u64,
    #[serde(default = "off")]
    flashboot: String,
    #[serde(default, skip_serializing)]
    template_id: Option<String>,
}

#[derive(Debug, Clone, Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Gpu {
    #[serde(default)]
    pools: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    excluded_types: Vec<String>,
    #[serde(default = "one")]
    count: u32,
    #[serde(default)]
    allowed_cuda_versions: Vec<String>,
    #[serde(default)]
    min_cuda_version: Option<String>,
}

#[derive(Debug, Clone, Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Cpu {
    id: String,
    vcpu_count: u32,
    #[serde(default)]
    memory: u32,
}

#[derive(Debug, Clone, Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase", default)]
struct Workers {
    min: u32,
    max: u32,
    idle_timeout: u64,
}

impl Default for Workers {
    fn default() -> Self {
        Self { min: 0, max: 3, idle_timeout: 10 }
    }
}

const fn disk() -> u32 {
    20
}

const fn one() -> u32 {
    1
}

fn off() -> String {
    "OFF".to_owned()
}

/// What the model shall make of it; all the judgement there is.
fn plan(mut config: Config, account: &str) -> Result<(Config, EndpointPlan), Problem> {
    let wrong = |text: String| Err(Problem::bad_request(text));
    let unprocessable = |text: &str| Err(Problem::unprocessable(vec![text.to_owned()]));
    if config.image.is_empty() {
        return wrong("image is required unless templateId is set".to_owned());
    }
    for id in &config.data_center_ids {
        if catalog::data_center(id).is_none() {
            return wrong(format!("data center '{id}' not found"));
        }
    }
    let scaling = match (config.scaling["type"].as_str(), &config.scaling) {
        (Some("QUEUE_DELAY"), _) if config.kind == "LOAD_BALANCER" => {
            return unprocessable("$.scaling: a LOAD_BALANCER endpoint must use REQUEST_COUNT");
        }
        (Some("QUEUE_DELAY"), scaling) => match scaling["queueDelay"].as_f64().map(Duration::try_from_secs_f64) {
            Some(Ok(delay)) if scaling.get("requestCount").is_none() => Scaling::QueueDelay(delay),
            _ => return unprocessable("$.scaling: QUEUE_DELAY needs queueDelay, and nothing else"),
        },
        (_, scaling) => match scaling["requestCount"].as_u64().map(u32::try_from) {
            Some(Ok(count)) if scaling.get("queueDelay").is_none() => Scaling::RequestCount(count),
            _ => return unprocessable("$.scaling: REQUEST_COUNT needs requestCount, and nothing else"),
        },
    };
    let mut plan = EndpointPlan {
        name: config.name.clone(),
        account: account.to_owned(),
        regions: config.data_center_ids.clone(),
        volumes: config.network_volumes.iter().map(VolumeId::new).collect(),
        workers_min: config.workers.min,
        workers_max: config.workers.max,
        idle_timeout: Duration::from_secs(config.workers.idle_timeout),
        scaling,
        image: Some(config.image.clone()),
        env: config.env.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect(),
        ..EndpointPlan::default()
    };
    if config.timeout > 0 {
        plan.execution_timeout = Some(Duration::from_millis(config.timeout));
    }
    match (&config.gpu, &mut config.cpu) {
        (Some(gpu), None) => {
            for pool in &gpu.pools {
                let in_pool = catalog::gpus().iter().filter(|gpu| gpu.pool == Some(pool.as_str()));
                let mut ids: Vec<_> = in_pool.map(|gpu| gpu.id.to_owned()).collect();
                if ids.is_empty() {
                    return wrong(format!("gpu pool '{pool}' not found"));
                }
                ids.retain(|id| !gpu.excluded_types.contains(id));
                plan.gpus.extend(ids);
            }
            if plan.gpus.is_empty() {
                return wrong("gpu.pools must leave at least one gpu type".to_owned());
            }
            plan.gpu_count = gpu.count;
        }
        (None, Some(cpus)) => {
            for cpu in cpus.iter_mut() {
                let Some(flavour) = catalog::flavour(&cpu.id) else {
                    return wrong(format!("cpu flavor '{}' not found", cpu.id));
                };
                cpu.memory = cpu.vcpu_count.saturating_mul(flavour.ram_per_vcpu);
                plan.cpu_flavors.push(cpu.id.clone());
                plan.cpus = Some(cpu.vcpu_count);
            }
        }
        _ => return wrong("exactly one of gpu or cpu must be set".to_owned()),
    }
    let command = std::mem::take(&mut config.command);
    let args = Some(command.args).filter(|args| !args.is_empty());
    config.command = Command::unite(args, command.cmd, command.entrypoint).map_err(Problem::bad_request)?;
    plan.notes = serde_json::to_value(&config).unwrap_or_default();
    plan.notes["templateId"] = config.template_id.clone().into();
    Ok((config, plan))
}

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
    let body = shape::read::<Map<String, Value>>(&body, &CREATE);
    let addresses = app.clone();
    app.visit(&caller, Operation::CreateEndpoint, None, |world, visit| {
        let endpoint = make(world, visit, body?)?;
        if visit.is_struck_by(&Fault::LeavesLeftover) {
            let detail = format!("endpoint {} was created but could not be read back", endpoint.id);
            return Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail));
        }
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
    Ok(endpoint)
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
    let change = shape::read::<Map<String, Value>>(&body, &PATCH);
    let addresses = app.clone();
    app.visit(&caller, Operation::UpdateEndpoint, Some(&ComputeId::new(&id)), |world, visit| {
        let (account, id, now) = (&visit.account, EndpointId::new(&id), visit.now);
        let plan = changed(world, visit, &id, change?)?;
        if !visit.is_struck_by(&Fault::Ignores) {
            world.cloud.change_endpoint(account, &id, now, |old| *old = plan).map_err(not_found)?;
        }
        let endpoint = world.cloud.read_endpoint(account, &id, now).map_err(not_found)?;
        Ok(reply::ok(&shown(&addresses, endpoint)))
    })
    .await
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
