//! GraphQL, as far as RunPod's own Python SDK and those who read the catalog and the balance with it use it.
//!
//! A field's whole answer is made, and what was not asked for is left out. Errors are told with status 200.

mod account;
mod endpoints;
mod gpus;
mod lexer;
mod parser;
mod pods;
#[cfg(test)]
mod tests;

use atlas_core::ComputeId;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::app::{App, World};
use super::dialect::{Dialect, errors};
use super::keys::{Caller, bearer};
use super::reply::{self, Problem};
use super::visit::Visit;
use crate::faults::Operation;
use parser::Field;

pub(super) fn router(app: &App) -> Router {
    Router::new().route("/graphql", post(answer)).with_state(app.clone())
}

/// An error in GraphQL: its message, and its code where it has one.
#[derive(Debug)]
pub(super) struct Wrong {
    message: String,
    code: Option<&'static str>,
}

impl Wrong {
    fn coded(message: &str, code: &'static str) -> Self {
        Self { message: message.to_owned(), code: Some(code) }
    }
}

impl From<Problem> for Wrong {
    fn from(problem: Problem) -> Self {
        let errors = problem.errors.join("; ");
        Self { message: if errors.is_empty() { problem.detail } else { errors }, code: None }
    }
}

impl From<String> for Wrong {
    fn from(message: String) -> Self {
        Self { message, code: None }
    }
}

#[derive(Deserialize)]
struct Body {
    query: String,
    #[serde(default)]
    variables: Option<Map<String, Value>>,
}

async fn answer(State(app): State<App>, RawQuery(query): RawQuery, headers: HeaderMap, body: Bytes) -> Response {
    let mut response = parsed(&app, query.as_deref(), &headers, &body).await;
    let id = app.with(|world, _| world.next_request());
    reply::set(response.headers_mut(), "x-request-id", &id);
    response
}

async fn parsed(app: &App, query: Option<&str>, headers: &HeaderMap, body: &Bytes) -> Response {
    let in_url = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .find(|(name, _)| name == "api_key")
        .map(|(_, key)| key.into_owned());
    let key = bearer(headers).map(str::to_owned).or(in_url);
    // Without a key the catalog may be read; a key that was never good is refused whatever is asked.
    let caller = match key {
        None => None,
        Some(key) => match app.with(|world, _| world.keys.find(&key).cloned()) {
            Some(caller) => Some(caller),
            None => return Dialect::GraphQl.unauthorized(),
        },
    };
    let refused = |message: &str| reply::json_as(StatusCode::BAD_REQUEST, &errors(message, None));
    let Ok(Body { query, variables }) = serde_json::from_slice(body) else {
        return refused("POST body missing, invalid Content-Type, or JSON object has no keys.");
    };
    let operation = match parser::parse(&query, &variables.unwrap_or_default()) {
        Ok(operation) => operation,
        Err(message) => return refused(&message),
    };
    if let Some(field) = operation.fields.iter().find(|field| !is_known(field, operation.is_mutation)) {
        let kind = if operation.is_mutation { "Mutation" } else { "Query" };
        return refused(&format!("Cannot query field \"{}\" on type \"{kind}\".", field.name));
    }
    if let Some(caller) = &caller
        && !caller.may_manage(operation.is_mutation)
    {
        return Dialect::GraphQl.forbidden();
    }
    let mut data = Map::new();
    for field in &operation.fields {
        match resolve(app, caller.as_ref(), field).await {
            Ok(value) => drop(data.insert(field.alias.clone(), value)),
            Err(response) => return *response,
        }
    }
    reply::ok(&json!({ "data": data }))
}

const QUERIES: [&str; 6] = ["myself", "pod", "gpuTypes", "dataCenters", "cpuFlavors", "countryCodes"];
const MUTATIONS: [&str; 13] = [
    "saveEndpoint",
    "updateEndpointTemplate",
    "podFindAndDeployOnDemand",
    "deployCpuPod",
    "podStop",
    "podResume",
    "podTerminate",
    "podRentInterruptable",
    "saveTemplate",
    "saveRegistryAuth",
    "updateRegistryAuth",
    "deleteRegistryAuth",
    "updateUserSettings",
];

fn is_known(field: &Field, is_mutation: bool) -> bool {
    let known: &[&str] = if is_mutation { &MUTATIONS } else { &QUERIES };
    known.contains(&field.name.as_str())
}

/// Which of the operations that faults know a field is, and which pod it names.
fn operation(field: &Field) -> (Option<Operation>, Option<ComputeId>) {
    let pod = field.input()["podId"].as_str().map(ComputeId::new);
    let operation = match field.name.as_str() {
        "podFindAndDeployOnDemand" | "deployCpuPod" => Some(Operation::Spawn),
        "podStop" => Some(Operation::Stop),
        "podResume" => Some(Operation::Start),
        "podTerminate" => Some(Operation::Terminate),
        "pod" => Some(Operation::Get),
        "myself" if field.wants("pods") => Some(Operation::List),
        "myself" => Some(Operation::Balance),
        "saveEndpoint" => Some(Operation::CreateEndpoint),
        "updateEndpointTemplate" => Some(Operation::UpdateEndpoint),
        "saveTemplate" => Some(Operation::CreateTemplate),
        "saveRegistryAuth" => Some(Operation::CreateRegistry),
        "deleteRegistryAuth" => Some(Operation::DeleteRegistry),
        _ => None,
    };
    (operation, pod)
}

/// Mark of an answer that no fault has spoilt; the field's own value takes its place.
#[derive(Debug, Clone, Copy)]
struct Whole;

/// What one field answers; an error is a whole response, whatever else was asked.
async fn resolve(app: &App, caller: Option<&Caller>, field: &Field) -> Result<Value, Box<Response>> {
    let account = caller.map(|caller| caller.account.as_str());
    let (operation, pod) = operation(field);
    let (Some(account), Some(operation)) = (account, operation) else {
        let answer = app.with(|world, now| {
            let visit = Visit::unharmed(account.unwrap_or_default(), now);
            look(app, world, &visit, account.is_some(), field)
        });
        return told(answer);
    };
    // The answer goes past the faults as a response does: what they leave of it is what the client sees.
    let mut answer = None;
    let response = app
        .visit_in(Dialect::GraphQl, account, operation, pod.as_ref(), |world, visit| {
            let looked = look(app, world, visit, true, field);
            let failed = looked.as_ref().err().map(|wrong| reply::ok(&errors(&wrong.message, wrong.code)));
            answer = looked.ok();
            failed.unwrap_or_else(|| {
                let mut whole = reply::ok(&Value::Null);
                whole.extensions_mut().insert(Whole);
                whole
            })
        })
        .await;
    match answer {
        Some(value) if response.extensions().get::<Whole>().is_some() => Ok(value),
        _ => Err(Box::new(response)),
    }
}

fn told(answer: Result<Value, Wrong>) -> Result<Value, Box<Response>> {
    answer.map_err(|wrong| Box::new(reply::ok(&errors(&wrong.message, wrong.code))))
}

fn look(app: &App, world: &mut World, visit: &Visit, has_key: bool, field: &Field) -> Result<Value, Wrong> {
    let timing = app.timing();
    let needs_key = || if has_key { Ok(()) } else { Err(Wrong::from("Unauthorized".to_owned())) };
    let (whole, kind) = match field.name.as_str() {
        "gpuTypes" => (gpus::types(world, field, visit.now), "GpuType"),
        "dataCenters" => (gpus::data_centers(), "DataCenter"),
        "cpuFlavors" => (gpus::flavours(), "CpuFlavor"),
        "countryCodes" => return Ok(gpus::countries()),
        "myself" if !has_key => return Ok(Value::Null),
        "myself" => (account::myself(world, visit, field, &timing), "User"),
        "pod" => {
            needs_key()?;
            (pods::one(world, visit, field, &timing), "Pod")
        }
        "podFindAndDeployOnDemand" | "deployCpuPod" => {
            needs_key()?;
            (pods::deploy(world, visit, field, &timing)?, "Pod")
        }
        "podStop" | "podResume" => {
            needs_key()?;
            (pods::power(world, visit, field, &timing)?, "Pod")
        }
        "podTerminate" => {
            needs_key()?;
            return pods::terminate(world, visit, field);
        }
        // Spot pods are no more.
        "podRentInterruptable" => {
            let text = "There are no longer any instances available with the requested specifications. Please try again later.";
            return Err(text.to_owned().into());
        }
        _ => {
            needs_key()?;
            (account::change(world, visit, field)?, "Object")
        }
    };
    project(&whole, &field.fields, kind).map_err(Wrong::from)
}

/// What is asked for of a whole answer.
fn project(whole: &Value, fields: &[Field], kind: &str) -> Result<Value, String> {
    match whole {
        Value::Array(items) => items.iter().map(|item| project(item, fields, kind)).collect(),
        Value::Object(entries) if !fields.is_empty() => {
            let mut shown = Map::new();
            for field in fields {
                let missing = || format!("Cannot query field \"{}\" on type \"{kind}\".", field.name);
                let value = entries.get(&field.name).ok_or_else(missing)?;
                shown.insert(field.alias.clone(), project(value, &field.fields, &field.name)?);
            }
            Ok(Value::Object(shown))
        }
        plain => Ok(plain.clone()),
    }
}
