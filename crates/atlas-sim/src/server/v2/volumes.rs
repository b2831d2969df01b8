//! `/v2/network-volumes`.

use atlas_core::{ComputeId, VolumeId};
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::app::{App, World};
use super::super::catalog;
use super::super::keys::Caller;
use super::super::reply::{self, Answer, Problem};
use super::super::shape::{self, Field, Shape, may, must};
use super::super::visit::Visit;
use super::order::refused;
use crate::faults::{Fault, Operation};
use crate::model::{NetworkVolume, Refusal, VolumePlan};

const SIZE: Shape = Shape::Integer(10, 4096);

static CREATE: [Field; 4] = [
    must("dataCenter", Shape::Text(1)),
    must("name", Shape::Text(1)),
    must("size", SIZE),
    may("type", Shape::Word(&["STANDARD", "HIGH_PERFORMANCE"])),
];
static PATCH: [Field; 2] = [may("name", Shape::Text(1)), may("size", SIZE)];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wish {
    data_center: String,
    name: String,
    size: u32,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Change {
    name: Option<String>,
    size: Option<u32>,
}

pub(in crate::server) fn shown(volume: &NetworkVolume) -> Value {
    let plan = &volume.plan;
    json!({ "id": volume.id, "name": plan.name, "size": plan.size_gb, "dataCenter": plan.region, "type": plan.notes })
}

fn not_found(refusal: Refusal) -> Problem {
    if refusal == Refusal::NotFound { Problem::not_found("network volume") } else { refused(refusal) }
}

pub(super) async fn list(State(app): State<App>, Extension(caller): Extension<Caller>) -> Response {
    app.visit(&caller, Operation::ListVolumes, None, |world, visit| {
        let mut volumes: Vec<_> = world.cloud.list_volumes(&visit.account, visit.now).collect();
        volumes.reverse();
        for strike in visit.strikes.iter().filter(|strike| strike.fault == Fault::ListsShort) {
            match &strike.compute {
                Some(left_out) => volumes.retain(|volume| volume.id.as_str() != left_out.as_str()),
                None => drop(volumes.drain(..volumes.len().div_ceil(2))),
            }
        }
        let volumes: Vec<_> = volumes.into_iter().map(shown).collect();
        Ok(reply::ok(&json!({ "networkVolumes": volumes })))
    })
    .await
}

pub(super) async fn create(State(app): State<App>, Extension(caller): Extension<Caller>, body: Bytes) -> Response {
    let wish = shape::read::<Wish>(&body, &CREATE);
    app.visit(&caller, Operation::CreateVolume, None, |world, visit| {
        let volume = make(world, visit, wish?)?;
        if visit.is_struck_by(&Fault::LeavesLeftover) {
            let detail = format!("network volume {} was created but could not be read back", volume.id);
            return Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail));
        }
        Ok(reply::json_as(StatusCode::CREATED, &shown(&volume)))
    })
    .await
}

fn make(world: &mut World, visit: &Visit, wish: Wish) -> Result<NetworkVolume, Problem> {
    let kind = wish.kind.unwrap_or_else(|| "STANDARD".to_owned());
    let has = catalog::data_center(&wish.data_center).is_some_and(|place| place.volumes.contains(&kind.as_str()));
    if !has {
        return Err(refused(Refusal::NoPlace(wish.data_center)));
    }
    let mut plan = VolumePlan {
        name: wish.name,
        account: visit.account.clone(),
        size_gb: wish.size,
        region: wish.data_center,
        notes: kind.into(),
    };
    for fault in visit.faults() {
        match fault {
            Fault::CutsName(limit) => plan.name = plan.name.chars().take(*limit).collect(),
            Fault::AltersName => plan.name = plan.name.replace('-', "_"),
            Fault::Duplicates => drop(world.cloud.place_volume(plan.clone(), visit.now)),
            _ => {}
        }
    }
    if visit.is_struck_by(&Fault::Ignores) {
        return Ok(world.cloud.draft_volume(plan, visit.now));
    }
    world.cloud.create_volume(plan, visit.landing, visit.now).map_err(refused)
}

pub(super) async fn get(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Response {
    app.visit(&caller, Operation::GetVolume, Some(&ComputeId::new(&id)), |world, visit| show(world, visit, &id)).await
}

fn show(world: &World, visit: &Visit, id: &str) -> Answer {
    let volume = world.cloud.read_volume(&visit.account, &VolumeId::new(id), visit.now).map_err(not_found)?;
    Ok(reply::ok(&shown(volume)))
}

pub(super) async fn patch(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let change = shape::read::<Change>(&body, &PATCH);
    app.visit(&caller, Operation::GrowVolume, Some(&ComputeId::new(&id)), |world, visit| {
        let (change, volume) = (change?, VolumeId::new(&id));
        if change.name.is_none() && change.size.is_none() {
            return Err(Problem::unprocessable(vec!["$: minProperties: got 0, want 1".to_owned()]));
        }
        if !visit.is_struck_by(&Fault::Ignores) {
            if let Some(size) = change.size {
                let grown = world.cloud.grow_volume(&visit.account, &volume, size, visit.landing, visit.now);
                grown.map_err(not_found)?;
            }
            if let Some(name) = &change.name {
                world.cloud.rename_volume(&visit.account, &volume, name, visit.now).map_err(not_found)?;
            }
        }
        show(world, visit, &id)
    })
    .await
}

pub(super) async fn delete(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Response {
    app.visit(&caller, Operation::DeleteVolume, Some(&ComputeId::new(&id)), |world, visit| {
        let volume = VolumeId::new(&id);
        world.cloud.read_volume(&visit.account, &volume, visit.now).map_err(not_found)?;
        if !visit.is_struck_by(&Fault::Ignores) {
            world.cloud.delete_volume(&visit.account, &volume, visit.landing, visit.now).map_err(not_found)?;
        }
        Ok(reply::no_content())
    })
    .await
}
