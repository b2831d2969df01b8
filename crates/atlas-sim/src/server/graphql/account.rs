//! The account, and what it owns beside pods, as GraphQL tells it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::parser::Field;
use super::{Wrong, endpoints, pods};
use crate::server::app::{Timing, World};
use crate::server::v2::{self, Registry, Template};
use crate::server::visit::Visit;

/// `myself`.
pub(super) fn myself(world: &World, visit: &Visit, field: &Field, timing: &Timing) -> Value {
    let (account, now) = (&visit.account, visit.now);
    let known = world.account(account);
    // Thousands of pods are made only for who asks for them.
    let pods = if field.wants("pods") { pods::all(world, visit, timing) } else { Value::Null };
    let volumes = world.cloud.list_volumes(account, now).map(|volume| {
        let mut shown = v2::shown_volume(volume);
        shown["dataCenterId"] = shown["dataCenter"].take();
        shown
    });
    let volumes: Vec<_> = volumes.collect();
    let registries = world.shelf.registries.before(account, None);
    let registries: Vec<_> = registries.map(|(_, id, registry)| json!({ "id": id, "name": registry.name })).collect();
    json!({
        "id": format!("user_{account}"),
        "email": format!("{account}@simulated.invalid"),
        "clientBalance": world.balance(account, now),
        "currentSpendPerHr": world.spending(account, now),
        "spendLimit": known.spend_limit.unwrap_or(80.0),
        "pubKey": known.ssh_keys.join("\n"),
        "pods": pods,
        "endpoints": endpoints::all(world, visit),
        "networkVolumes": volumes,
        "containerRegistryCreds": registries,
    })
}

/// Mutations of what an account owns beside pods.
pub(super) fn change(world: &mut World, visit: &Visit, field: &Field) -> Result<Value, Wrong> {
    let (input, account) = (field.input(), &visit.account);
    let text = |name: &str| input[name].as_str().unwrap_or_default().to_owned();
    match field.name.as_str() {
        "updateUserSettings" => {
            let keys = text("pubKey").lines().map(str::to_owned).collect();
            world.accounts.entry(account.clone()).or_default().ssh_keys = keys;
            Ok(json!({ "id": format!("user_{account}"), "pubKey": text("pubKey") }))
        }
        "saveRegistryAuth" => {
            let id = world.new_id(25);
            let registry = Registry { name: text("name"), password: text("password").into() };
            let answer = json!({ "id": id, "name": registry.name });
            world.shelf.registries.add(account, &id, registry);
            Ok(answer)
        }
        "updateRegistryAuth" => {
            let id = text("id");
            let registry = world.shelf.registries.get_mut(account, &id);
            let registry = registry.ok_or_else(|| Wrong::from("Registry auth not found".to_owned()))?;
            registry.password = text("password").into();
            Ok(json!({ "id": id, "name": registry.name }))
        }
        "deleteRegistryAuth" => {
            let id = field.arguments.get("registryAuthId").and_then(Value::as_str).unwrap_or_default();
            let removed = world.shelf.registries.remove(account, id);
            removed.map(|_| Value::Bool(true)).ok_or_else(|| "Registry auth not found".to_owned().into())
        }
        "saveEndpoint" => endpoints::save(world, visit, input),
        "updateEndpointTemplate" => endpoints::set_template(world, visit, input),
        _ => save_template(world, account, input),
    }
}

fn save_template(world: &mut World, account: &str, input: &Value) -> Result<Value, Wrong> {
    let pairs = input["env"].as_array().into_iter().flatten();
    let env: BTreeMap<_, _> = pairs.filter_map(|pair| Some((pair["key"].as_str()?, pair["value"].as_str()?))).collect();
    let ports: Vec<_> =
        input["ports"].as_str().unwrap_or_default().split(',').filter(|port| !port.is_empty()).collect();
    let registry = input["containerRegistryAuthId"].as_str().filter(|id| !id.is_empty());
    let template: Template = serde_json::from_value(json!({
        "name": input["name"],
        "image": input["imageName"],
        "args": input["dockerArgs"].as_str().unwrap_or_default(),
        "disk": input["containerDiskInGb"].as_u64().filter(|disk| *disk > 0).unwrap_or(20),
        "env": env,
        "ports": ports,
        "registry": registry,
        "serverless": input["isServerless"].as_bool().unwrap_or(false),
    }))
    .map_err(|error| Wrong::from(format!("Variable \"$input\" got invalid value: {error}")))?;
    let id = world.new_id(10);
    let mut answer = input.clone();
    answer["id"] = id.as_str().into();
    for name in ["volumeMountPath", "readme", "isPublic", "startSsh", "env", "ports"] {
        answer[name] = input[name].clone();
    }
    world.shelf.templates.add(account, &id, template);
    Ok(answer)
}
