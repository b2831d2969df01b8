//! Serverless endpoints, as GraphQL tells them.

use atlas_core::EndpointId;
use serde_json::{Value, json};

use super::Wrong;
use crate::model::{Endpoint, Scaling};
use crate::server::app::World;
use crate::server::v2;
use crate::server::visit::Visit;

pub(super) fn all(world: &World, visit: &Visit) -> Value {
    world.cloud.list_endpoints(&visit.account, visit.now).map(one).collect()
}

fn one(endpoint: &Endpoint) -> Value {
    let plan = &endpoint.plan;
    let (scaler, value) = match plan.scaling {
        Scaling::QueueDelay(delay) => ("QUEUE_DELAY", delay.as_secs()),
        Scaling::RequestCount(count) => ("REQUEST_COUNT", count.into()),
    };
    let gpu = |list: &str| plan.notes["gpu"][list].as_array().into_iter().flatten().filter_map(Value::as_str);
    let pools = gpu("pools").map(str::to_owned).chain(gpu("excludedTypes").map(|id| format!("-{id}")));
    let pairs = plan.env.iter().map(|(name, value)| json!({ "key": name, "value": value.expose() }));
    let volume = plan.volumes.first();
    json!({
        "aiKey": null,
        "allowedCudaVersions": gpu("allowedCudaVersions").collect::<Vec<_>>().join(","),
        "createdAt": endpoint.created_at.to_string(),
        "env": pairs.collect::<Vec<_>>(),
        "flashBootType": plan.notes["flashboot"],
        "gpuCount": plan.gpu_count,
        "gpuIds": pools.collect::<Vec<_>>().join(","),
        "id": endpoint.id,
        "idleTimeout": plan.idle_timeout.as_secs(),
        "locations": plan.regions.join(","),
        "name": plan.name,
        "networkVolume": volume.map(|id| json!({ "id": id, "dataCenterId": plan.regions.first() })),
        "networkVolumeId": volume,
        "scalerType": scaler,
        "scalerValue": value,
        "templateId": plan.notes["templateId"],
        "type": if plan.notes["type"] == "LOAD_BALANCER" { "LB" } else { "QB" },
        "userId": format!("user_{}", plan.account),
        "version": endpoint.version,
        "workersMax": plan.workers_max,
        "workersMin": plan.workers_min,
        "workersStandby": plan.workers_min,
    })
}

/// `saveEndpoint`: a new one, in the words of GraphQL.
pub(super) fn save(world: &mut World, visit: &Visit, input: &Value) -> Result<Value, Wrong> {
    if input["templateId"].as_str().unwrap_or_default().is_empty() {
        return Err("templateId is required".to_owned().into());
    }
    let endpoint = v2::make_endpoint(world, visit, &in_rest(input))?;
    Ok(one(&endpoint))
}

/// What is asked for, in the words of REST.
fn in_rest(input: &Value) -> Value {
    let number = |name: &str, usual: u64| input[name].as_u64().unwrap_or(usual);
    let words = |name: &str| -> Vec<&str> {
        let listed = input[name].as_str().unwrap_or_default();
        listed.split(',').map(str::trim).filter(|word| !word.is_empty()).collect()
    };
    // `AMPERE_24,-NVIDIA L4`: the pool without one of its cards.
    let gpus = words("gpuIds");
    let pools: Vec<_> = gpus.iter().filter(|id| !id.starts_with('-')).collect();
    let excluded: Vec<_> = gpus.iter().filter_map(|id| id.strip_prefix('-')).collect();
    let value = number("scalerValue", 4);
    let scaling = match input["scalerType"].as_str() {
        Some("REQUEST_COUNT") => json!({ "type": "REQUEST_COUNT", "requestCount": value }),
        _ => json!({ "type": "QUEUE_DELAY", "queueDelay": value }),
    };
    json!({
        "name": input["name"],
        "type": "QUEUE",
        "templateId": input["templateId"],
        "gpu": {
            "pools": pools, "excludedTypes": excluded, "count": number("gpuCount", 1).max(1),
            "allowedCudaVersions": words("allowedCudaVersions"),
        },
        "workers": {
            "min": number("workersMin", 0), "max": number("workersMax", 3), "idleTimeout": number("idleTimeout", 5),
        },
        "scaling": scaling,
        "dataCenterIds": words("locations"),
        "networkVolumes": words("networkVolumeId"),
        "flashboot": input["flashBootType"].as_str().unwrap_or("OFF"),
    })
}

pub(super) fn set_template(world: &mut World, visit: &Visit, input: &Value) -> Result<Value, Wrong> {
    let id = EndpointId::new(input["endpointId"].as_str().unwrap_or_default());
    let endpoint = v2::change_endpoint(world, visit, &id, &json!({ "templateId": input["templateId"] }))?;
    Ok(one(&endpoint))
}
