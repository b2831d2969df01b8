//! Serverless jobs: what is sent, and what a job's own words mean.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use atlas_auth::Secret;
use atlas_core::error::excerpt;
use atlas_core::{
    Effect, EndpointId, Error, ErrorKind, Job, JobId, JobMode, JobPolicy, JobRequest, JobStatus, ProviderId, Result,
    duration,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::options;
use super::raw::redacted_job;
use crate::error::missing;

/// What RunPod takes for a whole body, in bytes: `/run`, and `/runsync`.
const LONGEST_ASYNC: usize = 10_000_000;
const LONGEST_SYNC: usize = 20_000_000;

/// What it takes for a policy.
const WEEK: Duration = Duration::from_hours(7 * 24);
const EXECUTION: std::ops::RangeInclusive<Duration> = Duration::from_secs(5)..=WEEK;
const TTL: std::ops::RangeInclusive<Duration> = Duration::from_secs(10)..=WEEK;

/// The body of a job; a `validation` error for what RunPod would refuse, or take and never carry out.
pub(crate) fn body(request: &JobRequest) -> Result<Value> {
    request.validate()?;
    check_policy(&request.policy)?;
    let mut body = json!({
        "input": request.input,
        "policy": {
            "executionTimeout": millis(request.policy.execution_timeout),
            "ttl": millis(request.policy.ttl),
            "lowPriority": request.policy.low_priority,
        },
    });
    if let Some(webhook) = &request.webhook {
        body["webhook"] = Value::from(webhook.expose());
    }
    options::merge(&mut body, &Value::Object(request.provider_opts.clone()));
    check(&body, request.mode)?;
    Ok(body)
}

/// The secrets of a request, which no error may quote.
pub(crate) fn secrets(request: &JobRequest) -> Vec<Secret> {
    let mut secrets: Vec<_> = request.webhook.iter().cloned().collect();
    secrets.extend(options::texts(&request.provider_opts));
    secrets
}

fn check_policy(policy: &JobPolicy) -> Result<()> {
    for (name, span, range) in [("execution_timeout", policy.execution_timeout, EXECUTION), ("ttl", policy.ttl, TTL)] {
        if !range.contains(&span) {
            return Err(Error::validation(format!(
                "the policy's {name} is {}; RunPod takes {} to {}",
                duration::format(span),
                duration::format(*range.start()),
                duration::format(*range.end()),
            )));
        }
    }
    Ok(())
}

/// The body as it will be sent: options were merged last.
fn check(body: &Value, mode: JobMode) -> Result<()> {
    let input = body.get("input").unwrap_or(&Value::Null);
    let nothing = match input {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    };
    if nothing {
        return Err(Error::validation(
            "the job's input is empty: RunPod's workers take that for none, and the job dies unexplained",
        ));
    }
    for (name, range) in [("executionTimeout", EXECUTION), ("ttl", TTL)] {
        let span = body.get("policy").and_then(|policy| policy.get(name)).and_then(Value::as_u64);
        if !span.map(Duration::from_millis).is_some_and(|span| range.contains(&span)) {
            return Err(Error::validation(format!("the options leave no {name} that RunPod takes in the policy")));
        }
    }
    let (longest, of) = match mode {
        JobMode::Async => (LONGEST_ASYNC, "a job that is not waited for"),
        JobMode::Sync => (LONGEST_SYNC, "a job that is waited for"),
    };
    let length = length(body);
    if length > longest {
        return Err(Error::validation(format!(
            "the job is {length} bytes long; RunPod takes {longest} of {of}: put the data elsewhere and send its address"
        )));
    }
    Ok(())
}

/// Whether `/run`, too, takes a body as large as this.
pub(crate) fn may_be_queued(body: &Value) -> bool {
    length(body) <= LONGEST_ASYNC
}

fn length(body: &Value) -> usize {
    serde_json::to_vec(body).map_or(usize::MAX, |bytes| bytes.len())
}

/// RunPod's word for how a job stands.
pub(crate) fn status(word: &str) -> JobStatus {
    match word {
        "IN_QUEUE" => JobStatus::Queued,
        "IN_PROGRESS" | "RUNNING" => JobStatus::Running,
        "COMPLETED" => JobStatus::Completed,
        "FAILED" => JobStatus::Failed,
        "CANCELLED" => JobStatus::Cancelled,
        "TIMED_OUT" => JobStatus::TimedOut,
        other => JobStatus::Other(excerpt(other)),
    }
}

/// A job as the runtime answers it.
pub(crate) fn read(provider: &ProviderId, endpoint: &EndpointId, answer: Value) -> Result<Job> {
    let unreadable = || Error::new(ErrorKind::Decode, "the cloud described a job that cannot be read");
    let Value::Object(fields) = &answer else { return Err(unreadable()) };
    let id = text(fields, "id").ok_or_else(unreadable)?;
    let word = text(fields, "status").ok_or_else(unreadable)?;
    let mut job = Job::new(provider, endpoint, JobId::new(id), status(word));
    let present = |name: &str| fields.get(name).filter(|value| !value.is_null());
    job.output = present("output").cloned();
    job.error = present("error").map(told);
    job.delay_ms = present("delayTime").and_then(Value::as_u64);
    job.execution_ms = present("executionTime").and_then(Value::as_u64);
    job.worker = text(fields, "workerId").map(str::to_owned);
    job.raw = redacted_job(answer);
    Ok(job)
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    fields.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// RunPod's own worker writes an error as a text that holds JSON: it is unpacked.
fn told(error: &Value) -> Value {
    let packed = error.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    packed.filter(Value::is_object).unwrap_or_else(|| error.clone())
}

/// What a look at a stream gave: how the job stands, where it is said, and the pieces since the last look. What says neither
/// is an error: it may stand where pieces stood.
pub(crate) fn pieces(answer: Value) -> Result<(Option<JobStatus>, Vec<Value>)> {
    let unreadable = || Error::new(ErrorKind::Decode, "the cloud's answer holds no pieces of a stream");
    let (status, pieces) = match answer {
        Value::Array(pieces) => (None, pieces),
        Value::Object(mut fields) => {
            let status = fields.get("status").and_then(Value::as_str).map(status);
            match fields.remove("stream") {
                Some(Value::Array(pieces)) => (status, pieces),
                None | Some(Value::Null) if status.is_some() => (status, Vec::new()),
                _ => return Err(unreadable()),
            }
        }
        _ => return Err(unreadable()),
    };
    let output = |piece: Value| match piece {
        Value::Object(mut fields) => fields.remove("output").unwrap_or(Value::Object(fields)),
        other => other,
    };
    Ok((status, pieces.into_iter().map(output).collect()))
}

/// Which run of a job it is: RunPod queues a job anew, under its id, when its worker was lost.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Run {
    retries: u64,
    worker: Option<String>,
}

impl Run {
    /// The run that a read of the job shows.
    pub(crate) fn of(job: &Job) -> Self {
        let retries = job.raw.get("retries").and_then(Value::as_u64).unwrap_or_default();
        Self { retries, worker: job.worker.clone() }
    }

    /// Whether `later` is this run still, as far as RunPod tells.
    pub(crate) fn goes_on_as(&self, later: &Self) -> bool {
        let (known, told) = (self.worker.as_ref(), later.worker.as_ref());
        self.retries == later.retries && known.zip(told).is_none_or(|(known, told)| known == told)
    }
}

/// How a job stands, and in which run: all that a stream wants to know of it between two looks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Told")]
pub(crate) struct Standing {
    pub(crate) status: JobStatus,
    pub(crate) run: Run,
}

/// The same as RunPod tells it; the rest of the answer, its output among it, is passed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    status: String,
    #[serde(default)]
    retries: Value,
    #[serde(default)]
    worker_id: Value,
}

impl From<Told> for Standing {
    fn from(told: Told) -> Self {
        let worker = told.worker_id.as_str().filter(|id| !id.is_empty()).map(str::to_owned);
        let run = Run { retries: told.retries.as_u64().unwrap_or_default(), worker };
        Self { status: status(&told.status), run }
    }
}

impl Standing {
    /// That of a job that was read whole.
    pub(crate) fn of(job: &Job) -> Self {
        Self { status: job.status.clone(), run: Run::of(job) }
    }
}

/// What was handed out of a stream, in a few bytes however much it was.
#[derive(Debug, Clone, Default)]
pub(crate) struct Given {
    count: u64,
    seen: DefaultHasher,
}

impl Given {
    /// Counts one piece more; its number.
    pub(crate) fn add(&mut self, piece: &Value) -> u64 {
        piece.hash(&mut self.seen);
        self.count += 1;
        self.count - 1
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// What comes behind it in the whole output of a job, if that is at hand and begins with the same pieces.
    pub(crate) fn rest_of<'a>(&self, output: Option<&'a Value>) -> Option<&'a [Value]> {
        let (before, rest) = output?.as_array()?.split_at_checked(usize::try_from(self.count).ok()?)?;
        let mut same = Self::default();
        for piece in before {
            same.add(piece);
        }
        (same.seen.finish() == self.seen.finish()).then_some(rest)
    }
}

/// Whether a part of the whole output holds `held`, which was seen after some answer may have been lost, in its order.
pub(crate) fn holds(rest: &[Value], held: &[Value]) -> bool {
    let mut seen = rest.iter();
    held.iter().all(|piece| seen.any(|found| found == piece))
}

/// The error of a job that the cloud does not know, or no longer.
pub(crate) fn forgotten(error: Error, endpoint: &EndpointId, job: &JobId) -> Error {
    let kept = "a result is kept for 30 minutes, for one if it was waited for, and not beyond its ttl";
    missing(error, format_args!("job {job} of endpoint {endpoint} ({kept})"))
}

/// The error of a job that was not over in time: how it stood, and what becomes of it.
pub(crate) fn overdue(job: &Job, waited: Duration, policy: &JobPolicy) -> Error {
    let hint = match job.status {
        JobStatus::Queued => "no worker has taken it, see the endpoint's workers; ",
        _ => "",
    };
    Error::timeout(format!(
        "job {} of endpoint {} was {} after {}; {hint}it goes on by itself, for {} at most once a worker has it, and ends \
         with all that is known of it {} after it was asked for",
        job.id,
        job.endpoint,
        job.status,
        duration::rounded(waited),
        duration::format(policy.execution_timeout),
        duration::format(policy.ttl),
    ))
    .with_effect(Effect::Unknown)
    .with_job(job.id.clone())
}

/// The error with which the stream of a job ends that did not end well; none for one that did, or was cancelled.
pub(crate) fn ending(job: &Job) -> Option<Error> {
    let why = || {
        let error = job.error.as_ref().map(|error| match error.get("error_message").unwrap_or(error) {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        error.map(|text| format!(": {}", excerpt(&text))).unwrap_or_default()
    };
    let error = match job.status {
        JobStatus::Failed => Error::new(ErrorKind::Provider, format!("job {} failed{}", job.id, why())),
        JobStatus::TimedOut => Error::timeout(format!("job {} took longer than its policy allows{}", job.id, why())),
        _ => return None,
    };
    Some(error.with_effect(Effect::Rejected).with_job(job.id.clone()))
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
