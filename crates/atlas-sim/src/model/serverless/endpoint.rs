//! Serverless endpoints: a queue of jobs, and workers that come and go with it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use atlas_auth::{Secret, Timestamp};
use atlas_core::{CloudType, EndpointId, SpawnToken, VolumeId};
use serde::Serialize;
use serde_json::Value;

use crate::model::Serial;
use crate::model::agenda::Key;
use crate::model::stock::Wish;

/// When an endpoint gets another worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scaling {
    /// When a job has waited for so long. The first worker comes at once.
    QueueDelay(Duration),
    /// One for each so many jobs that wait or run.
    RequestCount(u32),
}

/// What an endpoint shall be.
#[derive(Debug, Clone)]
pub(crate) struct EndpointPlan {
    pub(crate) name: String,
    pub(crate) account: String,
    /// In order of preference, by the catalog's names; empty for workers without one.
    pub(crate) gpus: Vec<String>,
    pub(crate) gpu_count: u32,
    /// For workers without a GPU, in order of preference; empty for plain ones.
    pub(crate) cpu_flavors: Vec<String>,
    pub(crate) cpus: Option<u32>,
    /// In order of preference; empty for any.
    pub(crate) regions: Vec<String>,
    pub(crate) volumes: Vec<VolumeId>,
    pub(crate) workers_min: u32,
    pub(crate) workers_max: u32,
    /// How long a worker waits for another job before it stops.
    pub(crate) idle_timeout: Duration,
    pub(crate) scaling: Scaling,
    /// How long a worker starts; `None` for the cloud's usual time.
    pub(crate) cold_start: Option<Duration>,
    /// How long a job may run that does not say it itself.
    pub(crate) execution_timeout: Option<Duration>,
    /// How often a job is tried again whose worker crashed.
    pub(crate) retries: u32,
    pub(crate) image: Option<String>,
    pub(crate) env: BTreeMap<String, Secret>,
    /// What a face wants to remember of it.
    pub(crate) notes: Value,
}

impl Default for EndpointPlan {
    fn default() -> Self {
        Self {
            name: String::new(),
            account: String::new(),
            gpus: Vec::new(),
            gpu_count: 0,
            cpu_flavors: Vec::new(),
            cpus: None,
            regions: Vec::new(),
            volumes: Vec::new(),
            workers_min: 0,
            workers_max: 3,
            idle_timeout: Duration::from_secs(10),
            scaling: Scaling::QueueDelay(Duration::from_secs(4)),
            cold_start: None,
            execution_timeout: Some(Duration::from_mins(10)),
            retries: 1,
            image: None,
            env: BTreeMap::new(),
            notes: Value::Null,
        }
    }
}

impl EndpointPlan {
    pub(super) fn wish<'a>(&'a self, regions: &'a [String]) -> Wish<'a> {
        Wish {
            gpus: &self.gpus,
            gpu_count: self.gpu_count,
            cpu_flavors: &self.cpu_flavors,
            // Serverless workers stand in the cloud's own data centres.
            cloud_type: CloudType::Secure,
            regions,
        }
    }
}

/// Why an endpoint's workers take no jobs, although there are some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// The cloud has none to spare.
    Throttled,
    /// They fail their health checks.
    Unhealthy,
}

/// One endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) serial: Serial,
    pub(crate) id: EndpointId,
    /// The create that its name tells of.
    pub(crate) token: Option<SpawnToken>,
    pub(crate) plan: EndpointPlan,
    /// How often it was changed, from 1.
    pub(crate) version: u32,
    pub(crate) created_at: Timestamp,
    pub(crate) visible_from: Timestamp,
    /// When the last job came.
    pub(crate) last_job_at: Option<Timestamp>,
    /// Where its workers may stand; empty for anywhere.
    pub(super) regions: Vec<String>,
    /// The jobs that wait, as they will get their turn: those that may wait for others last.
    pub(super) queue: BTreeSet<(bool, Serial)>,
    pub(super) workers: BTreeSet<Serial>,
    pub(super) idle: BTreeSet<Serial>,
    pub(super) running: u32,
    pub(super) held: Option<(Hold, Timestamp)>,
    /// Whether a worker is wanted for which there is no room.
    pub(super) is_starved: bool,
    pub(super) scaled_at: Option<Timestamp>,
    pub(super) ended: JobCounts,
    pub(super) alarm: Option<Key>,
}

impl Endpoint {
    /// How many workers it has, those included that are starting.
    pub(crate) fn workers_up(&self) -> usize {
        self.workers.len()
    }

    /// Whether a read of its own account shows it.
    pub(crate) fn is_visible(&self, account: &str, now: Timestamp) -> bool {
        self.plan.account == account && now >= self.visible_from
    }

    /// Why its workers take no jobs now.
    pub(crate) fn held(&self, now: Timestamp) -> Option<Hold> {
        self.held.filter(|(_, until)| now < *until).map(|(hold, _)| hold)
    }

    pub(super) fn worker_count(&self) -> u32 {
        u32::try_from(self.workers.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn queued(&self) -> u32 {
        u32::try_from(self.queue.len()).unwrap_or(u32::MAX)
    }
}

/// How many jobs ended in which way, over an endpoint's whole life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct JobCounts {
    /// Done.
    pub completed: u64,
    /// Their worker failed.
    pub failed: u64,
    /// Cancelled.
    pub cancelled: u64,
    /// They took longer than they may.
    pub timed_out: u64,
    /// Their time to live was over before they were.
    pub expired: u64,
    /// Tried again, by the cloud or by its user.
    pub retried: u64,
}

/// How an endpoint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// Jobs that wait.
    pub in_queue: u32,
    /// Jobs that a worker has.
    pub in_progress: u32,
    /// Jobs that are over.
    pub ended: JobCounts,
    /// Workers that start.
    pub initializing: u32,
    /// Workers that wait for a job.
    pub idle: u32,
    /// Workers that have one.
    pub running: u32,
    /// Workers that the cloud does not spare.
    pub throttled: u32,
    /// Workers that fail their health checks.
    pub unhealthy: u32,
}
