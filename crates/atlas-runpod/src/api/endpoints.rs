//! Serverless endpoints: `/v2/serverless`.

use atlas_auth::{Clock, Secret};
use atlas_core::http::{Lane, Repeat, Request};
use atlas_core::{CallContext, Result};
use http::Method;
use serde_json::Value;

use super::pages::Listing;
use super::{Api, LIST_RENTED, address, checked};
use crate::error::missing;

impl Api {
    /// Makes one. **Bills while a worker is up.** Never sent twice on a guess.
    pub(crate) async fn create_endpoint(
        &self,
        context: &CallContext,
        body: &Value,
        secrets: &[&Secret],
    ) -> Result<Value> {
        let url = address(&self.at.management, &["serverless"]);
        self.object(context, Request::post(url, "create_endpoint").lane(Lane::Create).json(body)?, secrets).await
    }

    /// Reads one.
    pub(crate) async fn get_endpoint(&self, context: &CallContext, id: &str) -> Result<Value> {
        let url = address(&self.at.management, &["serverless", checked("endpoint", id)?]);
        let read = self.object(context, Request::get(url, "get_endpoint"), &[]).await;
        read.map_err(|error| missing(error, format_args!("endpoint {id}")))
    }

    /// Reads all.
    pub(crate) async fn list_endpoints(
        &self,
        clock: &dyn Clock,
        context: &CallContext,
        operation: &'static str,
    ) -> Result<Vec<Value>> {
        let lane = if operation == LIST_RENTED { Lane::Find } else { Lane::List };
        let url = address(&self.at.management, &["serverless"]);
        self.walk(clock, context, &Listing { url, field: "endpoints", operation, lane }).await
    }

    /// Changes what the body names, and nothing else.
    pub(crate) async fn update_endpoint(
        &self,
        context: &CallContext,
        id: &str,
        body: &Value,
        secrets: &[&Secret],
    ) -> Result<Value> {
        let url = address(&self.at.management, &["serverless", checked("endpoint", id)?]);
        let request = Request::new(Method::PATCH, url, "update_endpoint").repeat(Repeat::Safe).json(body)?;
        let changed = self.object(context, request, secrets).await;
        changed.map_err(|error| missing(error, format_args!("endpoint {id}")))
    }

    /// Deletes one: ends its workers, cancels its jobs.
    pub(crate) async fn delete_endpoint(&self, context: &CallContext, id: &str) -> Result<()> {
        let url = address(&self.at.management, &["serverless", checked("endpoint", id)?]);
        self.manage(context, Request::delete(url, "delete_endpoint"), &[]).await.map(drop)
    }

    /// Reads its workers.
    pub(crate) async fn endpoint_workers(&self, context: &CallContext, id: &str) -> Result<Value> {
        let url = address(&self.at.management, &["serverless", checked("endpoint", id)?, "workers"]);
        let read = self.object(context, Request::get(url, "endpoint_workers"), &[]).await;
        read.map_err(|error| missing(error, format_args!("endpoint {id}")))
    }
}
