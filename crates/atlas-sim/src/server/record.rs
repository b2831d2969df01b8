//! What the cloud knows of a serverless job: the truth against which a client's tale of it is judged.

use atlas_core::{EndpointId, JobId};
use serde_json::Value;

use super::runtime::word;
use crate::model::Job;

/// One serverless job that the cloud took.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct JobRecord {
    /// Its id.
    pub id: JobId,
    /// Whose it is.
    pub endpoint: EndpointId,
    /// What it was given.
    pub input: Value,
    /// How it stands, in RunPod's word.
    pub status: &'static str,
    /// How often it was queued anew: asked for, or after its worker crashed.
    pub retries: u32,
}

impl JobRecord {
    pub(super) fn of(job: &Job) -> Self {
        Self {
            id: job.id.clone(),
            endpoint: job.endpoint.clone(),
            input: job.plan.input.clone(),
            status: word(job.phase),
            retries: job.retries,
        }
    }
}
