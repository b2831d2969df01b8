//! Serverless: endpoints, their workers, their jobs.
//!
//! Invariant: a worker bills from its start to its stop and belongs to a living endpoint; a job waits in one queue, or has
//! one worker, or is over. Everything that happens by itself is an event with its time, so that the same seed and the same
//! calls give the same history however often anybody looks.

mod dispatch;
mod endpoint;
mod job;
mod jobs;
#[cfg(test)]
mod tests;
mod webhook;
mod work;
mod worker;

use std::collections::BTreeMap;

use atlas_auth::Timestamp;
use atlas_core::{EndpointId, JobId, Mark};

pub(crate) use endpoint::{Endpoint, EndpointPlan, Hold, Scaling};
pub use endpoint::{Health, JobCounts};
pub(crate) use job::{Drained, Job, JobPhase, JobPlan};
pub(crate) use webhook::Delivery;
pub(crate) use worker::{Worker, WorkerState};

use super::ledger::Rent;
use super::{Cloud, IdKind, Refusal, Serial};

/// Everything serverless of one cloud.
#[derive(Debug, Default)]
pub(super) struct Serverless {
    pub(super) endpoints: BTreeMap<Serial, Endpoint>,
    endpoint_ids: BTreeMap<EndpointId, Serial>,
    pub(super) workers: BTreeMap<Serial, Worker>,
    /// What the workers cost that stopped.
    stopped: Vec<(Serial, Rent)>,
    jobs: BTreeMap<Serial, Job>,
    job_ids: BTreeMap<JobId, Serial>,
    deliveries: BTreeMap<(Timestamp, u64), Delivery>,
}

impl Serverless {
    /// Every worker's line in the books.
    pub(super) fn rents<'a>(&'a self, cloud: &'a str, now: Timestamp) -> impl Iterator<Item = (Serial, Rent)> + 'a {
        let living = self.workers.values().filter_map(move |worker| {
            let endpoint = self.endpoints.get(&worker.endpoint)?;
            Some((worker.serial, worker.rent(endpoint, cloud, None, now)))
        });
        self.stopped.iter().cloned().chain(living)
    }
}

impl Cloud {
    /// Makes an endpoint, at once. It costs nothing while it has no worker.
    pub(crate) fn create_endpoint(&mut self, plan: EndpointPlan, now: Timestamp) -> Result<Endpoint, Refusal> {
        let now = self.settle(now);
        let regions = self.regions_for(&plan.account, &plan.volumes, &plan.regions, now)?;
        let taken = |cloud: &Self, id: &str| cloud.serverless.endpoint_ids.contains_key(&EndpointId::new(id));
        let id = EndpointId::new(self.new_id(IdKind::Endpoint, taken));
        let serial = self.number();
        let endpoint = Endpoint {
            serial,
            id: id.clone(),
            token: Mark::read(&plan.name).map(|mark| mark.token),
            version: 1,
            created_at: now,
            visible_from: now.plus(self.settings.appears_after),
            last_job_at: None,
            regions,
            queue: Default::default(),
            workers: Default::default(),
            idle: Default::default(),
            running: 0,
            held: None,
            is_starved: false,
            scaled_at: None,
            ended: JobCounts::default(),
            alarm: None,
            plan,
        };
        self.serverless.endpoint_ids.insert(id, serial);
        self.serverless.endpoints.insert(serial, endpoint);
        self.dispatch(serial, now);
        self.settle(now);
        self.serverless.endpoints.get(&serial).cloned().ok_or(Refusal::NotFound)
    }

    /// One endpoint, as a read by its id shows it.
    pub(crate) fn read_endpoint(&self, account: &str, id: &EndpointId, now: Timestamp) -> Result<&Endpoint, Refusal> {
        let now = now.max(self.latest);
        let endpoint = self.serverless.endpoint_ids.get(id).and_then(|serial| self.serverless.endpoints.get(serial));
        endpoint.filter(|endpoint| endpoint.is_visible(account, now)).ok_or(Refusal::NotFound)
    }

    /// All endpoints that a listing shows, oldest first.
    pub(crate) fn list_endpoints(&self, account: &str, now: Timestamp) -> impl Iterator<Item = &Endpoint> {
        let now = now.max(self.latest);
        self.serverless.endpoints.values().filter(move |endpoint| endpoint.is_visible(account, now))
    }

    /// All endpoints there are, whatever reads show, oldest first.
    pub(crate) fn all_endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.serverless.endpoints.values()
    }

    /// Changes an endpoint, at once. Workers beyond the most that there may be stop when they have nothing to do.
    pub(crate) fn change_endpoint(
        &mut self,
        account: &str,
        id: &EndpointId,
        now: Timestamp,
        change: impl FnOnce(&mut EndpointPlan),
    ) -> Result<Endpoint, Refusal> {
        let now = self.settle(now);
        let endpoint = self.read_endpoint(account, id, now)?;
        let (serial, mut plan) = (endpoint.serial, endpoint.plan.clone());
        change(&mut plan);
        let regions = self.regions_for(account, &plan.volumes, &plan.regions, now)?;
        let endpoint = self.serverless.endpoints.get_mut(&serial).ok_or(Refusal::NotFound)?;
        endpoint.version += 1;
        endpoint.token = Mark::read(&plan.name).map(|mark| mark.token);
        (endpoint.plan, endpoint.regions) = (plan, regions);
        let waits = endpoint.plan.idle_timeout;
        for worker in endpoint.idle.clone() {
            let since = self.serverless.workers.get(&worker).map_or(now, |worker| worker.since);
            self.alarm_worker(worker, Some(since.plus(waits).max(now)));
        }
        self.dispatch(serial, now);
        self.settle(now);
        self.read_endpoint(account, id, now).cloned()
    }

    /// Deletes an endpoint, at once: its workers stop, its jobs are forgotten.
    pub(crate) fn delete_endpoint(&mut self, account: &str, id: &EndpointId, now: Timestamp) -> Result<(), Refusal> {
        let now = self.settle(now);
        let endpoint = self.read_endpoint(account, id, now)?;
        let (serial, workers) = (endpoint.serial, endpoint.workers.clone());
        for worker in workers {
            self.stop_worker(worker, now);
        }
        self.alarm_endpoint(serial, None);
        self.serverless.endpoints.remove(&serial);
        self.serverless.endpoint_ids.remove(id);
        let jobs: Vec<_> = self.serverless.jobs.values().filter(|job| job.of == serial).map(|job| job.serial).collect();
        for job in jobs {
            self.alarm_job(job, None);
            if let Some(job) = self.serverless.jobs.remove(&job) {
                self.serverless.job_ids.remove(&job.id);
            }
        }
        Ok(())
    }

    /// The workers of an endpoint, oldest first.
    pub(crate) fn list_workers(
        &self,
        account: &str,
        id: &EndpointId,
        now: Timestamp,
    ) -> Result<impl Iterator<Item = &Worker>, Refusal> {
        let workers = &self.read_endpoint(account, id, now)?.workers;
        Ok(workers.iter().filter_map(|serial| self.serverless.workers.get(serial)))
    }

    /// Lets an endpoint's workers take no jobs until then. What runs runs on.
    pub(crate) fn hold_workers(
        &mut self,
        account: &str,
        id: &EndpointId,
        hold: Hold,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let now = self.settle(now);
        let serial = self.read_endpoint(account, id, now)?.serial;
        if let Some(endpoint) = self.serverless.endpoints.get_mut(&serial) {
            endpoint.held = Some((hold, until));
        }
        self.dispatch(serial, now);
        self.settle(now);
        Ok(())
    }

    /// How an endpoint does. Workers that are held are shown as such, at least one while they are.
    pub(crate) fn health(&self, account: &str, id: &EndpointId, now: Timestamp) -> Result<Health, Refusal> {
        let now = now.max(self.latest);
        let endpoint = self.read_endpoint(account, id, now)?;
        let mut health = Health {
            in_queue: endpoint.queued(),
            in_progress: endpoint.running,
            ended: endpoint.ended,
            throttled: u32::from(endpoint.is_starved),
            ..Health::default()
        };
        for worker in self.list_workers(account, id, now)? {
            match worker.state {
                WorkerState::Initializing => health.initializing += 1,
                WorkerState::Idle => health.idle += 1,
                WorkerState::Running(_) => health.running += 1,
            }
        }
        if let Some(hold) = endpoint.held(now) {
            let held = std::mem::take(&mut health.idle).max(1);
            match hold {
                Hold::Throttled => health.throttled = held,
                Hold::Unhealthy => health.unhealthy = held,
            }
        }
        Ok(health)
    }
}
