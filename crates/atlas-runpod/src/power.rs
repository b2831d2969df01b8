//! Stopping, starting and restarting a pod.

use atlas_core::http::Repeat;
use atlas_core::{CallContext, Compute, ComputeId, ComputeStatus, Effect, Error, ErrorKind, Result};
use serde_json::Value;

use crate::account::RunPod;
use crate::deadline::Deadline;

impl RunPod {
    /// Stops a pod. One that is stopped already refuses the word, and is a success.
    pub(crate) async fn power_off(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        let deadline = Deadline::of(self.clock(), context);
        match self.api().act_on_pod(&deadline.context()?, "stop", id.as_str(), Repeat::Safe).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let wanted = |compute: &Compute| compute.status == ComputeStatus::Stopped;
                self.unless(&deadline, "stop", id, error, wanted).await
            }
            Err(error) => Err(error),
        }
    }

    /// Starts a stopped pod. **Bills from now on.**
    ///
    /// It starts on the host on which it was, or not at all: without a free GPU RunPod refuses, or starts it without any.
    /// Both are `no_capacity`; in the second case it is stopped again, for it would bill and be of no use.
    pub(crate) async fn power_on(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        let deadline = Deadline::of(self.clock(), context);
        let started = match self.api().act_on_pod(&deadline.context()?, "start", id.as_str(), Repeat::Safe).await {
            Ok(pod) => pod,
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let up = |compute: &Compute| matches!(compute.status, ComputeStatus::Running | ComputeStatus::Starting);
                return self.unless(&deadline, "start", id, error, up).await;
            }
            Err(error) => return Err(error),
        };
        if !has_no_gpu(&started) {
            return Ok(());
        }
        let message = format!("machine {id} has started without a GPU, for none is free on its host");
        let stopped = self.power_off(&deadline.context()?, id).await;
        let error = Error::no_capacity(message);
        Err(self.named(
            match stopped {
                Ok(()) => error.context("stopped again"),
                Err(_) => error.with_effect(Effect::Unknown),
            },
            "start",
        ))
    }

    /// The refusal, unless the pod is as it was wanted all the same.
    async fn unless(
        &self,
        deadline: &Deadline<'_>,
        operation: &'static str,
        id: &ComputeId,
        refusal: Error,
        wanted: impl Fn(&Compute) -> bool,
    ) -> Result<()> {
        let read = self.api().get_pod(&deadline.context()?, operation, id.as_str()).await;
        let compute = read.and_then(|pod| self.describe(pod))?;
        if wanted(&compute) { Ok(()) } else { Err(refusal.context(format!("machine {id} is {}", compute.status))) }
    }
}

/// Whether a GPU pod came up with none.
fn has_no_gpu(pod: &Value) -> bool {
    pod.pointer("/gpu/count").and_then(Value::as_u64) == Some(0)
}
