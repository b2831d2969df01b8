//! REST v2: the gate that every call passes, the table of routes, and what an account owns beside machines.

mod gate;
mod logs;
mod order;
mod paging;
mod patch;
mod pods;
mod rack;
mod registries;
mod templates;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use http::StatusCode;

use super::app::App;
use super::reply::Problem;

pub(super) use order::{CpuWish, Draft, GpuWish, rent};
pub(super) use pods::{act, terminate, view};
pub(super) use rack::Rack;
pub(super) use registries::Registry;
pub(super) use templates::Template;

/// What accounts own beside machines.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    pub(super) templates: Rack<templates::Template>,
    pub(super) registries: Rack<registries::Registry>,
}

/// The routes.
pub(super) fn router(app: &App) -> Router {
    Router::new()
        .route("/v2/pods", get(pods::list).post(pods::create))
        .route("/v2/pods/{id}", get(pods::get).patch(patch::patch).delete(pods::delete))
        .route("/v2/pods/{id}/action", post(pods::action))
        .route("/v2/pods/{id}/logs", get(logs::logs))
        .route("/v2/templates", get(templates::list).post(templates::create))
        .route("/v2/templates/{id}", get(templates::get).patch(templates::patch).delete(templates::delete))
        .route("/v2/registries", get(registries::list).post(registries::create))
        .route("/v2/registries/{id}", get(registries::get).delete(registries::delete))
        .fallback(async || Problem::not_found("resource").into_response())
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "The requested method is not allowed for this path.")
        })
        .layer(from_fn_with_state(app.clone(), gate::gate))
        .with_state(app.clone())
}
