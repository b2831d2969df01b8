//! `/v2/registries`: credentials for images. What was sent in is never shown again.

use atlas_auth::Secret;
use atlas_core::ComputeId;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::app::App;
use super::super::keys::Caller;
use super::super::reply::{self, Problem};
use super::super::shape::{self, Field, Shape, must};
use crate::faults::{Fault, Operation};

static CREATE: [Field; 3] =
    [must("name", Shape::Text(1)), must("username", Shape::Text(1)), must("password", Shape::Text(1))];

/// One credential.
#[derive(Debug, Clone)]
pub(in crate::server) struct Registry {
    pub(in crate::server) name: String,
    pub(in crate::server) password: Secret,
}

#[derive(Deserialize)]
struct Wish {
    name: String,
    password: String,
}

fn shown(id: &str, registry: &Registry) -> Value {
    json!({ "id": id, "name": registry.name })
}

pub(super) async fn list(State(app): State<App>, Extension(caller): Extension<Caller>) -> Response {
    app.visit(&caller, Operation::ListRegistries, None, |world, visit| {
        let all = world.shelf.registries.before(&visit.account, None);
        let registries: Vec<_> = all.map(|(_, id, registry)| shown(id, registry)).collect();
        Ok(reply::ok(&json!({ "registries": registries })))
    })
    .await
}

pub(super) async fn create(State(app): State<App>, Extension(caller): Extension<Caller>, body: Bytes) -> Response {
    let wish = shape::read(&body, &CREATE);
    app.visit(&caller, Operation::CreateRegistry, None, |world, visit| {
        let Wish { name, password } = wish?;
        let (id, registry) = (world.new_id(25), Registry { name, password: password.into() });
        let answer = reply::json_as(StatusCode::CREATED, &shown(&id, &registry));
        if !visit.is_struck_by(&Fault::Ignores) {
            world.shelf.registries.add(&visit.account, &id, registry);
        }
        Ok(answer)
    })
    .await
}

pub(super) async fn get(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Response {
    app.visit(&caller, Operation::GetRegistry, Some(&ComputeId::new(&id)), |world, visit| {
        let registry = world.shelf.registries.get(&visit.account, &id);
        registry.map(|registry| reply::ok(&shown(&id, registry))).ok_or_else(|| Problem::not_found("registry"))
    })
    .await
}

pub(super) async fn delete(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Response {
    app.visit(&caller, Operation::DeleteRegistry, Some(&ComputeId::new(&id)), |world, visit| {
        world.shelf.registries.get(&visit.account, &id).ok_or_else(|| Problem::not_found("registry"))?;
        let mut live = world.cloud.all().filter(|machine| machine.is_live(visit.now));
        if live.any(|machine| world.pods.get(&machine.serial).is_some_and(|pod| pod.registry.as_ref() == Some(&id))) {
            return Err(Problem::bad_request("registry is in use by a pod"));
        }
        if !visit.is_struck_by(&Fault::Ignores) {
            world.shelf.registries.remove(&visit.account, &id);
        }
        Ok(reply::no_content())
    })
    .await
}
