//! The account as one process sees it, which dies with that process, and a witness of what every process does: no
//! create without an intent on disk (O1), no terminate but under `Releasing` (P4), no stop or start against the stored
//! power (P9).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use atlas_core::{
    CallContext, Capability, Compute, ComputeFilter, ComputeId, ComputeRequest, ComputeStatus, EndpointId, Error,
    Found, GpuType, Job, JobId, JobRequest, JobStream, LogOptions, LogStream, Provider, ProviderId, RentalKind, Rented,
    Result, Scope, SpawnOrder, SpawnToken, Traits, Volume, VolumeId, VolumeOrder, VolumeRequest,
};
use atlas_orchestrator::store::{Cursor, Key, Kind, MemoryStore, Range, Row, RowKey, Store};
use atlas_sim::{Mock, Operation};

/// What was done against the rules.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    wrongs: Mutex<Vec<String>>,
    blind: AtomicBool,
    stops_sleep: AtomicU64,
    all_left_over: AtomicBool,
    creates_repeated: AtomicBool,
    has_everything_later: AtomicBool,
    ordered: Mutex<Vec<ComputeRequest>>,
    shown: Mutex<Option<fn(&mut Compute)>>,
    panics: Mutex<BTreeMap<Operation, u32>>,
    remembered: Mutex<Vec<ComputeId>>,
    stale: Mutex<Vec<Compute>>,
    refused_image: Mutex<Option<&'static str>>,
}

impl Witness {
    /// For histories in which the store is out of reach on purpose.
    pub(crate) fn look_away(&self) {
        self.blind.store(true, Ordering::Relaxed);
    }

    /// From now on whoever is about to stop a machine sleeps so long first.
    pub(crate) fn let_stops_sleep(&self, seconds: u64) {
        self.stops_sleep.store(seconds, Ordering::Relaxed);
    }

    /// From now on an error of a create names each machine that it made, not only the first.
    pub(crate) fn name_all_left_over(&self) {
        self.all_left_over.store(true, Ordering::Relaxed);
    }

    /// From now on whatever is asked for can be had, but not now.
    pub(crate) fn have_everything_later(&self) {
        self.has_everything_later.store(true, Ordering::Relaxed);
    }

    /// From now on what asks for this image cannot be honoured.
    pub(crate) fn refuse_image(&self, image: &'static str) {
        *self.refused_image.lock().unwrap() = Some(image);
    }

    fn refuses(&self, request: &ComputeRequest) -> bool {
        self.refused_image.lock().unwrap().is_some_and(|image| request.image.as_deref() == Some(image))
    }

    /// Everything that a create was sent for.
    pub(crate) fn ordered(&self) -> Vec<ComputeRequest> {
        self.ordered.lock().unwrap().clone()
    }

    /// From now on whoever forwards a create sends it twice, and gives the second answer.
    pub(crate) fn repeat_creates(&self) {
        self.creates_repeated.store(true, Ordering::Relaxed);
    }

    /// From now on every machine is shown as `alter` makes it.
    pub(crate) fn show(&self, alter: fn(&mut Compute)) {
        *self.shown.lock().unwrap() = Some(alter);
    }

    /// The next `times` calls of this operation panic.
    pub(crate) fn panic_in(&self, operation: Operation, times: u32) {
        self.panics.lock().unwrap().insert(operation, times);
    }

    /// From now on reads show this id as terminated.
    pub(crate) fn remember_terminated(&self, id: &ComputeId) {
        self.remembered.lock().unwrap().push(id.clone());
    }

    /// From now on listings and searches show this beside whatever there is, as a listing does that lags behind.
    pub(crate) fn list_still(&self, compute: Compute) {
        self.stale.lock().unwrap().push(compute);
    }

    /// From now on listings and searches show what there is.
    pub(crate) fn list_afresh(&self) {
        self.stale.lock().unwrap().clear();
    }

    fn stale(&self) -> Vec<Compute> {
        self.stale.lock().unwrap().clone()
    }

    fn remembers(&self, id: &ComputeId) -> bool {
        self.remembered.lock().unwrap().contains(id)
    }

    fn maybe_panic(&self, operation: Operation) {
        let strikes = match self.panics.lock().unwrap().get_mut(&operation) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        };
        assert!(!strikes, "the provider panics in {operation}, as it was told");
    }

    fn alter(&self, mut compute: Compute) -> Compute {
        if let Some(alter) = *self.shown.lock().unwrap() {
            alter(&mut compute);
        }
        compute
    }

    pub(crate) fn wrongs(&self) -> Vec<String> {
        self.wrongs.lock().unwrap().clone()
    }

    fn accuse(&self, wrong: String) {
        if !self.blind.load(Ordering::Relaxed) {
            self.wrongs.lock().unwrap().push(wrong);
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Mortal {
    cloud: Mock,
    store: Arc<MemoryStore>,
    witness: Arc<Witness>,
    dead: Arc<AtomicBool>,
}

impl Mortal {
    pub(crate) fn new(cloud: Mock, store: Arc<MemoryStore>, witness: Arc<Witness>, dead: Arc<AtomicBool>) -> Self {
        Self { cloud, store, witness, dead }
    }

    /// A process that is dead sends nothing and hears nothing.
    async fn alive<T>(&self, call: impl Future<Output = T>) -> T {
        if self.dead.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        let answer = call.await;
        if self.dead.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        answer
    }

    fn terminated(&self, id: &ComputeId) -> Compute {
        let mut compute = Compute::new(self.id(), self.traits().kind, id.clone(), ComputeStatus::Terminated);
        compute.mark = self.cloud.machines().first().and_then(Compute::mark);
        compute
    }

    fn left_over(&self, error: Error, order: &SpawnOrder) -> Error {
        if !self.witness.all_left_over.load(Ordering::Relaxed) {
            return error;
        }
        let made = self.cloud.machines().into_iter();
        let made = made.filter(|compute| compute.mark().is_some_and(|mark| mark.token == order.token()));
        made.filter(|compute| !error.leftovers().contains(&compute.id))
            .map(|compute| compute.id)
            .collect::<Vec<_>>()
            .into_iter()
            .fold(error, Error::with_leftover)
    }

    async fn rental_with(&self, compute: &ComputeId, wanted: &[&str]) -> bool {
        let Ok(page) = self.store.scan(Range::rows(Kind::RENTAL), Cursor::START, 100_000).await else { return true };
        // Most rows are of other machines: they need not be parsed.
        let names_it = |row: &Row| std::str::from_utf8(&row.body).is_ok_and(|body| body.contains(compute.as_str()));
        page.into_rows().iter().filter(|row| names_it(row)).any(|row| {
            let body: serde_json::Value = serde_json::from_slice(&row.body).unwrap_or_default();
            let power = body["phase"]["power"].as_str().unwrap_or(&row.phase).to_owned();
            body["compute"] == compute.as_str() && wanted.contains(&power.as_str())
        })
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Provider for Mortal {
    fn id(&self) -> &ProviderId {
        self.cloud.id()
    }

    fn traits(&self) -> &Traits {
        self.cloud.traits()
    }

    fn check(&self, request: &ComputeRequest) -> Result<()> {
        if self.witness.has_everything_later.load(Ordering::Relaxed) {
            return Ok(());
        }
        if self.witness.refuses(request) {
            return Err(Error::validation("there is no such image any more"));
        }
        self.cloud.check(request)
    }

    fn scope(&self, context: &CallContext) -> Scope {
        self.cloud.scope(context)
    }

    fn unsupported(&self, operation: &'static str, capability: Capability) -> Error {
        self.cloud.unsupported(operation, capability)
    }

    async fn spawn(&self, context: &CallContext, order: &SpawnOrder) -> Result<Compute> {
        self.alive(async {
            let row = self.store.get(Key::Row(RowKey::rental(order.token().to_string()))).await;
            if !matches!(&row, Ok(Some(row)) if row.phase == "open") && row.is_ok() {
                self.witness.accuse(format!("O1: create {} was sent without an intent on disk", order.token()));
            }
            self.witness.maybe_panic(Operation::Spawn);
            self.witness.ordered.lock().unwrap().push(order.request().clone());
            if self.witness.has_everything_later.load(Ordering::Relaxed) {
                return Err(Error::no_capacity("not now"));
            }
            if self.witness.creates_repeated.load(Ordering::Relaxed) {
                drop(self.cloud.spawn(context, order).await);
            }
            let answer = self.cloud.spawn(context, order).await;
            answer.map(|compute| self.witness.alter(compute)).map_err(|error| self.left_over(error, order))
        })
        .await
    }

    async fn get(&self, context: &CallContext, id: &ComputeId) -> Result<Compute> {
        self.alive(async {
            self.witness.maybe_panic(Operation::Get);
            if self.witness.remembers(id) {
                return Ok(self.terminated(id));
            }
            self.cloud.get(context, id).await.map(|compute| self.witness.alter(compute))
        })
        .await
    }

    async fn list(&self, context: &CallContext, filter: &ComputeFilter) -> Result<Vec<Compute>> {
        self.alive(async {
            self.witness.maybe_panic(Operation::List);
            let all = self.cloud.list(context, filter).await?;
            let gone = self.witness.remembered.lock().unwrap().clone();
            let gone = gone.iter().map(|id| self.terminated(id));
            let all = all.into_iter().map(|compute| self.witness.alter(compute));
            Ok(all.chain(gone).chain(self.witness.stale()).collect())
        })
        .await
    }

    async fn terminate(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        self.alive(async {
            if !self.rental_with(id, &["releasing"]).await {
                self.witness.accuse(format!("P4: machine {id} was told to end without being released"));
            }
            self.cloud.terminate(context, id).await
        })
        .await
    }

    async fn find_spawned(&self, context: &CallContext, token: SpawnToken) -> Result<Found> {
        self.alive(async {
            self.witness.maybe_panic(Operation::Find);
            let mut found = self.cloud.find_spawned(context, token).await?;
            let stale = self.witness.stale().into_iter().filter(|compute| compute.mark().unwrap().token == token);
            let matches = found.matches.into_iter().map(|compute| self.witness.alter(compute));
            found.matches = matches.chain(stale).collect();
            Ok(found)
        })
        .await
    }

    async fn stop(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        self.alive(async {
            if !self.rental_with(id, &["stopping", "down", "releasing"]).await {
                self.witness.accuse(format!("P9: machine {id} was stopped against its stored power"));
            }
            tokio::time::sleep(Duration::from_secs(self.witness.stops_sleep.load(Ordering::Relaxed))).await;
            self.cloud.stop(context, id).await
        })
        .await
    }

    async fn start(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        self.alive(async {
            if !self.rental_with(id, &["starting", "releasing"]).await {
                self.witness.accuse(format!("P9: machine {id} was started against its stored power"));
            }
            self.cloud.start(context, id).await
        })
        .await
    }

    fn logs(&self, context: &CallContext, id: &ComputeId, options: &LogOptions) -> Result<LogStream> {
        self.cloud.logs(context, id, options)
    }

    async fn list_gpu_types(&self, context: &CallContext) -> Result<Vec<GpuType>> {
        self.alive(self.cloud.list_gpu_types(context)).await
    }

    async fn run_job(&self, context: &CallContext, request: &JobRequest) -> Result<Job> {
        self.alive(self.cloud.run_job(context, request)).await
    }

    async fn get_job(&self, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<Job> {
        self.alive(self.cloud.get_job(context, endpoint, job)).await
    }

    async fn cancel_job(&self, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<Job> {
        self.alive(self.cloud.cancel_job(context, endpoint, job)).await
    }

    fn stream_job(&self, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<JobStream> {
        self.cloud.stream_job(context, endpoint, job)
    }

    fn check_volume(&self, request: &VolumeRequest) -> Result<()> {
        self.cloud.check_volume(request)
    }

    async fn create_volume(&self, context: &CallContext, order: &VolumeOrder) -> Result<Volume> {
        self.alive(self.cloud.create_volume(context, order)).await
    }

    async fn get_volume(&self, context: &CallContext, id: &VolumeId) -> Result<Volume> {
        self.alive(self.cloud.get_volume(context, id)).await
    }

    async fn list_volumes(&self, context: &CallContext) -> Result<Vec<Volume>> {
        self.alive(self.cloud.list_volumes(context)).await
    }

    async fn grow_volume(&self, context: &CallContext, id: &VolumeId, size_gb: u32) -> Result<Volume> {
        self.alive(self.cloud.grow_volume(context, id, size_gb)).await
    }

    async fn delete_volume(&self, context: &CallContext, id: &VolumeId) -> Result<()> {
        self.alive(self.cloud.delete_volume(context, id)).await
    }

    async fn list_rented(&self, context: &CallContext, kind: RentalKind) -> Result<Vec<Rented>> {
        self.alive(self.cloud.list_rented(context, kind)).await
    }

    async fn end_rented(&self, context: &CallContext, kind: RentalKind, id: &ComputeId) -> Result<()> {
        self.alive(self.cloud.end_rented(context, kind, id)).await
    }
}
