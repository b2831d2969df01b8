//! Network volumes: disks that stand in one data centre and outlive the machines that have them attached.
//!
//! Invariant: a volume bills from when its create lands until its end lands, at each moment for the size that it has.

use atlas_auth::Timestamp;
use atlas_core::{ComputeId, Mark, Money, SpawnToken, VolumeId};
use serde_json::Value;

use super::ledger::{Rent, RentKind};
use super::{Cloud, Event, IdKind, Landing, Refusal, Serial, Settings};

/// What a network volume shall be.
#[derive(Debug, Clone, Default)]
pub(crate) struct VolumePlan {
    pub(crate) name: String,
    pub(crate) account: String,
    pub(crate) size_gb: u32,
    pub(crate) region: String,
    /// What a face wants to remember of it.
    pub(crate) notes: Value,
}

/// One network volume.
#[derive(Debug, Clone)]
pub(crate) struct NetworkVolume {
    pub(crate) serial: Serial,
    pub(crate) id: VolumeId,
    /// The create that its name tells of.
    pub(crate) token: Option<SpawnToken>,
    /// As it was asked for; its size grows.
    pub(crate) plan: VolumePlan,
    pub(crate) created_at: Timestamp,
    pub(crate) visible_from: Timestamp,
    pub(crate) hidden_until: Timestamp,
    pub(crate) ended_at: Option<Timestamp>,
    /// Since when it has which size; never empty.
    sizes: Vec<(Timestamp, u32)>,
}

impl NetworkVolume {
    /// Whether a read of its own account shows it.
    pub(crate) fn is_visible(&self, account: &str, now: Timestamp) -> bool {
        self.plan.account == account && now >= self.visible_from && now >= self.hidden_until && self.is_live(now)
    }

    /// Whether it is on the bill.
    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        self.ended_at.is_none_or(|ended| now < ended)
    }

    /// What it costs an hour now.
    pub(crate) fn rate(&self, settings: &Settings) -> Money {
        Settings::hourly(settings.volume_month, self.plan.size_gb)
    }

    pub(super) fn rent(&self, settings: &Settings, now: Timestamp) -> Rent {
        let ended_at = self.ended_at.filter(|ended| *ended <= now);
        let end = ended_at.unwrap_or(now);
        let ends = self.sizes.iter().skip(1).map(|(since, _)| *since).chain([end]);
        let spans = self.sizes.iter().zip(ends).map(|((since, size), until)| (*size, until.min(end).since(*since)));
        let month = settings.volume_month;
        Rent {
            id: ComputeId::new(self.id.as_str()),
            kind: RentKind::Volume,
            cloud: settings.cloud.clone(),
            account: self.plan.account.clone(),
            name: self.plan.name.clone(),
            token: self.token,
            started_at: self.created_at,
            ended_at,
            cost: spans.map(|(size, span)| Settings::hourly(month, size).for_span(span)).sum(),
        }
    }
}

impl Cloud {
    /// Makes a network volume, which is on the bill from when it lands. Names need not be unique.
    pub(crate) fn create_volume(
        &mut self,
        plan: VolumePlan,
        landing: Landing,
        now: Timestamp,
    ) -> Result<NetworkVolume, Refusal> {
        let now = self.settle(now);
        if !self.settings.catalog.find_data_centre(&plan.region).is_some_and(|place| place.has_volumes) {
            return Err(Refusal::NoPlace(plan.region));
        }
        let mut volume = self.draft_volume(plan, landing.at);
        volume.visible_from = volume.visible_from.plus(landing.hidden_for);
        let serial = volume.serial;
        self.send(landing, Event::VolumeLands(Box::new(volume.clone())), now);
        Ok(self.volumes.get(&serial).cloned().unwrap_or(volume))
    }

    /// Makes a network volume past every check, at once.
    pub(crate) fn place_volume(&mut self, plan: VolumePlan, now: Timestamp) -> VolumeId {
        let now = self.settle(now);
        let volume = self.draft_volume(plan, now);
        let id = volume.id.clone();
        self.volume_appears(volume, now);
        id
    }

    /// What a create would make, without making it.
    pub(crate) fn draft_volume(&mut self, plan: VolumePlan, at: Timestamp) -> NetworkVolume {
        let id = self.new_id(IdKind::Volume, |cloud, id| cloud.volume_ids.contains_key(&VolumeId::new(id)));
        NetworkVolume {
            serial: self.number(),
            id: VolumeId::new(id),
            token: Mark::read(&plan.name).map(|mark| mark.token),
            created_at: at,
            visible_from: at.plus(self.settings.appears_after),
            hidden_until: at,
            ended_at: None,
            sizes: vec![(at, plan.size_gb)],
            plan,
        }
    }

    pub(super) fn volume_appears(&mut self, mut volume: NetworkVolume, at: Timestamp) {
        if at < volume.created_at {
            volume.visible_from = at.plus(volume.visible_from.since(volume.created_at));
            volume.created_at = at;
            volume.hidden_until = at;
            volume.sizes = vec![(at, volume.plan.size_gb)];
        }
        self.volume_ids.insert(volume.id.clone(), volume.serial);
        self.volumes.insert(volume.serial, volume);
    }

    /// One network volume, as a read by its id shows it.
    pub(crate) fn read_volume(&self, account: &str, id: &VolumeId, now: Timestamp) -> Result<&NetworkVolume, Refusal> {
        let now = now.max(self.latest);
        let volume = self.volume_ids.get(id).and_then(|serial| self.volumes.get(serial));
        volume.filter(|volume| volume.is_visible(account, now)).ok_or(Refusal::NotFound)
    }

    /// All network volumes that a listing shows, oldest first.
    pub(crate) fn list_volumes(&self, account: &str, now: Timestamp) -> impl Iterator<Item = &NetworkVolume> {
        let now = now.max(self.latest);
        self.volumes.values().filter(move |volume| volume.is_visible(account, now))
    }

    /// Every network volume there ever was, oldest first.
    pub(crate) fn all_volumes(&self) -> impl Iterator<Item = &NetworkVolume> {
        self.volumes.values()
    }

    /// Makes a network volume larger when it lands. One that has this size keeps it.
    pub(crate) fn grow_volume(
        &mut self,
        account: &str,
        id: &VolumeId,
        size_gb: u32,
        landing: Landing,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let now = self.settle(now);
        let volume = self.read_volume(account, id, now)?;
        if size_gb < volume.plan.size_gb {
            return Err(Refusal::TooSmall { size_gb: volume.plan.size_gb });
        }
        let serial = volume.serial;
        self.send(landing, Event::GrowthLands(serial, size_gb), now);
        Ok(())
    }

    pub(super) fn volume_grows(&mut self, serial: Serial, size_gb: u32, at: Timestamp) {
        let Some(volume) = self.volumes.get_mut(&serial) else { return };
        // A smaller growth that lands after a larger one changes nothing: no volume ever shrinks.
        if size_gb > volume.plan.size_gb && volume.is_live(at) {
            volume.plan.size_gb = size_gb;
            volume.sizes.push((at, size_gb));
        }
    }

    /// Gives a network volume another name, at once.
    pub(crate) fn rename_volume(
        &mut self,
        account: &str,
        id: &VolumeId,
        name: &str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let now = self.settle(now);
        let serial = self.read_volume(account, id, now)?.serial;
        let volume = self.volumes.get_mut(&serial).ok_or(Refusal::NotFound)?;
        name.clone_into(&mut volume.plan.name);
        volume.token = Mark::read(name).map(|mark| mark.token);
        Ok(())
    }

    /// Hides a network volume from every read until then. It bills on.
    pub(crate) fn hide_volume(&mut self, id: &VolumeId, until: Timestamp) -> Result<(), Refusal> {
        let serial = self.volume_ids.get(id).ok_or(Refusal::NotFound)?;
        self.volumes.get_mut(serial).ok_or(Refusal::NotFound)?.hidden_until = until;
        Ok(())
    }

    /// Deletes a network volume when it lands. One that is attached to something is not deleted.
    pub(crate) fn delete_volume(
        &mut self,
        account: &str,
        id: &VolumeId,
        landing: Landing,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let now = self.settle(now);
        let serial = self.read_volume(account, id, now)?.serial;
        let users = self.attached(id, now);
        if !users.is_empty() {
            return Err(Refusal::InUse(users));
        }
        self.send(landing, Event::VolumeDeleteLands(serial), now);
        Ok(())
    }

    pub(super) fn volume_ends(&mut self, serial: Serial, at: Timestamp) {
        let takes = self.settings.terminating;
        if let Some(volume) = self.volumes.get_mut(&serial)
            && volume.ended_at.is_none()
        {
            volume.ended_at = Some(at.plus(takes));
        }
    }

    /// The machines and endpoints that have a network volume attached.
    pub(crate) fn attached(&self, id: &VolumeId, now: Timestamp) -> Vec<ComputeId> {
        let machines = self.living(now).chain(self.coming.values());
        let machines = machines.filter(|machine| machine.blueprint.volumes.contains(id));
        let endpoints = self.serverless.endpoints.values().filter(|endpoint| endpoint.plan.volumes.contains(id));
        machines
            .map(|machine| machine.id.clone())
            .chain(endpoints.map(|endpoint| ComputeId::new(endpoint.id.as_str())))
            .collect()
    }

    /// Where something may stand that has these network volumes, of the places where it would: where they are.
    pub(super) fn regions_for(
        &self,
        account: &str,
        volumes: &[VolumeId],
        wanted: &[String],
        now: Timestamp,
    ) -> Result<Vec<String>, Refusal> {
        let mut regions = wanted.to_vec();
        for id in volumes {
            let volume = self.read_volume(account, id, now).map_err(|_| Refusal::NoVolume(id.clone()))?;
            let region = &volume.plan.region;
            if !regions.is_empty() && !regions.contains(region) {
                return Err(Refusal::VolumeElsewhere { volume: id.clone(), region: region.clone() });
            }
            regions = vec![region.clone()];
        }
        Ok(regions)
    }
}
