//! `/v2/templates`.

use std::collections::BTreeMap;

use atlas_core::ComputeId;
use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::app::App;
use super::super::keys::Caller;
use super::super::pods::{Command, Mounts};
use super::super::reply::{self, Problem};
use super::super::shape::{self, Field, Shape, at_least, many, may, must};
use super::order::PERSISTENT;
use super::paging::Page;
use crate::faults::{Fault, Operation};

const VERSION: Shape = Shape::Version { clears: false };
static MOUNTS: [Field; 1] = [may("persistent", Shape::Object(&PERSISTENT))];

const fn fields(name: Field, image: Field) -> [Field; 16] {
    [
        name,
        image,
        may("args", Shape::Text(0)),
        may("disk", at_least(1)),
        may("env", Shape::Texts),
        may("ports", many(&Shape::Text(0))),
        may("cmd", many(&Shape::Text(0))),
        may("entrypoint", many(&Shape::Text(0))),
        may("registry", Shape::TextOrNull),
        may("allowedCudaVersions", many(&VERSION)),
        may("category", Shape::Word(&["CPU", "NVIDIA", "AMD"])),
        may("mounts", Shape::Object(&MOUNTS)),
        may("public", Shape::Flag),
        may("serverless", Shape::Flag),
        may("startJupyter", Shape::Flag),
        may("startSsh", Shape::Flag),
    ]
}

static CREATE: [Field; 16] = fields(must("name", Shape::Text(1)), must("image", Shape::Text(0)));
static PATCH: [Field; 16] = fields(may("name", Shape::Text(1)), may("image", Shape::Text(0)));

/// A template.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::server) struct Template {
    pub(in crate::server) name: String,
    pub(in crate::server) image: String,
    #[serde(flatten)]
    pub(in crate::server) command: Command,
    #[serde(default = "usual_disk")]
    pub(in crate::server) disk: u32,
    #[serde(default)]
    pub(in crate::server) env: BTreeMap<String, String>,
    #[serde(default)]
    pub(in crate::server) ports: Vec<String>,
    #[serde(default)]
    pub(in crate::server) registry: Option<String>,
    #[serde(default)]
    pub(in crate::server) mounts: Mounts,
    #[serde(default)]
    pub(in crate::server) serverless: bool,
    #[serde(default)]
    public: bool,
    #[serde(default = "nvidia")]
    category: String,
    #[serde(default = "yes")]
    start_ssh: bool,
    #[serde(default = "yes")]
    start_jupyter: bool,
    #[serde(default)]
    allowed_cuda_versions: Vec<String>,
}

const fn usual_disk() -> u32 {
    20
}

fn nvidia() -> String {
    "NVIDIA".to_owned()
}

/// Unlike with pods, both are on unless they are turned off.
const fn yes() -> bool {
    true
}

fn shown(id: &str, template: &Template) -> Value {
    let mut value = serde_json::to_value(template).unwrap_or_default();
    value["id"] = id.into();
    value
}

fn checked(mut template: Template) -> Result<Template, Problem> {
    let Command { args, cmd, entrypoint } = template.command;
    let args = Some(args).filter(|args| !args.is_empty());
    template.command = Command::unite(args, cmd, entrypoint).map_err(Problem::bad_request)?;
    super::order::check_ports(&template.ports)?;
    Ok(template)
}

pub(super) async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Response {
    app.visit(&caller, Operation::ListTemplates, None, |world, visit| {
        let page = Page::read("templates", query.as_deref())?;
        let left = world.shelf.templates.before(&visit.account, page.before);
        let (templates, pagination) = page.cut("templates", left, |(number, _, _)| *number);
        let templates: Vec<_> = templates.into_iter().map(|(_, id, template)| shown(id, template)).collect();
        Ok(reply::ok(&json!({ "templates": templates, "pagination": pagination })))
    })
    .await
}

pub(super) async fn create(State(app): State<App>, Extension(caller): Extension<Caller>, body: Bytes) -> Response {
    let template = shape::read(&body, &CREATE).and_then(checked);
    app.visit(&caller, Operation::CreateTemplate, None, |world, visit| {
        let (template, id) = (template?, world.new_id(10));
        let answer = reply::json_as(StatusCode::CREATED, &shown(&id, &template));
        if !visit.is_struck_by(&Fault::Ignores) {
            world.shelf.templates.add(&visit.account, &id, template);
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
    app.visit(&caller, Operation::GetTemplate, Some(&ComputeId::new(&id)), |world, visit| {
        let template = world.shelf.templates.get(&visit.account, &id);
        template.map(|template| reply::ok(&shown(&id, template))).ok_or_else(|| Problem::not_found("template"))
    })
    .await
}

pub(super) async fn patch(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let change = shape::read::<Value>(&body, &PATCH);
    app.visit(&caller, Operation::UpdateTemplate, Some(&ComputeId::new(&id)), |world, visit| {
        let change = change?;
        let template = world.shelf.templates.get_mut(&visit.account, &id);
        let template = template.ok_or_else(|| Problem::not_found("template"))?;
        let changed = changed(template, change)?;
        let answer = reply::ok(&shown(&id, &changed));
        if !visit.is_struck_by(&Fault::Ignores) {
            *template = changed;
        }
        Ok(answer)
    })
    .await
}

fn changed(template: &Template, change: Value) -> Result<Template, Problem> {
    let mut value = serde_json::to_value(template).unwrap_or_default();
    let names_command = ["args", "cmd", "entrypoint"].iter().any(|name| change.get(name).is_some());
    if let (Value::Object(whole), Value::Object(change)) = (&mut value, change) {
        if names_command {
            for name in ["args", "cmd", "entrypoint"] {
                whole.remove(name);
            }
        }
        whole.extend(change);
    }
    checked(serde_json::from_value(value).map_err(|error| Problem::unprocessable(vec![format!("$: {error}")]))?)
}

pub(super) async fn delete(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Response {
    app.visit(&caller, Operation::DeleteTemplate, Some(&ComputeId::new(&id)), |world, visit| {
        if world.is_template_used(&visit.account, &id, visit.now) {
            return Err(Problem::bad_request("template is in use by an endpoint"));
        }
        world.shelf.templates.get(&visit.account, &id).ok_or_else(|| Problem::not_found("template"))?;
        if !visit.is_struck_by(&Fault::Ignores) {
            world.shelf.templates.remove(&visit.account, &id);
        }
        Ok(reply::no_content())
    })
    .await
}
