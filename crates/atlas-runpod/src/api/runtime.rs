//! The serverless runtime: `https://api.runpod.ai/v2/{endpoint}/…`. Each operation of each endpoint has a limit of its own.

use std::time::Duration;

use atlas_auth::Secret;
use atlas_core::http::{Lane, Repeat, Request};
use atlas_core::{CallContext, EndpointId, JobId, Result};
use http::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Api, address, checked};
use crate::limits::bucket;

/// How much longer than the cloud holds a call it may take on the way.
const SLACK: Duration = Duration::from_secs(15);

/// How long the cloud holds a look at a stream that has nothing yet.
const STREAM_WAIT: Duration = Duration::from_secs(10);

impl Api {
    /// Queues a job. Never sent twice on a guess.
    pub(crate) async fn run_job(
        &self,
        context: &CallContext,
        endpoint: &EndpointId,
        body: &Value,
        secrets: &[&Secret],
    ) -> Result<Value> {
        let request = self.runtime_request(Method::POST, "run_job", endpoint, &["run"], None)?.lane(Lane::Create);
        self.run(context, request.json(body)?, secrets).await
    }

    /// Queues a job, and answers when it is over or `wait` has passed. Never sent twice on a guess.
    pub(crate) async fn run_job_sync(
        &self,
        context: &CallContext,
        endpoint: &EndpointId,
        body: &Value,
        wait: Duration,
        secrets: &[&Secret],
    ) -> Result<Value> {
        let request = self.runtime_request(Method::POST, "run_job", endpoint, &["runsync"], Some(wait))?;
        let request = request.timeout(wait.saturating_add(SLACK)).lane(Lane::Create);
        self.run(context, request.json(body)?, secrets).await
    }

    /// Reads a job.
    pub(crate) async fn job_status(
        &self,
        context: &CallContext,
        operation: &'static str,
        endpoint: &EndpointId,
        job: &JobId,
    ) -> Result<Value> {
        self.run(context, self.status_request(operation, endpoint, job)?, &[]).await
    }

    /// The request that reads a job.
    pub(crate) fn status_request(
        &self,
        operation: &'static str,
        endpoint: &EndpointId,
        job: &JobId,
    ) -> Result<Request> {
        self.runtime_request(Method::GET, operation, endpoint, &["status", job.as_str()], None)
    }

    /// The request that takes what a job has given since the last look. **It takes it out**: an answer that is lost takes its
    /// pieces with it, so this is no read that could be repeated blindly.
    pub(crate) fn stream_request(&self, endpoint: &EndpointId, job: &JobId) -> Result<Request> {
        let path = ["stream", job.as_str()];
        let request = self.runtime_request(Method::GET, "stream_job", endpoint, &path, Some(STREAM_WAIT))?;
        Ok(request.timeout(STREAM_WAIT.saturating_add(SLACK)).repeat(Repeat::Unsafe))
    }

    /// Sends a request that was made before, and may be sent many times.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, context: &CallContext, request: &Request) -> Result<T> {
        self.run(context, request.clone(), &[]).await
    }

    /// Cancels a job.
    pub(crate) async fn cancel_job(&self, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<Value> {
        let request = self.runtime_request(Method::POST, "cancel_job", endpoint, &["cancel", job.as_str()], None)?;
        self.run(context, request.repeat(Repeat::Safe).lane(Lane::Terminate), &[]).await
    }

    /// Queues a job that failed or took too long once more, under its id. Never sent twice on a guess.
    pub(crate) async fn retry_job(&self, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<Value> {
        let request = self.runtime_request(Method::POST, "retry_job", endpoint, &["retry", job.as_str()], None)?;
        self.run(context, request.lane(Lane::Create), &[]).await
    }

    /// Removes the jobs that wait. Not repeated blindly: a second time would remove those that came since.
    pub(crate) async fn purge_queue(&self, context: &CallContext, endpoint: &EndpointId) -> Result<Value> {
        let request = self.runtime_request(Method::POST, "purge_queue", endpoint, &["purge-queue"], None)?;
        self.run(context, request, &[]).await
    }

    /// Reads how many jobs and workers there are.
    pub(crate) async fn health(&self, context: &CallContext, endpoint: &EndpointId) -> Result<Value> {
        let request = self.runtime_request(Method::GET, "endpoint_health", endpoint, &["health"], None)?;
        self.run(context, request, &[]).await
    }

    fn runtime_request(
        &self,
        method: Method,
        operation: &'static str,
        endpoint: &EndpointId,
        path: &[&str],
        wait: Option<Duration>,
    ) -> Result<Request> {
        let mut segments = vec![checked("endpoint", endpoint.as_str())?];
        for (place, part) in path.iter().enumerate() {
            segments.push(if place == 0 { part } else { checked("job", part)? });
        }
        let limit = bucket(segments[1], endpoint.as_str());
        let mut url = address(&self.at.runtime, &segments);
        if let Some(wait) = wait {
            url.query_pairs_mut().append_pair("wait", &wait.as_millis().to_string());
        }
        Ok(Request::new(method, url, operation).bucket(limit))
    }
}
