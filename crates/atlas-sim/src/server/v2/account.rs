//! `/v2/account`: SSH keys and secrets.

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::app::App;
use super::super::keys::Caller;
use super::super::reply::{self, Answer, Problem};
use super::super::shape::{self, Field, Shape, many, may, must};

static KEYS: [Field; 1] = [must("keys", many(&Shape::Text(1)))];

#[derive(Deserialize)]
struct SshKeys {
    keys: Vec<String>,
}

pub(super) async fn keys(State(app): State<App>, Extension(caller): Extension<Caller>) -> Answer {
    app.with(|world, _| Ok(reply::ok(&json!({ "keys": world.account(&caller.account).ssh_keys }))))
}

pub(super) async fn set_keys(State(app): State<App>, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let SshKeys { keys } = shape::read(&body, &KEYS)?;
    let is_key = |key: &String| {
        let mut words = key.split_whitespace();
        let kind = words.next().unwrap_or_default();
        ["ssh-", "ecdsa-", "sk-"].iter().any(|begin| kind.starts_with(begin)) && words.next().is_some()
    };
    if let Some(index) = keys.iter().position(|key| !is_key(key)) {
        return Err(Problem::unprocessable(vec![format!("$.keys[{index}]: does not match pattern")]));
    }
    app.with(|world, _| {
        let answer = reply::ok(&json!({ "keys": keys }));
        world.accounts.entry(caller.account.clone()).or_default().ssh_keys = keys;
        Ok(answer)
    })
}

/// One secret; its value is never shown again.
#[derive(Debug, Clone)]
pub(in crate::server) struct AccountSecret {
    name: String,
    description: Option<String>,
}

static SECRET: [Field; 3] =
    [must("name", Shape::Text(1)), must("value", Shape::Text(1)), may("description", Shape::TextOrNull)];

#[derive(Deserialize)]
struct NewSecret {
    name: String,
    description: Option<String>,
}

fn is_name(name: &str) -> bool {
    let mut letters = name.chars();
    let first = letters.next().is_some_and(|letter| letter.is_ascii_alphabetic() || letter == '_');
    first
        && name.len() <= 191
        && !name.starts_with("RUNPOD")
        && letters.all(|letter| letter.is_ascii_alphanumeric() || "_.-/".contains(letter))
}

fn shown(id: &str, secret: &AccountSecret) -> Value {
    json!({ "id": id, "name": secret.name, "description": secret.description })
}

pub(super) async fn secrets(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Answer {
    let mut pairs = url::form_urlencoded::parse(query.as_deref().unwrap_or_default().as_bytes());
    let name = pairs.find(|(name, _)| name == "name").map(|(_, value)| value.into_owned());
    app.with(|world, _| {
        let all = world.shelf.secrets.before(&caller.account, None);
        let wanted = all.filter(|(_, _, secret)| name.as_ref().is_none_or(|name| *name == secret.name));
        let secrets: Vec<_> = wanted.map(|(_, id, secret)| shown(id, secret)).collect();
        Ok(reply::ok(&json!({ "secrets": secrets })))
    })
}

pub(super) async fn add_secret(State(app): State<App>, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let NewSecret { name, description } = shape::read(&body, &SECRET)?;
    if !is_name(&name) {
        return Err(Problem::unprocessable(vec!["$.name: does not match pattern".to_owned()]));
    }
    app.with(|world, _| {
        if world.shelf.secrets.before(&caller.account, None).any(|(_, _, secret)| secret.name == name) {
            return Err(Problem::new(StatusCode::CONFLICT, "a secret with this name already exists"));
        }
        let (id, secret) = (world.new_id(20), AccountSecret { name, description });
        let answer = reply::json_as(StatusCode::CREATED, &shown(&id, &secret));
        world.shelf.secrets.add(&caller.account, &id, secret);
        Ok(answer)
    })
}

pub(super) async fn delete_secret(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer {
    app.with(|world, _| {
        let removed = world.shelf.secrets.remove(&caller.account, &id);
        removed.map(|_| reply::no_content()).ok_or_else(|| Problem::not_found("secret"))
    })
}
