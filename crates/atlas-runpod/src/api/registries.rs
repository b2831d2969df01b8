//! Credentials of image registries, kept at RunPod: `/v2/registries`. They cost nothing; the password is never read back.

use atlas_auth::{Clock, Secret};
use atlas_core::http::{Lane, Request};
use atlas_core::{CallContext, Result};
use serde_json::{Value, json};

use super::pages::Listing;
use super::{Api, address, checked};

impl Api {
    /// Keeps some.
    pub(crate) async fn create_registry(
        &self,
        context: &CallContext,
        name: &str,
        username: &str,
        password: &Secret,
    ) -> Result<Value> {
        let url = address(&self.at.management, &["registries"]);
        let body = json!({"name": name, "username": username, "password": password.expose()});
        let request = Request::post(url, "create_registry").lane(Lane::Create).json(&body)?;
        self.object(context, request, &[password]).await
    }

    /// Reads the names of all.
    pub(crate) async fn list_registries(&self, clock: &dyn Clock, context: &CallContext) -> Result<Vec<Value>> {
        let url = address(&self.at.management, &["registries"]);
        let listing = Listing { url, field: "registries", operation: "list_registries", lane: Lane::List };
        self.walk(clock, context, &listing).await
    }

    /// Deletes some; those that a pod uses are refused.
    pub(crate) async fn delete_registry(&self, context: &CallContext, id: &str) -> Result<()> {
        let url = address(&self.at.management, &["registries", checked("registry", id)?]);
        self.manage(context, Request::delete(url, "delete_registry"), &[]).await.map(drop)
    }
}
