//! The body of a create: one candidate of one order. What it holds was checked, and is checked once more as it will be
//! sent, for options are merged last.

use std::collections::BTreeMap;

use atlas_auth::Secret;
use atlas_core::{ComputeRequest, Error, Result, SpawnOrder};
use bytes::Bytes;
use serde_json::{Value, json};

use super::candidates::{Candidate, Hardware};
use super::options;
use crate::api::pods::{CreateCpu, CreateGpu, CreatePod};

/// The container's disk where nobody asks for one, in gigabytes: always sent, for a create without it was refused live.
const GPU_DISK: u32 = 50;

/// That of a pod without a GPU: flavours have a cap, and less than this was answered with want of capacity.
const CPU_DISK: u32 = 20;

/// Where disks are mounted unless an option says otherwise.
const MOUNT: &str = "/workspace";

/// No body may be longer, in bytes: RunPod refuses it before it looks at the key.
const LONGEST: usize = 102_400;

/// So many http ports, and so many variables, are the most.
const MOST_HTTP: usize = 10;
const MOST_ENV: usize = 50;

/// What of an order goes into a body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) request: &'a ComputeRequest,
    pub(crate) name: &'a str,
    pub(crate) env: &'a BTreeMap<String, Secret>,
    pub(crate) protected: &'a [String],
}

impl<'a> Plan<'a> {
    /// That of an order.
    pub(crate) fn of(order: &'a SpawnOrder) -> Self {
        Self { request: order.request(), name: order.name(), env: order.env(), protected: order.protected_env() }
    }

    /// The secrets that its body holds, which no error may quote.
    pub(crate) fn secrets(&self) -> Vec<Secret> {
        let own = self.env.values().chain(&self.request.registry_auth).cloned();
        own.chain(options::texts(&self.request.provider_opts)).collect()
    }

    /// The body for one candidate, as it goes over the wire; a `validation` error for what RunPod would refuse.
    pub(crate) fn body(&self, candidate: &Candidate) -> Result<Bytes> {
        let request = self.request;
        let body = CreatePod {
            name: self.name,
            image: request.image.as_deref(),
            template_id: request.template_id.as_deref(),
            cloud: candidate.cloud.native(),
            gpu: match &candidate.hardware {
                Hardware::Gpu(id) => Some(gpu(request, id)),
                Hardware::Cpu(_) => None,
            },
            cpu: match &candidate.hardware {
                Hardware::Gpu(_) => None,
                Hardware::Cpu(id) => Some(CreateCpu { id, vcpu_count: vcpus(request) }),
            },
            disk: disk(request, &candidate.hardware),
            mounts: mounts(request),
            ports: ports(request)?,
            env: self.env.iter().map(|(name, value)| (name.as_str(), value.expose())).collect(),
            // Never one joined text: RunPod splits such a text by rules of its own.
            cmd: (!request.command.is_empty()).then_some(request.command.as_slice()),
            registry: request.registry_auth.as_ref().map(Secret::expose),
            data_center_ids: &candidate.data_centers,
        };
        options::check(&request.provider_opts, self.protected)?;
        // The cause is not kept: its text might quote a secret of the body.
        let mut body = serde_json::to_value(body).map_err(|_| Error::validation("the request has no JSON form"))?;
        if !request.provider_opts.is_empty() {
            options::merge(&mut body, &options::native(&request.provider_opts));
        }
        check(&body)?;
        written(&body)
    }
}

/// How many virtual CPUs a pod without a GPU has.
pub(crate) fn vcpus(request: &ComputeRequest) -> u32 {
    request.cpus.unwrap_or(2)
}

fn gpu<'a>(request: &ComputeRequest, id: &'a str) -> CreateGpu<'a> {
    let count = request.gpu_count.unwrap_or(1).max(1);
    CreateGpu {
        id,
        count,
        // The cloud's floors are for each GPU, in whole gigabytes: rounded up, so that never less than asked is had.
        min_ram_per_gpu: request.memory_mb.map(|memory| memory.div_ceil(1024).div_ceil(u64::from(count)).max(1)),
        min_vcpu_count_per_gpu: request.cpus.map(|cpus| cpus.div_ceil(count).max(1)),
    }
}

fn disk(request: &ComputeRequest, hardware: &Hardware) -> Option<u32> {
    let usual = match (hardware, &request.template_id) {
        // The template's own stands.
        (_, Some(_)) => None,
        (Hardware::Gpu(_), None) => Some(GPU_DISK),
        (Hardware::Cpu(_), None) => Some(CPU_DISK),
    };
    request.container_disk_gb.or(usual)
}

fn mounts(request: &ComputeRequest) -> Option<Value> {
    if let Some(volume) = &request.network_volume_id {
        return Some(json!({"network": [{"volumeId": volume, "path": MOUNT}]}));
    }
    request.volume_gb.map(|size| json!({"persistent": {"size": size, "path": MOUNT}}))
}

/// The ports; always sent, for the cloud opens none by itself, but where a template's own stand.
fn ports(request: &ComputeRequest) -> Result<Option<Vec<String>>> {
    let mut ports: Vec<_> = request.ports.iter().map(ToString::to_string).collect();
    ports.extend(options::symmetric(&request.provider_opts)?);
    Ok((!ports.is_empty() || request.template_id.is_none()).then_some(ports))
}

/// Refuses a body that RunPod would refuse, as it will be sent.
fn check(body: &Value) -> Result<()> {
    let has = |name: &str| body.get(name).is_some_and(|value| !value.is_null());
    let wrong = |why: String| Err(Error::validation(why));
    if has("gpu") == has("cpu") {
        return wrong("a pod has either GPUs or CPUs: the options may not ask for both or neither".to_owned());
    }
    if !has("image") && !has("templateId") {
        return wrong("a pod needs an image, or a template that has one".to_owned());
    }
    // Without them the cloud takes what nobody asked for: the dearer cloud, no disk, no ports. A template has its own.
    let always: &[&str] = if has("templateId") { &["cloud"] } else { &["cloud", "disk", "ports"] };
    if let Some(name) = always.iter().find(|name| !has(name)) {
        return wrong(format!("the option \"{name}\" may not be null: RunPod would choose in its place"));
    }
    if has("args") && (has("cmd") || has("entrypoint")) {
        return wrong(
            "the option \"args\" contradicts a command: use cmd and entrypoint, which are not split".to_owned(),
        );
    }
    let mounts = body.get("mounts");
    let mounted = |kind: &str| mounts.and_then(|mounts| mounts.get(kind)).is_some_and(|value| !value.is_null());
    if mounted("persistent") && mounted("network") {
        return wrong("a pod has either volume_gb or a network volume, not both".to_owned());
    }
    if mounted("network") && body.get("cloud").and_then(Value::as_str) != Some("SECURE") {
        return wrong("a network volume needs cloud_type secure".to_owned());
    }
    let ports = body.get("ports").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let http = ports.iter().filter_map(Value::as_str).filter(|port| port.ends_with("/http")).count();
    if http > MOST_HTTP {
        return wrong(format!("{http} http ports are asked for; RunPod opens at most {MOST_HTTP}"));
    }
    let variables = body.get("env").and_then(Value::as_object).map_or(0, serde_json::Map::len);
    if variables > MOST_ENV {
        return wrong(format!(
            "{variables} variables are set, Atlas's own among them; RunPod takes at most {MOST_ENV}"
        ));
    }
    Ok(())
}

/// The body's bytes, if they are not too many.
fn written(body: &Value) -> Result<Bytes> {
    let bytes = serde_json::to_vec(body).map_err(|_| Error::validation("the request has no JSON form"))?;
    if bytes.len() > LONGEST {
        return Err(Error::validation(format!(
            "the request is {} bytes long, most of it the environment; RunPod takes {LONGEST}",
            bytes.len()
        )));
    }
    Ok(Bytes::from(bytes))
}
