//! One serverless job.

use std::time::Duration;

use std::sync::Arc;

use atlas_auth::{Secret, Timestamp};
use atlas_core::{ComputeId, EndpointId, JobId};
use serde_json::Value;

use crate::model::Serial;
use crate::model::agenda::Key;

use super::work::Work;

/// What is asked of an endpoint.
#[derive(Debug, Clone)]
pub(crate) struct JobPlan {
    pub(crate) input: Value,
    /// Whether its sender waits for it: then its result is kept for a shorter time.
    pub(crate) is_sync: bool,
    pub(crate) webhook: Option<Secret>,
    /// How long it may run; `None` for as long as its endpoint lets it.
    pub(crate) execution_timeout: Option<Duration>,
    /// How long it is kept from when it came: queue, run and result together.
    pub(crate) ttl: Duration,
    /// Whether it may wait for others.
    pub(crate) low_priority: bool,
    /// In how many tries its worker crashes halfway, beside those that its input asks for.
    pub(crate) crashes: u32,
    /// What a face wants to remember of it.
    pub(crate) notes: Value,
}

impl JobPlan {
    /// A job that nobody waits for, kept for a day.
    pub(crate) fn new(input: Value) -> Self {
        Self {
            input,
            is_sync: false,
            webhook: None,
            execution_timeout: None,
            ttl: Duration::from_hours(24),
            low_priority: false,
            crashes: 0,
            notes: Value::Null,
        }
    }
}

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobPhase {
    Queued,
    Running,
    Completed,
    Failed,
    Cancelled,
    TimedOut,
}

impl JobPhase {
    /// Whether it changes no more.
    pub(crate) const fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// How a run will end if nobody interferes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Done,
    Crash,
    TimeOut,
}

/// One job. Cheap to clone: its input is shared, its output is reckoned.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) serial: Serial,
    pub(crate) id: JobId,
    pub(crate) endpoint: EndpointId,
    pub(crate) plan: Arc<JobPlan>,
    pub(crate) work: Arc<Work>,
    pub(crate) phase: JobPhase,
    pub(crate) created_at: Timestamp,
    /// Since when it waits, or waited last.
    pub(crate) queued_at: Timestamp,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
    /// When it is forgotten, whatever it is doing.
    pub(crate) expires_at: Timestamp,
    pub(crate) visible_from: Timestamp,
    /// The worker that has it, or had it last.
    pub(crate) worker: Option<ComputeId>,
    pub(crate) error: Option<String>,
    /// How often it was tried again.
    pub(crate) retries: u32,
    pub(super) of: Serial,
    pub(super) running_on: Option<Serial>,
    /// When and how its run ends.
    pub(super) ending: Option<(Timestamp, Ending)>,
    pub(super) crashes_left: u32,
    /// How many pieces its run had given when it ended.
    pub(super) given: u32,
    /// How many pieces of this run were drained.
    pub(super) drained: u32,
    pub(super) alarm: Option<Key>,
}

impl Job {
    /// What it gave in the end.
    pub(crate) fn output(&self) -> Option<Value> {
        (self.phase == JobPhase::Completed).then(|| self.work.output(&self.plan.input))
    }

    /// How long it waited for a worker, or has waited so far.
    pub(crate) fn delay(&self, now: Timestamp) -> Duration {
        self.started_at.or(self.ended_at).unwrap_or(now).since(self.queued_at)
    }

    /// How long it ran, or has run so far.
    pub(crate) fn ran(&self, now: Timestamp) -> Option<Duration> {
        self.started_at.map(|started| self.ended_at.unwrap_or(now).since(started))
    }

    /// How many pieces were drained.
    #[cfg(feature = "server")]
    pub(crate) const fn drained(&self) -> u32 {
        self.drained
    }

    /// How many pieces its run has given.
    pub(crate) fn chunks_given(&self, now: Timestamp) -> u32 {
        match (self.phase, self.started_at) {
            (JobPhase::Running, Some(started)) => self.work.chunks_after(now.since(started)),
            _ => self.given,
        }
    }
}

/// What a stream read yields.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Drained {
    pub(crate) phase: JobPhase,
    pub(crate) error: Option<String>,
    /// The pieces, each with its number.
    pub(crate) chunks: Vec<(u32, Value)>,
    /// Whether more can come.
    pub(crate) is_over: bool,
}
