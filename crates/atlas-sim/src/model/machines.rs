//! What may be asked of the cloud about machines, and what becomes of it.

use std::collections::BTreeMap;

use atlas_auth::Timestamp;
use atlas_core::{ComputeId, Mark};

use super::stock::Wish;
use super::{
    Blueprint, Cloud, Event, IdKind, Landing, Machine, Phase, Place, Refusal, Serial, Settings, admit, timeline,
};

impl Cloud {
    /// Makes a machine, which is on the bill from when it lands. Capacity, names, volumes and pace are judged now.
    pub(crate) fn create(
        &mut self,
        blueprint: Blueprint,
        landing: Landing,
        now: Timestamp,
    ) -> Result<Machine, Refusal> {
        let now = self.settle(now);
        if self.settings.unique_names
            && let Some(taken) = self.living(now).find(|machine| {
                machine.blueprint.name == blueprint.name && machine.blueprint.account == blueprint.account
            })
        {
            return Err(Refusal::NameTaken(taken.id.clone()));
        }
        let regions = self.regions_for(&blueprint.account, &blueprint.volumes, &blueprint.regions, now)?;
        let place = self.choose(&Wish { regions: &regions, ..blueprint.wish() }, now)?;
        admit(self.settings.launch_pace, &mut self.creates, now)?;
        let mut machine = self.draft(blueprint, place, landing.at);
        machine.visible_from = machine.visible_from.plus(landing.hidden_for);
        let serial = machine.serial;
        self.coming.insert(serial, machine.clone());
        self.send(landing, Event::MachineLands(serial), now);
        Ok(self.machines.get(&serial).cloned().unwrap_or(machine))
    }

    /// What a create would make, without making it: for a cloud that says yes and does nothing.
    pub(crate) fn draft(&mut self, blueprint: Blueprint, place: Place, at: Timestamp) -> Machine {
        let serial = self.number();
        let settings = &self.settings;
        let (kept_gb, disk_gb) = (blueprint.volume_gb.unwrap_or(0), blueprint.container_disk_gb.unwrap_or(0));
        let disks = Settings::hourly(settings.disk_month, kept_gb.saturating_add(disk_gb));
        let price = settings.price_of(&place, blueprint.gpu_count, blueprint.cpus, blueprint.spot) + disks;
        let id = self.new_id(IdKind::Machine, |cloud, id| cloud.ids.contains_key(&ComputeId::new(id)));
        Machine {
            serial,
            id: ComputeId::new(id),
            token: Mark::read(&blueprint.name).map(|mark| mark.token),
            place,
            price,
            stopped_price: settings.stopped_price + Settings::hourly(settings.stopped_disk_month, kept_gb),
            created_at: at,
            visible_from: at.plus(settings.appears_after),
            hidden_until: at,
            forgotten_at: None,
            life: timeline::Timeline::begin(at, Phase::Starting, settings.startup, Phase::Running),
            public_ports: Vec::new(),
            reason: None,
            log: b"created\n".to_vec(),
            answers: BTreeMap::new(),
            blueprint,
        }
    }

    /// The best place for a machine, free or not.
    pub(crate) fn best_place(&self, blueprint: &Blueprint) -> Place {
        let wish = blueprint.wish();
        let best = wish.places(&self.settings.catalog).next();
        best.unwrap_or_else(|| Place { what: super::CPU.to_owned(), ..Place::default() })
    }

    pub(super) fn appear(&mut self, mut machine: Machine, at: Timestamp) {
        // A create that its call brought about early begins then, not when it was due.
        if at < machine.created_at {
            let hidden_for = machine.visible_from.since(machine.created_at);
            machine.created_at = at;
            machine.visible_from = at.plus(hidden_for);
            machine.hidden_until = at;
            machine.life = timeline::Timeline::begin(at, Phase::Starting, self.settings.startup, Phase::Running);
        }
        self.allot(&mut machine);
        self.ids.insert(machine.id.clone(), machine.serial);
        self.standing.insert(machine.serial);
        self.machines.insert(machine.serial, machine);
    }

    /// One machine, as a read by its id shows it.
    pub(crate) fn read(&self, account: &str, id: &ComputeId, now: Timestamp) -> Result<&Machine, Refusal> {
        let now = now.max(self.latest);
        self.machine(id).filter(|machine| machine.is_visible(account, now)).ok_or(Refusal::NotFound)
    }

    /// All machines that a listing shows, oldest first.
    pub(crate) fn list(&self, account: &str, now: Timestamp) -> impl Iterator<Item = &Machine> {
        let now = now.max(self.latest);
        let standing = self.standing.iter().filter_map(|serial| self.machines.get(serial));
        standing.filter(move |machine| machine.is_visible(account, now))
    }

    /// The machines that a listing shows, newest first, from the one before this number on.
    #[cfg(feature = "server")]
    pub(crate) fn list_before(
        &self,
        account: &str,
        before: Option<Serial>,
        now: Timestamp,
    ) -> impl Iterator<Item = &Machine> {
        let now = now.max(self.latest);
        let below = self.standing.range(..before.unwrap_or(Serial::MAX)).rev();
        below.filter_map(|serial| self.machines.get(serial)).filter(move |machine| machine.is_visible(account, now))
    }

    /// Ends a machine and its disk when it lands.
    pub(crate) fn delete(
        &mut self,
        account: &str,
        id: &ComputeId,
        landing: Landing,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let now = self.settle(now);
        let serial = self.read(account, id, now)?.serial;
        self.send(landing, Event::DeleteLands(serial), now);
        Ok(())
    }

    /// Stops a machine when it lands. One that is stopped stays so.
    pub(crate) fn stop(
        &mut self,
        account: &str,
        id: &ComputeId,
        landing: Landing,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let now = self.settle(now);
        let machine = self.read(account, id, now)?;
        let (serial, phase) = (machine.serial, machine.life.at(now));
        if phase.is_ending() {
            return Err(Refusal::Busy(phase));
        }
        self.send(landing, Event::StopLands(serial), now);
        Ok(())
    }

    /// Starts a machine when it lands. One that runs runs on.
    pub(crate) fn start(
        &mut self,
        account: &str,
        id: &ComputeId,
        landing: Landing,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let now = self.settle(now);
        let machine = self.read(account, id, now)?;
        let (serial, phase) = (machine.serial, machine.life.at(now));
        match phase {
            Phase::Starting | Phase::Running => return Ok(()),
            Phase::Stopping | Phase::Terminating | Phase::Terminated => return Err(Refusal::Busy(phase)),
            Phase::Stopped => {
                if !self.has_room(&machine.place, machine.blueprint.gpu_count.max(1), now) {
                    return Err(Refusal::NoCapacity(machine.place.what.clone()));
                }
            }
            Phase::Exited(_) | Phase::Failed => {}
        }
        self.send(landing, Event::StartLands(serial), now);
        Ok(())
    }

    pub(super) fn end(&mut self, serial: Serial, at: Timestamp) {
        let (takes, remembers) = (self.settings.terminating, self.settings.remembers);
        let Some(machine) = self.machines.get_mut(&serial) else { return };
        if !machine.life.at(at).is_ending() {
            machine.life.enter(at, Phase::Terminating, takes, Phase::Terminated);
            self.forget_at(serial, at.plus(takes).plus(remembers));
        }
    }

    /// From `at` on no read shows a machine that is gone.
    pub(super) fn forget_at(&mut self, serial: Serial, at: Timestamp) {
        if let Some(machine) = self.machines.get_mut(&serial) {
            machine.forgotten_at = Some(at);
            self.agenda.add(at, None, Event::MachineForgotten(serial));
        }
    }

    pub(super) fn power_off(&mut self, serial: Serial, at: Timestamp) {
        let takes = self.settings.stopping;
        let Some(machine) = self.machines.get_mut(&serial) else { return };
        match machine.life.at(at) {
            Phase::Starting | Phase::Running | Phase::Exited(_) | Phase::Failed => {
                machine.life.enter(at, Phase::Stopping, takes, Phase::Stopped);
                machine.log.extend_from_slice(b"stopped\n");
            }
            Phase::Stopping | Phase::Stopped | Phase::Terminating | Phase::Terminated => {}
        }
    }

    pub(super) fn power_on(&mut self, serial: Serial, at: Timestamp) {
        let takes = self.settings.startup;
        let Some(mut machine) = self.machines.remove(&serial) else { return };
        match machine.life.at(at) {
            Phase::Stopped | Phase::Exited(_) | Phase::Failed => {
                machine.life.enter(at, Phase::Starting, takes, Phase::Running);
                machine.log.extend_from_slice(b"started again\n");
                if self.settings.moves_ports {
                    self.allot(&mut machine);
                }
            }
            Phase::Starting | Phase::Running | Phase::Stopping | Phase::Terminating | Phase::Terminated => {}
        }
        self.machines.insert(serial, machine);
    }

    /// The machine that answers to `id`, visible or not.
    pub(crate) fn machine(&self, id: &ComputeId) -> Option<&Machine> {
        self.machines.get(self.ids.get(id)?)
    }

    /// The machine that answers to `id`, to be changed from outside every call.
    pub(crate) fn machine_mut(&mut self, id: &ComputeId) -> Result<&mut Machine, Refusal> {
        let serial = self.ids.get(id).ok_or(Refusal::NotFound)?;
        self.machines.get_mut(serial).ok_or(Refusal::NotFound)
    }

    /// The machine of this number, whatever its id is now.
    pub(crate) fn numbered(&self, serial: Serial) -> Option<&Machine> {
        self.machines.get(&serial)
    }

    /// Every machine that is on the bill, oldest first.
    pub(crate) fn living(&self, now: Timestamp) -> impl Iterator<Item = &Machine> {
        let standing = self.standing.iter().filter_map(|serial| self.machines.get(serial));
        standing.filter(move |machine| machine.is_live(now))
    }

    /// Every machine there ever was, oldest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Machine> {
        self.machines.values()
    }
}
