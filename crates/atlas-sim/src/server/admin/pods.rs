//! What happens at a pod without any call of its owner.

use atlas_core::{ComputeId, duration};
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::{Wrong, read, wrong};
use crate::model::Phase;
use crate::server::app::App;
use crate::server::reply;

/// What can happen.
pub(super) const HAPPENINGS: [&str; 8] = ["exit", "fail", "vanish", "migrate", "hide", "log", "answer", "fill-host"];

/// How it happens.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct How {
    /// For `hide`.
    span: Option<String>,
    /// For `log`.
    text: Option<String>,
    /// For `answer`: the status, on which path (else on all), after how long.
    status: Option<u16>,
    path: Option<String>,
    delay: Option<String>,
}

pub(super) async fn happen(
    State(app): State<App>,
    Path((id, happening)): Path<(String, String)>,
    body: Bytes,
) -> Result<Response, Wrong> {
    let (how, id): (How, _) = (read(&body)?, ComputeId::new(id));
    let span = |text: &Option<String>| text.as_deref().map(duration::parse).transpose().map_err(wrong);
    let (hidden, delay) = (span(&how.span)?, span(&how.delay)?);
    let told = app.with(|world, now| {
        let unknown = |_| wrong(format!("there is no pod {id}"));
        let serial = world.cloud.machine_mut(&id).map_err(unknown)?.serial;
        match happening.as_str() {
            // The cloud starts the container again: the status tells nothing, the uptime does.
            "exit" => {
                if let Some(pod) = world.pods.get_mut(&serial) {
                    pod.restarted_at = Some(now);
                }
            }
            "fail" => world.cloud.befall(&id, Phase::Failed, now).map_err(unknown)?,
            "vanish" => world.cloud.take_away(&id, "vanished", now).map_err(unknown)?,
            "migrate" => {
                let fresh = world.cloud.migrate(&id, now).map_err(unknown)?;
                return Ok(json!({ "id": fresh }));
            }
            "hide" => {
                let hidden = hidden.ok_or_else(|| wrong("hide needs a span, such as {\"span\": \"1m\"}"))?;
                world.cloud.machine_mut(&id).map_err(unknown)?.hidden_until = now.plus(hidden);
            }
            "log" => {
                let text = how.text.as_deref().unwrap_or_default();
                let log = &mut world.cloud.machine_mut(&id).map_err(unknown)?.log;
                log.extend_from_slice(text.as_bytes());
                if !text.ends_with('\n') {
                    log.push(b'\n');
                }
            }
            "answer" => {
                if let Some(status) = how.status {
                    world.cloud.machine_mut(&id).map_err(unknown)?.answers.insert(how.path.clone(), status);
                }
                if let (Some(delay), Some(pod)) = (delay, world.pods.get_mut(&serial)) {
                    pod.thinks_for = delay;
                }
            }
            "fill-host" => {
                if let Some(pod) = world.pods.get_mut(&serial) {
                    pod.host_full = true;
                }
            }
            other => return Err(wrong(format!("\"{other}\" cannot happen; there are {}", HAPPENINGS.join(", ")))),
        }
        Ok(json!({ "id": id }))
    })?;
    app.ring();
    Ok(reply::ok(&told))
}
