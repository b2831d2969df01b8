//! What can be wrong with network volumes.

use atlas_auth::Timestamp;
use atlas_core::testing::Forgotten;
use atlas_core::{CallContext, Effect, Intent, Provider, RentalKind, Result, Volume, VolumeId, VolumeOrder};

use super::{Broken, Defect};

pub(super) async fn create(broken: &Broken, context: &CallContext, order: &VolumeOrder) -> Result<Volume> {
    if broken.has(Defect::SendsExpiredVolume) {
        let scope = broken.inner.scope(context);
        let forever = Timestamp::from_millis(i64::MAX / 2);
        let intent = Intent::machine(order.mark().clone(), broken.id(), scope, Timestamp::EPOCH, forever);
        let intent = intent.of_kind(RentalKind::Volume);
        let limit = broken.traits().name_limit;
        let order = VolumeOrder::record(&Forgotten, &intent, order.request().clone(), limit).await?;
        return broken.inner.create_volume(context, &order).await;
    }
    match broken.inner.create_volume(context, order).await {
        Ok(made) => {
            broken.memory().volumes.insert(made.id.clone(), made.clone());
            Ok(made)
        }
        Err(error) if broken.has(Defect::SendsVolumeAgain) && error.effect() == Effect::Unknown => {
            let _ = broken.inner.create_volume(context, order).await;
            Err(error)
        }
        Err(error) if broken.has(Defect::CallsLostVolumeRejected) && error.effect() == Effect::Unknown => {
            Err(error.with_effect(Effect::Rejected))
        }
        Err(error) => Err(error),
    }
}

pub(super) async fn get(broken: &Broken, context: &CallContext, id: &VolumeId) -> Result<Volume> {
    let mut read = broken.inner.get_volume(context, id).await?;
    if broken.has(Defect::ReadsAnotherVolume) {
        read.id = VolumeId::new(format!("disk-{id}"));
    }
    Ok(read)
}

pub(super) async fn list(broken: &Broken, context: &CallContext) -> Result<Vec<Volume>> {
    if broken.has(Defect::ListsUndeclaredVolumes) {
        return Ok(Vec::new());
    }
    let mut volumes = match broken.inner.list_volumes(context).await {
        Err(_) if broken.has(Defect::ListsNoVolumesOnFailure) => Vec::new(),
        volumes => volumes?,
    };
    match broken.defect {
        Defect::TellsNoAge => volumes.iter_mut().for_each(|volume| volume.created_at = None),
        Defect::ListsDeletedVolumes => {
            let deleted = broken.memory().deleted.clone();
            volumes.extend(
                deleted.into_iter().filter(|one| !volumes.iter().any(|volume| volume.id == one.id)).collect::<Vec<_>>(),
            );
        }
        _ => {}
    }
    Ok(volumes)
}

pub(super) async fn grow(broken: &Broken, context: &CallContext, id: &VolumeId, size_gb: u32) -> Result<Volume> {
    let before = broken.inner.get_volume(context, id).await?;
    match broken.defect {
        Defect::GrowsOnce if before.size_gb == size_gb => {
            Err(atlas_core::Error::conflict("the volume has this size already").with_provider(broken.id()))
        }
        Defect::SaysItGrows => {
            let mut grown = before;
            grown.size_gb = size_gb.max(grown.size_gb);
            Ok(grown)
        }
        Defect::TakesSmallerSize if before.size_gb > size_gb => Ok(before),
        _ => broken.inner.grow_volume(context, id, size_gb).await,
    }
}

pub(super) async fn delete(broken: &Broken, context: &CallContext, id: &VolumeId) -> Result<()> {
    if broken.has(Defect::DeletesVolumesOnce) {
        broken.inner.get_volume(context, id).await?;
    }
    {
        let mut memory = broken.memory();
        let deleted = memory.volumes.remove(id);
        memory.deleted.extend(deleted);
    }
    broken.inner.delete_volume(context, id).await
}
