//! The model: one cloud as a state machine that knows neither clock nor network. Every method is told the time; what
//! was sent earlier and lands later takes effect, in order, before anything else is done.
//!
//! Invariant: a machine is on the bill from the moment in which its create lands until its end lands, whatever any read
//! shows meanwhile. Time never goes back: an earlier `now` counts as the latest one known.

mod address;
mod happening;
mod ledger;
mod machine;
mod settings;
#[cfg(test)]
mod tests;
mod timeline;

use std::collections::BTreeMap;
use std::time::Duration;

use atlas_auth::{Entropy, SeededEntropy, Timestamp};
use atlas_core::{ComputeId, Mark, Pace};

pub(crate) use address::{Recipient, public_ip, public_port};
pub use ledger::{Ledger, Rent};
pub(crate) use machine::{Blueprint, Machine, Serial};
pub(crate) use settings::{CPU, Settings};
pub(crate) use timeline::Phase;

/// When something that is sent now takes effect, and for which call, so that the call can bring it about early.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Landing {
    pub(crate) at: Timestamp,
    /// `None` for what lands only when it is due.
    pub(crate) call: Option<usize>,
    /// How much longer than usual a new machine is invisible.
    pub(crate) hidden_for: Duration,
}

/// Why the cloud does nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It shows the caller no such machine.
    NotFound,
    /// Of what was asked for nothing is free.
    NoCapacity(String),
    /// Too many calls.
    TooMany { retry_after: Duration },
    /// A live machine has that name.
    NameTaken(ComputeId),
    /// The machine is in a phase that forbids it.
    Busy(Phase),
}

/// Something that was sent and has not taken effect.
#[derive(Debug)]
struct Pending {
    landing: Landing,
    order: u64,
    effect: Effect,
}

#[derive(Debug)]
enum Effect {
    Create(Box<Machine>),
    Delete(Serial),
    Stop(Serial),
    Start(Serial),
}

/// One cloud in memory.
#[derive(Debug)]
pub(crate) struct Cloud {
    pub(crate) settings: Settings,
    entropy: SeededEntropy,
    latest: Timestamp,
    machines: BTreeMap<Serial, Machine>,
    /// The machine that answers to an id now. One that lost its id is not in here.
    ids: BTreeMap<ComputeId, Serial>,
    pending: Vec<Pending>,
    next: u64,
    creates: Vec<Timestamp>,
    calls: Vec<Timestamp>,
    /// Which machine got a port outside last.
    allotted: BTreeMap<u16, Serial>,
    allotments: u16,
}

impl Cloud {
    /// An empty cloud.
    pub(crate) fn new(settings: Settings, seed: u64) -> Self {
        Self {
            settings,
            entropy: SeededEntropy::new(seed),
            latest: Timestamp::from_millis(i64::MIN),
            machines: BTreeMap::new(),
            ids: BTreeMap::new(),
            pending: Vec::new(),
            next: 0,
            creates: Vec::new(),
            calls: Vec::new(),
            allotted: BTreeMap::new(),
            allotments: 0,
        }
    }

    /// Lets everything land that is due by `now`; returns the time that counts.
    pub(crate) fn settle(&mut self, now: Timestamp) -> Timestamp {
        self.latest = self.latest.max(now);
        let due = self.latest;
        self.land(due, |pending| pending.landing.at <= due);
        due
    }

    /// Brings about at once what `call` sent: its answer must not come before its effect.
    pub(crate) fn land_call(&mut self, call: usize, now: Timestamp) {
        let now = self.settle(now);
        self.land(now, |pending| pending.landing.call == Some(call));
    }

    fn land(&mut self, now: Timestamp, due: impl Fn(&Pending) -> bool) {
        let (mut landing, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.pending).into_iter().partition(due);
        self.pending = waiting;
        landing.sort_by_key(|pending| (pending.landing.at, pending.order));
        for Pending { landing, effect, .. } in landing {
            let at = landing.at.min(now);
            match effect {
                Effect::Create(machine) => self.appear(*machine, at),
                Effect::Delete(serial) => self.end(serial, at),
                Effect::Stop(serial) => self.power_off(serial, at),
                Effect::Start(serial) => self.power_on(serial, at),
            }
        }
    }

    fn send(&mut self, landing: Landing, effect: Effect, now: Timestamp) {
        let order = self.number();
        self.pending.push(Pending { landing, order, effect });
        self.settle(now);
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Counts one call of any kind; more than the pace allows are refused.
    pub(crate) fn admit_call(&mut self, now: Timestamp) -> Result<(), Refusal> {
        let now = self.settle(now);
        admit(self.settings.call_pace, &mut self.calls, now)
    }

    /// Makes a machine, which is on the bill from when it lands. Capacity, names and pace are judged now.
    pub(crate) fn create(
        &mut self,
        blueprint: Blueprint,
        landing: Landing,
        now: Timestamp,
    ) -> Result<Machine, Refusal> {
        let now = self.settle(now);
        if self.settings.unique_names
            && let Some(taken) = self.machines.values().find(|machine| {
                machine.is_live(now)
                    && machine.blueprint.name == blueprint.name
                    && machine.blueprint.account == blueprint.account
            })
        {
            return Err(Refusal::NameTaken(taken.id.clone()));
        }
        let gpu = self.choose(&blueprint, now)?;
        admit(self.settings.launch_pace, &mut self.creates, now)?;
        let mut machine = self.draft(blueprint, gpu, landing.at);
        machine.visible_from = machine.visible_from.plus(landing.hidden_for);
        self.send(landing, Effect::Create(Box::new(machine.clone())), now);
        Ok(self.machines.get(&machine.serial).cloned().unwrap_or(machine))
    }

    /// What a create would make, without making it: for a cloud that says yes and does nothing.
    pub(crate) fn draft(&mut self, blueprint: Blueprint, gpu: Option<String>, at: Timestamp) -> Machine {
        let serial = self.number();
        let settings = &self.settings;
        let price = settings.price_of(gpu.as_deref(), blueprint.gpu_count, blueprint.spot);
        Machine {
            serial,
            id: self.new_id(),
            token: Mark::read(&blueprint.name).map(|mark| mark.token),
            gpu,
            price,
            stopped_price: settings.stopped_price,
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

    fn new_id(&self) -> ComputeId {
        const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        loop {
            let mut random = [0; 10];
            self.entropy.fill(&mut random);
            let text: String = random.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect();
            let id = ComputeId::new(format!("mock-{text}"));
            if !self.ids.contains_key(&id) {
                return id;
            }
        }
    }

    /// The first of the preferences of which enough are free.
    fn choose(&self, blueprint: &Blueprint, now: Timestamp) -> Result<Option<String>, Refusal> {
        if blueprint.gpus.is_empty() {
            return if self.has_room(CPU, 1, now) { Ok(None) } else { Err(Refusal::NoCapacity(CPU.to_owned())) };
        }
        let free = blueprint.gpus.iter().find(|gpu| self.has_room(gpu, blueprint.gpu_count, now));
        free.cloned().map(Some).ok_or_else(|| Refusal::NoCapacity(blueprint.gpus.join(", ")))
    }

    fn has_room(&self, what: &str, count: u32, now: Timestamp) -> bool {
        let Some(capacity) = self.settings.capacity.get(what) else { return true };
        let coming = self.pending.iter().filter_map(|pending| match &pending.effect {
            Effect::Create(machine) => Some(&**machine),
            Effect::Delete(_) | Effect::Stop(_) | Effect::Start(_) => None,
        });
        let standing = self.machines.values().filter(|machine| machine.life.at(now).occupies());
        let used: u32 = standing
            .chain(coming)
            .filter(|machine| machine.gpu.as_deref().unwrap_or(CPU) == what)
            .map(|machine| machine.blueprint.gpu_count.max(1))
            .sum();
        used.saturating_add(count) <= *capacity
    }

    fn appear(&mut self, mut machine: Machine, at: Timestamp) {
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
        self.machines.values().filter(move |machine| machine.is_visible(account, now))
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
        self.send(landing, Effect::Delete(serial), now);
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
        self.send(landing, Effect::Stop(serial), now);
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
                let what = machine.gpu.as_deref().unwrap_or(CPU);
                if !self.has_room(what, machine.blueprint.gpu_count.max(1), now) {
                    return Err(Refusal::NoCapacity(what.to_owned()));
                }
            }
            Phase::Exited(_) | Phase::Failed => {}
        }
        self.send(landing, Effect::Start(serial), now);
        Ok(())
    }

    fn end(&mut self, serial: Serial, at: Timestamp) {
        let (takes, remembers) = (self.settings.terminating, self.settings.remembers);
        let Some(machine) = self.machines.get_mut(&serial) else { return };
        if !machine.life.at(at).is_ending() {
            machine.life.enter(at, Phase::Terminating, takes, Phase::Terminated);
            machine.forgotten_at = Some(at.plus(takes).plus(remembers));
        }
    }

    fn power_off(&mut self, serial: Serial, at: Timestamp) {
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

    fn power_on(&mut self, serial: Serial, at: Timestamp) {
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

    /// Every machine there ever was, oldest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Machine> {
        self.machines.values()
    }

    /// The books.
    pub(crate) fn ledger(&self, now: Timestamp) -> Ledger {
        let now = now.max(self.latest);
        let mut machines: Vec<_> = self.machines.values().collect();
        machines.sort_by_key(|machine| (machine.created_at, machine.serial));
        Ledger { rents: machines.into_iter().map(|machine| machine.rent(&self.settings.cloud, now)).collect() }
    }
}

/// Counts one event into a sliding window, or says how long to wait.
fn admit(pace: Option<Pace>, past: &mut Vec<Timestamp>, now: Timestamp) -> Result<(), Refusal> {
    let Some(pace) = pace else { return Ok(()) };
    past.retain(|at| now.since(*at) < pace.within);
    let used = u32::try_from(past.len()).unwrap_or(u32::MAX);
    if used < pace.creates {
        past.push(now);
        return Ok(());
    }
    let frees = past.first().map_or(now, |first| first.plus(pace.within));
    Err(Refusal::TooMany { retry_after: frees.since(now) })
}
