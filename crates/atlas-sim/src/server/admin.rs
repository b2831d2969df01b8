//! The admin API: the truth about the simulated clouds, and how to change it. No key is asked for: it listens where the
//! clouds do, on loopback.

mod pods;
mod state;

use std::time::Duration;

use atlas_core::duration;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::app::App;
use super::keys::Reach;
use super::limits::RateLimits;
use super::reply;
use super::script::{Script, rule_from};
use super::stock::Shortage;
use super::time::Pace;

pub(super) fn router(app: &App) -> Router {
    Router::new()
        .route("/admin", get(index))
        .route("/admin/ledger", get(ledger))
        .route("/admin/clock", get(clock).post(move_clock))
        .route("/admin/faults", get(faults).post(add_faults).delete(clear_faults))
        .route("/admin/stock", get(stock).post(set_stock).delete(clear_stock))
        .route("/admin/limits", get(limits).post(set_limits))
        .route("/admin/keys", post(add_key))
        .route("/admin/keys/{key}", axum::routing::delete(revoke_key))
        .route("/admin/accounts/{account}", post(set_account))
        .route("/admin/state", get(state))
        .route("/admin/reset", post(reset))
        .route("/admin/pods/{id}/{happening}", post(pods::happen))
        .with_state(app.clone())
}

/// What is wrong with a request, for the person who wrote it.
#[derive(Debug)]
struct Wrong(String);

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        reply::json_as(StatusCode::BAD_REQUEST, &json!({ "error": self.0 }))
    }
}

fn wrong(text: impl std::fmt::Display) -> Wrong {
    Wrong(text.to_string())
}

/// Reads a body; an empty one is an empty object.
fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Wrong> {
    let text: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(text).map_err(wrong)
}

async fn index() -> Response {
    reply::ok(&json!({
        "GET": ["ledger", "clock", "faults", "stock", "limits", "state"],
        "POST": ["clock", "faults", "stock", "limits", "keys", "accounts/{account}", "reset", "pods/{id}/{happening}"],
        "DELETE": ["faults", "stock", "keys/{key}"],
        "happenings": pods::HAPPENINGS,
    }))
}

async fn ledger(State(app): State<App>) -> Response {
    app.with(|world, now| reply::ok(&world.cloud.ledger(now)))
}

fn told(app: &App) -> Response {
    app.with(|world, now| {
        let pace = match world.time.pace() {
            Pace::Real => "real",
            Pace::ByHand => "manual",
        };
        reply::ok(&json!({ "now": now.to_string(), "mode": pace }))
    })
}

async fn clock(State(app): State<App>) -> Response {
    told(&app)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    advance: Option<String>,
    mode: Option<String>,
}

async fn move_clock(State(app): State<App>, body: Bytes) -> Result<Response, Wrong> {
    let Move { advance, mode } = read(&body)?;
    let span = advance.as_deref().map(duration::parse).transpose().map_err(wrong)?.unwrap_or(Duration::ZERO);
    let pace = match mode.as_deref() {
        None => None,
        Some("real") => Some(Pace::Real),
        Some("manual") => Some(Pace::ByHand),
        Some(_) => return Err(wrong("mode must be \"real\" or \"manual\"")),
    };
    app.with(|world, _| {
        if let Some(pace) = pace {
            world.time.follow(pace);
        }
        world.time.advance(span);
    });
    app.ring();
    Ok(told(&app))
}

async fn faults(State(app): State<App>) -> Response {
    app.with(|world, _| {
        let rules: Vec<_> = world.plan.rules().iter().map(crate::Rule::shown).collect();
        reply::ok(&json!({ "faults": rules }))
    })
}

/// One fault, a list of them, or a whole script.
async fn add_faults(State(app): State<App>, body: Bytes) -> Result<Response, Wrong> {
    let value: Value = read(&body)?;
    let script = if value.get("fault").is_some() {
        Script::new().with(rule_from(value).map_err(wrong)?)
    } else {
        Script::from_value(value).map_err(wrong)?
    };
    app.with(|world, now| {
        for rule in script.rules.rules() {
            world.plan.add(rule.clone(), now);
        }
        for shortage in script.stock {
            world.limit(shortage);
        }
    });
    Ok(faults(State(app)).await)
}

async fn clear_faults(State(app): State<App>) -> Response {
    app.with(|world, _| world.plan = crate::FaultPlan::new());
    reply::no_content()
}

async fn stock(State(app): State<App>) -> Response {
    app.with(|world, _| reply::ok(&json!({ "stock": world.stock })))
}

async fn set_stock(State(app): State<App>, body: Bytes) -> Result<Response, Wrong> {
    let shortage: Shortage = read(&body)?;
    app.with(|world, _| world.limit(shortage));
    Ok(stock(State(app)).await)
}

async fn clear_stock(State(app): State<App>) -> Response {
    app.with(|world, _| world.unlimit());
    reply::no_content()
}

async fn limits(State(app): State<App>) -> Response {
    app.with(|world, _| reply::ok(&world.meter.limits))
}

async fn set_limits(State(app): State<App>, body: Bytes) -> Result<Response, Wrong> {
    let limits: RateLimits = read(&body)?;
    app.with(|world, _| world.meter = super::limits::Meter::new(limits));
    Ok(reply::ok(&limits))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    key: String,
    #[serde(default = "main")]
    account: String,
    #[serde(default)]
    reach: Reach,
}

fn main() -> String {
    super::app::MAIN.to_owned()
}

async fn add_key(State(app): State<App>, body: Bytes) -> Result<Response, Wrong> {
    let NewKey { key, account, reach } = read(&body)?;
    app.with(|world, _| world.keys.add(&key, &account, reach));
    Ok(reply::no_content())
}

async fn revoke_key(State(app): State<App>, Path(key): Path<String>) -> Response {
    if app.with(|world, _| world.keys.revoke(&key)) {
        reply::no_content()
    } else {
        StatusCode::NOT_FOUND.into_response()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Purse {
    balance: Option<f64>,
    spend_limit: Option<f64>,
}

async fn set_account(State(app): State<App>, Path(account): Path<String>, body: Bytes) -> Result<Response, Wrong> {
    let Purse { balance, spend_limit } = read(&body)?;
    app.with(|world, _| {
        let known = world.accounts.entry(account).or_default();
        (known.balance, known.spend_limit) = (balance, spend_limit);
    });
    Ok(reply::no_content())
}

async fn state(State(app): State<App>) -> Response {
    let (timing, services) = (app.timing(), app.doors().count());
    app.with(|world, now| {
        let mut dump = state::dump(world, &timing, now);
        dump["services"] = services.into();
        reply::ok(&dump)
    })
}

async fn reset(State(app): State<App>) -> Response {
    app.reset();
    reply::no_content()
}
