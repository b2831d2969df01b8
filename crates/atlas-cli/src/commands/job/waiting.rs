//! Waiting for a job. It is queued, so that its id is known before anybody waits: then whoever breaks off is told which it is,
//! and what it gave is kept for longer than the result of a call that was held.

use std::pin::Pin;
use std::time::Duration;

use atlas::{Account, Effect, Error, ErrorKind, Job, JobMode, JobRequest, JobStatus};

use crate::context::Context;
use crate::failure::Failure;

/// The pauses between two looks grow to this.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// In the queue for so long, a job is said to find no worker.
const LONG_IN_QUEUE: Duration = Duration::from_secs(15);

/// Runs a job until it is over, at most as long as its request says.
pub(super) async fn run(context: &Context, account: &Account, request: &JobRequest) -> Result<Job, Failure> {
    let mut over = std::pin::pin!(tokio::time::sleep(request.timeout));
    let job = match send(account, request).await {
        // Nothing was sent: what is too large for a queue may be taken by a call that is held. Its id comes with its end.
        Err(error) if error.kind() == ErrorKind::Validation && error.effect() == Effect::NotSent => {
            hold(context, account, request).await
        }
        sent => sent,
    };
    let job = job.map_err(|error| super::unsent(error, request))?;
    if job.status.is_over() {
        return Ok(job);
    }
    context.interrupt.may_leave_what(super::left("interrupted", &job));
    follow(context, account, request, job, over.as_mut()).await
}

/// Runs a job in one call. What cannot be right is told at once, and not waited for.
async fn hold(context: &Context, account: &Account, request: &JobRequest) -> atlas::Result<Job> {
    let mut holding = std::pin::pin!(account.run_job(request));
    tokio::select! {
        biased;
        done = holding.as_mut() => return done,
        () = tokio::time::sleep(FIRST_PAUSE) => {}
    }
    let bound = atlas::duration::format(request.timeout);
    context.output.progress(&format!("waiting for a job that is too large to be queued, at most {bound}"));
    holding.await
}

async fn send(account: &Account, request: &JobRequest) -> atlas::Result<Job> {
    let mut queued = request.clone();
    queued.mode = JobMode::Async;
    let bound = atlas::CallContext::new().with_timeout(request.timeout);
    account.clone().with(bound).run_job(&queued).await
}

/// Looks at a job until it is over or the time is, and tells how it stands when that changes.
async fn follow(
    context: &Context,
    account: &Account,
    request: &JobRequest,
    mut job: Job,
    mut over: Pin<&mut tokio::time::Sleep>,
) -> Result<Job, Failure> {
    let bound = atlas::duration::format(request.timeout);
    context.output.progress(&format!("job {} is {}; waiting for it, at most {bound}", job.id, job.status));
    let (mut pause, mut in_queue) = (FIRST_PAUSE, Some(Duration::ZERO));
    loop {
        let looking = async {
            tokio::time::sleep(pause).await;
            account.job(&job.endpoint, &job.id).await
        };
        let read = tokio::select! {
            biased;
            read = looking => read,
            () = over.as_mut() => return Err(overdue(&job, &bound)),
        };
        match read {
            Ok(read) if read.status.is_over() => return Ok(read),
            Ok(read) => {
                if read.status != job.status {
                    context.output.progress(&format!("job {} is {}", read.id, read.status));
                }
                job = read;
            }
            // A look that fails says nothing of the job, and one that cannot be read was cut on the way.
            Err(error) if error.is_transient() || error.kind() == ErrorKind::Decode => {}
            Err(error) => return Err(Failure::from(error.with_job(job.id.clone()))),
        }
        in_queue = match in_queue {
            Some(waited) if job.status == JobStatus::Queued => Some(waited + pause),
            _ => None,
        };
        if in_queue.is_some_and(|waited| waited >= LONG_IN_QUEUE) {
            context.output.progress(&format!("job {}: no worker takes it yet; see the endpoint's workers", job.id));
            in_queue = None;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// The time is over, and the job is not.
fn overdue(job: &Job, bound: &str) -> Failure {
    let hint = match job.status {
        JobStatus::Queued => ", and no worker has taken it",
        _ => "",
    };
    let why = format!("{} after {bound}{hint}", job.status);
    let error = Error::timeout(super::goes_on(&why, &job.endpoint, &job.id));
    Failure::from(error.with_provider(&job.provider).with_operation("run_job").with_job(job.id.clone()))
}
