//! Ten endings at once at a cloud that takes half a second for each, and a spawn meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use atlas_auth::SystemClock;
use atlas_orchestrator::{Orchestrator, Session};
use atlas_sim::Mock;
use atlas_tests::{Outcome, atlas, request};
use futures_util::future::try_join_all;

use crate::figure::{Figure, Goal};
use crate::numbers::{median, millis};

const AT_ONCE: usize = 10;
const REPETITIONS: usize = 7;

/// How long the cloud takes for one.
const EACH: Duration = Duration::from_millis(500);

pub(crate) async fn run() -> Outcome<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let cloud = Mock::builder().clock(Arc::new(SystemClock)).delete_takes(EACH).build();
    let orchestrator = Orchestrator::open(atlas(folder.path(), Arc::new(cloud.clone()))).await?;
    let (mut alone, mut together, mut spawns_alone, mut spawns_meanwhile) = (vec![], vec![], vec![], vec![]);
    for repetition in 0..REPETITIONS {
        let key = |what: &str| format!("{what} {repetition}");
        let names = (0..AT_ONCE).map(|place| key(&format!("one of ten, {place}")));
        let sessions = try_join_all(names.map(|name| spawn(&orchestrator, name))).await?;
        let (lone, took) = spawn(&orchestrator, key("alone")).await?;
        spawns_alone.push(took);
        alone.push(end(&orchestrator, &lone).await?);

        let begun = Instant::now();
        let endings = try_join_all(sessions.iter().map(|(session, _)| end(&orchestrator, session)));
        let (ended, spawned) = tokio::join!(endings, spawn(&orchestrator, key("meanwhile")));
        ended?;
        together.push(millis(begun.elapsed()));
        let (session, took) = spawned?;
        spawns_meanwhile.push(took);
        end(&orchestrator, &session).await?;
    }
    orchestrator.shutdown(Duration::from_secs(5)).await?;
    if !cloud.live().is_empty() {
        return Err("a machine was left".into());
    }
    let (one, ten) = (median(&alone), median(&together));
    let (before, meanwhile) = (median(&spawns_alone), median(&spawns_meanwhile));
    Ok(vec![
        Figure {
            what: "ten endings at once ÷ one alone, 0.5 s each at the cloud",
            goal: Goal::AtMost(1.1),
            value: ten / one,
            unit: "×",
            detail: format!("all ten proven gone after {ten:.0} ms, one alone after {one:.0} ms"),
        },
        Figure {
            what: "a spawn meanwhile, later than one alone",
            goal: Goal::AtMost(50.0),
            value: meanwhile - before,
            unit: "ms",
            detail: format!("ready after {meanwhile:.0} ms, alone after {before:.0} ms"),
        },
    ])
}

/// A session that is ready, and the milliseconds it took.
async fn spawn(orchestrator: &Orchestrator, key: String) -> Outcome<(Session, f64)> {
    let begun = Instant::now();
    let session = orchestrator.ensure(&key, request()).await?;
    session.ready().await?;
    Ok((session, millis(begun.elapsed())))
}

/// Milliseconds until its machine is proven gone.
async fn end(orchestrator: &Orchestrator, session: &Session) -> Outcome<f64> {
    let begun = Instant::now();
    orchestrator.end(session.id()).await?;
    session.ended().await?;
    Ok(millis(begun.elapsed()))
}
