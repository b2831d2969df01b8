//! `atlas job`: serverless jobs. Progress goes to stderr, what the job gives to stdout.

mod waiting;

use std::path::Path;
use std::time::Duration;

use atlas::{Account, CallContext, EndpointId, Job as Done, JobId, JobPolicy, JobRequest, JobStatus, JobStream};
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

/// How long a job is waited for unless its sender says otherwise.
const SYNC: Duration = Duration::from_mins(1);

/// Ask an endpoint to do a job.
///
/// Exit 7 after --timeout: the job goes on, and is named. So it does after Ctrl-C. A job that failed is exit 1.
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
    /// How long to wait for it [default: 60s with --mode sync, no bound with --mode stream]
    #[arg(long, value_name = "TIME", value_parser = atlas::duration::parse, allow_hyphen_values = true)]
    timeout: Option<Duration>,
    /// Where the cloud shall tell that it is over. A secret in the address is seen by every process of this machine: read
    /// the address from a file with @FILE instead
    #[arg(long, value_name = "URL|@FILE")]
    webhook: Option<String>,
    /// How long it may take: {"execution_timeout": "10m", "ttl": "24h", "low_priority": false}
    #[arg(long, value_name = "JSON|@FILE")]
    policy: Option<String>,
    #[command(flatten)]
    named: Named,
}

const POLICY: &str = r#"write it such as {"execution_timeout": "10m", "ttl": "24h"}"#;

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
                let words = format!("interrupted; job {id} may have been asked to stop");
                let left = Left { account: &account, operation: "cancel_job", job: Some(&id) };
                context.interrupt.may_leave_what(left.error(words));
                let job = context.interrupt.unless(async { Ok(account.cancel_job(&endpoint, &id).await?) }).await?;
                show(context, &job)
            }
            Self::Stream(stream) => {
                let (account, endpoint, id) = stream.which.read(context)?;
                let output = account.stream_job(&endpoint, &id)?;
                let left = Left { account: &account, operation: "stream_job", job: Some(&id) };
                context.interrupt.may_leave_what(left.error(goes_on("interrupted", &endpoint, &id)));
                context.output.progress(&format!("following job {id} until it is over"));
                context.interrupt.unless(copy(context, output)).await
            }
        }
    }
}

/// What a command was at when it is interrupted.
struct Left<'a> {
    account: &'a Account,
    operation: &'static str,
    job: Option<&'a JobId>,
}

impl Left<'_> {
    fn error(&self, words: String) -> atlas::Error {
        let error =
            atlas::Error::unknown(words).with_provider(self.account.provider().id()).with_operation(self.operation);
        match self.job {
            Some(job) => error.with_job(job.clone()),
            None => error,
        }
    }
}

/// A job that was sent and goes on when nobody waits for it.
fn left(why: &str, job: &Done) -> atlas::Error {
    atlas::Error::unknown(goes_on(why, &job.endpoint, &job.id))
        .with_provider(&job.provider)
        .with_operation("run_job")
        .with_job(job.id.clone())
}

/// What becomes of a job that nobody waits for any more, and what can be done about it.
fn goes_on(why: &str, endpoint: &EndpointId, job: &JobId) -> String {
    format!("{why}; job {job} goes on until its policy ends it; {}", at_hand(endpoint, job))
}

fn at_hand(endpoint: &EndpointId, job: &JobId) -> String {
    format!(
        "read it with `atlas job get --endpoint {endpoint} {job}`, end it with `atlas job cancel --endpoint {endpoint} {job}`"
    )
}

impl Run {
    async fn run(self, context: &Context) -> Outcome {
        let mut account = context.account(self.named.provider.as_deref())?;
        let request = self.request()?;
        if let (Mode::Async, Some(bound)) = (self.mode, self.timeout) {
            account = account.with(CallContext::new().with_timeout(bound));
        }
        let unknown = Left { account: &account, operation: "run_job", job: None };
        context.interrupt.may_leave_what(unknown.error(format!("interrupted; {}", may_run(&request))));
        if self.mode == Mode::Sync {
            let job = context.interrupt.unless(waiting::run(context, &account, &request)).await?;
            show(context, &job)?;
            return failed(&job).map_or(Ok(()), Err);
        }
        let sending = async { account.run_job(&request).await.map_err(|error| unsent(error, &request)) };
        let job = context.interrupt.unless(sending).await?;
        context.interrupt.may_leave_what(left("interrupted", &job));
        match self.mode {
            Mode::Async | Mode::Sync => show(context, &job),
            Mode::Stream => {
                context.output.progress(&format!("job {}", job.id));
                let output = account.stream_job(&job.endpoint, &job.id)?;
                context.interrupt.unless(self.copy(context, &job, output)).await
            }
        }
    }

    /// Copies the output of a job, for as long as was asked.
    async fn copy(&self, context: &Context, job: &Done, output: JobStream) -> Outcome {
        let Some(bound) = self.timeout else { return copy(context, output).await };
        tokio::time::timeout(bound, copy(context, output)).await.unwrap_or_else(|_| {
            let why = format!("not over after {}", atlas::duration::format(bound));
            let error = atlas::Error::timeout(goes_on(&why, &job.endpoint, &job.id));
            Err(Failure::from(error.with_provider(&job.provider).with_operation("stream_job").with_job(job.id.clone())))
        })
    }

    fn request(&self) -> Result<JobRequest, Failure> {
        let mut request = JobRequest::new(self.endpoint.as_str(), crate::input::json("--input", &self.input)?);
        if self.timeout.is_some_and(|bound| bound.is_zero()) {
            return Err(Failure::usage("--timeout is nothing: write more than zero"));
        }
        if self.mode == Mode::Sync {
            request = request.sync(self.timeout.unwrap_or(SYNC));
        }
        if let Some(webhook) = &self.webhook {
            let url = match webhook.strip_prefix('@') {
                Some(path) => crate::input::secret_from(Path::new(path))?,
                None => webhook.as_str().into(),
            };
            request = request.webhook(url);
        }
        if let Some(policy) = &self.policy {
            let policy = crate::input::json("--policy", policy)?;
            if !policy.is_object() {
                return Err(Failure::usage(format!("--policy is no JSON object; {POLICY}")));
            }
            let policy: JobPolicy = serde_json::from_value(policy)
                .map_err(|cause| Failure::usage(format!("--policy: {cause}; {POLICY}")))?;
            request = request.policy(policy);
        }
        Ok(request)
    }
}

/// What becomes of a job of which nobody knows whether it was taken.
fn may_run(request: &JobRequest) -> String {
    let policy = &request.policy;
    format!(
        "endpoint {} may have taken the job, and its id is not known; then it goes on by itself, for {} at most once a \
         worker has it, and {} in all",
        request.endpoint,
        atlas::duration::format(policy.execution_timeout),
        atlas::duration::format(policy.ttl),
    )
}

/// A job that was asked for, and of which nothing more was heard. What may be at work all the same matters most about it.
fn unsent(error: atlas::Error, request: &JobRequest) -> Failure {
    let hint = match error.job() {
        Some(job) => Some(at_hand(&request.endpoint, job)),
        None if error.is_safe_to_resend() => None,
        None => Some(may_run(request)),
    };
    let failure = Failure::from(error);
    hint.into_iter().fold(failure, Failure::with_hint)
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
            // What a worker of RunPod says of a failure; its trace stands in the result.
            let said = |error: &Value| match error.get("error_message").unwrap_or(error) {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let why = job.error.as_ref().map(|error| format!(": {}", said(error))).unwrap_or_default();
            let (kind, word) = match job.status {
                JobStatus::Failed => (atlas::ErrorKind::Provider, "failed"),
                JobStatus::Cancelled => (atlas::ErrorKind::Provider, "was cancelled"),
                _ => (atlas::ErrorKind::Timeout, "took longer than its policy allows"),
            };
            let error = atlas::Error::new(kind, format!("job {} {word}{why}", job.id))
                .with_effect(atlas::Effect::Rejected)
                .with_provider(&job.provider)
                .with_operation("run_job")
                .with_job(job.id.clone());
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
