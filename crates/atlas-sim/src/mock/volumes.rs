//! Network volumes over the model.

use atlas_core::{
    CallContext, ComputeId, Error, ErrorKind, Provider, Result, SpawnToken, Volume, VolumeId, VolumeOrder,
};

use super::call::{Subject, Visit};
use super::{Mock, describe, translate};
use crate::faults::{Fault, Operation};
use crate::model::{Cloud, NetworkVolume, Refusal, VolumePlan};

impl Mock {
    pub(super) async fn make_volume(&self, context: &CallContext, order: &VolumeOrder) -> Result<Volume> {
        let ready = self.check_volume(order.request()).and_then(|()| self.refuse_expired(order.not_after()));
        ready.map_err(|error| self.named(error, Operation::CreateVolume))?;
        let plan = VolumePlan {
            name: order.name().to_owned(),
            size_gb: order.request().size_gb,
            region: order.request().region.clone(),
            ..VolumePlan::default()
        };
        let token: SpawnToken = order.mark().token;
        let subject = Subject { operation: Operation::CreateVolume, compute: None, token: Some(token) };
        let (volume, is_left) = self
            .call(context, subject, |cloud, visit, now| {
                let volume = make(cloud, visit, plan, now)?;
                Ok((volume, visit.is_struck_by(&Fault::LeavesLeftover)))
            })
            .await?;
        let volume = self.look(|cloud, _| describe::volume(&volume, self.id(), &cloud.settings));
        let failed = |message: &str| {
            let left = ComputeId::new(volume.id.as_str());
            let error = Error::new(ErrorKind::Provider, message).with_leftover(left);
            Err(self.named(error, Operation::CreateVolume))
        };
        if is_left {
            return failed("the cloud made the network volume and answered an error");
        }
        if !translate::keeps_mark(volume.name.as_deref().unwrap_or_default(), order.mark()) {
            return failed("the cloud altered the network volume's mark, so that it could not be known again");
        }
        Ok(volume)
    }

    pub(super) async fn read_volume(&self, context: &CallContext, id: &VolumeId) -> Result<Volume> {
        let name = ComputeId::new(id.as_str());
        self.call(context, Subject::named(Operation::GetVolume, &name), |cloud, visit, now| {
            let volume = cloud.read_volume(&visit.account, id, now)?;
            Ok(describe::volume(volume, self.id(), &cloud.settings))
        })
        .await
    }

    pub(super) async fn read_volumes(&self, context: &CallContext) -> Result<Vec<Volume>> {
        self.call(context, Subject::all(Operation::ListVolumes), |cloud, visit, now| {
            let mut all: Vec<_> = cloud.list_volumes(&visit.account, now).collect();
            for strike in visit.strikes.iter().filter(|strike| strike.fault == Fault::ListsShort) {
                match &strike.compute {
                    Some(left_out) => all.retain(|volume| volume.id.as_str() != left_out.as_str()),
                    None => all.truncate(all.len() / 2),
                }
            }
            Ok(all.into_iter().map(|volume| describe::volume(volume, self.id(), &cloud.settings)).collect())
        })
        .await
    }

    pub(super) async fn enlarge_volume(&self, context: &CallContext, id: &VolumeId, size_gb: u32) -> Result<Volume> {
        let name = ComputeId::new(id.as_str());
        let before = self
            .call(context, Subject::named(Operation::GrowVolume, &name), |cloud, visit, now| {
                if !visit.is_struck_by(&Fault::Ignores) {
                    cloud.grow_volume(&visit.account, id, size_gb, visit.landing, now)?;
                }
                cloud.read_volume(&visit.account, id, now).cloned()
            })
            .await?;
        // As it is by now: what was sent lands before the answer, unless it lands late.
        Ok(self.look(|cloud, now| {
            let volume = cloud.read_volume(&before.plan.account, id, now).unwrap_or(&before);
            describe::volume(volume, self.id(), &cloud.settings)
        }))
    }

    pub(super) async fn end_volume(&self, context: &CallContext, id: &VolumeId) -> Result<()> {
        let name = ComputeId::new(id.as_str());
        self.call(context, Subject::named(Operation::DeleteVolume, &name), |cloud, visit, now| {
            if visit.is_struck_by(&Fault::Ignores) {
                return Ok(());
            }
            match cloud.delete_volume(&visit.account, id, visit.landing, now) {
                Ok(()) | Err(Refusal::NotFound) => Ok(()),
                Err(refusal) => Err(refusal),
            }
        })
        .await
    }

    /// Every network volume that is on the bill now, in every account, hidden ones too; oldest first.
    pub fn volumes(&self) -> Vec<Volume> {
        self.look(|cloud, now| {
            let live = cloud.all_volumes().filter(|volume| volume.is_live(now));
            live.map(|volume| describe::volume(volume, self.id(), &cloud.settings)).collect()
        })
    }

    /// Gives a network volume another name, as a human does in a cloud's console.
    pub fn rename_volume(&self, id: &VolumeId, name: &str) -> Result<()> {
        self.happen(|cloud, now| {
            let volume = cloud.all_volumes().find(|volume| volume.id == *id).ok_or(Refusal::NotFound)?;
            let account = volume.plan.account.clone();
            cloud.rename_volume(&account, id, name, now)
        })
    }

    /// Makes a network volume that somebody else rented in the same account, under whatever name.
    pub fn foreign_volume(&self, name: &str, region: &str, size_gb: u32) -> VolumeId {
        let mut state = self.lock();
        let account = state.account(None).1;
        let now = self.now_in(&state);
        let plan =
            VolumePlan { name: name.to_owned(), account, size_gb, region: region.to_owned(), ..VolumePlan::default() };
        state.cloud.place_volume(plan, now)
    }
}

/// What a create makes of its plan, with the faults that strike it.
fn make(
    cloud: &mut Cloud,
    visit: &Visit,
    mut plan: VolumePlan,
    now: atlas_auth::Timestamp,
) -> Result<NetworkVolume, Refusal> {
    plan.account.clone_from(&visit.account);
    plan.name = visit.written(plan.name);
    if visit.is_struck_by(&Fault::Ignores) {
        return Ok(cloud.draft_volume(plan, now));
    }
    let twin = visit.is_struck_by(&Fault::Duplicates).then(|| plan.clone());
    let volume = cloud.create_volume(plan, visit.landing, now)?;
    if let Some(twin) = twin {
        cloud.place_volume(twin, now);
    }
    Ok(volume)
}
