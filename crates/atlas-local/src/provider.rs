//! `Provider` for this machine: short methods that hand each operation to a thread of its own.

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use atlas_auth::{Clock, Entropy, Sealer};
use atlas_core::{
    CallContext, Compute, ComputeFilter, ComputeId, ComputeRequest, Effect, Error, Found, LogOptions, LogStream, Money,
    Provider, ProviderId, Result, Scope, SpawnOrder, SpawnToken, Traits,
};
use atlas_pod::PodProgram;

use crate::config::LocalBuilder;
use crate::folder::AccountFolder;
use crate::limits::MachineLimits;
use crate::{error, life, logs, program, translate};

/// Machines on this machine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Local {
    shared: Arc<Shared>,
}

/// What all operations of one account share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) id: ProviderId,
    pub(crate) traits: Traits,
    pub(crate) folder: AccountFolder,
    pub(crate) program: Option<PodProgram>,
    pub(crate) price_per_hour: Money,
    pub(crate) grace: Duration,
    pub(crate) limits: MachineLimits,
    /// Or why nothing can be sealed: machines are listed and ended all the same.
    pub(crate) sealer: Result<Arc<Sealer>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) scope: OnceLock<Scope>,
}

impl Shared {
    /// The program that supervises; none is told only to whoever needs it, for all else works without.
    pub(crate) fn program(&self) -> Result<PodProgram> {
        self.program.clone().ok_or_else(|| {
            Error::validation(
                "the pod program is not found: call atlas_local::pod_main first in main, put atlas-pod beside this program, or set pod to its path".to_owned(),
            )
        })
    }
}

impl Local {
    /// Begins an account named `local` whose machines stand under `state_dir`, their environments sealed by `sealer`.
    pub fn builder(state_dir: impl Into<PathBuf>, sealer: Arc<Sealer>) -> LocalBuilder {
        LocalBuilder::new(state_dir.into(), Ok(sealer))
    }

    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// Runs an operation to its end, whether or not its caller stays, and tells the caller by its deadline.
    async fn run<T, F>(
        &self,
        context: &CallContext,
        name: &'static str,
        operation: impl FnOnce(Arc<Shared>) -> F + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>>,
    {
        let shared = Arc::clone(&self.shared);
        // A small runtime of its own: it goes on when the caller's future is dropped, and knows no paused time, which
        // real processes do not obey.
        let running = blocking(name, move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|cause| {
                Error::unknown(format!("no thread can be set up for this: {cause}")).with_effect(Effect::NotSent)
            })?;
            runtime.block_on(operation(shared))
        });
        let answer = match context.timeout() {
            None => running.await,
            Some(limit) => tokio::time::timeout(limit, running).await.unwrap_or_else(|_elapsed| {
                Err(Error::timeout(format!(
                    "not done within {limit:?}; it goes on, and its outcome shows in a listing"
                )))
            }),
        };
        answer.map_err(|error| error.with_provider(&self.shared.id).with_operation(name))
    }
}

/// Runs what blocks on a thread for such work. It is carried to its end even if this future is dropped.
pub(crate) async fn blocking<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|cause| {
        let why = if cause.is_panic() { "it panicked; please report this" } else { "this process is shutting down" };
        Err(Error::unknown(format!("{name} was cut off: {why}")))
    })
}

#[async_trait]
impl Provider for Local {
    fn id(&self) -> &ProviderId {
        &self.shared.id
    }

    fn traits(&self) -> &Traits {
        &self.shared.traits
    }

    /// Also refuses a command whose program is not on this machine.
    fn check(&self, request: &ComputeRequest) -> Result<()> {
        translate::check(request, &self.shared.limits)
            .and_then(|()| program::check(request))
            .map_err(|error| error.with_provider(self.id()))
    }

    /// The account and the random identity of its folder, which is made on the first call: another state directory, or
    /// another machine with a store in common, is another scope.
    fn scope(&self, _: &CallContext) -> Scope {
        if let Some(scope) = self.shared.scope.get() {
            return scope.clone();
        }
        match self.shared.folder.identity(&*self.shared.entropy) {
            Ok(identity) => {
                self.shared.scope.get_or_init(|| Scope::new(format!("{}/{identity}", self.shared.id))).clone()
            }
            // Not kept: where nothing can be read or written, nothing can be made or proven either.
            Err(_) => Scope::new(format!("{}/unknown", self.shared.id)),
        }
    }

    /// Makes a folder, then a process. If this future is dropped, the machine is made all the same, and listed.
    async fn spawn(&self, context: &CallContext, order: &SpawnOrder) -> Result<Compute> {
        self.check(order.request()).map_err(|error| error.with_operation("spawn"))?;
        let order = order.clone();
        self.run(context, "spawn", |shared| async move { life::create(&shared, &order).await }).await
    }

    async fn get(&self, context: &CallContext, id: &ComputeId) -> Result<Compute> {
        let id = id.clone();
        self.run(context, "get", |shared| async move {
            let folder = shared.folder.machine(&id).ok_or_else(|| error::not_found(&id))?;
            life::look(&shared, &folder)
        })
        .await
    }

    async fn list(&self, context: &CallContext, filter: &ComputeFilter) -> Result<Vec<Compute>> {
        let filter = filter.clone();
        self.run(context, "list", |shared| async move {
            let mut computes = Vec::new();
            for folder in shared.folder.machines().await? {
                match life::look(&shared, &folder) {
                    Ok(compute) => computes.push(compute),
                    // Terminated since the folders were listed.
                    Err(error) if error.is_not_found() => {}
                    Err(error) => return Err(error),
                }
            }
            computes.retain(|compute| filter.admits(compute));
            Ok(computes)
        })
        .await
    }

    /// A machine whose record cannot be understood may be the one: then it was not looked everywhere.
    async fn find_spawned(&self, context: &CallContext, token: SpawnToken) -> Result<Found> {
        let all = self.list(context, &ComputeFilter::all()).await?;
        let complete = all.iter().all(|compute| compute.mark.is_some());
        let bears = |compute: &Compute| compute.mark.as_ref().is_some_and(|mark| mark.token == token);
        Ok(Found::new(all.into_iter().filter(bears).collect(), complete))
    }

    /// Returns when nothing of the machine runs and its folder is gone.
    async fn terminate(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        let id = id.clone();
        self.run(context, "terminate", |shared| async move { life::terminate(&shared, &id).await }).await
    }

    /// Returns when nothing of the machine runs.
    async fn stop(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        let id = id.clone();
        self.run(context, "stop", |shared| async move { life::stop(&shared, &id).await }).await
    }

    /// Returns when the machine runs. Its ports are new ones.
    async fn start(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        let id = id.clone();
        self.run(context, "start", |shared| async move { life::start(&shared, &id).await }).await
    }

    fn logs(&self, _: &CallContext, id: &ComputeId, options: &LogOptions) -> Result<LogStream> {
        let folder = self.shared.folder.machine(id).ok_or_else(|| logs::unknown(&self.shared, id))?;
        Ok(logs::read(Arc::clone(&self.shared), folder, options.follow))
    }
}
