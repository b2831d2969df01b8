//! How late idle sessions are ended, ten thousand of them within a minute, with the machines of all being watched.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use atlas_orchestrator::{Event, EventStream, Orchestrator, SessionId, StreamItem, What};
use atlas_tests::{Crowd, Outcome, PlainCloud, atlas};
use futures_util::StreamExt;

use crate::figure::{Figure, Goal};
use crate::numbers::{count, greatest, median, millis, percentile};

const SESSIONS: u32 = 10_000;

/// The first falls due so long after its last touch.
const FIRST: Duration = Duration::from_secs(20);

/// Ten thousand steps make a minute.
const STEP: Duration = Duration::from_millis(6);

/// By how much a touch is rounded up, so that it is never worth too little: the stated batch interval.
const ROUNDED_UP: f64 = 1_000.0;

/// How long all are in use before they fall silent.
const IN_USE: Duration = Duration::from_secs(10);

/// How long after the last deadline the last ending is waited for.
const PATIENCE: Duration = Duration::from_mins(1);

/// When each session was last touched, and how long it may be idle.
type Deadlines = HashMap<SessionId, Instant>;

pub(crate) async fn run() -> Outcome<Vec<Figure>> {
    let crowd = Crowd { sessions: SESSIONS, idle_ttl: FIRST, ttl_step: STEP, looks_within: Duration::from_secs(30) };
    let filled = crowd.fill().await?;
    let orchestrator = Orchestrator::open(atlas(filled.folder.path(), Arc::new(PlainCloud::new()?))).await?;
    let begun = Instant::now();
    let mut events = None;
    while begun.elapsed() < IN_USE {
        touch_all(&orchestrator, &filled.ids)?;
        if events.is_none() {
            events = Some(orchestrator.events().await?);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let deadlines = touch_all(&orchestrator, &filled.ids)?;
    let mut events = events.ok_or("there was no time to follow events")?;
    let (mut ended, mut gone, mut early) = (Vec::new(), Vec::new(), 0);
    while gone.len() < filled.ids.len() {
        let (session, what) = tokio::time::timeout(FIRST + STEP * SESSIONS + PATIENCE, next(&mut events))
            .await
            .map_err(|_| format!("{} of {SESSIONS} sessions did not end", filled.ids.len() - gone.len()))??;
        let now = Instant::now();
        let Some(deadline) = deadlines.get(&session) else { continue };
        let late = millis(now.saturating_duration_since(*deadline));
        match what {
            What::Terminating { .. } => {
                early += usize::from(now < *deadline);
                ended.push(late);
            }
            What::Terminated { .. } => gone.push(late),
            _ => {}
        }
    }
    orchestrator.shutdown(Duration::from_secs(5)).await?;
    Ok(vec![
        Figure {
            what: "idle sessions ended late, 99th of 100, beyond the second by which a touch is rounded up",
            goal: Goal::AtMost(250.0),
            value: percentile(&ended, 99) - ROUNDED_UP,
            unit: "ms",
            detail: format!(
                "late in all: median {:.0} ms, 99th {:.0} ms, latest {:.0} ms; machine proven gone: 99th {:.0} ms",
                median(&ended),
                percentile(&ended, 99),
                greatest(&ended),
                percentile(&gone, 99)
            ),
        },
        Figure {
            what: "idle sessions ended before their time",
            goal: Goal::AtMost(0.0),
            value: count(early),
            unit: "",
            detail: format!("of {} that fell due within a minute", ended.len()),
        },
    ])
}

/// Touches all, and says when each must not end before.
fn touch_all(orchestrator: &Orchestrator, ids: &[SessionId]) -> Outcome<Deadlines> {
    let mut deadlines = HashMap::with_capacity(ids.len());
    let mut ttl = FIRST;
    for id in ids {
        orchestrator.touch(id)?;
        deadlines.insert(*id, Instant::now() + ttl);
        ttl += STEP;
    }
    Ok(deadlines)
}

/// The next thing that happens to a session.
async fn next(events: &mut EventStream) -> Outcome<(SessionId, What)> {
    loop {
        match events.next().await {
            Some(Ok(StreamItem::Event { event: Event { session: Some(session), what, .. }, .. })) => {
                return Ok((session, what));
            }
            Some(Ok(StreamItem::Lagged(missed))) => return Err(format!("{missed} events were missed").into()),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error.into()),
            None => return Err("the events came to an end".into()),
        }
    }
}
