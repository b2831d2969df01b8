//! What the tests share: intents in memory, and a caller that spawns.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use atlas_auth::{SeededEntropy, Timestamp};
use atlas_core::{
    Auth, CallContext, Compute, ComputeFilter, ComputeId, ComputeRequest, Credentials, Deployment, Installation,
    Intent, Intents, Mark, Proof, Provider, Result, SpawnOrder, SpawnToken, TokenKind,
};
use atlas_sim::{Fault, Mock, Operation, Rule};

/// Intents that remember only which creates were announced.
#[derive(Debug, Default)]
pub(crate) struct Announced(Mutex<Vec<SpawnToken>>);

#[async_trait]
impl Intents for Announced {
    async fn open(&self, intent: &Intent) -> Result<()> {
        self.0.lock().unwrap().push(intent.token());
        Ok(())
    }

    async fn bound(&self, _: SpawnToken, _: &ComputeId) -> Result<()> {
        Ok(())
    }

    async fn closed(&self, _: SpawnToken, _: Proof) -> Result<()> {
        Ok(())
    }
}

/// A caller with a seed of its own, so that its tokens and keys are the same in each run.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) cloud: Mock,
    entropy: SeededEntropy,
    intents: Announced,
}

impl Caller {
    pub(crate) fn of(cloud: Mock) -> Self {
        Self { cloud, entropy: SeededEntropy::new(99), intents: Announced::default() }
    }

    pub(crate) fn entropy(&self) -> &SeededEntropy {
        &self.entropy
    }

    /// A new order for `request`, to be sent within a minute.
    pub(crate) async fn order(&self, request: ComputeRequest, auth: Auth) -> (SpawnOrder, Credentials) {
        let not_after = self.cloud.clock().now().plus(Duration::from_mins(1));
        self.order_until(request, auth, not_after).await
    }

    pub(crate) async fn order_until(
        &self,
        request: ComputeRequest,
        auth: Auth,
        not_after: Timestamp,
    ) -> (SpawnOrder, Credentials) {
        let token = SpawnToken::generate(TokenKind::Plain, &self.entropy);
        let installation = Installation::parse("abcdef").unwrap();
        let mark = Mark::new(Deployment::parse("my-app").unwrap(), installation, token, request.name.clone());
        let credentials = Credentials::mint(auth, &self.entropy);
        let scope = self.cloud.scope(&context());
        let intent = Intent::machine(mark, self.cloud.id(), scope, self.cloud.now(), not_after);
        let order =
            SpawnOrder::record(&self.intents, &intent, request, &credentials, self.cloud.traits()).await.unwrap();
        (order, credentials)
    }

    pub(crate) async fn try_spawn(&self, request: ComputeRequest) -> Result<Compute> {
        let (order, _) = self.order(request, Auth::Bearer).await;
        self.cloud.spawn(&context(), &order).await
    }

    pub(crate) async fn spawn(&self, request: ComputeRequest) -> Compute {
        self.try_spawn(request).await.unwrap()
    }

    pub(crate) async fn get(&self, id: &ComputeId) -> Result<Compute> {
        self.cloud.get(&context(), id).await
    }

    pub(crate) async fn list(&self) -> Vec<ComputeId> {
        ids(self.cloud.list(&context(), &ComputeFilter::all()).await.unwrap())
    }

    pub(crate) async fn terminate(&self, id: &ComputeId) -> Result<()> {
        self.cloud.terminate(&context(), id).await
    }

    pub(crate) fn inject(&self, operation: Operation, fault: Fault) {
        self.cloud.inject(Rule::on(operation, fault));
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.cloud.advance(Duration::from_secs(seconds));
    }
}

impl Default for Caller {
    fn default() -> Self {
        Self::of(Mock::new())
    }
}

pub(crate) fn context() -> CallContext {
    CallContext::new()
}

pub(crate) fn ids(computes: Vec<Compute>) -> Vec<ComputeId> {
    computes.into_iter().map(|compute| compute.id).collect()
}

/// A machine such as most tests rent.
pub(crate) fn request() -> ComputeRequest {
    ComputeRequest::gpu("h100").http_port(8000).name("web")
}
