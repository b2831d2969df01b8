//! A job's output as it comes.
//!
//! A look takes out what it shows, so an answer that is lost takes pieces with it. Invariant: every piece is handed out
//! once and in order, or the stream ends with an error that says that some may be missing. After a look that may have been
//! lost, what comes later is held back until the job is over and its whole output shows what was missed.
//!
//! A job whose worker was lost is begun again by another, under the same id, and its pieces come anew: no look tells. So the
//! job is read before the first look and after each that shows pieces, and they are handed out only if both reads show one run.
//! Once it was begun again, nothing more is taken from its looks; its whole output must begin with what was handed out, or the
//! stream ends with an error. It is assumed that pieces that nobody took are gone with the run that gave them.

use std::collections::VecDeque;
use std::time::Duration;

use atlas_core::http::Request;
use atlas_core::{
    CallContext, Effect, EndpointId, Error, ErrorKind, Job, JobChunk, JobId, JobStatus, JobStream, Result,
};
use futures_util::{StreamExt, stream};
use serde_json::Value;

use crate::account::RunPod;
use crate::translate::job::{self, Given, Run, Standing};

/// The pauses between two looks that show nothing. RunPod usually holds a look until there is something.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// So many looks in a row may fail.
const FAILURES: u32 = 10;

impl RunPod {
    /// The output of a job, piece by piece.
    pub(crate) fn drain(&self, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<JobStream> {
        let drain = Drain {
            look: self.api().stream_request(endpoint, job)?,
            read: self.api().status_request("stream_job", endpoint, job)?,
            account: self.clone(),
            context: context.clone(),
            endpoint: endpoint.clone(),
            job: job.clone(),
            given: Given::default(),
            ready: VecDeque::new(),
            doubt: Doubt::Nothing,
            run: None,
            was_at_work: false,
            was_over: false,
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
    /// The requests that are sent again and again.
    look: Request,
    read: Request,
    /// What was handed out.
    given: Given,
    /// Pieces that stand in order behind those.
    ready: VecDeque<Value>,
    doubt: Doubt,
    /// The run that gives the pieces.
    run: Option<Run>,
    /// Whether a look has shown that a worker had the job.
    was_at_work: bool,
    /// Whether the job was over when it was last compared: then no worker begins it again.
    was_over: bool,
    failures: u32,
    pause: Duration,
    /// How the stream ends once `ready` is handed out.
    over: Option<End>,
}

/// Why nothing is handed out any more until the job is over.
enum Doubt {
    Nothing,
    /// A look may have been lost; these pieces came after it.
    Lost(Vec<Value>),
    /// The job was begun again, and its pieces come anew.
    BegunAgain,
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
                let chunk = JobChunk::new(self.given.add(&output), output);
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
        if self.run.is_none() {
            self.see_run().await?;
        }
        let answer = self.account.api().ask(&self.context, &self.look).await;
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
                if error.effect() == Effect::Unknown && matches!(self.doubt, Doubt::Nothing) {
                    self.doubt = Doubt::Lost(Vec::new());
                }
                self.rest().await;
                Ok(())
            }
        }
    }

    async fn take(&mut self, status: Option<JobStatus>, pieces: Vec<Value>) -> Result<()> {
        let nothing = pieces.is_empty();
        self.was_at_work |= !nothing || status.as_ref().is_some_and(|status| *status != JobStatus::Queued);
        if matches!(self.doubt, Doubt::Lost(_)) && !self.was_at_work && self.is_untouched().await? {
            self.doubt = Doubt::Nothing;
        }
        if nothing && self.given.count() == 0 && matches!(self.doubt, Doubt::Nothing) {
            // Whoever has it now begins a stream of which nothing was seen.
            self.run = None;
        }
        let waits_again = status == Some(JobStatus::Queued) && self.given.count() > 0;
        if (!nothing || waits_again) && !matches!(self.doubt, Doubt::BegunAgain) {
            self.see_run().await?;
        }
        match &mut self.doubt {
            Doubt::Nothing => self.ready.extend(pieces),
            Doubt::Lost(held) => held.extend(pieces),
            // They would come a second time.
            Doubt::BegunAgain => {}
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
        let well = matches!(status, JobStatus::Completed | JobStatus::Cancelled);
        let same = self.given.count() == 0 || self.was_over;
        if well && same && matches!(self.doubt, Doubt::Nothing) {
            self.over = Some(End::Well);
            return Ok(());
        }
        // What it says of itself decides how the stream ends, its whole output what was missed.
        let Some(job) = self.read().await? else {
            self.rest().await;
            return Ok(());
        };
        self.compare(Standing::of(&job));
        let mut ending = job::ending(&job);
        let rest = self.given.rest_of(job.output.as_ref());
        match (std::mem::replace(&mut self.doubt, Doubt::Nothing), rest) {
            (Doubt::Nothing, _) => {}
            (Doubt::BegunAgain, Some(rest)) => self.ready.extend(rest.iter().cloned()),
            (Doubt::BegunAgain, None) => ending = ending.or_else(|| Some(self.begun_again())),
            (Doubt::Lost(held), Some(rest)) if job::holds(rest, &held) => self.ready.extend(rest.iter().cloned()),
            (Doubt::Lost(held), _) => {
                self.ready.extend(held);
                ending = ending.or_else(|| Some(self.gap()));
            }
        }
        self.over = Some(ending.map_or(End::Well, End::With));
        Ok(())
    }

    /// Sees which run it is that gives the pieces. They are in hand, so a read that fails is repeated.
    async fn see_run(&mut self) -> Result<()> {
        loop {
            if let Some(standing) = self.standing().await? {
                self.compare(standing);
                return Ok(());
            }
            self.rest().await;
        }
    }

    /// Compares the run that a read shows with the one that gave what was handed out.
    fn compare(&mut self, standing: Standing) {
        let Standing { status, run } = standing;
        let waits_again = status == JobStatus::Queued && self.given.count() > 0;
        match &mut self.run {
            Some(known) if waits_again || !known.goes_on_as(&run) => self.doubt = Doubt::BegunAgain,
            Some(known) => *known = run,
            None => self.run = Some(run),
        }
        self.was_over = status.is_over();
    }

    /// Whether no worker has had the job yet: then it has given nothing that could be lost. That it waits is not enough, for a
    /// job waits again once its worker was lost.
    async fn is_untouched(&mut self) -> Result<bool> {
        let untouched = Standing { status: JobStatus::Queued, run: Run::default() };
        Ok(self.standing().await? == Some(untouched))
    }

    /// Reads how the job stands, and no more of it; none if that failed in a way that may pass.
    async fn standing(&mut self) -> Result<Option<Standing>> {
        let answer = self.account.api().ask(&self.context, &self.read).await;
        self.passing(answer.map_err(|error| job::forgotten(error, &self.endpoint, &self.job)))
    }

    /// Reads the job; none if that failed in a way that may pass.
    async fn read(&mut self) -> Result<Option<Job>> {
        let job = self.account.read_job(&self.context, "stream_job", &self.endpoint, &self.job).await;
        self.passing(job)
    }

    /// What was read; none if that failed in a way that may pass.
    fn passing<T>(&mut self, read: Result<T>) -> Result<Option<T>> {
        match read {
            Ok(read) => Ok(Some(read)),
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
            self.job,
            self.given.count()
        );
        Error::new(ErrorKind::Provider, message).with_job(self.job.clone())
    }

    fn begun_again(&self) -> Error {
        let message = format!(
            "job {} lost its worker after the first {} pieces of its output and was begun again by another, and what that one \
             gave does not go on from there; read the job for its whole output, if its worker returns it \
             (return_aggregate_stream)",
            self.job,
            self.given.count()
        );
        Error::new(ErrorKind::Provider, message).with_job(self.job.clone())
    }

    async fn rest(&mut self) {
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}
