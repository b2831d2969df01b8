//! `Provider` for RunPod: translate, call, translate.

use async_trait::async_trait;
use atlas_core::{
    CallContext, Compute, ComputeFilter, ComputeId, ComputeRequest, EndpointId, Error, Found, GpuType, Job, JobId,
    JobRequest, JobStream, LogOptions, LogStream, Provider, ProviderId, Rentable, RentalKind, Rented, Result, Scope,
    SpawnOrder, SpawnToken, Traits, Volume, VolumeId, VolumeOrder, VolumeRequest,
};

use crate::account::RunPod;
use crate::api::LIST_RENTED;
use crate::deadline::Deadline;
use crate::error::DELETE_VOLUME;
use crate::translate::{check, mark, rented, volume};

#[async_trait]
impl Provider for RunPod {
    fn id(&self) -> &ProviderId {
        self.name()
    }

    fn traits(&self) -> &Traits {
        self.nature()
    }

    fn check(&self, request: &ComputeRequest) -> Result<()> {
        check::request(request, self.nature()).map_err(|error| error.with_provider(self.name()))
    }

    fn scope(&self, context: &CallContext) -> Scope {
        self.place(context)
    }

    async fn spawn(&self, context: &CallContext, order: &SpawnOrder) -> Result<Compute> {
        self.make(context, order).await.map_err(|error| self.named(error, "spawn"))
    }

    async fn get(&self, context: &CallContext, id: &ComputeId) -> Result<Compute> {
        let pod = self.api().get_pod(context, "get", id.as_str()).await;
        pod.and_then(|pod| self.describe(pod)).map_err(|error| self.named(error, "get"))
    }

    async fn list(&self, context: &CallContext, filter: &ComputeFilter) -> Result<Vec<Compute>> {
        let pods = self.api().list_pods(self.clock(), context, "list").await?;
        // Filtered here: RunPod ignores filters that it does not know, and answers everything.
        let all = pods.into_iter().map(|pod| self.describe(pod));
        all.filter(|compute| compute.as_ref().map_or(true, |compute| filter.admits(compute)))
            .collect::<Result<_>>()
            .map_err(|error| self.named(error, "list"))
    }

    /// Destroys a pod. One of a cluster is a `conflict`: it ends with its cluster.
    async fn terminate(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        match self.api().delete_pod(context, id.as_str()).await {
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) if error.status() == Some(409) => {
                Err(error.context(format!("{id} may belong to a cluster, and then ends only with it")))
            }
            done => done.map_err(|error| self.named(error, "terminate")),
        }
    }

    async fn find_spawned(&self, context: &CallContext, token: SpawnToken) -> Result<Found> {
        let pods = self.api().list_pods(self.clock(), context, "find_spawned").await?;
        let bearing = pods.into_iter().filter(|pod| mark::bears(pod, token)).map(|pod| self.describe(pod));
        let mut matches = bearing.collect::<Result<Vec<_>>>().map_err(|error| self.named(error, "find_spawned"))?;
        matches.retain(|compute| compute.status != atlas_core::ComputeStatus::Terminated);
        Ok(Found::new(matches, true))
    }

    async fn stop(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        self.power_off(context, id).await.map_err(|error| self.named(error, "stop"))
    }

    async fn start(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        self.power_on(context, id).await.map_err(|error| self.named(error, "start"))
    }

    fn logs(&self, context: &CallContext, id: &ComputeId, options: &LogOptions) -> Result<LogStream> {
        self.read_log(context, id, *options).map_err(|error| self.named(error, "logs"))
    }

    async fn list_gpu_types(&self, context: &CallContext) -> Result<Vec<GpuType>> {
        let types = Deadline::of(self.clock(), context).reading(self.gpu_types(context, 1)).await;
        types.map(|types| types.to_vec()).map_err(|error| self.named(error, "list_gpu_types"))
    }

    async fn run_job(&self, context: &CallContext, request: &JobRequest) -> Result<Job> {
        self.submit(context, request).await.map_err(|error| self.named(error, "run_job"))
    }

    async fn get_job(&self, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<Job> {
        self.read_job(context, "get_job", endpoint, job).await.map_err(|error| self.named(error, "get_job"))
    }

    async fn cancel_job(&self, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<Job> {
        self.cancel(context, endpoint, job).await.map_err(|error| self.named(error, "cancel_job"))
    }

    fn stream_job(&self, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<JobStream> {
        self.drain(context, endpoint, job).map_err(|error| self.named(error, "stream_job"))
    }

    fn check_volume(&self, request: &VolumeRequest) -> Result<()> {
        volume::check(request).map_err(|error| error.with_provider(self.name()))
    }

    async fn create_volume(&self, context: &CallContext, order: &VolumeOrder) -> Result<Volume> {
        self.make_volume(context, order).await.map_err(|error| self.named(error, "create_volume"))
    }

    async fn get_volume(&self, context: &CallContext, id: &VolumeId) -> Result<Volume> {
        let answer = self.api().get_volume(context, "get_volume", id.as_str()).await;
        answer.and_then(|answer| volume::read(self.name(), answer)).map_err(|error| self.named(error, "get_volume"))
    }

    async fn list_volumes(&self, context: &CallContext) -> Result<Vec<Volume>> {
        let all = self.api().list_volumes(self.clock(), context, "list_volumes").await?;
        let all = all.into_iter().map(|answer| volume::read(self.name(), answer)).collect::<Result<_>>();
        all.map_err(|error| self.named(error, "list_volumes"))
    }

    async fn grow_volume(&self, context: &CallContext, id: &VolumeId, size_gb: u32) -> Result<Volume> {
        self.grow(context, id, size_gb).await.map_err(|error| self.named(error, "grow_volume"))
    }

    async fn delete_volume(&self, context: &CallContext, id: &VolumeId) -> Result<()> {
        self.drop_volume(context, id).await.map_err(|error| self.named(error, DELETE_VOLUME))
    }

    /// Machines, network volumes and endpoints. Templates and registry credentials cost nothing.
    async fn list_rented(&self, context: &CallContext, kind: RentalKind) -> Result<Vec<Rented>> {
        let operation = LIST_RENTED;
        let all = match kind {
            RentalKind::Machine => {
                let all = self.list(context, &ComputeFilter::all()).await?;
                return Ok(all.iter().map(Rentable::rented).collect());
            }
            RentalKind::Volume => self.api().list_volumes(self.clock(), context, operation).await?,
            RentalKind::Endpoint => self.api().list_endpoints(self.clock(), context, operation).await?,
            _ => return Err(self.named(unknown_kind(), operation)),
        };
        let all = all.iter().map(|thing| rented::read(kind, thing)).collect::<Result<_>>();
        all.map_err(|error| self.named(error, operation))
    }

    async fn end_rented(&self, context: &CallContext, kind: RentalKind, id: &ComputeId) -> Result<()> {
        match kind {
            RentalKind::Machine => self.terminate(context, id).await,
            RentalKind::Volume => self.delete_volume(context, &VolumeId::new(id.as_str())).await,
            RentalKind::Endpoint => self.delete_endpoint(context, &EndpointId::new(id.as_str())).await,
            _ => Err(self.named(unknown_kind(), "end_rented")),
        }
    }
}

fn unknown_kind() -> Error {
    Error::unsupported("this version of runpod knows machines, volumes and endpoints, and nothing else that bills")
}
