//! Making, reading, changing and deleting serverless endpoints, and looking at their workers.

use atlas_auth::Secret;
use atlas_core::error::excerpt;
use atlas_core::{CallContext, EndpointId, Error, ErrorKind, Result};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::endpoint::{Endpoint, EndpointOrder, EndpointRequest};
use super::endpoint_change::EndpointChange;
use crate::account::RunPod;
use crate::deadline::Deadline;
use crate::translate::candidates::Cloud;
use crate::translate::{endpoint, mark, options};

/// How a worker stands. Open: a word that Atlas does not know is kept as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WorkerStatus {
    /// At a job. Bills.
    Running,
    /// Up, without a job. Bills.
    Idle,
    /// Being started.
    Initializing,
    /// Waiting for a host.
    Throttled,
    /// It keeps failing: with none but these, jobs wait for ever.
    Unhealthy,
    /// A word that this version does not know.
    Other(String),
}

impl WorkerStatus {
    /// The word for it in JSON.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Running => "running",
            Self::Idle => "idle",
            Self::Initializing => "initializing",
            Self::Throttled => "throttled",
            Self::Unhealthy => "unhealthy",
            Self::Other(word) => word,
        }
    }

    fn read(word: &str) -> Self {
        match word {
            "RUNNING" => Self::Running,
            "IDLE" => Self::Idle,
            "INITIALIZING" => Self::Initializing,
            "THROTTLED" => Self::Throttled,
            "UNHEALTHY" => Self::Unhealthy,
            other => Self::Other(excerpt(other)),
        }
    }
}

impl Serialize for WorkerStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One worker of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Worker {
    /// What RunPod calls it.
    pub id: String,
    /// How it stands.
    pub status: WorkerStatus,
    /// Whether it still runs an earlier version of the endpoint.
    pub is_stale: bool,
    /// Its GPU, in RunPod's words.
    pub gpu_type: Option<String>,
    /// Its data centre.
    pub data_center: Option<String>,
}

#[derive(Deserialize)]
struct Wire {
    workers: Vec<WireWorker>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireWorker {
    id: String,
    status: String,
    #[serde(default)]
    is_stale: bool,
    gpu_type_id: Option<String>,
    data_center_id: Option<String>,
}

impl RunPod {
    /// Refuses, before anything is recorded or sent, an endpoint that RunPod cannot make.
    pub fn check_endpoint(&self, request: &EndpointRequest) -> Result<()> {
        endpoint::check(request).map_err(|error| self.named(error, "create_endpoint"))
    }

    /// Makes an endpoint. **Bills while a worker is up**, around the clock for those that always are; never sent twice on a
    /// guess. It bears the order's mark in its name and in its workers' environment, so that `list_rented` tells it.
    /// [`rent_endpoint`](crate::RunPodAccount::rent_endpoint) records the order, and carries on what becomes of it.
    pub async fn create_endpoint(&self, context: &CallContext, order: &EndpointOrder) -> Result<Endpoint> {
        self.make_endpoint(context, order).await.map_err(|error| self.named(error, "create_endpoint"))
    }

    async fn make_endpoint(&self, context: &CallContext, order: &EndpointOrder) -> Result<Endpoint> {
        let request = order.request();
        endpoint::check(request)?;
        self.refuse_expired(order.not_after())?;
        let deadline = Deadline::of(self.clock(), context);
        let pools = if request.gpu.is_empty() {
            (Vec::new(), Vec::new())
        } else {
            let catalog = self.api().gpus(&deadline.context()?, Cloud::Secure.native(), 1, None).await;
            endpoint::pools(request, &catalog.map_err(|error| error.with_effect(atlas_core::Effect::NotSent))?)?
        };
        // Asking may have taken a while.
        let sending = self.creating(&deadline, order.not_after())?;
        let options = options::texts(&request.provider_opts);
        let secrets: Vec<&Secret> = request.env.values().chain(&options).collect();
        let body = endpoint::body(order, &pools);
        let answer = self.api().create_endpoint(&sending, &body, &secrets).await?;
        let id = answer.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let kept = mark::keep(&answer, &id, order.mark());
        let made = endpoint::read(self.name(), answer)?;
        kept.map(|()| made)
    }

    /// Reads one endpoint.
    pub async fn get_endpoint(&self, context: &CallContext, id: &EndpointId) -> Result<Endpoint> {
        let answer = self.api().get_endpoint(context, id.as_str()).await;
        answer.and_then(|answer| endpoint::read(self.name(), answer)).map_err(|error| self.named(error, "get_endpoint"))
    }

    /// Reads all endpoints: the whole answer or an error, never less.
    pub async fn list_endpoints(&self, context: &CallContext) -> Result<Vec<Endpoint>> {
        let all = self.api().list_endpoints(self.clock(), context, "list_endpoints").await?;
        let all = all.into_iter().map(|answer| endpoint::read(self.name(), answer));
        all.collect::<Result<_>>().map_err(|error| self.named(error, "list_endpoints"))
    }

    /// Changes an endpoint. **More workers cost more.** Repeats safely.
    pub async fn update_endpoint(
        &self,
        context: &CallContext,
        id: &EndpointId,
        change: &EndpointChange,
    ) -> Result<Endpoint> {
        self.change_endpoint(context, id, change).await.map_err(|error| self.named(error, "update_endpoint"))
    }

    async fn change_endpoint(
        &self,
        context: &CallContext,
        id: &EndpointId,
        change: &EndpointChange,
    ) -> Result<Endpoint> {
        endpoint::check_change(change)?;
        let deadline = Deadline::of(self.clock(), context);
        // A new environment replaces the old one, and would take the mark away with it.
        let mark = if change.env.is_some() {
            let now = self.api().get_endpoint(&deadline.context()?, id.as_str()).await?;
            endpoint::read(self.name(), now)?.mark
        } else {
            None
        };
        let body = endpoint::change(change, mark.as_ref());
        let secrets: Vec<&Secret> = change.env.iter().flat_map(|env| env.values()).collect();
        let answer = self.api().update_endpoint(&deadline.context()?, id.as_str(), &body, &secrets).await?;
        endpoint::read(self.name(), answer)
    }

    /// Deletes an endpoint: its workers end, its jobs are cancelled. Repeats safely: one that is gone already is a success.
    pub async fn delete_endpoint(&self, context: &CallContext, id: &EndpointId) -> Result<()> {
        match self.api().delete_endpoint(context, id.as_str()).await {
            Err(error) if error.is_not_found() => Ok(()),
            done => done.map_err(|error| self.named(error, "delete_endpoint")),
        }
    }

    /// Reads the workers of an endpoint: why jobs wait, if none of them runs.
    pub async fn endpoint_workers(&self, context: &CallContext, id: &EndpointId) -> Result<Vec<Worker>> {
        let answer = self.api().endpoint_workers(context, id.as_str()).await?;
        let wire: Wire = serde_json::from_value(answer).map_err(|_| {
            self.named(Error::new(ErrorKind::Decode, "the endpoint's workers cannot be read"), "endpoint_workers")
        })?;
        let worker = |worker: WireWorker| Worker {
            id: worker.id,
            status: WorkerStatus::read(&worker.status),
            is_stale: worker.is_stale,
            gpu_type: worker.gpu_type_id,
            data_center: worker.data_center_id,
        };
        Ok(wire.workers.into_iter().map(worker).collect())
    }
}
