//! Network volumes: `/v2/network-volumes`. The list has no pages; should it get them, they are walked.

use atlas_auth::Clock;
use atlas_core::http::{Lane, Repeat, Request};
use atlas_core::{CallContext, Result};
use http::Method;
use serde_json::{Value, json};

use super::pages::Listing;
use super::{Api, LIST_RENTED, address, checked};
use crate::error::{DELETE_VOLUME, missing};

impl Api {
    /// Makes one. **Bills until it is deleted.** Never sent twice on a guess.
    pub(crate) async fn create_volume(&self, context: &CallContext, body: &Value) -> Result<Value> {
        let url = address(&self.at.management, &["network-volumes"]);
        self.object(context, Request::post(url, "create_volume").lane(Lane::Create).json(body)?, &[]).await
    }

    /// Reads one.
    pub(crate) async fn get_volume(&self, context: &CallContext, operation: &'static str, id: &str) -> Result<Value> {
        let url = address(&self.at.management, &["network-volumes", checked("network volume", id)?]);
        let volume = self.object(context, Request::get(url, operation), &[]).await;
        volume.map_err(|error| missing(error, format_args!("network volume {id}")))
    }

    /// Reads all.
    pub(crate) async fn list_volumes(
        &self,
        clock: &dyn Clock,
        context: &CallContext,
        operation: &'static str,
    ) -> Result<Vec<Value>> {
        let lane = if operation == LIST_RENTED { Lane::Find } else { Lane::List };
        let url = address(&self.at.management, &["network-volumes"]);
        self.walk(clock, context, &Listing { url, field: "networkVolumes", operation, lane }).await
    }

    /// Gives one this size.
    pub(crate) async fn resize_volume(&self, context: &CallContext, id: &str, size_gb: u32) -> Result<Value> {
        let url = address(&self.at.management, &["network-volumes", checked("network volume", id)?]);
        let request = Request::new(Method::PATCH, url, "grow_volume").repeat(Repeat::Safe);
        self.object(context, request.json(&json!({"size": size_gb}))?, &[]).await
    }

    /// Deletes one and all that is on it.
    pub(crate) async fn delete_volume(&self, context: &CallContext, id: &str) -> Result<()> {
        let url = address(&self.at.management, &["network-volumes", checked("network volume", id)?]);
        self.manage(context, Request::delete(url, DELETE_VOLUME), &[]).await.map(drop)
    }
}
