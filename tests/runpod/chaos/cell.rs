//! One operation under one fault.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use atlas_core::http::Transport;
use atlas_core::{CallContext, Effect, ErrorKind, Result};
use atlas_sim::{Fault, Rule};

use super::deed::{Deed, Repeat};
use super::site::{SPAN, Site};

/// Every call ends long before this, of itself or because its caller gives up.
const PATIENT: Duration = Duration::from_mins(2);

/// How often it is looked whether the cloud has heard a call.
const LOOK: Duration = Duration::from_millis(5);

/// How often a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Times {
    /// The first call.
    Once,
    /// Each call.
    Always,
}

/// What the caller was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    Done,
    Failed { kind: ErrorKind, effect: Effect, leftovers: usize },
}

impl fmt::Display for Told {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => formatter.write_str("ok"),
            Self::Failed { kind, effect, leftovers: 0 } => write!(formatter, "{kind}, {}", word(*effect)),
            Self::Failed { kind, leftovers, .. } => write!(formatter, "{kind}, {leftovers} left"),
        }
    }
}

fn word(effect: Effect) -> &'static str {
    match effect {
        Effect::NotSent => "not sent",
        Effect::Rejected => "rejected",
        Effect::Unknown => "unknown",
        other => panic!("no word for the effect {other:?}"),
    }
}

/// What came of it.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) told: Told,
    /// Calls that left Atlas, and those among them that change something.
    pub(crate) calls: usize,
    pub(crate) changes: usize,
    /// What then stands in the cloud's books.
    pub(crate) truth: String,
    /// A secret that the error quotes.
    pub(crate) quoted: Option<String>,
}

/// The books without any call, and after one that nothing disturbed.
#[derive(Debug, Clone)]
pub(crate) struct Undisturbed {
    pub(crate) idle: String,
    pub(crate) done: String,
}

impl Undisturbed {
    pub(crate) async fn of(deed: &Deed, transport: &Arc<dyn Transport>) -> Self {
        let idle = Site::new(deed.need, transport).await;
        let idle = books(deed, &idle).await;
        let site = Site::new(deed.need, transport).await;
        (deed.act)(&site, &context()).await.unwrap_or_else(|error| panic!("{}: {error}", deed.name));
        Self { idle, done: books(deed, &site).await }
    }
}

fn context() -> CallContext {
    CallContext::new().with_timeout(PATIENT).with_retries(1)
}

/// What happens while a call is under way: never before the cloud has heard it.
async fn meanwhile(site: &Site, fault: &Fault) {
    let cloud = &site.ground.cloud;
    let heard = async |has_heard: &dyn Fn() -> bool| {
        while !has_heard() {
            tokio::time::sleep(LOOK).await;
        }
    };
    match fault {
        // Its caller gives up.
        Fault::NeverAnswers | Fault::AnswersLate(_) => {
            heard(&|| cloud.rules().is_empty()).await;
            site.tally.give_up();
        }
        // The workers come back, at the cloud's own clock.
        Fault::WorkersThrottled(_) | Fault::WorkersUnhealthy(_) => {
            heard(&|| !cloud.jobs().is_empty()).await;
            cloud.advance(SPAN + SPAN);
        }
        _ => {}
    }
    std::future::pending::<()>().await;
}

/// The books once everything has come to be that is on its way.
async fn books(deed: &Deed, site: &Site) -> String {
    site.ground.cloud.heal();
    site.ground.cloud.advance(SPAN + SPAN);
    (deed.truth)(site).await
}

/// Whether the call ends only because its caller gives up.
pub(crate) fn is_silent(fault: &Fault) -> bool {
    matches!(fault, Fault::NeverAnswers | Fault::AnswersLate(_))
}

pub(crate) async fn run(deed: &Deed, fault: &Fault, times: Times, transport: &Arc<dyn Transport>) -> Outcome {
    let site = Site::new(deed.need, transport).await;
    let rule = Rule::on(deed.struck, fault.clone());
    site.ground.cloud.inject(if times == Times::Always { rule.always() } else { rule });
    let context = context();
    let answer: Result<()> = tokio::select! {
        answer = (deed.act)(&site, &context) => answer,
        () = meanwhile(&site, fault) => unreachable!("it never ends by itself"),
    };
    let (calls, changes) = site.tally.counts();
    let (mut told, mut quoted) = (Told::Done, None);
    if let Err(error) = &answer {
        let shown = format!("{error} {error:?} {}", serde_json::to_string(error).unwrap());
        quoted = site.secrets().into_iter().find(|secret| shown.contains(secret));
        told = Told::Failed { kind: error.kind(), effect: error.effect(), leftovers: error.leftovers().len() };
    }
    Outcome { told, calls, changes, truth: books(deed, &site).await, quoted }
}

/// What is broken in a cell: nothing, if all is well.
pub(crate) fn judge(deed: &Deed, fault: &Fault, outcome: &Outcome, undisturbed: &Undisturbed) -> Vec<String> {
    let mut broken = Vec::new();
    let acted = outcome.truth != undisturbed.idle;
    if let Some(secret) = &outcome.quoted {
        broken.push(format!("its error quotes {secret}"));
    }
    let provably_nothing = matches!(fault, Fault::RateLimited(_) | Fault::CapacityGone | Fault::Forbidden);
    if deed.repeat == Repeat::Never && outcome.changes > 1 && !provably_nothing {
        broken.push(format!("it was sent {} times on a guess", outcome.changes));
    }
    match outcome.told {
        Told::Failed { effect: Effect::NotSent | Effect::Rejected, leftovers: 0, .. } if acted => {
            broken.push(format!("it is said to have done nothing, and the books show {}", outcome.truth));
        }
        Told::Done if !is_lie(fault) && outcome.truth != undisturbed.done => {
            broken.push(format!("it is said to be done, and the books show {}", outcome.truth));
        }
        _ => {}
    }
    if deed.repeat == Repeat::Reads && !moves(fault) && acted {
        broken.push(format!("it reads, and the books show {}", outcome.truth));
    }
    if !twice(fault) && outcome.truth.starts_with("2 rented") {
        broken.push("it rented twice".to_owned());
    }
    broken
}

/// Faults in which the cloud itself says what is not so. No single answer can be better than the cloud that gives it:
/// that something is over is proven by later reads (`atlas_core::proof`), not by the word of one call.
fn is_lie(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::Ignores
            | Fault::Hides(_)
            | Fault::AnotherAccount
            | Fault::Migrates
            | Fault::Duplicates
            // The worker crashed, and the job was tried again: told and true.
            | Fault::WorkerCrashes
    )
}

/// Faults that change the books by themselves.
fn moves(fault: &Fault) -> bool {
    matches!(fault, Fault::Migrates)
}

fn twice(fault: &Fault) -> bool {
    matches!(fault, Fault::Duplicates)
}
