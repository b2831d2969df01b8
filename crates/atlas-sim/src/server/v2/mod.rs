//! REST v2: the gate that every call passes, the table of routes, and what an account owns beside machines.

mod account;
mod billing;
mod catalog;
mod endpoint_config;
mod endpoints;
mod gate;
mod logs;
mod order;
mod paging;
mod patch;
mod pods;
mod rack;
mod registries;
mod templates;
mod volumes;
mod workers;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{delete, get, post};
use http::StatusCode;

use super::app::App;
use super::reply::Problem;

pub(super) use endpoints::{change_endpoint, make_endpoint, standing};
pub(super) use order::{CpuWish, Draft, GpuWish, rent};
pub(super) use pods::{act, terminate, view};
pub(super) use rack::Rack;
pub(super) use registries::Registry;
pub(super) use templates::Template;
pub(super) use volumes::shown as shown_volume;

/// What accounts own beside machines.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    pub(super) templates: Rack<Template>,
    pub(super) registries: Rack<Registry>,
    pub(super) secrets: Rack<account::AccountSecret>,
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
        .route("/v2/network-volumes", get(volumes::list).post(volumes::create))
        .route("/v2/network-volumes/{id}", get(volumes::get).patch(volumes::patch).delete(volumes::delete))
        .route("/v2/serverless", get(endpoints::list).post(endpoints::create))
        .route("/v2/serverless/{id}", get(endpoints::get).patch(endpoints::patch).delete(endpoints::delete))
        .route("/v2/serverless/{id}/workers", get(workers::list))
        .route("/v2/serverless/{id}/workers/{worker}/logs", get(workers::logs))
        .route("/v2/serverless/{id}/releases", get(workers::releases))
        .route("/v2/catalog/gpus", get(catalog::gpus))
        .route("/v2/catalog/gpus/{id}", get(catalog::one_gpu))
        .route("/v2/catalog/cpus", get(catalog::cpus))
        .route("/v2/catalog/cpus/{id}", get(catalog::one_cpu))
        .route("/v2/catalog/datacenters", get(catalog::data_centers))
        .route("/v2/catalog/datacenters/{id}", get(catalog::one_data_center))
        .route("/v2/catalog/templates", get(catalog::templates))
        .route("/v2/billing", get(billing::all))
        .route("/v2/billing/{kind}", get(billing::one))
        .route("/v2/account/ssh-keys", get(account::keys).put(account::set_keys))
        .route("/v2/account/secrets", get(account::secrets).post(account::add_secret))
        .route("/v2/account/secrets/{id}", delete(account::delete_secret))
        .fallback(async || Problem::not_found("resource").into_response())
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "The requested method is not allowed for this path.")
        })
        .layer(from_fn_with_state(app.clone(), gate::gate))
        .with_state(app.clone())
}
