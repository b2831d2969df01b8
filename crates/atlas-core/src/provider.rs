//! The contract between Atlas and a cloud (rules C1 to C13).

use std::fmt;

use async_trait::async_trait;

use crate::{
    CallContext, Capability, Compute, ComputeFilter, ComputeId, ComputeRequest, Error, LogOptions, LogStream,
    ProviderId, Result, Scope, SpawnOrder, SpawnToken, Traits,
};

/// What [`Provider::find_spawned`] found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Found {
    /// **All** machines that bear the token, terminated ones excepted.
    pub matches: Vec<Compute>,
    /// Whether it looked everywhere: only then does an empty answer mean anything.
    pub complete: bool,
}

impl Found {
    /// These, after having looked everywhere or not.
    pub fn new(matches: Vec<Compute>, complete: bool) -> Self {
        Self { matches, complete }
    }
}

/// One account of one cloud.
///
/// Only six methods are required; a provider of one's own is some thirty lines. It mints no credentials, spawns no
/// tasks, and never judges whether a machine may end: that is its caller's.
///
/// A wrapper around a provider must forward every method: put `#[deny(clippy::missing_trait_methods)]` on its `impl`.
#[async_trait]
pub trait Provider: Send + Sync + fmt::Debug + 'static {
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

    /// The error of an operation that this cloud does not have. Nothing was sent.
    fn unsupported(&self, operation: &'static str, capability: Capability) -> Error {
        Error::unsupported(format!("{} does not support {capability}", self.traits().kind))
            .with_provider(self.id())
            .with_operation(operation)
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
