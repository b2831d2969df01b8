//! What can be wrong with serverless jobs.

use atlas_core::{
    CallContext, Effect, EndpointId, Error, ErrorKind, Job, JobId, JobMode, JobRequest, JobStatus, JobStream, Provider,
    Result,
};
use futures_util::StreamExt;

use super::{Broken, Defect};

pub(super) async fn run(broken: &Broken, context: &CallContext, request: &JobRequest) -> Result<Job> {
    if matches!(broken.defect, Defect::TakesWebhooks | Defect::CallsNobody) {
        let mut request = request.clone();
        request.webhook = None;
        return broken.inner.run_job(context, &request).await;
    }
    match broken.inner.run_job(context, request).await {
        Ok(mut job) if broken.has(Defect::WaitsForNoOutput) && request.mode == JobMode::Sync => {
            job.output = None;
            Ok(job)
        }
        Err(error) if broken.has(Defect::SendsJobAgain) && error.effect() == Effect::Unknown => {
            let _ = broken.inner.run_job(context, request).await;
            Err(error)
        }
        Err(error) if broken.has(Defect::CallsLostJobRejected) && error.effect() == Effect::Unknown => {
            Err(error.with_effect(Effect::Rejected))
        }
        Err(error) if broken.has(Defect::EndsWhatItWaitedFor) => {
            if let Some(job) = error.job() {
                broken.inner.cancel_job(context, &request.endpoint, job).await?;
            }
            Err(error)
        }
        Err(error) if broken.has(Defect::ForgetsWhichJob) => {
            Err(Error::new(error.kind(), "it took too long").with_provider(broken.id()))
        }
        answer => answer,
    }
}

pub(super) async fn get(broken: &Broken, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<Job> {
    match broken.inner.get_job(context, endpoint, job).await {
        Ok(mut job) if broken.has(Defect::ReadsNoOutput) => {
            job.output = None;
            Ok(job)
        }
        Err(error) if broken.has(Defect::DoubtsForgottenJobs) && error.is_not_found() => {
            Err(Error::new(ErrorKind::Provider, "failed").with_provider(broken.id()))
        }
        answer => answer,
    }
}

pub(super) async fn cancel(broken: &Broken, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<Job> {
    if broken.has(Defect::CancelsOnce) && broken.inner.get_job(context, endpoint, job).await?.status.is_over() {
        return Err(Error::conflict("it is over already"));
    }
    if broken.has(Defect::AnswersBeforeItCancels) {
        let before = broken.inner.get_job(context, endpoint, job).await?;
        broken.inner.cancel_job(context, endpoint, job).await?;
        return Ok(before);
    }
    let mut cancelled = broken.inner.cancel_job(context, endpoint, job).await?;
    if broken.has(Defect::CancelsWhatIsOver) {
        cancelled.status = JobStatus::Cancelled;
    }
    Ok(cancelled)
}

pub(super) fn stream(broken: &Broken, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<JobStream> {
    if broken.has(Defect::BreaksOffStreams) {
        return broken.inner.stream_job(&context.clone().with_retries(0), endpoint, job);
    }
    let stream = broken.inner.stream_job(context, endpoint, job)?;
    if !broken.has(Defect::StreamsTwice) {
        return Ok(stream);
    }
    Ok(Box::pin(stream.flat_map(|piece| futures_util::stream::iter([piece.clone(), piece]))))
}
