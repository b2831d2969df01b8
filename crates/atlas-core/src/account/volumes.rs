//! Network volumes, as a user of the library holds them. Each is a rental (rule O1): it bills until it is deleted.

use std::time::Duration;

use super::{Account, Permission};
use crate::{ComputeId, Error, RentalKind, Result, Volume, VolumeId, VolumeRequest};

impl Account {
    /// Makes a network volume. **Bills until it is deleted.** Never sent twice.
    ///
    /// When the cloud's answer is lost, what it made is looked for, at most for twenty seconds and within the call's
    /// time-out, and handed out as if the answer had come. If nothing is found, the error's effect is `unknown` and the
    /// intent stays open: `reap` finds out what became of it, and a volume that is there is kept. So it does if the future
    /// is dropped.
    pub async fn create_volume(&self, request: VolumeRequest) -> Result<Volume> {
        // A provider that is a user's own may check nothing.
        let checked = request.validate().and_then(|()| self.provider.check_volume(&request));
        checked.map_err(|error| error.with_provider(self.provider.id()).with_operation("create_volume"))?;
        let provider = &self.provider;
        let create = |context, order| async move { provider.create_volume(&context, &order).await };
        let list = |context| async move { provider.list_volumes(&context).await };
        self.rent_or_find(request.name.clone(), request, create, list).await
    }

    /// Reads one network volume. A not-found for one that was made within the cloud's settle window is asked again until
    /// the window is over.
    pub async fn get_volume(&self, id: &VolumeId) -> Result<Volume> {
        self.named_volume(id, "get_volume")?;
        let read = || self.provider.get_volume(&self.context, id);
        self.read_settled(RentalKind::Volume, &ComputeId::new(id.as_str()), read).await
    }

    /// Reads all network volumes of the account: the whole answer or an error, never less.
    pub async fn list_volumes(&self) -> Result<Vec<Volume>> {
        self.provider.list_volumes(&self.context).await
    }

    /// Makes a network volume larger; none can be made smaller. **Raises its price.** Repeats safely.
    pub async fn grow_volume(&self, id: &VolumeId, size_gb: u32) -> Result<Volume> {
        self.named_volume(id, "grow_volume")?;
        self.provider.grow_volume(&self.context, id, size_gb).await
    }

    /// Deletes a network volume and all that is on it; returns when it is proven gone, at most two minutes later.
    ///
    /// Refuses one without the mark of this deployment. An id that a record here knows and the cloud does not is a
    /// success; one that nobody knows is `not_found`. On `timeout` the record stays, and `reap` carries it on. Repeats
    /// safely.
    pub async fn delete_volume(&self, id: &VolumeId) -> Result<()> {
        self.delete_volume_with(id, Permission::ordinary(), Duration::from_mins(2)).await
    }

    /// As [`delete_volume`](Self::delete_volume), with more allowed and another bound.
    pub async fn delete_volume_with(&self, id: &VolumeId, permission: Permission, timeout: Duration) -> Result<()> {
        self.named_volume(id, "delete_volume")?;
        self.end_rented(RentalKind::Volume, &ComputeId::new(id.as_str()), permission, timeout).await
    }

    /// Asks that a network volume be deleted, and does not wait for the proof: `reap` does.
    pub async fn delete_volume_soon(&self, id: &VolumeId, permission: Permission) -> Result<()> {
        self.named_volume(id, "delete_volume")?;
        self.end_rented_soon(RentalKind::Volume, &ComputeId::new(id.as_str()), permission).await
    }

    /// Refuses an id that is none before it stands in an address.
    fn named_volume(&self, id: &VolumeId, operation: &'static str) -> Result<()> {
        id.check().map_err(|error: Error| error.with_provider(self.provider.id()).with_operation(operation))
    }
}
