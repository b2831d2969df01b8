//! A thousand sessions due at the same moment, at a cloud that takes half a second for each and allows so many calls a
//! second: none may be leaked, and who is in use must not notice.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use atlas_auth::SystemClock;
use atlas_orchestrator::{Orchestrator, Phase, Session, SessionRequest};
use atlas_sim::Mock;
use atlas_tests::{Outcome, atlas, request};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::task::JoinSet;

use crate::figure::{Figure, Goal};
use crate::numbers::{count, median, millis, percentile};

/// How many fall due at once.
const DUE: usize = 1_000;

/// How many are in use all the time.
const LIVE: usize = 50;

/// How long the cloud takes for one delete.
const DELETE: Duration = Duration::from_millis(500);

/// How many calls of any kind the cloud allows in a second. An ending needs three.
const PACE: u32 = 200;

/// The idle time-out of those that fall due.
const TTL: Duration = Duration::from_secs(15);

/// How often all that are in use are touched while the others are made.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// How many are begun at once while they are made.
const BEGUN_AT_ONCE: usize = 16;

/// How often somebody new comes while the measuring goes on, and how many come before it all ends.
const NEW_EVERY: Duration = Duration::from_secs(1);
const NEW_BEFORE: usize = 10;

/// How long it may take until all are gone.
const PATIENCE: Duration = Duration::from_mins(4);

/// What whoever is in use notices: milliseconds of touches, and until new sessions are ready.
#[derive(Default)]
struct Noticed {
    touches: Vec<f64>,
    starts: Vec<f64>,
}

/// All that takes part.
struct Scene {
    orchestrator: Orchestrator,
    cloud: Mock,
    live: Vec<Session>,
    due: Vec<Session>,
}

impl Scene {
    /// Everybody is ready, and those who shall fall due have just been touched for the last time.
    async fn set(folder: &std::path::Path) -> Outcome<Self> {
        let second = Duration::from_secs(1);
        let cloud = Mock::builder().clock(Arc::new(SystemClock)).delete_takes(DELETE).call_pace(PACE, second).build();
        let orchestrator = Orchestrator::open(atlas(folder, Arc::new(cloud.clone()))).await?;
        let live = begin(&orchestrator, "live", LIVE, &request()).await?;
        let due = begin(&orchestrator, "due", DUE, &request().idle_ttl(TTL)).await?;
        touch_all(&orchestrator, due.iter())?;
        Ok(Self { orchestrator, cloud, live, due })
    }

    /// Goes on with ordinary life until `enough`.
    async fn go_on(&self, who: &str, enough: impl Fn(usize) -> bool) -> Outcome<Noticed> {
        let mut noticed = Noticed::default();
        let mut new = JoinSet::new();
        let begun = Instant::now();
        while !enough(new.len()) && begun.elapsed() < PATIENCE {
            let (orchestrator, key) = (self.orchestrator.clone(), format!("{who} {}", new.len()));
            new.spawn(async move { start(&orchestrator, &key, request()).await });
            let next = Instant::now() + NEW_EVERY;
            while Instant::now() < next {
                for session in &self.live {
                    let touched = Instant::now();
                    self.orchestrator.touch(session.id())?;
                    noticed.touches.push(millis(touched.elapsed()));
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        while let Some(started) = new.join_next().await {
            noticed.starts.push(started??.1);
        }
        Ok(noticed)
    }

    /// How many machines the cloud has ended.
    fn ended(&self) -> usize {
        self.cloud.ledger().rents.iter().filter(|rent| rent.ended_at.is_some()).count()
    }
}

pub(crate) async fn run() -> Outcome<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let scene = Scene::set(folder.path()).await?;
    let before = scene.go_on("before", |new| new >= NEW_BEFORE).await?;
    if scene.ended() > 0 {
        return Err("those who shall fall due at once did so too early".into());
    }
    let silent = Instant::now();
    while scene.ended() == 0 && silent.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let begun = Instant::now();
    let meanwhile = scene.go_on("meanwhile", |_| scene.ended() >= DUE).await?;
    let took = begun.elapsed();

    let expected = LIVE + before.starts.len() + meanwhile.starts.len();
    let leaked = scene.cloud.live().len().saturating_sub(expected);
    let killed = killed(&scene).await?;
    scene.orchestrator.shutdown(Duration::from_secs(10)).await?;
    let least = count(DUE * 3) / f64::from(PACE);
    Ok(vec![
        Figure {
            what: "1,000 due at once with a rate limit: machines leaked",
            goal: Goal::AtMost(0.0),
            value: count(leaked),
            unit: "",
            detail: format!(
                "all gone after {:.0} s; the limit of {PACE} calls a second alone needs {least:.0} s",
                took.as_secs_f64()
            ),
        },
        Figure {
            what: "meanwhile: live sessions ended",
            goal: Goal::AtMost(0.0),
            value: count(killed),
            unit: "",
            detail: format!("of {expected}"),
        },
        Figure {
            what: "meanwhile: a touch, 99th of 100",
            goal: Goal::AtMost(1.0),
            value: percentile(&meanwhile.touches, 99),
            unit: "ms",
            detail: format!("before: {:.4} ms", percentile(&before.touches, 99)),
        },
        Figure {
            what: "meanwhile: a new session ready, median, later than before",
            goal: Goal::AtMost(500.0),
            value: median(&meanwhile.starts) - median(&before.starts),
            unit: "ms",
            detail: format!(
                "median {:.0} ms, 9 of 10 within {:.0} ms; before: {:.0} ms",
                median(&meanwhile.starts),
                percentile(&meanwhile.starts, 90),
                median(&before.starts)
            ),
        },
    ])
}

/// How many sessions that should live do not.
async fn killed(scene: &Scene) -> Outcome<usize> {
    let due: HashSet<_> = scene.due.iter().map(|session| *session.id()).collect();
    let views = scene.orchestrator.sessions().await?;
    let ready = views.iter().filter(|view| !due.contains(&view.id) && view.phase == Phase::Ready);
    let ready = ready.count();
    let machines = scene.cloud.live().len();
    Ok(machines.saturating_sub(ready))
}

/// So many ready sessions, all kept by touches until the last of them is.
async fn begin(orchestrator: &Orchestrator, who: &str, many: usize, request: &SessionRequest) -> Outcome<Vec<Session>> {
    let ready = Mutex::new(Vec::with_capacity(many));
    let made = stream::iter(0..many).map(Ok).try_for_each_concurrent(BEGUN_AT_ONCE, |place| {
        let ready = &ready;
        async move {
            let (session, _) = start(orchestrator, &format!("{who} {place}"), request.clone()).await?;
            ready.lock().unwrap_or_else(PoisonError::into_inner).push(session);
            Outcome::Ok(())
        }
    });
    let heartbeat = async {
        loop {
            touch_all(orchestrator, ready.lock().unwrap_or_else(PoisonError::into_inner).iter())?;
            tokio::time::sleep(HEARTBEAT).await;
        }
    };
    tokio::select! {
        made = made => made?,
        failed = heartbeat => return failed,
    }
    Ok(ready.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn touch_all<'a>(orchestrator: &Orchestrator, sessions: impl Iterator<Item = &'a Session>) -> Outcome<()> {
    for session in sessions {
        orchestrator.touch(session.id())?;
    }
    Ok(())
}

/// A session that is ready, and the milliseconds it took.
async fn start(orchestrator: &Orchestrator, key: &str, request: SessionRequest) -> Outcome<(Session, f64)> {
    let begun = Instant::now();
    let session = orchestrator.ensure(key, request).await?;
    session.ready().await?;
    Ok((session, millis(begun.elapsed())))
}
