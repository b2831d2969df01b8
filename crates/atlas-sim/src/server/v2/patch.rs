//! `PATCH /v2/pods/{id}`. What concerns the container resets the pod: its command begins anew.

use std::collections::BTreeMap;

use atlas_core::{ComputeId, Money};
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::super::app::{App, World};
use super::super::catalog::{DISK_MONTH, STOPPED_DISK_MONTH};
use super::super::keys::Caller;
use super::super::pods::{self, Command, Mounts};
use super::super::reply::Problem;
use super::super::shape::{self, Field, Shape, at_least, many, may};
use super::super::visit::Visit;
use super::order::{MOUNTS, check_ports, refused};
use super::pods::show;
use crate::faults::{Fault, Operation};
use crate::model::Settings;

/// The body.
static PATCH: [Field; 13] = [
    may("args", Shape::Text(0)),
    may("disk", at_least(1)),
    may("env", Shape::Texts),
    may("image", Shape::Text(0)),
    may("ports", many(&Shape::Text(0))),
    may("cmd", many(&Shape::Text(0))),
    may("entrypoint", many(&Shape::Text(0))),
    may("registry", Shape::TextOrNull),
    may("globalNetworking", Shape::Flag),
    may("locked", Shape::Flag),
    may("mounts", Shape::Object(&MOUNTS)),
    may("name", Shape::Text(1)),
    may("templateId", Shape::Text(0)),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Change {
    args: Option<String>,
    disk: Option<u32>,
    env: Option<BTreeMap<String, String>>,
    image: Option<String>,
    ports: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    #[serde(deserialize_with = "said")]
    registry: Option<Value>,
    global_networking: Option<bool>,
    locked: Option<bool>,
    mounts: Option<Mounts>,
    name: Option<String>,
    template_id: Option<String>,
}

/// Tells a null that was said from nothing said.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

pub(super) async fn patch(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let (timing, id) = (app.timing(), ComputeId::new(id));
    let change = shape::read::<Change>(&body, &PATCH);
    app.visit(&caller, Operation::Update, Some(&id), |world, visit| {
        let change = change?;
        if !visit.is_struck_by(&Fault::Ignores) {
            apply(world, visit, &id, change)?;
        }
        show(world, visit, &id, &timing)
    })
    .await
}

fn apply(world: &mut World, visit: &Visit, id: &ComputeId, mut change: Change) -> Result<(), Problem> {
    let serial = world.cloud.read(&visit.account, id, visit.now).map_err(refused)?.serial;
    if let Some(template) = change.template_id.take().filter(|id| !id.is_empty()) {
        let template = world.shelf.templates.get(&visit.account, &template);
        let template = template.ok_or_else(|| Problem::not_found("template"))?;
        change.image = change.image.or_else(|| Some(template.image.clone()));
        change.env = change.env.or_else(|| Some(template.env.clone()));
        change.ports = change.ports.or_else(|| Some(template.ports.clone()));
        change.disk = change.disk.or(Some(template.disk));
    }
    check_ports(change.ports.as_deref().unwrap_or_default())?;
    if let Some(Value::String(registry)) = &change.registry
        && world.shelf.registries.get(&visit.account, registry).is_none()
    {
        return Err(Problem::not_found("registry"));
    }
    let command = match (change.args, change.cmd, change.entrypoint) {
        (None, None, None) => None,
        (args, cmd, entrypoint) => Some(Command::unite(args, cmd, entrypoint).map_err(Problem::bad_request)?),
    };
    let pod = world.pods.get_mut(&serial).ok_or_else(|| Problem::not_found("pod"))?;
    let machine = world.cloud.machine_mut(id).map_err(refused)?;
    if let Some(mounts) = change.mounts {
        let asked = mounts.persistent.as_ref();
        let fits = mounts.network.is_none()
            && asked.zip(pod.mounts.persistent.as_ref()).is_some_and(|(new, old)| new.size >= old.size);
        if !fits {
            return Err(Problem::bad_request("mounts: only path and a larger size of what is mounted can be set"));
        }
        pod.mounts = mounts;
    }
    let resets = command.is_some()
        || change.image.is_some()
        || change.env.is_some()
        || change.ports.is_some()
        || change.disk.is_some()
        || change.registry.is_some();
    if let Some(command) = command {
        pod.command = command;
    }
    if let Some(env) = change.env {
        machine.blueprint.env = env.into_iter().map(|(name, value)| (name, value.into())).collect();
    }
    if let Some(ports) = change.ports {
        machine.blueprint.ports = ports.iter().filter_map(|port| pods::model_port(port)).collect();
        pod.ports = ports;
    }
    if let Some(name) = change.name {
        machine.blueprint.name = name;
    }
    if let Some(image) = change.image {
        machine.blueprint.image = Some(image);
    }
    let disk_before = pod.disk;
    pod.disk = change.disk.unwrap_or(pod.disk);
    if let Some(registry) = change.registry {
        pod.registry = registry.as_str().map(str::to_owned);
    }
    pod.locked = change.locked.unwrap_or(pod.locked);
    pod.networking = change.global_networking.unwrap_or(pod.networking);
    if resets {
        pod.restarted_at = Some(visit.now);
    }
    // The model prices a machine's whole life alike: what a larger disk costs counts from its beginning.
    let kept = pod.mounts.persistent.as_ref().map_or(0, |mount| mount.size);
    let before = machine.blueprint.volume_gb.unwrap_or(0).saturating_add(disk_before);
    let more = hourly(DISK_MONTH, kept.saturating_add(pod.disk)) - hourly(DISK_MONTH, before);
    machine.blueprint.volume_gb = (kept > 0).then_some(kept);
    machine.price = Money::from_micros(machine.price.as_micros() + more);
    machine.stopped_price = Money::from_micros(hourly(STOPPED_DISK_MONTH, kept));
    Ok(())
}

fn hourly(month: i64, gigabytes: u32) -> i64 {
    Settings::hourly(Money::from_micros(month), gigabytes).as_micros()
}
