//! What was billed: `/v2/billing/…`.

use atlas_core::http::{Lane, Request};
use atlas_core::{CallContext, Result};
use serde_json::Value;

use super::{Api, address};

impl Api {
    /// Reads the history of one kind of thing, as these parameters narrow it.
    pub(crate) async fn billing(&self, context: &CallContext, kind: &str, query: &[(&str, String)]) -> Result<Value> {
        let mut url = address(&self.at.management, &["billing", kind]);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.object(context, Request::get(url, "billing_history").lane(Lane::List), &[]).await
    }
}
