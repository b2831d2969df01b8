//! Running, reading and cancelling serverless jobs.

use std::time::Duration;

use atlas_auth::Secret;
use atlas_core::{CallContext, Effect, EndpointId, Error, ErrorKind, Job, JobId, JobMode, JobRequest, Result};
use serde_json::Value;

use crate::account::RunPod;
use crate::deadline::Deadline;
use crate::error::missing;
use crate::translate::job;

/// How long one call is held at RunPod: shorter than what connections on the way bear without a word. RunPod takes 1 s to
/// 5 min.
const LEAST_HELD: Duration = Duration::from_secs(1);
const MOST_HELD: Duration = Duration::from_mins(1);

/// Of a short time-out a part is kept, so that the job's id arrives in time.
const KEPT: Duration = Duration::from_secs(5);

/// The pauses between two looks at a job: they grow, for many jobs share one limit.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl RunPod {
    /// Asks an endpoint to do a job.
    pub(crate) async fn submit(&self, context: &CallContext, request: &JobRequest) -> Result<Job> {
        let body = job::body(request)?;
        let secrets = job::secrets(request);
        let secrets: Vec<&Secret> = secrets.iter().collect();
        match request.mode {
            JobMode::Async => {
                let answer = self.api().run_job(context, &request.endpoint, &body, &secrets).await;
                answer
                    .map_err(|error| missing(error, format_args!("endpoint {}", request.endpoint)))
                    .and_then(|answer| job::read(self.name(), &request.endpoint, answer))
                    .map_err(|error| unanswered(error, request))
            }
            JobMode::Sync => self.submit_and_wait(context, request, &body, &secrets).await,
        }
    }

    async fn submit_and_wait(
        &self,
        context: &CallContext,
        request: &JobRequest,
        body: &Value,
        secrets: &[&Secret],
    ) -> Result<Job> {
        let deadline = Deadline::of(self.clock(), context).within(request.timeout);
        let waited = deadline.left().unwrap_or(request.timeout);
        let (api, context) = (self.api(), deadline.context()?);
        let hold = held(waited).or_else(|| (!job::may_be_queued(body)).then_some(LEAST_HELD));
        let answer = match hold {
            Some(hold) => api.run_job_sync(&context, &request.endpoint, body, hold, secrets).await,
            None => api.run_job(&context, &request.endpoint, body, secrets).await,
        };
        let answer = answer
            .map_err(|error| missing(error, format_args!("endpoint {}", request.endpoint)))
            .and_then(|answer| job::read(self.name(), &request.endpoint, answer));
        let mut job = answer.map_err(|error| unanswered(error, request))?;
        let mut pause = FIRST_PAUSE.min(waited / 4);
        while !job.status.is_over() {
            let left = deadline.left().unwrap_or_default();
            if left.is_zero() {
                return Err(job::overdue(&job, waited, &request.policy));
            }
            tokio::time::sleep(pause.min(left)).await;
            pause = pause.mul_f64(1.5).min(LONGEST_PAUSE);
            let Ok(context) = deadline.context() else { continue };
            match self.read_job(&context, "run_job", &request.endpoint, &job.id).await {
                Ok(read) => job = read,
                // A look that fails says nothing of the job, and one that cannot be read was cut on the way.
                Err(error) if error.is_transient() || error.kind() == ErrorKind::Decode => {}
                Err(error) => return Err(error.with_job(job.id)),
            }
        }
        Ok(job)
    }

    /// Reads a job.
    pub(crate) async fn read_job(
        &self,
        context: &CallContext,
        operation: &'static str,
        endpoint: &EndpointId,
        job: &JobId,
    ) -> Result<Job> {
        let answer = self.api().job_status(context, operation, endpoint, job).await;
        let answer = answer.map_err(|error| job::forgotten(error, endpoint, job))?;
        job::read(self.name(), endpoint, answer)
    }

    /// Cancels a job. One that is over already stays as it is, whatever RunPod says to the attempt.
    pub(crate) async fn cancel(&self, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<Job> {
        let deadline = Deadline::of(self.clock(), context);
        match self.api().cancel_job(&deadline.context()?, endpoint, job).await {
            Ok(answer) => job::read(self.name(), endpoint, answer),
            Err(refusal)
                if matches!(refusal.kind(), ErrorKind::Validation | ErrorKind::Conflict | ErrorKind::NotFound) =>
            {
                match self.read_job(&deadline.context()?, "cancel_job", endpoint, job).await {
                    Ok(read) if read.status.is_over() => Ok(read),
                    Ok(_) => Err(refusal),
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }
}

/// How long RunPod is asked to hold a call that may take so long; `None` where it would hold it for longer than that, and
/// the job's id would come too late: such a job is queued, and looked at.
fn held(left: Duration) -> Option<Duration> {
    let hold = left.saturating_sub(KEPT.min(left / 4)).min(MOST_HELD);
    (hold >= LEAST_HELD).then_some(hold)
}

/// No good answer came: the job may have been taken, and nobody knows its id.
fn unanswered(error: Error, request: &JobRequest) -> Error {
    if error.effect() != Effect::Unknown {
        return error;
    }
    error.context(format!("endpoint {} may have taken the job, and its id did not arrive", request.endpoint))
}

#[cfg(test)]
mod tests {
    //! How long a call is held, for every time-out.

    use super::*;

    #[test]
    fn a_call_is_held_for_less_than_its_timeout_and_within_runpods_bounds() {
        let millis = |left: u64| held(Duration::from_secs(left)).map(|hold| hold.as_millis());
        assert_eq!([2, 8, 20, 60, 65, 600].map(millis), [1500, 6000, 15000, 55000, 60000, 60000].map(Some));
        assert_eq!([0, 1].map(millis), [None, None]);
    }
}
