//! Stopping, starting and restarting a pod.

use std::time::Duration;

use atlas_core::http::Repeat;
use atlas_core::{CallContext, Compute, ComputeId, ComputeStatus, Effect, Error, ErrorKind, Result};
use serde_json::Value;

use crate::account::RunPod;
use crate::deadline::Deadline;
use crate::translate::pod::status;

/// How long a pod that was told to start may take until it shows what it came up with.
const SHOWS: Duration = Duration::from_secs(10);

/// The first pause between two looks at it; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(500);

/// How long the stop of a pod that came up without a GPU may take at least.
const STOPS: Duration = Duration::from_secs(30);

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
    /// Both are `no_capacity`; in the second case it is stopped again, for it would bill and be of no use. It may show only
    /// once it runs, so for a moment this waits until it does; what shows later still is a pod that has
    /// [failed](crate::translate::pod::describe).
    pub(crate) async fn power_on(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        let deadline = Deadline::of(self.clock(), context);
        let started = match self.api().act_on_pod(&deadline.context()?, "start", id.as_str(), Repeat::Safe).await {
            Ok(pod) => pod,
            // Its first answer may have been lost: then it starts, and may do so without a GPU.
            Err(error) if error.kind() == ErrorKind::Conflict => self.up_all_the_same(&deadline, id, error).await?,
            Err(error) => return Err(error),
        };
        if self.has_its_gpus(context, id, started).await { Ok(()) } else { Err(self.down_again(context, id).await) }
    }

    /// The pod that refused to start because it is up; else the refusal.
    async fn up_all_the_same(&self, deadline: &Deadline<'_>, id: &ComputeId, refusal: Error) -> Result<Value> {
        let pod = self.api().get_pod(&deadline.context()?, "start", id.as_str()).await?;
        let status = status_of(&pod);
        if is_up(&status) { Ok(pod) } else { Err(refusal.context(format!("machine {id} is {status}"))) }
    }

    /// Whether a pod that was told to start has its GPUs, by reads until it runs; what is not seen in time is believed.
    async fn has_its_gpus(&self, context: &CallContext, id: &ComputeId, mut pod: Value) -> bool {
        let deadline = Deadline::of(self.clock(), context).within(SHOWS);
        let mut pause = PAUSE;
        loop {
            if has_no_gpu(&pod) {
                return false;
            }
            if status_of(&pod) == ComputeStatus::Running {
                return true;
            }
            tokio::time::sleep(pause.min(deadline.left().unwrap_or(pause))).await;
            pause *= 2;
            let Ok(context) = deadline.context() else { return true };
            match self.api().get_pod(&context, "start", id.as_str()).await {
                Ok(read) => pod = read,
                Err(error) if error.is_transient() => {}
                Err(_) => return true,
            }
        }
    }

    /// Stops a pod that came up without a GPU, whatever is left of the call's time, and says what became of it.
    async fn down_again(&self, context: &CallContext, id: &ComputeId) -> Error {
        let message = format!("machine {id} has started without a GPU, for none is free on its host");
        let time = context.timeout().map_or(STOPS, |call| call.max(STOPS));
        let error = match self.power_off(&context.clone().with_timeout(time), id).await {
            Ok(()) => Error::no_capacity(message).context("stopped again"),
            Err(failed) => Error::no_capacity(format!("{message}; it bills, and could not be stopped again: {failed}"))
                .with_effect(Effect::Unknown),
        };
        self.named(error, "start")
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

/// Whether a GPU pod came up with none. While it is down its count says nothing.
fn has_no_gpu(pod: &Value) -> bool {
    is_up(&status_of(pod)) && pod.pointer("/gpu/count").and_then(Value::as_u64) == Some(0)
}

const fn is_up(status: &ComputeStatus) -> bool {
    matches!(status, ComputeStatus::Running | ComputeStatus::Starting)
}

fn status_of(pod: &Value) -> ComputeStatus {
    status(pod.get("status").and_then(Value::as_str).unwrap_or_default())
}
