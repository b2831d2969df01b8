//! `GET /v2/pods/{id}/logs`: server-sent events, as long as the pod is there.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt::Write;
use std::time::Duration;

use atlas_auth::Timestamp;
use atlas_core::ComputeId;
use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::super::app::{App, World};
use super::super::keys::Caller;
use super::super::reply::{self, Problem};
use super::order::refused;
use crate::faults::Operation;

/// How many lines there are at the most, and how many usually.
const MOST: usize = 5000;
const USUAL: usize = 100;

/// One line that a pod, or the system about it, wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    source: &'static str,
    at: Timestamp,
    number: usize,
    text: String,
}

impl Line {
    fn id(&self) -> String {
        format!("{}/{:012}", self.at, self.number)
    }

    fn event(&self) -> String {
        let data = json!({ "ts": self.at.to_string(), "source": self.source, "line": self.text });
        format!("id: {}\ndata: {data}\n\n", self.id())
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wish {
    source: Option<String>,
    tail: usize,
    since: Option<Timestamp>,
    after: Option<String>,
}

impl Wish {
    fn read(query: Option<&str>, headers: &HeaderMap) -> Result<Self, Problem> {
        let after = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
        let mut wish = Self { source: None, tail: USUAL, since: None, after };
        let wrong = |text: &str| Problem::unprocessable(vec![text.to_owned()]);
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match &*name {
                "source" if matches!(&*value, "container" | "system") => wish.source = Some(value.into_owned()),
                "source" => return Err(wrong("source: value must be one of 'container', 'system'")),
                "tail" => {
                    let tail = value.parse().ok().filter(|tail| *tail <= MOST);
                    wish.tail = tail.ok_or_else(|| wrong("tail: must be an integer from 0 to 5000"))?;
                }
                "since" => {
                    let since = Timestamp::parse(&value).map_err(|_| wrong("since: must be an RFC 3339 time"))?;
                    wish.since = Some(since);
                }
                _ => {}
            }
        }
        Ok(wish)
    }

    fn wants(&self, line: &Line) -> bool {
        self.source.as_deref().is_none_or(|source| source == line.source)
            && self.since.is_none_or(|since| line.at >= since)
            && self.after.as_ref().is_none_or(|after| line.id() > *after)
    }
}

pub(super) async fn logs(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let id = ComputeId::new(id);
    let wish = Wish::read(query.as_deref(), &headers);
    let followed = app.clone();
    app.visit(&caller, Operation::Logs, Some(&id), |world, visit| {
        let wish = wish?;
        let lines = lines_of(world, &visit.account, &id, visit.now)?;
        Ok(told(followed, visit.account.clone(), id.clone(), wish, lines))
    })
    .await
}

/// What there is, and then what comes.
fn told(app: App, account: String, id: ComputeId, wish: Wish, lines: Vec<Line>) -> Response {
    let seen = lines.len();
    let mut wanted: VecDeque<Line> = lines.into_iter().filter(|line| wish.wants(line)).collect();
    // Whoever resumes misses nothing.
    while wish.after.is_none() && wanted.len() > wish.tail {
        wanted.pop_front();
    }
    let mut first = String::new();
    for line in &wanted {
        let _ = write!(first, "{}", line.event());
    }
    let state = (app, account, id, wish, seen, Some(first));
    let events = stream::unfold(state, |(app, account, id, wish, mut seen, first)| async move {
        if let Some(first) = first.filter(|first| !first.is_empty()) {
            return Some((Ok::<_, Infallible>(Bytes::from(first)), (app, account, id, wish, seen, None)));
        }
        loop {
            // The pod is gone: so is its log.
            let lines = app.with(|world, now| lines_of(world, &account, &id, now)).ok()?;
            let fresh: String = lines.iter().skip(seen).filter(|line| wish.wants(line)).map(Line::event).collect();
            seen = lines.len();
            if !fresh.is_empty() {
                return Some((Ok(Bytes::from(fresh)), (app, account, id, wish, seen, None)));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let mut response = reply::with_type(StatusCode::OK, "text/event-stream", Body::from_stream(events));
    reply::set(response.headers_mut(), "cache-control", "no-cache");
    reply::set(response.headers_mut(), "x-accel-buffering", "no");
    response
}

fn lines_of(world: &World, account: &str, id: &ComputeId, now: Timestamp) -> Result<Vec<Line>, Problem> {
    let machine = world.cloud.read(account, id, now).map_err(refused)?;
    if machine.life.at(now).is_ending() {
        return Err(Problem::not_found("pod"));
    }
    let text = String::from_utf8_lossy(&machine.log);
    let lines = text.lines().enumerate().map(|(number, text)| {
        // What the model itself writes is about the machine; the rest is its command's.
        let source = if matches!(text, "created" | "stopped" | "started again") { "system" } else { "container" };
        let at = machine.created_at.plus(Duration::from_millis(u64::try_from(number).unwrap_or(0)));
        Line { source, at, number, text: text.to_owned() }
    });
    Ok(lines.collect())
}
