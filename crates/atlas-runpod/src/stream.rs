//! A job's output as it comes.
//!
//! A look takes out what it shows, so an answer that is lost takes pieces with it. Invariant: every piece is handed out
//! once and in order, or the stream ends with an error that says that some may be missing. After a look that may have been
//! lost, what comes later is held back until the job is over and its whole output shows what was missed.

use std::collections::VecDeque;
use std::time::Duration;

use atlas_core::{CallContext, Effect, EndpointId, Error, ErrorKind, JobChunk, JobId, JobStatus, JobStream, Result};
use futures_util::{StreamExt, stream};
use serde_json::Value;

use crate::account::RunPod;
use crate::api::checked;
use crate::translate::job::{self, Run};

/// The pauses between two looks that show nothing. RunPod usually holds a look until there is something.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// So many looks in a row may fail.
const FAILURES: u32 = 10;

impl RunPod {
    /// The output of a job, piece by piece.
    pub(crate) fn drain(&self, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<JobStream> {
        checked("endpoint", endpoint.as_str())?;
        checked("job", job.as_str())?;
        let drain = Drain {
            account: self.clone(),
            context: context.clone(),
            endpoint: endpoint.clone(),
            job: job.clone(),
            given: 0,
            ready: VecDeque::new(),
            held: None,
            was_at_work: false,
            failures: 0,
            pause: FIRST_PAUSE,
            over: None,
        };
        Ok(stream::unfold(Some(drain), |drain| async move {
            let mut drain = drain?;
            match drain.next().await {
                Ok(Some(chunk)) => Some((Ok(chunk), Some(drain))),
                Ok(None) => None,
                Err(error) => Some((Err(drain.account.named(error, "stream_job")), None)),
            }
        })
        .boxed())
    }
}

struct Drain {
    account: RunPod,
    context: CallContext,
    endpoint: EndpointId,
    job: JobId,
    /// How many pieces were handed out.
    given: u64,
    /// Pieces that stand in order behind those.
    ready: VecDeque<Value>,
    /// Pieces that came after a look that may have been lost.
    held: Option<Vec<Value>>,
    /// Whether a look has shown that a worker had the job.
    was_at_work: bool,
    failures: u32,
    pause: Duration,
    /// How the stream ends once `ready` is handed out.
    over: Option<End>,
}

/// How a stream ends.
enum End {
    Well,
    With(Error),
}

impl Drain {
    async fn next(&mut self) -> Result<Option<JobChunk>> {
        loop {
            if let Some(output) = self.ready.pop_front() {
                let chunk = JobChunk::new(self.given, output);
                self.given += 1;
                return Ok(Some(chunk));
            }
            match self.over.take() {
                Some(End::Well) => return Ok(None),
                Some(End::With(error)) => return Err(error),
                None => self.look().await?,
            }
        }
    }

    async fn look(&mut self) -> Result<()> {
        let answer = self.account.api().job_stream(&self.context, &self.endpoint, &self.job).await;
        match answer.and_then(job::pieces) {
            Ok((status, pieces)) => {
                self.failures = 0;
                self.take(status, pieces).await
            }
            Err(error) => {
                self.failures += 1;
                // An answer that cannot be read was cut on the way.
                let may_pass = error.is_transient() || error.kind() == ErrorKind::Decode;
                if !may_pass || self.failures > FAILURES {
                    return Err(job::forgotten(error, &self.endpoint, &self.job).with_job(self.job.clone()));
                }
                if error.effect() == Effect::Unknown {
                    self.held.get_or_insert_default();
                }
                self.rest().await;
                Ok(())
            }
        }
    }

    async fn take(&mut self, status: Option<JobStatus>, pieces: Vec<Value>) -> Result<()> {
        let nothing = pieces.is_empty();
        self.was_at_work |= !nothing || status.as_ref().is_some_and(|status| *status != JobStatus::Queued);
        if self.held.is_some() && !self.was_at_work && self.is_untouched().await? {
            self.held = None;
        }
        match &mut self.held {
            Some(held) => held.extend(pieces),
            None => self.ready.extend(pieces),
        }
        if !nothing {
            self.pause = FIRST_PAUSE;
            return Ok(());
        }
        // A bare list of pieces does not say how the job stands.
        let status = match status {
            None => self.read().await?.map(|job| job.status),
            said => said,
        };
        if let Some(status) = status.filter(JobStatus::is_over) {
            return self.finish(status).await;
        }
        self.rest().await;
        Ok(())
    }

    /// The job is over and has nothing more to give.
    async fn finish(&mut self, status: JobStatus) -> Result<()> {
        if self.held.is_none() && matches!(status, JobStatus::Completed | JobStatus::Cancelled) {
            self.over = Some(End::Well);
            return Ok(());
        }
        // What it says of itself decides how the stream ends, its whole output what was missed.
        let Some(job) = self.read().await? else {
            self.rest().await;
            return Ok(());
        };
        let mut ending = job::ending(&job);
        if let Some(held) = self.held.take() {
            let given = usize::try_from(self.given).unwrap_or(usize::MAX);
            if let Some(rest) = job::rest(job.output.as_ref(), given, &held) {
                self.ready.extend(rest);
            } else {
                self.ready.extend(held);
                ending = ending.or_else(|| Some(self.gap()));
            }
        }
        self.over = Some(ending.map_or(End::Well, End::With));
        Ok(())
    }

    /// Whether no worker has had the job yet: then it has given nothing that could be lost. That it waits is not enough, for a
    /// job waits again once its worker was lost.
    async fn is_untouched(&mut self) -> Result<bool> {
        let job = self.read().await?;
        Ok(job.is_some_and(|job| job.status == JobStatus::Queued && Run::of(&job) == Run::default()))
    }

    /// Reads the job; none if that failed in a way that may pass.
    async fn read(&mut self) -> Result<Option<atlas_core::Job>> {
        match self.account.read_job(&self.context, "stream_job", &self.endpoint, &self.job).await {
            Ok(job) => Ok(Some(job)),
            Err(error) if error.is_transient() && self.failures < FAILURES => {
                self.failures += 1;
                Ok(None)
            }
            Err(error) => Err(error.with_job(self.job.clone())),
        }
    }

    fn gap(&self) -> Error {
        let message = format!(
            "job {} is over, and an answer with pieces of its output may have been lost after the first {}; a worker that \
             returns its whole output (return_aggregate_stream) lets Atlas fill such a gap",
            self.job, self.given
        );
        Error::new(ErrorKind::Provider, message).with_job(self.job.clone())
    }

    async fn rest(&mut self) {
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}
