//! Serverless endpoints: the body of a create or a change, and what a read shows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use atlas_auth::{Secret, Timestamp};
use atlas_core::error::excerpt;
use atlas_core::{EndpointId, Error, ErrorKind, MARK_ENV, Mark, ProviderId, Result, gpu, mark as core_mark};
use serde_json::{Map, Value, json};

use super::raw::redacted;
use super::{KIND, mark, options};
use crate::api::catalog::Gpu;
use crate::ext::{Endpoint, EndpointChange, EndpointKind, EndpointOrder, EndpointRequest, FlashBoot, Scaling, Workers};

/// So many variables are the most.
const MOST_ENV: usize = 50;

/// Refuses what RunPod would refuse, or take for something else.
pub(crate) fn check(request: &EndpointRequest) -> Result<()> {
    let wrong = |why: &str| Err(Error::validation(why));
    if let Some(name) = &request.name {
        core_mark::check_name(name)?;
    }
    if request.gpu.is_empty() == request.cpu.is_empty() {
        return wrong("an endpoint's workers have either GPUs or CPUs: name one of them");
    }
    if request.image.is_none() && request.template_id.is_none() {
        return wrong("an endpoint needs an image, or a template that has one");
    }
    if request.gpu_count == 0 {
        return wrong("gpu_count is 0: a worker with GPUs has at least one");
    }
    if let Some((flavour, vcpus)) = request.cpu.iter().find(|(_, vcpus)| *vcpus < 2 || !vcpus.is_power_of_two()) {
        return Err(Error::validation(format!(
            "{vcpus} virtual CPUs of {} are asked for; RunPod has 2, 4, 8 and so on",
            excerpt(flavour)
        )));
    }
    workers(&request.workers)?;
    scaling(&request.scaling)?;
    if request.kind == EndpointKind::LoadBalancer && !matches!(request.scaling, Scaling::RequestCount(_)) {
        return wrong("a load balancer scales by the count of requests only");
    }
    timeout(request.timeout)?;
    variables(&request.env)?;
    options::check(&request.provider_opts, &[MARK_ENV.to_owned()])?;
    merged(request)
}

/// What options, which are merged last, may not take away.
fn merged(request: &EndpointRequest) -> Result<()> {
    let option = |name: &str| request.provider_opts.get(name);
    if option("timeout").is_some_and(|span| span.as_u64().is_none_or(|span| span == 0)) {
        return Err(Error::validation("the option \"timeout\" must be a number of milliseconds: RunPod would take 0"));
    }
    if option("flashboot").is_some_and(Value::is_null) {
        return Err(Error::validation("the option \"flashboot\" may not be null: RunPod would choose in its place"));
    }
    let has_ports = option("ports")
        .map_or(!request.ports.is_empty(), |ports| ports.as_array().is_some_and(|ports| !ports.is_empty()));
    let has_template = request.template_id.is_some() || option("templateId").is_some_and(Value::is_string);
    if request.kind == EndpointKind::LoadBalancer && !has_ports && !has_template {
        return Err(Error::validation(
            "a load balancer needs a port behind which its workers answer, or a template that has one",
        ));
    }
    Ok(())
}

fn timeout(span: Duration) -> Result<()> {
    if span.is_zero() {
        return Err(Error::validation("timeout is nothing: a job would have no bound, or no time at all"));
    }
    Ok(())
}

fn variables(env: &BTreeMap<String, Secret>) -> Result<()> {
    if let Some(name) = env.keys().find(|name| name.starts_with("ATLAS_")) {
        return Err(Error::validation(format!("{} is Atlas's own to set", excerpt(name))));
    }
    if env.len() >= MOST_ENV {
        return Err(Error::validation(format!("RunPod takes at most {MOST_ENV} variables, Atlas's own among them")));
    }
    Ok(())
}

fn workers(workers: &Workers) -> Result<()> {
    if workers.min > workers.max {
        return Err(Error::validation(format!("{} workers at least and {} at most", workers.min, workers.max)));
    }
    if !(Duration::from_secs(1)..=Duration::from_hours(1)).contains(&workers.idle_timeout) {
        return Err(Error::validation("idle_timeout must be from 1 s to 1 h"));
    }
    Ok(())
}

fn scaling(scaling: &Scaling) -> Result<()> {
    let good = match scaling {
        Scaling::QueueDelay(delay) => *delay >= Duration::from_millis(500),
        Scaling::RequestCount(count) => *count >= 1,
    };
    if good { Ok(()) } else { Err(Error::validation("scaling: half a second of delay, or one request, is the least")) }
}

/// The pools of RunPod's that hold the GPUs asked for, and what else of those pools is to be left out: serverless takes
/// pools, and a pool's other cards may be dearer or slower.
pub(crate) fn pools(request: &EndpointRequest, catalog: &[Gpu]) -> Result<(Vec<String>, Vec<String>)> {
    let (mut pools, mut wanted, mut whole) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let mut put = |pool: &str| {
        if !pools.iter().any(|known| known == pool) {
            pools.push(pool.to_owned());
        }
    };
    for name in &request.gpu {
        if catalog.iter().any(|gpu| gpu.pool.as_deref() == Some(name)) {
            put(name);
            whole.insert(name.as_str());
            continue;
        }
        let natives = gpu::find(name).map_or_else(|| vec![name.as_str()], |model| model.natives(KIND).to_vec());
        let found: Vec<_> = catalog.iter().filter(|gpu| natives.contains(&gpu.id.as_str())).collect();
        let pooled: Vec<_> = found.iter().filter_map(|gpu| gpu.pool.as_deref().map(|pool| (gpu, pool))).collect();
        if pooled.is_empty() {
            let why = if found.is_empty() { "no GPU or pool of RunPod" } else { "in no pool of RunPod's serverless" };
            return Err(Error::validation(format!("\"{}\" is {why}; see `atlas gpus`", excerpt(name))));
        }
        for (gpu, pool) in pooled {
            put(pool);
            wanted.insert(gpu.id.as_str());
        }
    }
    let left_out = catalog.iter().filter(|gpu| {
        let pool = gpu.pool.as_deref().unwrap_or_default();
        pools.iter().any(|known| known == pool) && !whole.contains(pool) && !wanted.contains(gpu.id.as_str())
    });
    let left_out = left_out.map(|gpu| gpu.id.clone()).collect();
    Ok((pools, left_out))
}

/// The body of a create.
pub(crate) fn body(order: &EndpointOrder, pools: &(Vec<String>, Vec<String>)) -> Value {
    let request = order.request();
    let mut body = json!({
        "name": order.name(),
        "type": request.kind.as_str(),
        "scaling": scaling_of(&request.scaling),
        "workers": workers_of(&request.workers),
        "timeout": millis(request.timeout),
        "flashboot": flash_boot_of(request.flash_boot),
        "env": env(&request.env, Some(order.mark())),
    });
    let mut put = |name: &str, value: Value| body[name] = value;
    if let Some(image) = &request.image {
        put("image", json!(image));
    }
    if let Some(template) = &request.template_id {
        put("templateId", json!(template));
    }
    if !request.command.is_empty() {
        put("cmd", json!(request.command));
    }
    if request.gpu.is_empty() {
        let flavours = request.cpu.iter().map(|(id, vcpus)| json!({"id": id, "vcpuCount": vcpus}));
        put("cpu", flavours.collect());
    } else {
        let mut gpu = json!({"pools": pools.0, "count": request.gpu_count});
        if !pools.1.is_empty() {
            gpu["excludedTypes"] = json!(pools.1);
        }
        put("gpu", gpu);
    }
    if !request.data_centers.is_empty() {
        put("dataCenterIds", request.data_centers.iter().map(|id| id.to_ascii_uppercase()).collect());
    }
    if !request.network_volumes.is_empty() {
        put("networkVolumes", json!(request.network_volumes));
    }
    if let Some(disk) = request.disk_gb {
        put("disk", json!(disk));
    }
    if !request.ports.is_empty() {
        put("ports", request.ports.iter().map(ToString::to_string).collect());
    }
    if let Some(registry) = &request.registry {
        put("registry", json!(registry));
    }
    options::merge(&mut body, &Value::Object(request.provider_opts.clone()));
    body
}

/// Refuses a change that RunPod would refuse, or take for something else: before anything is asked.
pub(crate) fn check_change(change: &EndpointChange) -> Result<()> {
    change.workers.as_ref().map_or(Ok(()), workers)?;
    change.scaling.as_ref().map_or(Ok(()), scaling)?;
    change.timeout.map_or(Ok(()), timeout)?;
    change.env.as_ref().map_or(Ok(()), variables)?;
    if *change == EndpointChange::new() {
        return Err(Error::validation("nothing of the endpoint is to be changed"));
    }
    Ok(())
}

/// The body of a change. `mark` is the one that the endpoint bears.
pub(crate) fn change(change: &EndpointChange, mark: Option<&Mark>) -> Value {
    let mut body = Map::new();
    if let Some(asked) = &change.workers {
        body.insert("workers".to_owned(), workers_of(asked));
    }
    if let Some(asked) = &change.scaling {
        body.insert("scaling".to_owned(), scaling_of(asked));
    }
    if let Some(timeout) = change.timeout {
        body.insert("timeout".to_owned(), json!(millis(timeout)));
    }
    if let Some(flash_boot) = change.flash_boot {
        body.insert("flashboot".to_owned(), json!(flash_boot_of(flash_boot)));
    }
    if let Some(image) = &change.image {
        body.insert("image".to_owned(), json!(image));
    }
    if let Some(asked) = &change.env {
        body.insert("env".to_owned(), env(asked, mark));
    }
    Value::Object(body)
}

/// An endpoint that was read.
pub(crate) fn read(provider: &ProviderId, answer: Value) -> Result<Endpoint> {
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let Some(id) = text("id").filter(|id| !id.is_empty()) else {
        return Err(Error::new(ErrorKind::Decode, "the cloud described an endpoint without an id"));
    };
    let count = |path: &str| answer.pointer(path).and_then(Value::as_u64).and_then(|count| u32::try_from(count).ok());
    let urls = answer.get("requestUrls").and_then(Value::as_object).into_iter().flatten();
    let centers = answer.get("dataCenterIds").and_then(Value::as_array).into_iter().flatten();
    let kind = |word: &str| match word {
        "QUEUE" => EndpointKind::Queue,
        "LOAD_BALANCER" => EndpointKind::LoadBalancer,
        other => EndpointKind::Other(excerpt(other)),
    };
    Ok(Endpoint {
        id: EndpointId::new(id),
        name: text("name").map(str::to_owned),
        provider: provider.clone(),
        kind: text("type").map(kind),
        workers_min: count("/workers/min"),
        workers_max: count("/workers/max"),
        urls: urls.filter_map(|(name, url)| Some((name.clone(), url.as_str()?.to_owned()))).collect(),
        data_centers: centers.filter_map(|center| center.as_str().map(str::to_owned)).collect(),
        created_at: text("createdAt").and_then(|text| Timestamp::parse(text).ok()),
        mark: mark::of(&answer),
        raw: redacted(answer),
    })
}

fn env(env: &BTreeMap<String, Secret>, mark: Option<&Mark>) -> Value {
    let own = mark.map(|mark| (MARK_ENV.to_owned(), Value::from(mark.to_string())));
    env.iter().map(|(name, value)| (name.clone(), Value::from(value.expose()))).chain(own).collect::<Map<_, _>>().into()
}

fn workers_of(workers: &Workers) -> Value {
    json!({"min": workers.min, "max": workers.max, "idleTimeout": workers.idle_timeout.as_secs()})
}

fn scaling_of(scaling: &Scaling) -> Value {
    match scaling {
        Scaling::QueueDelay(delay) => json!({"type": "QUEUE_DELAY", "queueDelay": delay.as_secs_f64()}),
        Scaling::RequestCount(count) => json!({"type": "REQUEST_COUNT", "requestCount": count}),
    }
}

const fn flash_boot_of(flash_boot: FlashBoot) -> &'static str {
    match flash_boot {
        FlashBoot::Off => "OFF",
        FlashBoot::On => "FLASHBOOT",
        FlashBoot::Priority => "PRIORITY_FLASHBOOT",
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
