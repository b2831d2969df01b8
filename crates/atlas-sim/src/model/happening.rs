//! What happens at a cloud without any call: machines break, move, vanish and are cloned by hand.

use std::time::Duration;

use atlas_auth::Timestamp;
use atlas_core::ComputeId;

use super::{Blueprint, Cloud, IdKind, Machine, Phase, Place, Refusal};

impl Cloud {
    /// Ends a machine in this instant, without anybody having asked.
    pub(crate) fn take_away(&mut self, id: &ComputeId, reason: &'static str, now: Timestamp) -> Result<(), Refusal> {
        let now = self.settle(now);
        let remembers = self.settings.remembers;
        let machine = self.live_mut(id, now)?;
        machine.life.enter(now, Phase::Terminated, Duration::ZERO, Phase::Terminated);
        machine.reason = Some(reason);
        let serial = machine.serial;
        self.forget_at(serial, now.plus(remembers));
        Ok(())
    }

    /// Puts a machine into a phase that nobody asked for.
    pub(crate) fn befall(&mut self, id: &ComputeId, phase: Phase, now: Timestamp) -> Result<(), Refusal> {
        let now = self.settle(now);
        self.live_mut(id, now)?.life.enter(now, phase, Duration::ZERO, phase);
        Ok(())
    }

    fn live_mut(&mut self, id: &ComputeId, now: Timestamp) -> Result<&mut Machine, Refusal> {
        self.machine_mut(id).and_then(|machine| if machine.is_live(now) { Ok(machine) } else { Err(Refusal::NotFound) })
    }

    /// Gives a machine a new id; the old one answers to nobody. It is the same machine, on the same bill.
    pub(crate) fn migrate(&mut self, id: &ComputeId, now: Timestamp) -> Result<ComputeId, Refusal> {
        let now = self.settle(now);
        let serial = self.live_mut(id, now)?.serial;
        let fresh = self.new_id(IdKind::Machine, |cloud, id| cloud.ids.contains_key(&ComputeId::new(id)));
        let fresh = ComputeId::new(fresh);
        self.ids.remove(id);
        self.ids.insert(fresh.clone(), serial);
        self.machine_mut(&fresh)?.id = fresh.clone();
        Ok(fresh)
    }

    /// Makes another machine like this one, as a human does in a cloud's own console: name and environment and all.
    pub(crate) fn copy(&mut self, id: &ComputeId, now: Timestamp) -> Result<ComputeId, Refusal> {
        let now = self.settle(now);
        let machine = self.live_mut(id, now)?;
        let (blueprint, place) = (machine.blueprint.clone(), machine.place.clone());
        Ok(self.place(blueprint, place, now))
    }

    /// Makes a machine past every check, at once.
    pub(crate) fn place(&mut self, blueprint: Blueprint, place: Place, now: Timestamp) -> ComputeId {
        let now = self.settle(now);
        let machine = self.draft(blueprint, place, now);
        let id = machine.id.clone();
        self.appear(machine, now);
        id
    }

    /// Gives an id to a stranger's machine: the one that had it is gone.
    pub(crate) fn reuse(&mut self, id: &ComputeId, blueprint: Blueprint, now: Timestamp) -> Result<(), Refusal> {
        let now = self.settle(now);
        match self.take_away(id, "replaced", now) {
            // An id of a machine that is gone already may be given away too.
            Ok(()) | Err(Refusal::NotFound) => {}
            Err(refusal) => return Err(refusal),
        }
        let place = self.best_place(&blueprint);
        let mut machine = self.draft(blueprint, place, now);
        machine.id = id.clone();
        self.appear(machine, now);
        Ok(())
    }
}
