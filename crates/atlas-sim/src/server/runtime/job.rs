//! A job as the runtime shows it.

use atlas_auth::Timestamp;
use serde_json::{Value, json};

use crate::model::{Job, JobPhase};

/// RunPod's word for how a job stands.
pub(in crate::server) const fn word(phase: JobPhase) -> &'static str {
    match phase {
        JobPhase::Queued => "IN_QUEUE",
        JobPhase::Running => "IN_PROGRESS",
        JobPhase::Completed => "COMPLETED",
        JobPhase::Failed => "FAILED",
        JobPhase::Cancelled => "CANCELLED",
        JobPhase::TimedOut => "TIMED_OUT",
    }
}

/// One job.
pub(super) fn shown(job: &Job, now: Timestamp) -> Value {
    let mut shown = json!({ "id": job.id, "status": word(job.phase) });
    let millis = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    if job.phase != JobPhase::Queued {
        shown["delayTime"] = millis(job.delay(now)).into();
    }
    if let Some(ran) = job.ran(now).filter(|_| job.phase.is_over()) {
        shown["executionTime"] = millis(ran).into();
    }
    if job.retries > 0 {
        shown["retries"] = job.retries.into();
    }
    if let Some(worker) = &job.worker {
        shown["workerId"] = worker.as_str().into();
    }
    if let Some(output) = job.output() {
        shown["output"] = output;
    }
    if let Some(error) = &job.error {
        shown["error"] = told(job, error).into();
    }
    shown
}

/// An error of the handler is a JSON text, as RunPod's worker writes it; one of the platform is plain.
fn told(job: &Job, error: &str) -> String {
    if job.work.fail.as_deref() != Some(error) {
        return error.to_owned();
    }
    let worker = job.worker.as_ref().map_or("", |worker| worker.as_str());
    json!({
        "error_type": "<class 'Exception'>",
        "error_message": error,
        "error_traceback": format!("Traceback (most recent call last):\n  …\nException: {error}\n"),
        "hostname": format!("{worker}-host"),
        "worker_id": worker,
        "runpod_version": "1.12.0",
    })
    .to_string()
}
