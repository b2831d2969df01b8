//! Serverless jobs and the live catalog, as a user of the library holds them. No job is a rental: its policy ends it.

use std::time::Duration;

use super::Account;
use crate::{EndpointId, Error, GpuType, Job, JobId, JobRequest, JobStream, Result};

/// The longest pause between two looks at a job that is waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Account {
    /// What can be rented now, and for how much. May be some seconds old.
    pub async fn gpu_types(&self) -> Result<Vec<GpuType>> {
        self.provider.list_gpu_types(&self.context).await
    }

    /// Asks an endpoint to do a job. **Bills while a worker is at it.** Never sent twice.
    ///
    /// A request for [`JobMode::Sync`](crate::JobMode::Sync) returns when the job is over; a `timeout` after it was taken
    /// names it ([`Error::job`]) and says how it stood.
    pub async fn run_job(&self, request: &JobRequest) -> Result<Job> {
        request.validate().map_err(|error| error.with_provider(self.provider.id()).with_operation("run_job"))?;
        self.provider.run_job(&self.context, request).await
    }

    /// Reads one job. One that its cloud has forgotten is `not_found`.
    pub async fn job(&self, endpoint: &EndpointId, job: &JobId) -> Result<Job> {
        self.named(endpoint, job, "get_job")?;
        self.provider.get_job(&self.context, endpoint, job).await
    }

    /// Cancels one job. Repeats safely.
    pub async fn cancel_job(&self, endpoint: &EndpointId, job: &JobId) -> Result<Job> {
        self.named(endpoint, job, "cancel_job")?;
        self.provider.cancel_job(&self.context, endpoint, job).await
    }

    /// Reads a job's output as it comes, each piece once and in order, until the job is over.
    pub fn stream_job(&self, endpoint: &EndpointId, job: &JobId) -> Result<JobStream> {
        self.named(endpoint, job, "stream_job")?;
        self.provider.stream_job(&self.context, endpoint, job)
    }

    /// Reads a job until it is over, at most so long; then `timeout`, and the job goes on. Reads only.
    pub async fn wait_job(&self, endpoint: &EndpointId, job: &JobId, timeout: Duration) -> Result<Job> {
        let mut stood = None;
        let reading = async {
            let mut pause = Duration::from_millis(250);
            loop {
                match self.job(endpoint, job).await {
                    Ok(read) if read.status.is_over() => return Ok(read),
                    Ok(read) => stood = Some(read.status),
                    Err(error) if error.is_transient() => {}
                    Err(error) => return Err(error),
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        };
        if let Ok(read) = tokio::time::timeout(timeout, reading).await {
            return read;
        }
        let stood = stood.map_or_else(|| "was not read once".to_owned(), |status| format!("was {status}"));
        let waited = crate::duration::format(timeout);
        Err(Error::timeout(format!("job {job} {stood} after {waited}; it goes on until its policy ends it"))
            .with_provider(self.provider.id())
            .with_operation("get_job")
            .with_job(job.clone()))
    }

    /// Refuses ids that are none before they stand in an address.
    fn named(&self, endpoint: &EndpointId, job: &JobId, operation: &'static str) -> Result<()> {
        crate::job::check_id("endpoint", endpoint.as_str())
            .and_then(|()| crate::job::check_id("job", job.as_str()))
            .map_err(|error| error.with_provider(self.provider.id()).with_operation(operation))
    }
}
