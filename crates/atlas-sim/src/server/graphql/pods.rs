//! Pods, as GraphQL tells them.

use atlas_core::{CloudType, ComputeId};
use serde_json::{Value, json};

use super::Wrong;
use super::parser::Field;
use crate::faults::Fault;
use crate::model::{Machine, Phase};
use crate::server::app::{Timing, World};
use crate::server::catalog::{self, dollars};
use crate::server::pods::{Mounts, NetworkMount, PersistentMount, env_of, runtime_ports};
use crate::server::reply::Problem;
use crate::server::v2::{self, CpuWish, Draft, GpuWish};
use crate::server::visit::Visit;

/// RunPod's own template, which its Python package names for every pod without a GPU; it says nothing that the pod does not.
const PUBLIC_TEMPLATE: &str = "runpod-ubuntu";

/// One pod; null for none.
pub(super) fn one(world: &World, visit: &Visit, field: &Field, timing: &Timing) -> Value {
    let id = ComputeId::new(field.input()["podId"].as_str().unwrap_or_default());
    let machine = world.cloud.read(&visit.account, &id, visit.now).ok();
    machine.map_or(Value::Null, |machine| shown(world, machine, visit, timing))
}

/// All pods of an account, newest first.
pub(super) fn all(world: &World, visit: &Visit, timing: &Timing) -> Value {
    let pods = world.cloud.list_before(&visit.account, None, visit.now);
    let mut pods: Vec<_> = pods.map(|machine| shown(world, machine, visit, timing)).collect();
    if visit.is_struck_by(&Fault::ListsShort) {
        pods.drain(..pods.len().div_ceil(2));
    }
    pods.into()
}

/// One pod, with everything that can be asked for of it.
pub(super) fn shown(world: &World, machine: &Machine, visit: &Visit, timing: &Timing) -> Value {
    let Some(view) = v2::view(world, machine, timing, visit) else { return Value::Null };
    let (pod, plan, now) = (view.pod, &machine.blueprint, visit.now);
    let status = view.status();
    // What is meant, not what is: a pod that pulls its image says RUNNING.
    let desired = match &*status {
        "PROVISIONING" | "STARTING" | "RUNNING" | "ERROR" => "RUNNING",
        other => other,
    };
    let since = machine.life.since(now);
    let up = machine.life.at(now) == Phase::Running && now >= since.plus(timing.ports_after);
    let ports: Vec<Value> = runtime_ports(machine, pod)
        .into_iter()
        .map(|port| {
            json!({
                "ip": port.ip, "isIpPublic": true, "privatePort": port.private, "publicPort": port.public,
                "type": port.kind,
            })
        })
        .collect();
    let uptime = if up { now.since(pod.restarted_at.map_or(since, |at| at.max(since))).as_secs() } else { 0 };
    let (vcpus, memory) = pod.hardware.host();
    let mount = pod.mounts.persistent.as_ref();
    let network = pod.mounts.network.as_ref().and_then(|mounts| mounts.first());
    let cost = if desired == "RUNNING" { machine.price.as_micros() } else { 0 };
    json!({
        "id": machine.id,
        "name": plan.name,
        "imageName": plan.image,
        "containerDiskInGb": pod.disk,
        "costPerHr": dollars(cost),
        "adjustedCostPerHr": dollars(cost),
        "desiredStatus": desired,
        "dockerArgs": pod.command.args,
        "dockerId": null,
        "env": env_of(machine),
        "gpuCount": pod.gpus(now),
        "lastStatusChange": format!("{desired} since {since}"),
        "machineId": format!("m{}", pod.ssh_tail),
        "memoryInGb": memory,
        "podType": "RESERVED",
        "port": null,
        "ports": pod.ports.join(","),
        "uptimeSeconds": uptime,
        "vcpuCount": vcpus,
        "volumeInGb": mount.map_or(0, |mount| mount.size),
        "volumeMountPath": mount.map(|mount| &mount.path).or(network.map(|mount| &mount.path)),
        "networkVolumeId": network.map(|mount| &mount.volume_id),
        "templateId": null,
        "createdAt": machine.created_at,
        "lastStartedAt": since,
        "locked": pod.locked,
        "dataCenterId": machine.place.region,
        "runtime": up.then(|| json!({ "uptimeInSeconds": uptime, "ports": ports, "gpus": [] })),
        "machine": {
            "gpuDisplayName": catalog::gpu(pod.hardware.id()).map(|gpu| gpu.name),
            "gpuTypeId": pod.hardware.id(),
            "podHostId": format!("{}-{}", machine.id, pod.ssh_tail),
            "dataCenterId": machine.place.region,
            "secureCloud": machine.place.cloud_type == CloudType::Secure,
        },
    })
}

/// What a mutation asks for, in the words of REST; `ALL` clouds is what only GraphQL can say.
fn draft(field: &Field) -> Draft {
    let input = field.input();
    let text = |name: &str| input[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let number = |name: &str| input[name].as_u64().and_then(|number| u32::try_from(number).ok());
    let path = text("volumeMountPath").unwrap_or_else(|| "/workspace".to_owned());
    let size = number("volumeInGb").filter(|size| *size > 0);
    let mounts = match (text("networkVolumeId"), size) {
        (Some(volume_id), _) => Mounts { persistent: None, network: Some(vec![NetworkMount { volume_id, path }]) },
        (None, Some(size)) => Mounts { persistent: Some(PersistentMount { size, path }), network: None },
        (None, None) => Mounts::default(),
    };
    let count = number("gpuCount").filter(|count| *count > 0);
    let each = |name| number(name).map(|whole| whole.div_ceil(count.unwrap_or(1)));
    let gpu = text("gpuTypeId").map(|id| GpuWish {
        id,
        count,
        allowed_cuda_versions: texts(&input["allowedCudaVersions"]),
        min_ram_per_gpu: each("minMemoryInGb"),
        min_vcpu_count_per_gpu: each("minVcpuCount"),
        ..GpuWish::default()
    });
    // `cpu3c-2-4`: flavour, virtual CPUs, memory.
    let cpu = text("instanceId").filter(|_| gpu.is_none()).and_then(|instance| {
        let (id, rest) = instance.split_once('-')?;
        Some(CpuWish { id: id.to_owned(), vcpu_count: rest.split('-').next()?.parse().ok()? })
    });
    let env = input["env"].as_array().into_iter().flatten();
    let env = env.filter_map(|pair| Some((pair["key"].as_str()?.to_owned(), pair["value"].as_str()?.to_owned())));
    let ports = text("ports").map(|ports| ports.split(',').map(|port| port.trim().to_owned()).collect());
    let draft = Draft {
        name: text("name").unwrap_or_else(|| "my pod".to_owned()),
        image: text("imageName"),
        args: text("dockerArgs"),
        disk: number("containerDiskInGb").filter(|disk| *disk > 0).or(Some(20)),
        ports,
        env: env.collect(),
        mounts,
        gpu,
        cpu,
        data_center_ids: text("dataCenterId").into_iter().collect(),
        template_id: text("templateId"),
        registry: text("containerRegistryAuthId"),
        start_ssh: input["startSsh"].as_bool().unwrap_or(false),
        ..Draft::default()
    };
    // A network volume is in the secure cloud alone.
    let is_secure = draft.mounts.network.is_some();
    Draft { cloud: text("cloudType").filter(|_| !is_secure).or(draft.cloud.clone()), ..draft }
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

pub(super) fn deploy(world: &mut World, visit: &Visit, field: &Field, timing: &Timing) -> Result<Value, Wrong> {
    let mut draft = draft(field);
    if let Some(id) = draft.template_id.clone().filter(|id| id != PUBLIC_TEMPLATE) {
        let template = world.shelf.templates.get(&visit.account, &id);
        draft = draft.under(template.ok_or_else(|| Problem::not_found("template"))?)?;
    }
    let machine = v2::rent(world, visit, draft, false)?;
    if visit.is_struck_by(&Fault::LeavesLeftover) {
        return Err(format!("create pod: pod {} was created but could not be read back", machine.id).into());
    }
    Ok(shown(world, &machine, visit, timing))
}

/// `podStop` and `podResume`.
pub(super) fn power(world: &mut World, visit: &Visit, field: &Field, timing: &Timing) -> Result<Value, Wrong> {
    let id = ComputeId::new(field.input()["podId"].as_str().unwrap_or_default());
    let action = if field.name == "podStop" { "stop" } else { "start" };
    let verb = if action == "stop" { "stop" } else { "resume" };
    v2::act(world, visit, &id, action, timing).map_err(|problem| match problem.status.as_u16() {
        404 => Wrong::coded(&format!("pod not found to {verb}"), "POD_NOT_FOUND"),
        _ => problem.into(),
    })?;
    Ok(one(world, visit, field, timing))
}

pub(super) fn terminate(world: &mut World, visit: &Visit, field: &Field) -> Result<Value, Wrong> {
    let id = ComputeId::new(field.input()["podId"].as_str().unwrap_or_default());
    v2::terminate(world, visit, &id)
        .map(|_| Value::Null)
        .map_err(|_| Wrong::coded("pod not found to terminate", "POD_NOT_FOUND"))
}
