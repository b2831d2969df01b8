//! Templates: `/v2/templates`. They cost nothing.

use atlas_auth::{Clock, Secret};
use atlas_core::http::{Lane, Repeat, Request};
use atlas_core::{CallContext, Result};
use http::Method;
use serde_json::Value;

use super::pages::Listing;
use super::{Api, address, checked};

impl Api {
    /// Makes one.
    pub(crate) async fn create_template(
        &self,
        context: &CallContext,
        body: &Value,
        secrets: &[&Secret],
    ) -> Result<Value> {
        let url = address(&self.at.management, &["templates"]);
        self.object(context, Request::post(url, "create_template").lane(Lane::Create).json(body)?, secrets).await
    }

    /// Reads one.
    pub(crate) async fn get_template(&self, context: &CallContext, id: &str) -> Result<Value> {
        let url = address(&self.at.management, &["templates", checked("template", id)?]);
        self.object(context, Request::get(url, "get_template"), &[]).await
    }

    /// Reads all of the account's own.
    pub(crate) async fn list_templates(&self, clock: &dyn Clock, context: &CallContext) -> Result<Vec<Value>> {
        let url = address(&self.at.management, &["templates"]);
        let listing = Listing { url, field: "templates", operation: "list_templates", lane: Lane::List };
        self.walk(clock, context, &listing).await
    }

    /// Changes what the body names.
    pub(crate) async fn update_template(
        &self,
        context: &CallContext,
        id: &str,
        body: &Value,
        secrets: &[&Secret],
    ) -> Result<Value> {
        let url = address(&self.at.management, &["templates", checked("template", id)?]);
        let request = Request::new(Method::PATCH, url, "update_template").repeat(Repeat::Safe).json(body)?;
        self.object(context, request, secrets).await
    }

    /// Deletes one; one in use is refused.
    pub(crate) async fn delete_template(&self, context: &CallContext, id: &str) -> Result<()> {
        let url = address(&self.at.management, &["templates", checked("template", id)?]);
        self.manage(context, Request::delete(url, "delete_template"), &[]).await.map(drop)
    }
}
