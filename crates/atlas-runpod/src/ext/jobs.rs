//! Jobs: doing one again, emptying a queue, and how an endpoint fares.

use atlas_core::{CallContext, EndpointId, Error, ErrorKind, Job, JobId, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::account::RunPod;
use crate::translate::{job, raw};

/// How many jobs and workers an endpoint has. What RunPod leaves out is 0.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// Jobs that wait.
    pub queued: u64,
    /// Jobs that a worker has.
    pub in_progress: u64,
    /// Jobs that were done, as far as they are remembered.
    pub completed: u64,
    /// Jobs that failed.
    pub failed: u64,
    /// Jobs that were tried again.
    pub retried: u64,
    /// Workers that wait for a job.
    pub idle: u64,
    /// Workers that are at one.
    pub running: u64,
    /// Workers that are being started.
    pub initializing: u64,
    /// Workers that wait for a host.
    pub throttled: u64,
    /// Workers that keep failing: with these alone, jobs wait for ever.
    pub unhealthy: u64,
    /// RunPod's own answer.
    pub raw: Value,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    jobs: Jobs,
    #[serde(default)]
    workers: Workers,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Jobs {
    completed: u64,
    failed: u64,
    in_progress: u64,
    in_queue: u64,
    retried: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Workers {
    idle: u64,
    initializing: u64,
    running: u64,
    throttled: u64,
    unhealthy: u64,
}

impl RunPod {
    /// Queues a job that failed or took too long once more, under its id. **Bills while a worker is at it.** Never sent
    /// twice on a guess. One that RunPod has forgotten is `not_found`.
    pub async fn retry_job(&self, context: &CallContext, endpoint: &EndpointId, id: &JobId) -> Result<Job> {
        let answer = self.api().retry_job(context, endpoint, id).await;
        let answer = answer.map_err(|error| job::forgotten(error, endpoint, id));
        answer
            .and_then(|answer| job::read(self.name(), endpoint, answer))
            .map_err(|error| self.named(error, "retry_job"))
    }

    /// Removes the jobs that wait, and says how many they were. Those that a worker has go on. Not repeated on a guess, for
    /// a second time would remove what came since; RunPod allows two calls in ten seconds.
    pub async fn purge_queue(&self, context: &CallContext, endpoint: &EndpointId) -> Result<u64> {
        let answer = self.api().purge_queue(context, endpoint).await?;
        answer.get("removed").and_then(Value::as_u64).ok_or_else(|| {
            let message = "the queue was purged, and how many jobs were removed cannot be read";
            self.named(Error::new(ErrorKind::Decode, message), "purge_queue")
        })
    }

    /// How many jobs and workers an endpoint has. Reads only.
    pub async fn endpoint_health(&self, context: &CallContext, endpoint: &EndpointId) -> Result<Health> {
        let answer = self.api().health(context, endpoint).await?;
        let wire: Wire = serde_json::from_value(answer.clone()).map_err(|_| {
            self.named(Error::new(ErrorKind::Decode, "the endpoint's health cannot be read"), "endpoint_health")
        })?;
        Ok(Health {
            queued: wire.jobs.in_queue,
            in_progress: wire.jobs.in_progress,
            completed: wire.jobs.completed,
            failed: wire.jobs.failed,
            retried: wire.jobs.retried,
            idle: wire.workers.idle,
            running: wire.workers.running,
            initializing: wire.workers.initializing,
            throttled: wire.workers.throttled,
            unhealthy: wire.workers.unhealthy,
            raw: raw::redacted(answer),
        })
    }
}
