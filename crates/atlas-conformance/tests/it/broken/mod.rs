//! Providers that break one promise each: a right one with one thing wrong. A file for each room of the case table.

mod create;
mod job;
mod life;
mod listing;
mod table;
mod volume;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use atlas_core::{
    CallContext, Capability, Compute, ComputeFilter, ComputeId, ComputeRequest, ComputeStatus, EndpointId, Error,
    Found, GpuType, Job, JobId, JobRequest, JobStream, LogOptions, LogStream, Mark, Money, Provider, ProviderId,
    RentalKind, Rented, Result, Scope, SpawnOrder, SpawnToken, Traits, Volume, VolumeId, VolumeOrder, VolumeRequest,
};
use atlas_sim::Mock;
use serde_json::Value;

pub(crate) use table::{Defect, MUTANTS, Mutant, NEVER_ALONE};

/// What a broken provider remembers, so that it can be wrong at the right moment. By tokens: a cloud that is reset gives
/// the same ids again.
#[derive(Debug, Default)]
struct Memory {
    /// The machines that a listing has shown.
    listed: BTreeSet<SpawnToken>,
    /// The machines that a read has shown gone.
    shown_gone: BTreeSet<(SpawnToken, ComputeId)>,
    /// The machines that were started again.
    started: BTreeSet<SpawnToken>,
    /// The tokens under which something was asked for.
    heard: BTreeSet<SpawnToken>,
    /// The tokens of creates that nobody answered.
    unanswered: BTreeSet<SpawnToken>,
    /// How many creates are under way, and what the first of them made.
    under_way: usize,
    made: Option<Compute>,
    /// The volumes that were made here, and those that were deleted.
    volumes: BTreeMap<VolumeId, Volume>,
    deleted: Vec<Volume>,
    /// How often the scope was asked for.
    scopes: u32,
}

/// A right provider with one thing wrong.
#[derive(Debug)]
pub(crate) struct Broken {
    inner: Mock,
    defect: Defect,
    traits: Traits,
    memory: Mutex<Memory>,
}

impl Broken {
    pub(crate) fn new(inner: Mock, defect: Defect) -> Self {
        let mut traits = inner.traits().clone();
        traits.capabilities = match defect {
            Defect::LacksSymmetricPorts => traits.capabilities.with(Capability::SymmetricPorts),
            Defect::LacksGlobalNetworking => traits.capabilities.with(Capability::GlobalNetworking),
            _ => traits.capabilities,
        };
        Self { inner, defect, traits, memory: Mutex::default() }
    }

    fn has(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What every answer shows of a machine.
    fn shown(&self, mut compute: Compute) -> Compute {
        match self.defect {
            Defect::SaysNoPrice => compute.cost_per_hour = None,
            Defect::SaysNoPlace => compute.region = None,
            Defect::KeepsNoRaw => compute.raw = Value::Null,
            Defect::KeepsRawOfTheLabelled if compute.raw["labels"] == serde_json::json!({}) => {
                compute.raw = Value::Null;
            }
            Defect::NeverRuns if compute.status == ComputeStatus::Running => compute.status = ComputeStatus::Starting,
            Defect::CallsTlsPlain => compute.ports.iter_mut().for_each(|port| port.tls = false),
            Defect::SaysNoGpu => compute.gpu_type = None,
            Defect::SaysNoImage => compute.image = None,
            Defect::LacksGlobalNetworking => compute.raw["name"] = Value::Null,
            Defect::HasNoPublicAddress => compute.public_ip = None,
            Defect::ShowsEnvironment => {
                for (name, value) in self.inner.env(&compute.id).unwrap_or_default() {
                    compute.raw[name.as_str()] = Value::from(value.expose());
                }
            }
            _ => {}
        }
        compute
    }

    fn exists(&self, id: &ComputeId) -> bool {
        self.inner.machines().iter().any(|compute| compute.id == *id && compute.status != ComputeStatus::Terminated)
    }
}

/// The token of a machine that the suite made.
fn token(compute: &Compute) -> Option<SpawnToken> {
    compute.mark().map(|mark| mark.token)
}

/// The machine under another name, with whatever mark that name holds.
fn renamed(mut compute: Compute, change: impl FnOnce(String) -> String) -> Compute {
    compute.name = compute.name.map(change);
    compute.mark = compute.name.as_deref().and_then(Mark::read);
    compute
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Provider for Broken {
    fn id(&self) -> &ProviderId {
        self.inner.id()
    }

    fn traits(&self) -> &Traits {
        &self.traits
    }

    fn check(&self, request: &ComputeRequest) -> Result<()> {
        create::check(self, request)
    }

    fn scope(&self, context: &CallContext) -> Scope {
        match (self.defect, context.key()) {
            (Defect::ScopeIgnoresKey, _) => self.inner.scope(&CallContext::new()),
            (Defect::ScopeHoldsKey, Some(key)) => Scope::new(key.expose()),
            (Defect::ScopeChanges, _) => {
                self.memory().scopes += 1;
                Scope::new(format!("mock.invalid/{}", self.memory().scopes))
            }
            _ => self.inner.scope(context),
        }
    }

    fn unsupported(&self, operation: &'static str, capability: Capability) -> Error {
        self.inner.unsupported(operation, capability)
    }

    async fn spawn(&self, context: &CallContext, order: &SpawnOrder) -> Result<Compute> {
        create::spawn(self, context, order).await
    }

    async fn get(&self, context: &CallContext, id: &ComputeId) -> Result<Compute> {
        life::get(self, context, id).await
    }

    async fn list(&self, context: &CallContext, filter: &ComputeFilter) -> Result<Vec<Compute>> {
        listing::list(self, context, filter).await
    }

    async fn terminate(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        life::terminate(self, context, id).await
    }

    async fn find_spawned(&self, context: &CallContext, token: SpawnToken) -> Result<Found> {
        listing::find(self, context, token).await
    }

    async fn stop(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        life::stop(self, context, id).await
    }

    async fn start(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        life::start(self, context, id).await
    }

    fn logs(&self, context: &CallContext, id: &ComputeId, options: &LogOptions) -> Result<LogStream> {
        life::logs(self, context, id, *options)
    }

    async fn list_gpu_types(&self, context: &CallContext) -> Result<Vec<GpuType>> {
        if self.has(Defect::HasUndeclaredCatalog) {
            return Ok(Vec::new());
        }
        let mut types = self.inner.list_gpu_types(context).await?;
        match self.defect {
            Defect::PricesNothing => {
                types.iter_mut().flat_map(|gpu| &mut gpu.offers).for_each(|offer| {
                    offer.price_per_hour = Some(Money::ZERO);
                });
            }
            Defect::MisnamesGpus => {
                let other = types[1].canonical.clone();
                types[0].canonical = other;
            }
            _ => {}
        }
        Ok(types)
    }

    async fn run_job(&self, context: &CallContext, request: &JobRequest) -> Result<Job> {
        job::run(self, context, request).await
    }

    async fn get_job(&self, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<Job> {
        job::get(self, context, endpoint, job).await
    }

    async fn cancel_job(&self, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<Job> {
        job::cancel(self, context, endpoint, job).await
    }

    fn stream_job(&self, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<JobStream> {
        job::stream(self, context, endpoint, job)
    }

    fn check_volume(&self, request: &VolumeRequest) -> Result<()> {
        if self.has(Defect::ChecksNoVolume) { Ok(()) } else { self.inner.check_volume(request) }
    }

    async fn create_volume(&self, context: &CallContext, order: &VolumeOrder) -> Result<Volume> {
        volume::create(self, context, order).await
    }

    async fn get_volume(&self, context: &CallContext, id: &VolumeId) -> Result<Volume> {
        volume::get(self, context, id).await
    }

    async fn list_volumes(&self, context: &CallContext) -> Result<Vec<Volume>> {
        volume::list(self, context).await
    }

    async fn grow_volume(&self, context: &CallContext, id: &VolumeId, size_gb: u32) -> Result<Volume> {
        volume::grow(self, context, id, size_gb).await
    }

    async fn delete_volume(&self, context: &CallContext, id: &VolumeId) -> Result<()> {
        volume::delete(self, context, id).await
    }

    async fn list_rented(&self, context: &CallContext, kind: RentalKind) -> Result<Vec<Rented>> {
        listing::rented(self, context, kind).await
    }

    async fn end_rented(&self, context: &CallContext, kind: RentalKind, id: &ComputeId) -> Result<()> {
        listing::end(self, context, kind, id).await
    }
}

/// The simulated cloud that remembers what was terminated for an hour, so that a provider can show it wrongly.
pub(crate) fn remembering() -> atlas_sim::MockBuilder {
    Mock::builder().remembers(Duration::from_hours(1))
}
