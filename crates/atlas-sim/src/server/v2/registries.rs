//! `/v2/registries`: credentials for images. What was sent in is never shown again.

use atlas_auth::Secret;
use axum::Extension;
use axum::extract::{Path, State};
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::app::App;
use super::super::keys::Caller;
use super::super::reply::{self, Answer, Problem};
use super::super::shape::{self, Field, Shape, must};

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

pub(super) async fn list(State(app): State<App>, Extension(caller): Extension<Caller>) -> Answer {
    app.with(|world, _| {
        let all = world.shelf.registries.before(&caller.account, None);
        let registries: Vec<_> = all.map(|(_, id, registry)| shown(id, registry)).collect();
        Ok(reply::ok(&json!({ "registries": registries })))
    })
}

pub(super) async fn create(State(app): State<App>, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let Wish { name, password } = shape::read(&body, &CREATE)?;
    app.with(|world, _| {
        let (id, registry) = (world.new_id(25), Registry { name, password: password.into() });
        let answer = reply::json_as(StatusCode::CREATED, &shown(&id, &registry));
        world.shelf.registries.add(&caller.account, &id, registry);
        Ok(answer)
    })
}

pub(super) async fn get(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer {
    app.with(|world, _| {
        let registry = world.shelf.registries.get(&caller.account, &id);
        registry.map(|registry| reply::ok(&shown(&id, registry))).ok_or_else(|| Problem::not_found("registry"))
    })
}

pub(super) async fn delete(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer {
    app.with(|world, now| {
        let mut live = world.cloud.all().filter(|machine| machine.is_live(now));
        if live.any(|machine| world.pods.get(&machine.serial).is_some_and(|pod| pod.registry.as_ref() == Some(&id))) {
            return Err(Problem::bad_request("registry is in use by a pod"));
        }
        let removed = world.shelf.registries.remove(&caller.account, &id);
        removed.map(|_| reply::no_content()).ok_or_else(|| Problem::not_found("registry"))
    })
}
