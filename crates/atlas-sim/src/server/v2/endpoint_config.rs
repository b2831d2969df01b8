//! What an endpoint is asked to be, and what the model shall make of it.

use std::collections::BTreeMap;
use std::time::Duration;

use atlas_core::VolumeId;
use serde::Deserialize;
use serde_json::Value;

use super::super::catalog;
use super::super::pods::Command;
use super::super::reply::Problem;
use crate::model::{EndpointPlan, Scaling};

/// What was asked for, as it is shown: everything but id, times and addresses.
#[derive(Debug, Clone, Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Config {
    pub(super) name: String,
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
pub(super) fn plan(mut config: Config, account: &str) -> Result<(Config, EndpointPlan), Problem> {
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
