//! Serverless jobs: each ends once, with its output or a clear error.

use std::time::Duration;

use atlas_core::{Capability, Effect, ErrorKind, Job, JobId, JobRequest, JobStatus};
use futures_util::StreamExt;

use crate::bench::{Bench, Broken, ensure};
use crate::case::{Case, Cost, Verdict};
use crate::harness::Trouble;

use super::{FREE, JOBS, with};

/// The rows of this room.
pub(super) const CASES: &[Case] = &[
    case!("job/ends", "a job comes to its output", JOBS, Cost::Little, ends),
    case!("job/sync", "a job that is waited for comes back done", JOBS, Cost::Little, sync),
    case!("job/sync-timeout", "a wait that is over says what became of the job", JOBS, Cost::Little, sync_timeout),
    case!(
        "job/lost-answer",
        "C8: a job whose answer is lost may run, and is not sent again",
        JOBS,
        Cost::Little,
        lost_answer
    ),
    case!("job/cancel", "a cancelled job is over, and cancelling repeats safely", JOBS, Cost::Little, cancel),
    case!("job/stream", "a stream gives each piece once and in order, and ends by itself", JOBS, Cost::Little, stream),
    case!(
        "job/stream-survives",
        "a poll of a stream that fails is repeated: no piece is lost and none comes twice",
        JOBS,
        Cost::Little,
        stream_survives
    ),
    case!("job/cancel-over", "a job that is over stays as it is when it is cancelled", JOBS, Cost::Little, cancel_over),
    case!(
        "job/webhook",
        "C2: with webhooks, the cloud calls back when a job ends",
        with(Capability::Webhooks),
        Cost::Little,
        webhook
    ),
    case!("job/unknown", "a job that nobody knows is not_found", JOBS, FREE, unknown),
];

/// How often a job is looked at.
const PAUSE: Duration = Duration::from_millis(250);

fn request(bench: &Bench<'_>) -> Result<JobRequest, Broken> {
    bench.harness().job().ok_or_else(|| Broken::NotProvable("the harness names no job".to_owned()))
}

async fn over(bench: &Bench<'_>, job: &Job) -> Result<Job, Broken> {
    let until = bench.now().plus(bench.harness().patience());
    while bench.now() < until {
        let read = bench.provider().get_job(&bench.context(), &job.endpoint, &job.id).await?;
        ensure!(read.id == job.id, "asked for job {} and got {}", job.id, read.id);
        if read.status.is_over() {
            return Ok(read);
        }
        bench.harness().pass(PAUSE).await;
    }
    Err(Broken::because(format!("job {} was not over in time", job.id)))
}

/// Lets time pass beside something that waits for it.
async fn meanwhile<T>(bench: &Bench<'_>, waiting: impl Future<Output = T>) -> T {
    let passing = async {
        loop {
            bench.harness().pass(PAUSE).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        biased;
        done = waiting => done,
        never = passing => never,
    }
}

async fn ends(bench: &Bench<'_>) -> Verdict {
    let job = bench.provider().run_job(&bench.context(), &request(bench)?).await?;
    let done = over(bench, &job).await?;
    ensure!(done.status == JobStatus::Completed, "the job is {}: {:?}", done.status, done.error);
    ensure!(done.output.is_some(), "the job is done, and a read shows no output");
    Ok(())
}

async fn sync(bench: &Bench<'_>) -> Verdict {
    let request = request(bench)?.sync(Duration::from_mins(5));
    let context = bench.context().with_timeout(Duration::from_mins(6));
    let done = meanwhile(bench, bench.provider().run_job(&context, &request)).await?;
    ensure!(done.status == JobStatus::Completed, "the job is {}: {:?}", done.status, done.error);
    ensure!(done.output.is_some(), "the job came back without output");
    Ok(())
}

async fn sync_timeout(bench: &Bench<'_>) -> Verdict {
    // Long enough for a cloud to say which job it is, and shorter than the job takes.
    let request = request(bench)?.sync(Duration::from_millis(500));
    match bench.provider().run_job(&bench.context(), &request).await {
        Ok(job) => Err(Broken::because(format!("a wait of half a second came back {}", job.status))),
        Err(error) => {
            ensure!(error.kind() == ErrorKind::Timeout, "a wait that is over is {}: {error}", error.kind());
            let id = error.job().ok_or_else(|| Broken::because(format!("the error does not name the job: {error}")))?;
            ensure!(error.message().contains(id.as_str()), "the error's words do not name the job: {error}");
            let read = bench.provider().get_job(&bench.context(), &request.endpoint, id).await?;
            let done = over(bench, &read).await?;
            ensure!(done.status == JobStatus::Completed, "when its wait was over, the job came to be {}", done.status);
            Ok(())
        }
    }
}

async fn lost_answer(bench: &Bench<'_>) -> Verdict {
    let request = request(bench)?;
    let taken = || {
        let lacking = || Broken::NotProvable("the harness cannot count the jobs that the cloud has taken".to_owned());
        bench.harness().jobs().ok_or_else(lacking)
    };
    let before = taken()?;
    bench.inject(Trouble::LosesJob)?;
    match bench.provider().run_job(&bench.context(), &request).await {
        Ok(job) => return Err(Broken::because(format!("the answer was lost, and job {} came of it", job.id))),
        Err(error) => {
            ensure!(error.effect() == Effect::Unknown, "the effect of a lost answer is {:?}", error.effect());
        }
    }
    bench.settle().await;
    let made = taken()?.saturating_sub(before);
    ensure!(made == 1, "one job whose answer was lost was taken {made} times");
    Ok(())
}

async fn cancel(bench: &Bench<'_>) -> Verdict {
    let job = bench.provider().run_job(&bench.context(), &request(bench)?).await?;
    let cancelled = bench.provider().cancel_job(&bench.context(), &job.endpoint, &job.id).await?;
    ensure!(cancelled.status == JobStatus::Cancelled, "a cancelled job is {}", cancelled.status);
    let again = bench.provider().cancel_job(&bench.context(), &job.endpoint, &job.id).await?;
    ensure!(again.status == JobStatus::Cancelled, "cancelled twice, it is {}", again.status);
    let read = over(bench, &job).await?;
    ensure!(read.status == JobStatus::Cancelled, "read again, it is {}", read.status);
    Ok(())
}

async fn stream(bench: &Bench<'_>) -> Verdict {
    let job = bench.provider().run_job(&bench.context(), &request(bench)?).await?;
    streams(bench, &job).await
}

async fn stream_survives(bench: &Bench<'_>) -> Verdict {
    let request = request(bench)?;
    // First, so that no job is run where it cannot be had.
    bench.inject(Trouble::StreamPollFails)?;
    let job = bench.provider().run_job(&bench.context(), &request).await?;
    streams(bench, &job).await
}

/// Reads a stream to its end: each piece once and in order.
async fn streams(bench: &Bench<'_>, job: &Job) -> Verdict {
    let mut pieces = bench.provider().stream_job(&bench.context(), &job.endpoint, &job.id)?;
    let reading = async {
        let mut indices = Vec::new();
        while let Some(piece) = pieces.next().await {
            indices.push(piece?.index);
        }
        Ok::<_, Broken>(indices)
    };
    let indices = meanwhile(bench, reading).await?;
    let wanted: Vec<u64> = (0..).take(indices.len()).collect();
    ensure!(indices.len() >= 2, "the stream gave {} pieces", indices.len());
    ensure!(indices == wanted, "the pieces came as {indices:?}");
    let done = over(bench, job).await?;
    ensure!(done.status == JobStatus::Completed, "when the stream ended, the job was {}", done.status);
    Ok(())
}

async fn cancel_over(bench: &Bench<'_>) -> Verdict {
    let job = bench.provider().run_job(&bench.context(), &request(bench)?).await?;
    let done = over(bench, &job).await?;
    ensure!(done.status == JobStatus::Completed, "the job is {}: {:?}", done.status, done.error);
    let cancelled = bench.provider().cancel_job(&bench.context(), &job.endpoint, &job.id).await?;
    ensure!(cancelled.status == JobStatus::Completed, "cancelled when it was over, it is {}", cancelled.status);
    let read = over(bench, &job).await?;
    ensure!(read.status == JobStatus::Completed, "cancelled when it was over, it reads {}", read.status);
    Ok(())
}

async fn webhook(bench: &Bench<'_>) -> Verdict {
    if !bench.provider().traits().has(Capability::Serverless) {
        return Err(Broken::NotProvable("without serverless there is no job that could be told of".to_owned()));
    }
    let Some(address) = bench.harness().webhook() else {
        return Err(Broken::NotProvable("the harness has no address that a cloud can call".to_owned()));
    };
    let request = request(bench)?.webhook(address);
    let job = bench.provider().run_job(&bench.context(), &request).await?;
    over(bench, &job).await?;
    let until = bench.now().plus(bench.harness().patience());
    while bench.harness().called_back(&job.id) == 0 && bench.now() < until {
        bench.moment().await;
    }
    ensure!(bench.harness().called_back(&job.id) > 0, "job {} is over, and the cloud called nobody", job.id);
    Ok(())
}

async fn unknown(bench: &Bench<'_>) -> Verdict {
    let endpoint = request(bench)?.endpoint;
    match bench.provider().get_job(&bench.context(), &endpoint, &JobId::new("nobody0knows0me")).await {
        Ok(job) => Err(Broken::because(format!("a job that nobody knows is {}", job.status))),
        Err(error) => {
            ensure!(error.is_not_found(), "a job that nobody knows is {}: {error}", error.kind());
            Ok(())
        }
    }
}
