//! Serverless endpoints, as GraphQL tells them.

use std::time::Duration;

use atlas_core::EndpointId;
use serde_json::{Value, json};

use super::Wrong;
use crate::model::{Endpoint, EndpointPlan, Scaling};
use crate::server::app::World;
use crate::server::catalog;
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
    let pools: Vec<_> = plan.notes["gpu"]["pools"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let pairs = plan.env.iter().map(|(name, value)| json!({ "key": name, "value": value.expose() }));
    let volume = plan.volumes.first();
    json!({
        "aiKey": null,
        "allowedCudaVersions": "",
        "createdAt": endpoint.created_at.to_string(),
        "env": pairs.collect::<Vec<_>>(),
        "flashBootType": plan.notes["flashboot"],
        "gpuCount": plan.gpu_count,
        "gpuIds": pools.join(","),
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
    let text = |name: &str| input[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let number =
        |name: &str, usual: u32| input[name].as_u64().and_then(|number| u32::try_from(number).ok()).unwrap_or(usual);
    let template_id = text("templateId").ok_or_else(|| Wrong::from("templateId is required".to_owned()))?;
    let template = world.shelf.templates.get(&visit.account, &template_id);
    let image = template.map(|template| template.image.clone());
    let image = image.ok_or_else(|| Wrong::from("Template not found".to_owned()))?;
    let words = |name: &str| -> Vec<String> {
        let listed = text(name).unwrap_or_default();
        listed.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
    };
    let pools = words("gpuIds");
    let gpus = catalog::gpus().iter().filter(|gpu| pools.iter().any(|pool| gpu.pool == Some(pool) || gpu.id == pool));
    let gpus: Vec<_> = gpus.map(|gpu| gpu.id.to_owned()).collect();
    if gpus.is_empty() {
        return Err("gpuIds must name at least one GPU pool".to_owned().into());
    }
    let (scaler, value) = (text("scalerType").unwrap_or_else(|| "QUEUE_DELAY".to_owned()), number("scalerValue", 4));
    let (min, max, idle) = (number("workersMin", 0), number("workersMax", 3), number("idleTimeout", 5));
    let regions = words("locations");
    let plan = EndpointPlan {
        name: text("name").unwrap_or_else(|| "endpoint".to_owned()),
        account: visit.account.clone(),
        gpus,
        gpu_count: number("gpuCount", 1).max(1),
        regions: regions.clone(),
        workers_min: min,
        workers_max: max,
        idle_timeout: Duration::from_secs(idle.into()),
        scaling: if scaler == "REQUEST_COUNT" {
            Scaling::RequestCount(value)
        } else {
            Scaling::QueueDelay(Duration::from_secs(value.into()))
        },
        image: Some(image.clone()),
        // As REST shows it.
        notes: json!({
            "name": input["name"], "image": image, "args": "", "disk": 20, "env": {}, "ports": [], "registry": null,
            "type": "QUEUE", "templateId": template_id, "timeout": 0, "flashboot": "OFF",
            "gpu": { "pools": pools, "count": number("gpuCount", 1), "allowedCudaVersions": [], "minCudaVersion": null },
            "workers": { "min": min, "max": max, "idleTimeout": idle },
            "scaling": if scaler == "REQUEST_COUNT" {
                json!({ "type": scaler, "requestCount": value })
            } else {
                json!({ "type": scaler, "queueDelay": value })
            },
            "dataCenterIds": regions, "networkVolumes": [],
        }),
        ..EndpointPlan::default()
    };
    let endpoint = world.cloud.create_endpoint(plan, visit.now).map_err(|refusal| Wrong::from(v2::refused(refusal)))?;
    Ok(one(&endpoint))
}

pub(super) fn set_template(world: &mut World, visit: &Visit, input: &Value) -> Result<Value, Wrong> {
    let id = EndpointId::new(input["endpointId"].as_str().unwrap_or_default());
    let template = input["templateId"].as_str().unwrap_or_default();
    let known = world.shelf.templates.get(&visit.account, template);
    let image = known.map(|known| known.image.clone()).ok_or_else(|| Wrong::from("Template not found".to_owned()))?;
    let changed = world.cloud.change_endpoint(&visit.account, &id, visit.now, |plan| {
        plan.notes["templateId"] = template.into();
        plan.notes["image"] = image.as_str().into();
        plan.image = Some(image);
    });
    changed.map(|endpoint| one(&endpoint)).map_err(|_| "Endpoint not found".to_owned().into())
}
