//! What may be asked of the cloud about jobs, and what becomes of them.
//!
//! Invariant: each job ends exactly once, and is counted when it does; what is forgotten before it ended has expired. A job
//! has one alarm: when it next looks whether it is time for something.

use std::sync::Arc;

use atlas_auth::Timestamp;
use atlas_core::{EndpointId, JobId};

use crate::model::{Cloud, Event, IdKind, Landing, Refusal, Serial};

use super::job::Ending;
use super::work::Work;
use super::{Drained, Job, JobPhase, JobPlan, WorkerState};

impl Cloud {
    /// Takes a job, which is in the queue from when it lands.
    pub(crate) fn run_job(
        &mut self,
        account: &str,
        endpoint: &EndpointId,
        plan: JobPlan,
        landing: Landing,
        now: Timestamp,
    ) -> Result<Job, Refusal> {
        let now = self.settle(now);
        let of = self.read_endpoint(account, endpoint, now)?.serial;
        let mut job = self.draft_job(of, endpoint, plan, landing.at);
        job.visible_from = job.visible_from.plus(landing.hidden_for);
        let serial = job.serial;
        self.send(landing, Event::JobLands(Box::new(job.clone())), now);
        Ok(self.serverless.jobs.get(&serial).cloned().unwrap_or(job))
    }

    /// What a job would be, without taking it.
    pub(crate) fn draft_job(&mut self, of: Serial, endpoint: &EndpointId, plan: JobPlan, at: Timestamp) -> Job {
        let kind = if plan.is_sync { IdKind::SyncJob } else { IdKind::Job };
        let id = self.new_id(kind, |cloud, id| cloud.serverless.job_ids.contains_key(&JobId::new(id)));
        let work = Work::of(&plan.input);
        Job {
            serial: self.number(),
            id: JobId::new(id),
            endpoint: endpoint.clone(),
            phase: JobPhase::Queued,
            created_at: at,
            queued_at: at,
            started_at: None,
            ended_at: None,
            expires_at: at.plus(plan.ttl),
            visible_from: at,
            worker: None,
            error: None,
            retries: 0,
            of,
            running_on: None,
            ending: None,
            crashes_left: plan.crashes.saturating_add(work.crashes),
            given: 0,
            drained: 0,
            alarm: None,
            work: Arc::new(work),
            plan: Arc::new(plan),
        }
    }

    pub(in crate::model) fn job_arrives(&mut self, mut job: Job, at: Timestamp) {
        // Its endpoint may be gone by now: then nobody takes it.
        let Some(endpoint) = self.serverless.endpoints.get_mut(&job.of) else { return };
        if at < job.created_at {
            job.visible_from = at.plus(job.visible_from.since(job.created_at));
            (job.created_at, job.queued_at, job.expires_at) = (at, at, at.plus(job.plan.ttl));
        }
        let (serial, of) = (job.serial, job.of);
        endpoint.last_job_at = Some(at);
        endpoint.queue.insert((job.plan.low_priority, serial));
        self.serverless.job_ids.insert(job.id.clone(), serial);
        let expires_at = job.expires_at;
        self.serverless.jobs.insert(serial, job);
        self.alarm_job(serial, Some(expires_at));
        self.dispatch(of, at);
    }

    /// One job, as a read shows it.
    pub(crate) fn read_job(
        &self,
        account: &str,
        endpoint: &EndpointId,
        id: &JobId,
        now: Timestamp,
    ) -> Result<&Job, Refusal> {
        let now = now.max(self.latest);
        let of = self.read_endpoint(account, endpoint, now)?.serial;
        let job = self.serverless.job_ids.get(id).and_then(|serial| self.serverless.jobs.get(serial));
        job.filter(|job| job.of == of && now >= job.visible_from).ok_or(Refusal::NotFound)
    }

    /// All jobs of one endpoint that are not forgotten, oldest first.
    pub(crate) fn list_jobs(
        &self,
        account: &str,
        endpoint: &EndpointId,
        now: Timestamp,
    ) -> Result<impl Iterator<Item = &Job>, Refusal> {
        let of = self.read_endpoint(account, endpoint, now)?.serial;
        Ok(self.serverless.jobs.values().filter(move |job| job.of == of))
    }

    /// All jobs that are not forgotten, whoever they belong to, oldest first.
    pub(crate) fn all_jobs(&self) -> impl Iterator<Item = &Job> {
        self.serverless.jobs.values()
    }

    /// Reads the pieces that nobody has read before: each is given once.
    pub(crate) fn drain_job(
        &mut self,
        account: &str,
        endpoint: &EndpointId,
        id: &JobId,
        now: Timestamp,
    ) -> Result<Drained, Refusal> {
        let now = self.settle(now);
        let job = self.read_job(account, endpoint, id, now)?;
        let (serial, read) = (job.serial, chunks_from(job, job.drained, now));
        if let (Some(job), Some((last, _))) = (self.serverless.jobs.get_mut(&serial), read.chunks.last()) {
            job.drained = last + 1;
        }
        Ok(read)
    }

    /// Reads the pieces from this one on, however often.
    pub(crate) fn read_chunks(
        &self,
        account: &str,
        endpoint: &EndpointId,
        id: &JobId,
        from: u32,
        now: Timestamp,
    ) -> Result<Drained, Refusal> {
        let now = now.max(self.latest);
        self.read_job(account, endpoint, id, now).map(|job| chunks_from(job, from, now))
    }

    /// Cancels a job when it lands. One that is over stays as it is.
    pub(crate) fn cancel_job(
        &mut self,
        account: &str,
        endpoint: &EndpointId,
        id: &JobId,
        landing: Landing,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let now = self.settle(now);
        let serial = self.read_job(account, endpoint, id, now)?.serial;
        self.send(landing, Event::CancelLands(serial), now);
        Ok(())
    }

    pub(in crate::model) fn job_is_cancelled(&mut self, serial: Serial, at: Timestamp) {
        self.job_ends(serial, JobPhase::Cancelled, None, at);
    }

    /// Tries a job once more that failed or took too long, under the same id.
    pub(crate) fn retry_job(
        &mut self,
        account: &str,
        endpoint: &EndpointId,
        id: &JobId,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let now = self.settle(now);
        let job = self.read_job(account, endpoint, id, now)?;
        if !matches!(job.phase, JobPhase::Failed | JobPhase::TimedOut) {
            return Err(Refusal::NotRetriable(job.phase));
        }
        let serial = job.serial;
        if let Some(job) = self.serverless.jobs.get_mut(&serial) {
            job.error = None;
        }
        self.job_waits_again(serial, now);
        self.settle(now);
        Ok(())
    }

    /// Cancels all jobs that wait; says how many.
    pub(crate) fn purge_queue(
        &mut self,
        account: &str,
        endpoint: &EndpointId,
        now: Timestamp,
    ) -> Result<usize, Refusal> {
        let now = self.settle(now);
        let queue: Vec<_> = self.read_endpoint(account, endpoint, now)?.queue.iter().map(|(_, job)| *job).collect();
        for job in &queue {
            self.job_ends(*job, JobPhase::Cancelled, None, now);
        }
        self.settle(now);
        Ok(queue.len())
    }

    /// A worker has got a job.
    pub(super) fn job_starts(&mut self, serial: Serial, worker: Serial, at: Timestamp) {
        self.alarm_worker(worker, None);
        let (Some(job), Some(worker)) =
            (self.serverless.jobs.get_mut(&serial), self.serverless.workers.get_mut(&worker))
        else {
            return;
        };
        let Some(endpoint) = self.serverless.endpoints.get_mut(&job.of) else { return };
        endpoint.running += 1;
        (worker.state, worker.since) = (WorkerState::Running(serial), at);
        (job.phase, job.started_at, job.ended_at) = (JobPhase::Running, Some(at), None);
        (job.worker, job.running_on) = (Some(worker.id.clone()), Some(worker.serial));
        let takes = if job.crashes_left > 0 { job.work.takes / 2 } else { job.work.takes };
        let ending = if job.crashes_left > 0 { Ending::Crash } else { Ending::Done };
        let limit = job.plan.execution_timeout.or(endpoint.plan.execution_timeout);
        let ending = match limit {
            Some(limit) if limit < takes => (at.plus(limit), Ending::TimeOut),
            _ => (at.plus(takes), ending),
        };
        job.ending = Some(ending);
        let wakes_at = ending.0.min(job.expires_at);
        self.alarm_job(serial, Some(wakes_at));
    }

    pub(in crate::model) fn job_wakes(&mut self, serial: Serial, at: Timestamp) {
        let Some(job) = self.serverless.jobs.get(&serial) else { return };
        match job.ending {
            Some((ends_at, ending)) if ends_at <= at => self.job_run_ends(serial, ending, at),
            // It is over, or its time is.
            _ => self.forget_job(serial, at),
        }
    }

    fn job_run_ends(&mut self, serial: Serial, ending: Ending, at: Timestamp) {
        let Some(job) = self.serverless.jobs.get_mut(&serial) else { return };
        let allowed = self.serverless.endpoints.get(&job.of).map_or(0, |endpoint| endpoint.plan.retries);
        match ending {
            Ending::Done => match job.work.fail.clone() {
                Some(text) => self.job_ends(serial, JobPhase::Failed, Some(text), at),
                None => self.job_ends(serial, JobPhase::Completed, None, at),
            },
            Ending::TimeOut => {
                self.job_ends(serial, JobPhase::TimedOut, Some("job took longer than it may".to_owned()), at);
            }
            Ending::Crash => {
                job.crashes_left -= 1;
                let retries = job.retries;
                if let Some(worker) = job.running_on {
                    self.stop_worker(worker, at);
                }
                if retries < allowed {
                    self.job_leaves(serial, at);
                    self.job_waits_again(serial, at);
                } else {
                    let error = format!("job timed out after {retries} retries");
                    self.job_ends(serial, JobPhase::Failed, Some(error), at);
                }
            }
        }
    }

    /// A job is queued anew: its next worker does all of it again, and what its former run gave is gone.
    fn job_waits_again(&mut self, serial: Serial, at: Timestamp) {
        let Some(job) = self.serverless.jobs.get_mut(&serial) else { return };
        job.retries += 1;
        (job.given, job.drained) = (0, 0);
        (job.phase, job.queued_at, job.started_at, job.ended_at) = (JobPhase::Queued, at, None, None);
        let (of, expires_at) = (job.of, job.expires_at);
        if let Some(endpoint) = self.serverless.endpoints.get_mut(&of) {
            endpoint.ended.retried += 1;
            endpoint.queue.insert((job.plan.low_priority, serial));
        }
        self.alarm_job(serial, Some(expires_at));
        self.dispatch(of, at);
    }

    /// Takes a job from its worker or out of the queue. The worker, if it lives, rests.
    fn job_leaves(&mut self, serial: Serial, at: Timestamp) {
        let Some(job) = self.serverless.jobs.get_mut(&serial) else { return };
        job.given = job.chunks_given(at);
        job.ending = None;
        let worker = job.running_on.take();
        if let Some(endpoint) = self.serverless.endpoints.get_mut(&job.of) {
            endpoint.queue.remove(&(job.plan.low_priority, serial));
            endpoint.running -= u32::from(worker.is_some());
        }
        if let Some(worker) = worker {
            self.worker_rests(worker, at);
        }
    }

    fn job_ends(&mut self, serial: Serial, phase: JobPhase, error: Option<String>, at: Timestamp) {
        if self.serverless.jobs.get(&serial).is_none_or(|job| job.phase.is_over()) {
            return;
        }
        self.job_leaves(serial, at);
        let Some(job) = self.serverless.jobs.get_mut(&serial) else { return };
        (job.phase, job.error, job.ended_at) = (phase, error, Some(at));
        let (of, ended) = (job.of, job.clone());
        if let Some(endpoint) = self.serverless.endpoints.get_mut(&of) {
            let counts = &mut endpoint.ended;
            let count = match phase {
                JobPhase::Completed => &mut counts.completed,
                JobPhase::Cancelled => &mut counts.cancelled,
                JobPhase::TimedOut => &mut counts.timed_out,
                JobPhase::Failed | JobPhase::Queued | JobPhase::Running => &mut counts.failed,
            };
            *count += 1;
        }
        let (not_awaited, awaited) = self.settings.keeps_jobs;
        let kept = if ended.plan.is_sync { awaited } else { not_awaited };
        self.alarm_job(serial, Some(at.plus(kept).min(ended.expires_at)));
        self.call_back(&ended, at);
        self.dispatch(of, at);
    }

    fn forget_job(&mut self, serial: Serial, at: Timestamp) {
        self.job_leaves(serial, at);
        self.alarm_job(serial, None);
        let Some(job) = self.serverless.jobs.remove(&serial) else { return };
        self.serverless.job_ids.remove(&job.id);
        if !job.phase.is_over() {
            if let Some(endpoint) = self.serverless.endpoints.get_mut(&job.of) {
                endpoint.ended.expired += 1;
            }
            self.dispatch(job.of, at);
        }
    }

    pub(super) fn alarm_job(&mut self, serial: Serial, at: Option<Timestamp>) {
        if let Some(job) = self.serverless.jobs.get_mut(&serial) {
            self.agenda.set(&mut job.alarm, at, Event::JobWakes(serial));
        }
    }
}

fn chunks_from(job: &Job, from: u32, now: Timestamp) -> Drained {
    let chunks = (from..job.chunks_given(now)).map(|index| (index, job.work.chunk(index))).collect();
    Drained { phase: job.phase, error: job.error.clone(), chunks, is_over: job.phase.is_over() }
}
