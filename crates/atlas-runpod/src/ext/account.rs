//! Endpoints through an account: recorded before they are made, found again, ended until that is proven (rule O1).

use std::time::Duration;

use async_trait::async_trait;
use atlas_core::{Account, Capability, ComputeId, EndpointId, Permission, RentalKind, Result};

use super::endpoint::{Endpoint, EndpointRequest};
use crate::account::RunPod;

/// How long the end of an endpoint may take until it is proven.
const ENDS: Duration = Duration::from_mins(2);

/// What an [`Account`] of RunPod can do beside the common contract.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use atlas_core::Atlas;
/// use atlas_core::config::Config;
/// use atlas_runpod::{EndpointRequest, RunPodAccount, Workers};
///
/// # async fn example() -> atlas_core::Result<()> {
/// let atlas = Atlas::builder(Config::builder().build()).factory(Arc::new(atlas_runpod::factory())).build();
/// let account = atlas.provider("runpod")?;
/// let request = EndpointRequest::gpu("ghcr.io/me/worker:1", ["l4", "a40"]).name("thumbs").workers(Workers::new(0, 2));
/// let endpoint = account.rent_endpoint(request).await?;
/// println!("jobs for {} go to {:?}", endpoint.id, endpoint.urls.get("run"));
/// account.end_endpoint(&endpoint.id).await?;
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait RunPodAccount {
    /// Makes an endpoint. **Bills while a worker is up**, around the clock for those that always are. Never sent twice.
    ///
    /// When RunPod's answer is lost, what it made is looked for, at most for twenty seconds and within the call's time-out,
    /// and handed out as if the answer had come. If nothing is found, the error's effect is `unknown` and the intent stays
    /// open: `reap` finds out what became of it, and an endpoint that is there is kept. So it does if the future is
    /// dropped. `unsupported` at an account of another cloud.
    async fn rent_endpoint(&self, request: EndpointRequest) -> Result<Endpoint>;

    /// Reads one endpoint. A not-found for one that was made within RunPod's settle window is asked again until the window
    /// is over.
    async fn get_endpoint(&self, id: &EndpointId) -> Result<Endpoint>;

    /// Reads all endpoints of the account, whoever made them: the whole answer or an error, never less.
    async fn list_endpoints(&self) -> Result<Vec<Endpoint>>;

    /// Deletes an endpoint: its workers end, its jobs are cancelled. Returns when it is proven gone, at most two minutes
    /// later; on `timeout` the record stays, and `reap` carries it on. Refuses one without the mark of this deployment.
    async fn end_endpoint(&self, id: &EndpointId) -> Result<()>;
}

#[async_trait]
impl RunPodAccount for Account {
    async fn rent_endpoint(&self, request: EndpointRequest) -> Result<Endpoint> {
        let runpod = native(self, "create_endpoint")?;
        runpod.check_endpoint(&request)?;
        let create = |context, order| async move { runpod.create_endpoint(&context, &order).await };
        let list = |context| async move { runpod.list_endpoints(&context).await };
        self.rent_or_find(request.name.clone(), request, create, list).await
    }

    async fn get_endpoint(&self, id: &EndpointId) -> Result<Endpoint> {
        let runpod = native(self, "get_endpoint")?;
        let rented = ComputeId::new(id.as_str());
        self.read_settled(RentalKind::Endpoint, &rented, || runpod.get_endpoint(self.context(), id)).await
    }

    async fn list_endpoints(&self) -> Result<Vec<Endpoint>> {
        native(self, "list_endpoints")?.list_endpoints(self.context()).await
    }

    async fn end_endpoint(&self, id: &EndpointId) -> Result<()> {
        let id = ComputeId::new(id.as_str());
        self.end_rented(RentalKind::Endpoint, &id, Permission::ordinary(), ENDS).await
    }
}

/// RunPod behind an account.
fn native<'a>(account: &'a Account, operation: &'static str) -> Result<&'a RunPod> {
    let other = || account.provider().unsupported(operation, Capability::Serverless);
    account.provider().native::<RunPod>().ok_or_else(other)
}
