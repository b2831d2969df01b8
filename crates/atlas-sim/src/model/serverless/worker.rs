//! Serverless workers: each is on the bill from the beginning of its cold start until it stops, whole seconds of it.

use std::time::Duration;

use atlas_auth::Timestamp;
use atlas_core::{ComputeId, Money};

use crate::model::agenda::Key;
use crate::model::ledger::{Rent, RentKind};
use crate::model::{Cloud, Event, IdKind, Place, Serial};

use super::Endpoint;

/// What a worker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkerState {
    Initializing,
    Idle,
    /// It has this job.
    Running(Serial),
}

/// One worker. One that stopped is only a line in the books any more.
#[derive(Debug, Clone)]
pub(crate) struct Worker {
    pub(crate) serial: Serial,
    pub(crate) id: ComputeId,
    pub(crate) place: Place,
    pub(crate) gpu_count: u32,
    pub(crate) price: Money,
    pub(crate) state: WorkerState,
    pub(crate) started_at: Timestamp,
    /// Which version of its endpoint it is.
    pub(crate) version: u32,
    pub(super) endpoint: Serial,
    /// Since when it is in its state.
    pub(super) since: Timestamp,
    pub(super) alarm: Option<Key>,
}

impl Worker {
    /// Its line in the books.
    pub(super) fn rent(&self, endpoint: &Endpoint, cloud: &str, ended_at: Option<Timestamp>, now: Timestamp) -> Rent {
        let span = ended_at.unwrap_or(now).since(self.started_at);
        let seconds = span.as_secs() + u64::from(span.subsec_nanos() > 0);
        Rent {
            id: self.id.clone(),
            kind: RentKind::Worker,
            cloud: cloud.to_owned(),
            account: endpoint.plan.account.clone(),
            name: endpoint.plan.name.clone(),
            token: endpoint.token,
            started_at: self.started_at,
            ended_at,
            cost: self.price.for_span(Duration::from_secs(seconds)),
        }
    }
}

impl Cloud {
    /// Starts one worker, if there is room for it.
    pub(super) fn start_worker(&mut self, endpoint: Serial, at: Timestamp) -> bool {
        let Some(of) = self.serverless.endpoints.get(&endpoint) else { return false };
        let Ok(place) = self.choose(&of.plan.wish(&of.regions), at) else { return false };
        let (gpu_count, version) = (of.plan.gpu_count, of.version);
        let price = self.settings.worker_price(&place, gpu_count, of.plan.cpus);
        let ready_at = at.plus(of.plan.cold_start.unwrap_or(self.settings.cold_start));
        let id = ComputeId::new(self.new_id(IdKind::Worker, |_, _| false));
        let serial = self.number();
        let worker = Worker {
            serial,
            id,
            place,
            gpu_count,
            price,
            state: WorkerState::Initializing,
            started_at: at,
            version,
            endpoint,
            since: at,
            alarm: None,
        };
        self.serverless.workers.insert(serial, worker);
        if let Some(of) = self.serverless.endpoints.get_mut(&endpoint) {
            of.workers.insert(serial);
        }
        if ready_at <= at {
            self.worker_rests(serial, at);
        } else {
            self.alarm_worker(serial, Some(ready_at));
        }
        true
    }

    /// A worker has nothing to do from now on. Whoever calls this gives it a job if there is one.
    pub(super) fn worker_rests(&mut self, serial: Serial, at: Timestamp) {
        let Some(worker) = self.serverless.workers.get_mut(&serial) else { return };
        (worker.state, worker.since) = (WorkerState::Idle, at);
        let Some(endpoint) = self.serverless.endpoints.get_mut(&worker.endpoint) else { return };
        endpoint.idle.insert(serial);
        let until = at.plus(endpoint.plan.idle_timeout);
        self.alarm_worker(serial, Some(until));
    }

    /// A worker's start, or its wait for a job, is over.
    pub(in crate::model) fn worker_wakes(&mut self, serial: Serial, at: Timestamp) {
        let Some(worker) = self.serverless.workers.get(&serial) else { return };
        let endpoint = worker.endpoint;
        match worker.state {
            WorkerState::Initializing => {
                self.worker_rests(serial, at);
                self.dispatch(endpoint, at);
            }
            WorkerState::Idle => {
                let of = self.serverless.endpoints.get(&endpoint);
                if of.is_none_or(|of| of.worker_count() > of.plan.workers_min) {
                    self.stop_worker(serial, at);
                }
            }
            WorkerState::Running(_) => {}
        }
    }

    /// Stops a worker: it is on the bill no more. What becomes of its job is its caller's.
    pub(super) fn stop_worker(&mut self, serial: Serial, at: Timestamp) {
        self.alarm_worker(serial, None);
        let Some(worker) = self.serverless.workers.remove(&serial) else { return };
        let Some(endpoint) = self.serverless.endpoints.get_mut(&worker.endpoint) else { return };
        endpoint.workers.remove(&serial);
        endpoint.idle.remove(&serial);
        let rent = worker.rent(endpoint, &self.settings.cloud, Some(at), at);
        self.serverless.stopped.push((serial, rent));
    }

    pub(super) fn alarm_worker(&mut self, serial: Serial, at: Option<Timestamp>) {
        if let Some(worker) = self.serverless.workers.get_mut(&serial) {
            self.agenda.set(&mut worker.alarm, at, Event::WorkerWakes(serial));
        }
    }
}
