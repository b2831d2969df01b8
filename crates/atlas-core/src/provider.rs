//! The contract between Atlas and a cloud (rules C1 to C13).

use std::any::Any;
use std::fmt;

use async_trait::async_trait;

use crate::{
    CallContext, Capability, Compute, ComputeFilter, ComputeId, ComputeRequest, EndpointId, Error, GpuType, Job, JobId,
    JobRequest, JobStream, LogOptions, LogStream, ProviderId, Rentable, RentalKind, Rented, Result, Scope, SpawnOrder,
    SpawnToken, Traits, Volume, VolumeId, VolumeOrder, VolumeRequest,
};

/// What [`Provider::find_spawned`] found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Found<T = Compute> {
    /// **All** that bear the token, what is terminated excepted.
    pub matches: Vec<T>,
    /// Whether it looked everywhere: only then does an empty answer mean anything.
    pub complete: bool,
}

impl<T> Found<T> {
    /// These, after having looked everywhere or not.
    pub fn new(matches: Vec<T>, complete: bool) -> Self {
        Self { matches, complete }
    }
}

/// One account of one cloud.
///
/// Only six methods are required; a provider of one's own is some thirty lines. It mints no credentials, spawns no
/// tasks, and never judges whether a machine may end: that is its caller's.
///
/// A wrapper around a provider must forward every method: put `#[deny(clippy::missing_trait_methods)]` on its `impl`.
///
/// What only one cloud has is a method of that provider's own type; `native` on `dyn Provider` leads there.
#[async_trait]
pub trait Provider: Any + Send + Sync + fmt::Debug + 'static {
    /// The account's configured name. It stands in every [`Compute`].
    fn id(&self) -> &ProviderId;

    /// What this cloud is like.
    fn traits(&self) -> &Traits;

    /// Makes a machine. **Bills from now on**, and must never be sent twice on a guess.
    ///
    /// An error's [`effect`](Error::effect) says whether a machine may exist all the same, its
    /// [`leftovers`](Error::leftovers) which ones do. The machine bears the order's mark, and the answer carries it in
    /// [`mark`](Compute::mark) or in its name; one whose mark was altered or cut is an error that names it as a leftover.
    ///
    /// Nothing is sent past [`not_after`](SpawnOrder::not_after): the caller looks before it asks, the provider before it
    /// tries again. Work that may outlive the returned future holds the order or a clone of it, so that nobody takes
    /// the create for one that is not sent any more.
    async fn spawn(&self, context: &CallContext, order: &SpawnOrder) -> Result<Compute>;

    /// Reads one machine. One that is gone is `not_found`, or has the status `terminated`.
    async fn get(&self, context: &CallContext, id: &ComputeId) -> Result<Compute>;

    /// Reads all machines that `filter` admits, stopped ones too: the whole answer or an error, never less.
    async fn list(&self, context: &CallContext, filter: &ComputeFilter) -> Result<Vec<Compute>>;

    /// Destroys a machine and its disk. Repeats safely: one that is gone already is a success. Success means that the
    /// cloud accepted; only a later read proves it.
    async fn terminate(&self, context: &CallContext, id: &ComputeId) -> Result<()>;

    /// Refuses, before anything is recorded or sent, what this cloud cannot honour (rule C6).
    fn check(&self, request: &ComputeRequest) -> Result<()> {
        request.validate()?;
        request.needs(self.traits())
    }

    /// Where calls under `context` act (rule O3). By default the account's name, and the fingerprint of a key that the call
    /// brings: right for a cloud whose key cannot be exchanged under the same name otherwise.
    fn scope(&self, context: &CallContext) -> Scope {
        match context.key() {
            None => Scope::new(self.id().as_str()),
            Some(key) => Scope::of_key(self.id().as_str(), key),
        }
    }

    /// Finds all machines that bear `token`. By default a complete listing, read for marks.
    async fn find_spawned(&self, context: &CallContext, token: SpawnToken) -> Result<Found> {
        let all = self.list(context, &ComputeFilter::all()).await?;
        Ok(Found::new(bearing(token, all), true))
    }

    /// Stops a machine, keeping its disk. Repeats safely. Needs `stop_resume`.
    async fn stop(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        let _ = (context, id);
        Err(self.unsupported("stop", Capability::StopResume))
    }

    /// Starts a stopped machine, under the same keys. **Bills from now on.** Repeats safely. Needs `stop_resume`.
    async fn start(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        let _ = (context, id);
        Err(self.unsupported("start", Capability::StopResume))
    }

    /// Reads what a machine writes. Needs `logs`.
    fn logs(&self, context: &CallContext, id: &ComputeId, options: &LogOptions) -> Result<LogStream> {
        let _ = (context, id, options);
        Err(self.unsupported("logs", Capability::Logs))
    }

    /// What can be rented now, and for how much. May be some seconds old. Reads only. Needs `catalog`.
    async fn list_gpu_types(&self, context: &CallContext) -> Result<Vec<GpuType>> {
        let _ = context;
        Err(self.unsupported("list_gpu_types", Capability::Catalog))
    }

    /// Asks an endpoint to do a job. **Bills while a worker is at it.** Never sent twice on a guess.
    ///
    /// With [`JobMode::Sync`](crate::JobMode::Sync) returns when it is over. A `timeout` error after the job was taken
    /// names it and says how it stood; it goes on by itself until its policy ends it. Needs `serverless`.
    async fn run_job(&self, context: &CallContext, request: &JobRequest) -> Result<Job> {
        let _ = (context, request);
        Err(self.unsupported("run_job", Capability::Serverless))
    }

    /// Reads one job. One that the cloud has forgotten is `not_found`. Needs `serverless`.
    async fn get_job(&self, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<Job> {
        let _ = (context, endpoint, job);
        Err(self.unsupported("get_job", Capability::Serverless))
    }

    /// Cancels one job. Repeats safely: one that is over stays as it is. Needs `serverless`.
    async fn cancel_job(&self, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<Job> {
        let _ = (context, endpoint, job);
        Err(self.unsupported("cancel_job", Capability::Serverless))
    }

    /// Reads a job's output as its worker gives it, each piece once and in order, until the job is over. A poll that fails
    /// is repeated inside. Needs `serverless`.
    fn stream_job(&self, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<JobStream> {
        let _ = (context, endpoint, job);
        Err(self.unsupported("stream_job", Capability::Serverless))
    }

    /// Refuses, before anything is recorded or sent, a volume that this cloud cannot make. Needs `network_volumes`.
    fn check_volume(&self, request: &VolumeRequest) -> Result<()> {
        request.validate()?;
        if self.traits().has(Capability::NetworkVolumes) {
            Ok(())
        } else {
            Err(self.unsupported("create_volume", Capability::NetworkVolumes))
        }
    }

    /// Makes a network volume. **Bills until it is deleted**, and must never be sent twice on a guess. Needs
    /// `network_volumes`.
    async fn create_volume(&self, context: &CallContext, order: &VolumeOrder) -> Result<Volume> {
        let _ = (context, order);
        Err(self.unsupported("create_volume", Capability::NetworkVolumes))
    }

    /// Reads one network volume. Needs `network_volumes`.
    async fn get_volume(&self, context: &CallContext, id: &VolumeId) -> Result<Volume> {
        let _ = (context, id);
        Err(self.unsupported("get_volume", Capability::NetworkVolumes))
    }

    /// Reads all network volumes: the whole answer or an error, never less. Needs `network_volumes`.
    async fn list_volumes(&self, context: &CallContext) -> Result<Vec<Volume>> {
        let _ = context;
        Err(self.unsupported("list_volumes", Capability::NetworkVolumes))
    }

    /// Makes a network volume larger; none can be made smaller. **Raises its price.** Repeats safely. Needs
    /// `network_volumes`.
    async fn grow_volume(&self, context: &CallContext, id: &VolumeId, size_gb: u32) -> Result<Volume> {
        let _ = (context, id, size_gb);
        Err(self.unsupported("grow_volume", Capability::NetworkVolumes))
    }

    /// Deletes a network volume and all that is on it. Repeats safely: one that is gone already is a success. One
    /// that is refused because something uses it is a `conflict` with the effect `rejected`: it is kept until somebody asks
    /// again. Needs `network_volumes`.
    async fn delete_volume(&self, context: &CallContext, id: &VolumeId) -> Result<()> {
        let _ = (context, id);
        Err(self.unsupported("delete_volume", Capability::NetworkVolumes))
    }

    /// Reads all things of `kind`, each with its name and its mark: the whole answer or an error, never less. By this
    /// alone what is no machine is found again after a create whose answer was lost, and proven gone after its end.
    ///
    /// By default from [`list`](Self::list) and from [`list_volumes`](Self::list_volumes). A kind that the account's
    /// capabilities do not name is `unsupported`; a cloud that declares `serverless` lists its endpoints.
    async fn list_rented(&self, context: &CallContext, kind: RentalKind) -> Result<Vec<Rented>> {
        match kind {
            RentalKind::Machine => {
                let all = self.list(context, &ComputeFilter::all()).await?;
                Ok(all.iter().map(Rentable::rented).collect())
            }
            RentalKind::Volume => Ok(self.list_volumes(context).await?.iter().map(Rentable::rented).collect()),
            RentalKind::Endpoint => Err(self.unsupported("list_rented", Capability::Serverless)),
        }
    }

    /// Ends one thing of `kind`. Repeats safely: what is gone already is a success.
    async fn end_rented(&self, context: &CallContext, kind: RentalKind, id: &ComputeId) -> Result<()> {
        match kind {
            RentalKind::Machine => self.terminate(context, id).await,
            RentalKind::Volume => self.delete_volume(context, &VolumeId::new(id.as_str())).await,
            RentalKind::Endpoint => Err(self.unsupported("end_rented", Capability::Serverless)),
        }
    }

    /// The error of an operation that this cloud does not have. Nothing was sent.
    fn unsupported(&self, operation: &'static str, capability: Capability) -> Error {
        Error::unsupported(format!("{} does not support {capability}", self.traits().kind))
            .with_provider(self.id())
            .with_operation(operation)
    }
}

impl dyn Provider {
    /// The provider's own type, for what the common contract has no word for; `None` where it is another.
    pub fn native<P: Provider>(&self) -> Option<&P> {
        (self as &dyn Any).downcast_ref()
    }
}

/// The machines among `computes` that bear `token` and are not terminated.
pub(crate) fn bearing(token: SpawnToken, computes: Vec<Compute>) -> Vec<Compute> {
    computes
        .into_iter()
        .filter(|compute| compute.status != crate::ComputeStatus::Terminated)
        .filter(|compute| compute.mark().is_some_and(|mark| mark.token == token))
        .collect()
}

macro_rules! forward {
    ($pointer:ident) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<P: Provider + ?Sized> Provider for $pointer<P> {
            fn id(&self) -> &ProviderId {
                (**self).id()
            }
            fn traits(&self) -> &Traits {
                (**self).traits()
            }
            async fn spawn(&self, context: &CallContext, order: &SpawnOrder) -> Result<Compute> {
                (**self).spawn(context, order).await
            }
            async fn get(&self, context: &CallContext, id: &ComputeId) -> Result<Compute> {
                (**self).get(context, id).await
            }
            async fn list(&self, context: &CallContext, filter: &ComputeFilter) -> Result<Vec<Compute>> {
                (**self).list(context, filter).await
            }
            async fn terminate(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
                (**self).terminate(context, id).await
            }
            fn check(&self, request: &ComputeRequest) -> Result<()> {
                (**self).check(request)
            }
            fn scope(&self, context: &CallContext) -> Scope {
                (**self).scope(context)
            }
            async fn find_spawned(&self, context: &CallContext, token: SpawnToken) -> Result<Found> {
                (**self).find_spawned(context, token).await
            }
            async fn stop(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
                (**self).stop(context, id).await
            }
            async fn start(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
                (**self).start(context, id).await
            }
            fn logs(&self, context: &CallContext, id: &ComputeId, options: &LogOptions) -> Result<LogStream> {
                (**self).logs(context, id, options)
            }
            async fn list_gpu_types(&self, context: &CallContext) -> Result<Vec<GpuType>> {
                (**self).list_gpu_types(context).await
            }
            async fn run_job(&self, context: &CallContext, request: &JobRequest) -> Result<Job> {
                (**self).run_job(context, request).await
            }
            async fn get_job(&self, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<Job> {
                (**self).get_job(context, endpoint, job).await
            }
            async fn cancel_job(&self, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<Job> {
                (**self).cancel_job(context, endpoint, job).await
            }
            fn stream_job(&self, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<JobStream> {
                (**self).stream_job(context, endpoint, job)
            }
            fn check_volume(&self, request: &VolumeRequest) -> Result<()> {
                (**self).check_volume(request)
            }
            async fn create_volume(&self, context: &CallContext, order: &VolumeOrder) -> Result<Volume> {
                (**self).create_volume(context, order).await
            }
            async fn get_volume(&self, context: &CallContext, id: &VolumeId) -> Result<Volume> {
                (**self).get_volume(context, id).await
            }
            async fn list_volumes(&self, context: &CallContext) -> Result<Vec<Volume>> {
                (**self).list_volumes(context).await
            }
            async fn grow_volume(&self, context: &CallContext, id: &VolumeId, size_gb: u32) -> Result<Volume> {
                (**self).grow_volume(context, id, size_gb).await
            }
            async fn delete_volume(&self, context: &CallContext, id: &VolumeId) -> Result<()> {
                (**self).delete_volume(context, id).await
            }
            async fn list_rented(&self, context: &CallContext, kind: RentalKind) -> Result<Vec<Rented>> {
                (**self).list_rented(context, kind).await
            }
            async fn end_rented(&self, context: &CallContext, kind: RentalKind, id: &ComputeId) -> Result<()> {
                (**self).end_rented(context, kind, id).await
            }
            fn unsupported(&self, operation: &'static str, capability: Capability) -> Error {
                (**self).unsupported(operation, capability)
            }
        }
    };
}

use std::boxed::Box as Boxed;
use std::sync::Arc;
forward!(Arc);
forward!(Boxed);

#[cfg(test)]
mod tests;
