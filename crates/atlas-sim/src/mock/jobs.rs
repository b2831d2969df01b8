//! Serverless endpoints and jobs over the model.

use std::collections::VecDeque;
use std::time::Duration;

use atlas_core::{
    CallContext, Capability, ComputeId, EndpointId, Error, ErrorKind, Job, JobChunk, JobId, JobMode, JobRequest,
    JobStream, Provider, ProviderId, Rented, Result, VolumeId, duration,
};
use futures_util::stream;

use super::call::{Subject, refused};
use super::provider::PAUSE;
use super::{Mock, describe};
use crate::faults::{Fault, Operation};
use crate::model::{Drained, EndpointPlan, Health, Hold, JobPhase, JobPlan, Refusal, Scaling};

/// How often a poll of a stream is repeated whose call says nothing of it.
const REPEATS: u32 = 3;

/// A serverless endpoint to be made. Without more words it has at most three workers without a GPU, none of them
/// standing, and each waits ten seconds for another job.
///
/// What a job does there is said by its input: `{"seconds": 2, "chunks": 3, "echo": "hello", "fail": "text", "crash": 1}`,
/// each of them optional: how long it takes, how many pieces it gives, what it gives back, with which text it fails at
/// its end, and in how many of its tries its worker crashes halfway. Any other input is given back at once.
#[derive(Debug, Clone)]
#[must_use]
pub struct EndpointSpec(EndpointPlan);

impl EndpointSpec {
    /// An endpoint of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(EndpointPlan { name: name.into(), ..EndpointPlan::default() })
    }

    /// A GPU for each worker, or one more that will do.
    pub fn gpu(mut self, name: impl Into<String>) -> Self {
        self.0.gpus.push(name.into());
        self.0.gpu_count = self.0.gpu_count.max(1);
        self
    }

    /// The fewest and the most workers. The fewest always stand, and bill.
    pub fn workers(mut self, least: u32, most: u32) -> Self {
        (self.0.workers_min, self.0.workers_max) = (least, most);
        self
    }

    /// How long a worker waits for another job before it stops.
    pub fn idle_timeout(mut self, span: Duration) -> Self {
        self.0.idle_timeout = span;
        self
    }

    /// How long a worker starts; the cloud's usual time otherwise.
    pub fn cold_start(mut self, span: Duration) -> Self {
        self.0.cold_start = Some(span);
        self
    }

    /// Another worker whenever a job has waited for so long; four seconds otherwise. The first comes at once.
    pub fn scale_by_delay(mut self, span: Duration) -> Self {
        self.0.scaling = Scaling::QueueDelay(span);
        self
    }

    /// One worker for each so many jobs that wait or run.
    pub fn scale_by_count(mut self, jobs: u32) -> Self {
        self.0.scaling = Scaling::RequestCount(jobs);
        self
    }

    /// How often a job is tried again whose worker crashed; once otherwise.
    pub fn retries(mut self, retries: u32) -> Self {
        self.0.retries = retries;
        self
    }

    /// A network volume that each worker has attached.
    pub fn volume(mut self, id: &VolumeId) -> Self {
        self.0.volumes.push(id.clone());
        self
    }
}

/// Endpoints, which cost nothing without workers.
impl Mock {
    /// Makes an endpoint in the account of the configured key.
    pub fn add_endpoint(&self, spec: EndpointSpec) -> Result<EndpointId> {
        let account = self.lock().account(None).1;
        let plan = EndpointPlan { account, ..spec.0 };
        self.happen(|cloud, now| cloud.create_endpoint(plan, now)).map(|endpoint| endpoint.id)
    }

    /// How an endpoint does.
    pub fn health(&self, endpoint: &EndpointId) -> Result<Health> {
        let account = self.lock().account(None).1;
        let health = self.look(|cloud, now| cloud.health(&account, endpoint, now));
        health.map_err(|refusal| refused(&refusal, "endpoint").with_provider(self.id()))
    }

    /// Every job of an endpoint that the cloud has not forgotten, oldest first.
    pub fn jobs(&self, endpoint: &EndpointId) -> Result<Vec<Job>> {
        let account = self.lock().account(None).1;
        let jobs = self.look(|cloud, now| {
            let jobs = cloud.list_jobs(&account, endpoint, now)?;
            Ok(jobs.map(|job| describe::job(job, self.id(), now)).collect())
        });
        jobs.map_err(|refusal| refused(&refusal, "endpoint").with_provider(self.id()))
    }

    pub(super) async fn list_endpoints(&self, context: &CallContext) -> Result<Vec<Rented>> {
        self.call(context, Subject::all(Operation::ListEndpoints), |cloud, visit, now| {
            let mut all: Vec<_> = cloud.list_endpoints(&visit.account, now).collect();
            if visit.is_struck_by(&Fault::ListsShort) {
                all.truncate(all.len() / 2);
            }
            Ok(all.into_iter().map(describe::endpoint).collect())
        })
        .await
    }

    pub(super) async fn end_endpoint(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        self.call(context, Subject::named(Operation::EndEndpoint, id), |cloud, visit, now| {
            if visit.is_struck_by(&Fault::Ignores) {
                return Ok(());
            }
            match cloud.delete_endpoint(&visit.account, &EndpointId::new(id.as_str()), now) {
                Ok(()) | Err(Refusal::NotFound) => Ok(()),
                Err(refusal) => Err(refusal),
            }
        })
        .await
    }

    pub(super) fn id_of(&self) -> &ProviderId {
        &self.inner().id
    }
}

/// Jobs.
impl Mock {
    pub(super) async fn send_job(&self, context: &CallContext, request: &JobRequest) -> Result<Job> {
        let plan = self.plan(request).map_err(|error| self.named(error, Operation::RunJob))?;
        let name = ComputeId::new(request.endpoint.as_str());
        let (job, account) = self
            .call(context, Subject::named(Operation::RunJob, &name), |cloud, visit, now| {
                let endpoint = &request.endpoint;
                let mut plan = plan;
                for fault in visit.faults() {
                    let (hold, span) = match fault {
                        Fault::WorkersThrottled(span) => (Hold::Throttled, *span),
                        Fault::WorkersUnhealthy(span) => (Hold::Unhealthy, *span),
                        Fault::WorkerCrashes => {
                            plan.crashes += 1;
                            continue;
                        }
                        _ => continue,
                    };
                    cloud.hold_workers(&visit.account, endpoint, hold, now.plus(span), now)?;
                }
                let job = if visit.is_struck_by(&Fault::Ignores) {
                    let of = cloud.read_endpoint(&visit.account, endpoint, now)?.serial;
                    cloud.draft_job(of, endpoint, plan, now)
                } else {
                    cloud.run_job(&visit.account, endpoint, plan, visit.landing, now)?
                };
                Ok((job, visit.account.clone()))
            })
            .await?;
        match request.mode {
            JobMode::Async => Ok(self.job_now(&account, &job.endpoint, &job.id).unwrap_or_else(|| {
                // What never came to be looks as it was promised.
                describe::job(&job, self.id(), job.created_at)
            })),
            JobMode::Sync => {
                let limit = context.timeout().map_or(request.timeout, |limit| limit.min(request.timeout));
                self.await_job(&account, &job.endpoint, &job.id, limit).await
            }
        }
    }

    /// What the model shall do; refuses what this cloud cannot honour.
    fn plan(&self, request: &JobRequest) -> Result<JobPlan> {
        request.validate()?;
        if request.webhook.is_some() && !self.traits().has(Capability::Webhooks) {
            return Err(self.unsupported("run_job", Capability::Webhooks));
        }
        if let Some(option) = request.provider_opts.keys().next() {
            let option = atlas_core::error::excerpt(option);
            return Err(Error::validation(format!("\"{option}\" is no option of a job of mock; it knows none")));
        }
        let policy = &request.policy;
        Ok(JobPlan {
            is_sync: request.mode == JobMode::Sync,
            webhook: request.webhook.clone(),
            execution_timeout: Some(policy.execution_timeout),
            ttl: policy.ttl,
            low_priority: policy.low_priority,
            ..JobPlan::new(request.input.clone())
        })
    }

    /// Waits until a job is over, at most so long on this side.
    async fn await_job(&self, account: &str, endpoint: &EndpointId, id: &JobId, limit: Duration) -> Result<Job> {
        let over = async {
            loop {
                match self.job_now(account, endpoint, id) {
                    Some(job) if job.status.is_over() => {
                        self.call_back();
                        return job;
                    }
                    _ => tokio::time::sleep(PAUSE).await,
                }
            }
        };
        tokio::time::timeout(limit, over).await.map_err(|_| {
            let stands = self.job_now(account, endpoint, id);
            let stands = stands.map_or_else(|| "unknown".to_owned(), |job| job.status.to_string());
            let limit = duration::format(limit);
            let message = format!("job {id} is {stands} after {limit} and goes on by itself: ask for it by its id");
            self.named(Error::timeout(message).with_job(id.clone()), Operation::RunJob)
        })
    }

    /// A job as it is by now.
    fn job_now(&self, account: &str, endpoint: &EndpointId, id: &JobId) -> Option<Job> {
        self.look(|cloud, now| {
            cloud.read_job(account, endpoint, id, now).ok().map(|job| describe::job(job, self.id(), now))
        })
    }

    pub(super) async fn read_job(&self, context: &CallContext, endpoint: &EndpointId, id: &JobId) -> Result<Job> {
        let name = ComputeId::new(id.as_str());
        self.call(context, Subject::named(Operation::GetJob, &name), |cloud, visit, now| {
            cloud.read_job(&visit.account, endpoint, id, now).map(|job| describe::job(job, self.id(), now))
        })
        .await
    }

    pub(super) async fn end_job(&self, context: &CallContext, endpoint: &EndpointId, id: &JobId) -> Result<Job> {
        let name = ComputeId::new(id.as_str());
        let (before, account) = self
            .call(context, Subject::named(Operation::CancelJob, &name), |cloud, visit, now| {
                let before = describe::job(cloud.read_job(&visit.account, endpoint, id, now)?, self.id(), now);
                if !visit.is_struck_by(&Fault::Ignores) {
                    cloud.cancel_job(&visit.account, endpoint, id, visit.landing, now)?;
                }
                Ok((before, visit.account.clone()))
            })
            .await?;
        Ok(self.job_now(&account, endpoint, id).unwrap_or(before))
    }

    /// The pieces of a job, each once and in order. They are read by their number, so that an answer that is lost loses
    /// none of them.
    pub(super) fn follow_job(&self, context: &CallContext, endpoint: &EndpointId, id: &JobId) -> JobStream {
        let follower = Follower {
            cloud: self.clone(),
            context: context.clone(),
            endpoint: endpoint.clone(),
            job: id.clone(),
            next: 0,
            ready: VecDeque::new(),
            is_over: false,
        };
        Box::pin(stream::unfold(follower, Follower::step))
    }
}

/// Who reads a stream.
struct Follower {
    cloud: Mock,
    context: CallContext,
    endpoint: EndpointId,
    job: JobId,
    /// The number of the next piece to ask for.
    next: u32,
    ready: VecDeque<Result<JobChunk>>,
    is_over: bool,
}

impl Follower {
    async fn step(mut self) -> Option<(Result<JobChunk>, Self)> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some((item, self));
            }
            if self.is_over {
                return None;
            }
            match self.poll().await {
                Ok(read) => self.take(read),
                Err(error) => {
                    self.is_over = true;
                    return Some((Err(error), self));
                }
            }
            if self.ready.is_empty() && !self.is_over {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// One poll, repeated as long as it may help.
    async fn poll(&self) -> Result<Drained> {
        let name = ComputeId::new(self.job.as_str());
        let mut left = self.context.retries().unwrap_or(REPEATS);
        loop {
            let subject = Subject::named(Operation::StreamJob, &name);
            let read = self.cloud.call(&self.context, subject, |cloud, visit, now| {
                cloud.read_chunks(&visit.account, &self.endpoint, &self.job, self.next, now)
            });
            match read.await {
                Err(error) if left > 0 && may_pass(error.kind()) => {
                    left -= 1;
                    tokio::time::sleep(error.retry_after().unwrap_or(PAUSE)).await;
                }
                outcome => return outcome,
            }
        }
    }

    fn take(&mut self, read: Drained) {
        for (index, output) in read.chunks {
            self.next = index + 1;
            self.ready.push_back(Ok(JobChunk::new(u64::from(index), output)));
        }
        self.is_over = read.is_over;
        if read.is_over && read.phase != JobPhase::Completed {
            let (id, why) = (&self.job, read.error.map(|error| format!(": {error}")).unwrap_or_default());
            let message = format!("job {id} ended as {}{why}", describe::job_status(read.phase));
            let error = Error::new(ErrorKind::Provider, message);
            self.ready.push_back(Err(self.cloud.named(error, Operation::StreamJob)));
        }
    }
}

/// Whether the same read may succeed a moment later.
fn may_pass(kind: ErrorKind) -> bool {
    use ErrorKind::{Decode, Provider, RateLimited, Timeout, Transport};
    matches!(kind, Decode | Provider | RateLimited | Timeout | Transport)
}
