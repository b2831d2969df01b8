//! `atlas job`: serverless jobs. Progress goes to stderr, what the job gives to stdout.

use std::path::Path;
use std::time::Duration;

use atlas::{Account, EndpointId, Job as Done, JobId, JobPolicy, JobRequest, JobStatus, JobStream};
use clap::{Args, Subcommand, ValueEnum};
use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::Outcome;
use crate::arguments::Named;
use crate::context::Context;
use crate::failure::Failure;
use crate::table::pairs;

/// Run and follow serverless jobs.
#[derive(Debug, Subcommand)]
pub(crate) enum Job {
    Run(Box<Run>),
    Get(Get),
    Cancel(Cancel),
    Stream(Stream),
}

/// How a job is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Print the queued job, and go.
    Async,
    /// Wait until it is over, and print what it gave.
    Sync,
    /// Print its output as it comes.
    Stream,
}

/// Ask an endpoint to do a job.
///
/// With --mode sync, exit 7 after --timeout; the job goes on and is named. A job that failed is exit 1.
#[derive(Debug, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub(crate) struct Run {
    /// The endpoint
    #[arg(long, value_name = "ID")]
    endpoint: String,
    /// The input: JSON, or @FILE with JSON in it; @- is standard input
    #[arg(long, value_name = "JSON|@FILE", allow_hyphen_values = true)]
    input: String,
    /// How to wait for it
    #[arg(long, value_enum, default_value = "async")]
    mode: Mode,
    /// With --mode sync: how long to wait
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = atlas::duration::parse, allow_hyphen_values = true)]
    timeout: Duration,
    /// Where the cloud shall tell that it is over. A secret in the address is seen by every process of this machine: read
    /// the address from a file with @FILE instead
    #[arg(long, value_name = "URL|@FILE")]
    webhook: Option<String>,
    /// How long it may take: {"execution_timeout": "10m", "ttl": "24h", "low_priority": false}
    #[arg(long, value_name = "JSON")]
    policy: Option<String>,
    #[command(flatten)]
    named: Named,
}

const RUN_EXAMPLES: &str = "\
Examples:
  atlas job run --provider runpod --endpoint ID --input '{\"prompt\": \"a cat\"}'
  atlas job run --endpoint ID --input @input.json --mode sync --timeout 5m
  atlas job run --endpoint ID --input @input.json --mode stream";

/// Show one job.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  atlas job get --provider runpod --endpoint ID JOB")]
pub(crate) struct Get {
    #[command(flatten)]
    which: Which,
}

/// Cancel one job.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  atlas job cancel --provider runpod --endpoint ID JOB")]
pub(crate) struct Cancel {
    #[command(flatten)]
    which: Which,
}

/// Print a job's output as it comes, until it is over.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  atlas job stream --provider runpod --endpoint ID JOB")]
pub(crate) struct Stream {
    #[command(flatten)]
    which: Which,
}

/// Which job.
#[derive(Debug, Args)]
struct Which {
    /// What the cloud calls the job
    #[arg(allow_hyphen_values = true)]
    id: String,
    /// Its endpoint
    #[arg(long, value_name = "ID")]
    endpoint: String,
    #[command(flatten)]
    named: Named,
}

impl Which {
    fn read(&self, context: &Context) -> Result<(Account, EndpointId, JobId), Failure> {
        let account = context.account(self.named.provider.as_deref())?;
        Ok((account, EndpointId::new(self.endpoint.as_str()), JobId::new(self.id.as_str())))
    }
}

impl Job {
    pub(crate) async fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Run(run) => run.run(context).await,
            Self::Get(get) => {
                let (account, endpoint, id) = get.which.read(context)?;
                let job = context.interrupt.unless(async { Ok(account.job(&endpoint, &id).await?) }).await?;
                show(context, &job)
            }
            Self::Cancel(cancel) => {
                let (account, endpoint, id) = cancel.which.read(context)?;
                context.interrupt.may_leave(format!("interrupted; job {id} may have been asked to stop"));
                let job = context.interrupt.unless(async { Ok(account.cancel_job(&endpoint, &id).await?) }).await?;
                show(context, &job)
            }
            Self::Stream(stream) => {
                let (account, endpoint, id) = stream.which.read(context)?;
                let output = account.stream_job(&endpoint, &id)?;
                context.interrupt.may_leave(format!("interrupted; job {id} goes on until its policy ends it"));
                context.interrupt.unless(copy(context, output)).await
            }
        }
    }
}

impl Run {
    async fn run(self, context: &Context) -> Outcome {
        let account = context.account(self.named.provider.as_deref())?;
        let request = self.request()?;
        context.interrupt.may_leave("interrupted; the job may have been taken, and goes on until its policy ends it");
        if self.mode == Mode::Sync {
            context.output.progress("waiting for the job");
        }
        let job = context.interrupt.unless(async { Ok(account.run_job(&request).await?) }).await?;
        context.interrupt.may_leave(format!("interrupted; job {} goes on until its policy ends it", job.id));
        match self.mode {
            Mode::Async => show(context, &job),
            Mode::Sync => {
                show(context, &job)?;
                failed(&job).map_or(Ok(()), Err)
            }
            Mode::Stream => {
                context.output.progress(&format!("job {}", job.id));
                let output = account.stream_job(&job.endpoint, &job.id)?;
                context.interrupt.unless(copy(context, output)).await
            }
        }
    }

    fn request(&self) -> Result<JobRequest, Failure> {
        let mut request = JobRequest::new(self.endpoint.as_str(), json_value("--input", &self.input)?);
        if self.mode == Mode::Sync {
            request = request.sync(self.timeout);
        }
        if let Some(webhook) = &self.webhook {
            let url = match webhook.strip_prefix('@') {
                Some(path) => crate::input::secret_from(Path::new(path))?,
                None => webhook.as_str().into(),
            };
            request = request.webhook(url);
        }
        if let Some(policy) = &self.policy {
            let policy: JobPolicy = serde_json::from_value(json_value("--policy", policy)?)
                .map_err(|cause| Failure::usage(format!("--policy: {cause}")))?;
            request = request.policy(policy);
        }
        Ok(request)
    }
}

/// JSON from an argument, or from the file that it names.
fn json_value(flag: &str, text: &str) -> Result<Value, Failure> {
    let read = match text.strip_prefix('@') {
        Some(path) => crate::input::secret_from(Path::new(path))?.expose().to_owned(),
        None => text.to_owned(),
    };
    serde_json::from_str(&read).map_err(|cause| Failure::usage(format!("{flag} is no JSON: {cause}")))
}

fn show(context: &Context, job: &Done) -> Outcome {
    context.output.result(job, || {
        let mut lines = vec![
            ("id", job.id.to_string()),
            ("endpoint", job.endpoint.to_string()),
            ("status", job.status.to_string()),
        ];
        let span = |millis: Option<u64>| {
            millis.map(|millis| atlas::duration::format(Duration::from_millis(millis))).unwrap_or_default()
        };
        lines.push(("waited", span(job.delay_ms)));
        lines.push(("ran", span(job.execution_ms)));
        lines.push(("worker", job.worker.clone().unwrap_or_default()));
        lines.push(("error", job.error.as_ref().map(ToString::to_string).unwrap_or_default()));
        lines.push(("output", job.output.as_ref().map(ToString::to_string).unwrap_or_default()));
        lines.retain(|(_, value)| !value.is_empty());
        pairs(&lines)
    })?;
    Ok(())
}

/// A job that was waited for and came to nothing is a failure of the command.
fn failed(job: &Done) -> Option<Failure> {
    match job.status {
        JobStatus::Failed | JobStatus::Cancelled | JobStatus::TimedOut => {
            let why = job.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
            let error = atlas::Error::new(atlas::ErrorKind::Provider, format!("job {} is {}{why}", job.id, job.status))
                .with_provider(&job.provider)
                .with_operation("run_job");
            Some(Failure::from(error))
        }
        _ => None,
    }
}

async fn copy(context: &Context, mut output: JobStream) -> Outcome {
    while let Some(chunk) = output.next().await {
        let chunk = chunk?;
        context.output.result(&json!({ "index": chunk.index, "output": chunk.output }), || match &chunk.output {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })?;
    }
    Ok(())
}
