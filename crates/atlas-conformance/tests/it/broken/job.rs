//! What can be wrong with serverless jobs.

use atlas_core::{
    CallContext, Effect, EndpointId, Error, ErrorKind, Job, JobId, JobMode, JobRequest, JobStream, Provider, Result,
};
use futures_util::StreamExt;

use super::{Broken, Defect};

pub(super) async fn run(broken: &Broken, context: &CallContext, request: &JobRequest) -> Result<Job> {
    if broken.has(Defect::TakesWebhooks) {
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
    broken.inner.cancel_job(context, endpoint, job).await
}

pub(super) fn stream(broken: &Broken, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<JobStream> {
    let stream = broken.inner.stream_job(context, endpoint, job)?;
    if !broken.has(Defect::StreamsTwice) {
        return Ok(stream);
    }
    Ok(Box::pin(stream.flat_map(|piece| futures_util::stream::iter([piece.clone(), piece]))))
}
