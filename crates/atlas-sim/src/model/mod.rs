//! The model: one cloud as a state machine that knows neither clock nor network. Every method is told the time; what
//! was sent earlier and lands later, and what happens by itself, takes effect in order before anything else is done.
//!
//! Invariant: what bills is on the bill from the moment in which its create lands until its end lands, whatever any read
//! shows meanwhile. Time never goes back: an earlier `now` counts as the latest one known.

mod address;
mod agenda;
mod catalog;
mod happening;
mod ledger;
mod machine;
mod machines;
mod serverless;
mod settings;
mod standard;
mod stock;
#[cfg(test)]
mod tests;
mod timeline;
mod volume;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use atlas_auth::{Entropy, SeededEntropy, Timestamp};
use atlas_core::{ComputeId, Pace, VolumeId};

pub(crate) use address::{Recipient, public_ip, public_port};
use agenda::Agenda;
pub(crate) use catalog::{CPU, Place};
pub use catalog::{Catalog, CatalogCpu, CatalogGpu, CatalogOffer, DataCentre};
pub use ledger::{Ledger, Rent, RentKind};
pub(crate) use machine::{Blueprint, Machine, Serial};
use serverless::Serverless;
pub(crate) use serverless::{
    Delivery, Drained, Endpoint, EndpointPlan, Hold, Job, JobPhase, JobPlan, Scaling, Worker, WorkerState,
};
pub use serverless::{Health, JobCounts};
pub(crate) use settings::{IdKind, Settings};
pub(crate) use stock::Usage;
pub(crate) use timeline::Phase;
#[cfg(any(test, feature = "server"))]
pub(crate) use timeline::Rate;
pub(crate) use volume::{NetworkVolume, VolumePlan};

/// When something that is sent now takes effect, and for which call, so that the call can bring it about early.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Landing {
    pub(crate) at: Timestamp,
    /// `None` for what lands only when it is due.
    pub(crate) call: Option<usize>,
    /// How much longer than usual something new is invisible.
    pub(crate) hidden_for: Duration,
}

impl Landing {
    /// At once.
    pub(crate) const fn now(now: Timestamp) -> Self {
        Self { at: now, call: None, hidden_for: Duration::ZERO }
    }
}

/// Why the cloud does nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It shows the caller no such thing.
    NotFound,
    /// Of what was asked for nothing is free.
    NoCapacity(String),
    /// Too many calls.
    TooMany { retry_after: Duration },
    /// A live machine has that name.
    NameTaken(ComputeId),
    /// The machine is in a phase that forbids it.
    Busy(Phase),
    /// There is no such data centre, or none with network volumes.
    NoPlace(String),
    /// The machine names a network volume that the account does not have.
    NoVolume(VolumeId),
    /// The machine may not stand where its network volume is.
    VolumeElsewhere { volume: VolumeId, region: String },
    /// A network volume cannot become smaller than it is.
    TooSmall { size_gb: u32 },
    /// Something has the network volume attached.
    InUse(Vec<ComputeId>),
    /// A job in this phase cannot be tried again.
    NotRetriable(JobPhase),
}

/// What will happen.
#[derive(Debug)]
enum Event {
    /// A machine that was asked for is made.
    MachineLands(Serial),
    DeleteLands(Serial),
    StopLands(Serial),
    StartLands(Serial),
    /// No read shows the machine any more.
    MachineForgotten(Serial),
    VolumeLands(Box<NetworkVolume>),
    GrowthLands(Serial, u32),
    VolumeDeleteLands(Serial),
    JobLands(Box<Job>),
    CancelLands(Serial),
    /// The job, the worker, the endpoint looks whether it is time for something.
    JobWakes(Serial),
    WorkerWakes(Serial),
    EndpointWakes(Serial),
}

/// One cloud in memory.
#[derive(Debug)]
pub(crate) struct Cloud {
    pub(crate) settings: Settings,
    entropy: SeededEntropy,
    latest: Timestamp,
    agenda: Agenda<Event>,
    next: u64,
    /// Every machine there ever was.
    machines: BTreeMap<Serial, Machine>,
    /// Those of them that a read may still show.
    standing: BTreeSet<Serial>,
    /// Those that were asked for and have not landed.
    coming: BTreeMap<Serial, Machine>,
    /// The machine that answers to an id now. One that lost its id is not in here.
    ids: BTreeMap<ComputeId, Serial>,
    volumes: BTreeMap<Serial, NetworkVolume>,
    volume_ids: BTreeMap<VolumeId, Serial>,
    serverless: Serverless,
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
            agenda: Agenda::new(),
            next: 0,
            machines: BTreeMap::new(),
            standing: BTreeSet::new(),
            coming: BTreeMap::new(),
            ids: BTreeMap::new(),
            volumes: BTreeMap::new(),
            volume_ids: BTreeMap::new(),
            serverless: Serverless::default(),
            creates: Vec::new(),
            calls: Vec::new(),
            allotted: BTreeMap::new(),
            allotments: 0,
        }
    }

    /// Lets everything happen that is due by `now`; returns the time that counts.
    pub(crate) fn settle(&mut self, now: Timestamp) -> Timestamp {
        self.latest = self.latest.max(now);
        while let Some((at, event)) = self.agenda.pop_due(self.latest) {
            self.happen(event, at);
        }
        self.latest
    }

    /// Brings about at once what `call` sent: its answer must not come before its effect.
    pub(crate) fn land_call(&mut self, call: usize, now: Timestamp) {
        let now = self.settle(now);
        for (at, event) in self.agenda.take_of(call) {
            self.happen(event, at.min(now));
        }
        self.settle(now);
    }

    /// When something will happen next by itself: nothing is to be seen before then that cannot be seen now.
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        let delivery = self.serverless.next_delivery_at();
        self.agenda.next_at().into_iter().chain(delivery).min()
    }

    fn happen(&mut self, event: Event, at: Timestamp) {
        match event {
            Event::MachineLands(serial) => {
                if let Some(machine) = self.coming.remove(&serial) {
                    self.appear(machine, at);
                }
            }
            Event::DeleteLands(serial) => self.end(serial, at),
            Event::StopLands(serial) => self.power_off(serial, at),
            Event::StartLands(serial) => self.power_on(serial, at),
            Event::MachineForgotten(serial) => {
                self.standing.remove(&serial);
            }
            Event::VolumeLands(volume) => self.volume_appears(*volume, at),
            Event::GrowthLands(serial, size_gb) => self.volume_grows(serial, size_gb, at),
            Event::VolumeDeleteLands(serial) => self.volume_ends(serial, at),
            Event::JobLands(job) => self.job_arrives(*job, at),
            Event::CancelLands(serial) => self.job_is_cancelled(serial, at),
            Event::JobWakes(serial) => self.job_wakes(serial, at),
            Event::WorkerWakes(serial) => self.worker_wakes(serial, at),
            Event::EndpointWakes(serial) => self.dispatch(serial, at),
        }
    }

    fn send(&mut self, landing: Landing, event: Event, now: Timestamp) {
        self.agenda.add(landing.at, landing.call, event);
        self.settle(now);
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// A new id; one that something has already is not used again.
    fn new_id(&self, kind: IdKind, taken: impl Fn(&Self, &str) -> bool) -> String {
        loop {
            let mut random = [0; 16];
            self.entropy.fill(&mut random);
            let id = (self.settings.id)(kind, random);
            if !taken(self, &id) {
                return id;
            }
        }
    }

    /// Counts one call of any kind; more than the pace allows are refused.
    pub(crate) fn admit_call(&mut self, now: Timestamp) -> Result<(), Refusal> {
        let now = self.settle(now);
        admit(self.settings.call_pace, &mut self.calls, now)
    }

    /// The books.
    pub(crate) fn ledger(&self, now: Timestamp) -> Ledger {
        let (now, cloud) = (now.max(self.latest), &self.settings.cloud);
        let machines = self.machines.values().map(|machine| (machine.serial, machine.rent(cloud, now)));
        let volumes = self.volumes.values().map(|volume| (volume.serial, volume.rent(&self.settings, now)));
        let mut all: Vec<_> = machines.chain(volumes).chain(self.serverless.rents(cloud, now)).collect();
        all.sort_by_key(|(serial, rent)| (rent.started_at, *serial));
        Ledger { rents: all.into_iter().map(|(_, rent)| rent).collect() }
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
