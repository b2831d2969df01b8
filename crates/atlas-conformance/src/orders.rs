//! Orders with the suite's mark: for a machine, for a network volume, in time and too late.

use std::time::Duration;

use async_trait::async_trait;
use atlas_auth::{SystemEntropy, Timestamp};
use atlas_core::{
    Auth, ComputeId, ComputeRequest, Credentials, Deployment, Intent, Intents, Mark, Proof, RentalKind, RentalOrder,
    Result, SpawnOrder, SpawnToken, VolumeOrder, VolumeRequest,
};

use crate::bench::Bench;

/// The deployment under which everything is made.
pub(crate) const DEPLOYMENT: &str = "conformance";

/// Intents that are kept nowhere: the suite finds what it made by its mark.
#[derive(Debug)]
struct Forgotten;

#[async_trait]
impl Intents for Forgotten {
    async fn open(&self, _: &Intent) -> Result<()> {
        Ok(())
    }

    async fn bound(&self, _: SpawnToken, _: &ComputeId) -> Result<()> {
        Ok(())
    }

    async fn closed(&self, _: SpawnToken, _: Proof) -> Result<()> {
        Ok(())
    }
}

impl Bench<'_> {
    fn intent(&self, token: SpawnToken, name: Option<String>, not_after: Timestamp) -> Result<Intent> {
        let mark = Mark::new(Deployment::parse(DEPLOYMENT)?, self.installation.clone(), token, name);
        let scope = self.provider().scope(&self.context());
        Ok(Intent::machine(mark, self.provider().id(), scope, self.now(), not_after))
    }

    /// The order for one machine.
    pub async fn order(&self, request: ComputeRequest) -> Result<SpawnOrder> {
        self.order_with(request, &Credentials::None, Duration::from_mins(2)).await
    }

    /// The order for one machine that knows its user by a bearer token.
    pub async fn guarded(&self, request: ComputeRequest) -> Result<(SpawnOrder, Credentials)> {
        let credentials = Credentials::mint(Auth::Bearer, &SystemEntropy);
        Ok((self.order_with(request, &credentials, Duration::from_mins(2)).await?, credentials))
    }

    /// The order for one machine whose time was over a minute ago.
    pub async fn expired_order(&self, request: ComputeRequest) -> Result<SpawnOrder> {
        let intent = self.intent(self.token(), request.name.clone(), self.now().minus(Duration::from_mins(1)))?;
        SpawnOrder::record(&Forgotten, &intent, request, &Credentials::None, self.provider().traits()).await
    }

    async fn order_with(
        &self,
        request: ComputeRequest,
        credentials: &Credentials,
        good_for: Duration,
    ) -> Result<SpawnOrder> {
        let intent = self.intent(self.token(), request.name.clone(), self.now().plus(good_for))?;
        SpawnOrder::record(&Forgotten, &intent, request, credentials, self.provider().traits()).await
    }

    /// The order for one network volume.
    pub async fn volume_order(&self, request: VolumeRequest) -> Result<VolumeOrder> {
        self.volume_order_until(request, self.now().plus(Duration::from_mins(2))).await
    }

    /// The order for one network volume whose time was over a minute ago.
    pub async fn expired_volume_order(&self, request: VolumeRequest) -> Result<VolumeOrder> {
        self.volume_order_until(request, self.now().minus(Duration::from_mins(1))).await
    }

    async fn volume_order_until(&self, request: VolumeRequest, until: Timestamp) -> Result<VolumeOrder> {
        let intent = self.intent(self.token(), request.name.clone(), until)?.of_kind(RentalKind::Volume);
        RentalOrder::record(&Forgotten, &intent, request, self.provider().traits().name_limit).await
    }
}
