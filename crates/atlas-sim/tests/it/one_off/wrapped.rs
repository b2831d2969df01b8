//! A provider of a user's own around the mock, so that a test can look at what it is given and change what it answers.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use atlas_core::{
    CallContext, Compute, ComputeFilter, ComputeId, ComputeRequest, Found, Provider, ProviderId, Result, Scope,
    SpawnOrder, SpawnToken, Traits,
};
use atlas_sim::Mock;

type Before = dyn Fn(&SpawnOrder) + Send + Sync;
type Answer = dyn Fn(Compute) -> Result<Compute> + Send + Sync;

/// Looks at each order before the cloud hears of it, and answers creates and reads in its own words.
#[derive(Clone)]
pub(super) struct Wrapped {
    cloud: Mock,
    before: Arc<Before>,
    spawned: Arc<Answer>,
    read: Arc<Answer>,
    shown: Option<Compute>,
    told: Arc<dyn Fn() + Send + Sync>,
    checks: bool,
}

impl Wrapped {
    pub(super) fn new(cloud: &Mock) -> Self {
        Self {
            cloud: cloud.clone(),
            before: Arc::new(|_| {}),
            spawned: Arc::new(Ok),
            read: Arc::new(Ok),
            shown: None,
            told: Arc::new(|| ()),
            checks: true,
        }
    }

    /// Checks nothing, as a provider of somebody's own may.
    pub(super) fn unchecked(mut self) -> Self {
        self.checks = false;
        self
    }

    /// Does this each time that somebody asks what the cloud is like.
    pub(super) fn told(mut self, told: impl Fn() + Send + Sync + 'static) -> Self {
        self.told = Arc::new(told);
        self
    }

    pub(super) fn before(mut self, before: impl Fn(&SpawnOrder) + Send + Sync + 'static) -> Self {
        self.before = Arc::new(before);
        self
    }

    pub(super) fn spawned(mut self, answer: impl Fn(Compute) -> Result<Compute> + Send + Sync + 'static) -> Self {
        self.spawned = Arc::new(answer);
        self
    }

    pub(super) fn read(mut self, answer: impl Fn(Compute) -> Result<Compute> + Send + Sync + 'static) -> Self {
        self.read = Arc::new(answer);
        self
    }

    /// Shows this to whoever reads its id, whatever became of that at the cloud.
    pub(super) fn shows(mut self, compute: Compute) -> Self {
        self.shown = Some(compute);
        self
    }
}

impl fmt::Debug for Wrapped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Wrapped").field("cloud", &self.cloud).finish_non_exhaustive()
    }
}

#[async_trait]
impl Provider for Wrapped {
    fn id(&self) -> &ProviderId {
        self.cloud.id()
    }

    fn traits(&self) -> &Traits {
        (self.told)();
        self.cloud.traits()
    }

    fn check(&self, request: &ComputeRequest) -> Result<()> {
        if self.checks { self.cloud.check(request) } else { Ok(()) }
    }

    fn scope(&self, context: &CallContext) -> Scope {
        self.cloud.scope(context)
    }

    async fn spawn(&self, context: &CallContext, order: &SpawnOrder) -> Result<Compute> {
        (self.before)(order);
        (self.spawned)(self.cloud.spawn(context, order).await?)
    }

    async fn get(&self, context: &CallContext, id: &ComputeId) -> Result<Compute> {
        match self.shown.as_ref().filter(|shown| shown.id == *id) {
            Some(shown) => Ok(shown.clone()),
            None => (self.read)(self.cloud.get(context, id).await?),
        }
    }

    async fn list(&self, context: &CallContext, filter: &ComputeFilter) -> Result<Vec<Compute>> {
        self.cloud.list(context, filter).await
    }

    async fn find_spawned(&self, context: &CallContext, token: SpawnToken) -> Result<Found> {
        self.cloud.find_spawned(context, token).await
    }

    async fn terminate(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        self.cloud.terminate(context, id).await
    }
}
