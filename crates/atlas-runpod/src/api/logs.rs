//! A pod's log: `/v2/pods/{id}/logs`, as server-sent events.

use atlas_core::http::sse::{self, Event};
use atlas_core::http::{Lane, Request};
use atlas_core::{BoxStream, CallContext, Error, ErrorKind, Result};
use http::HeaderName;
use serde::Deserialize;

use super::{Api, address, checked};
use crate::error::missing;

/// How much of what was written before is shown: the most that the cloud gives.
const TAIL: &str = "5000";

/// What one event says.
#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    /// The line, without its end.
    pub(crate) line: String,
}

impl Api {
    /// Opens the log of what a pod's container writes; `after` is the id of the last event that was seen.
    pub(crate) async fn open_log(
        &self,
        context: &CallContext,
        id: &str,
        after: Option<&str>,
    ) -> Result<BoxStream<'static, Result<Event>>> {
        let mut url = address(&self.at.management, &["pods", checked("pod", id)?, "logs"]);
        url.query_pairs_mut().append_pair("source", "container").append_pair("tail", TAIL);
        let mut request = Request::get(url, "logs").lane(Lane::Get).streams("text/event-stream");
        if let Some(after) = after {
            request = request.header(HeaderName::from_static("last-event-id"), after)?;
        }
        let answer = self.manage(context, request, &[]).await;
        let answer = answer.map_err(|error| missing(error, format_args!("machine {id}")))?;
        // Anything else would read as a log in which nothing stands.
        if answer.header("content-type").is_some_and(|kind| !kind.trim_start().starts_with("text/event-stream")) {
            let error = Error::new(ErrorKind::Decode, format!("the cloud answered something that is no log of {id}"));
            return Err(error.with_provider(&self.provider).with_operation("logs"));
        }
        Ok(sse::events(answer.into_pieces()))
    }
}
