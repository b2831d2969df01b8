//! One machine of the model.

use std::collections::BTreeMap;

use atlas_auth::{Secret, Timestamp};
use atlas_core::{CloudType, ComputeId, Money, PortSpec, SpawnToken, VolumeId};
use serde_json::Value;

use super::catalog::Place;
use super::ledger::{Rent, RentKind};
use super::stock::Wish;
use super::timeline::{Phase, Rate, Timeline};

/// What a machine shall be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Blueprint {
    pub(crate) name: String,
    pub(crate) account: String,
    /// In order of preference, by the catalog's names; empty for a machine without one.
    pub(crate) gpus: Vec<String>,
    pub(crate) gpu_count: u32,
    /// For a machine without a GPU, in order of preference; empty for a plain one.
    pub(crate) cpu_flavors: Vec<String>,
    pub(crate) cloud_type: CloudType,
    pub(crate) cpus: Option<u32>,
    pub(crate) memory_mb: Option<u64>,
    pub(crate) volume_gb: Option<u32>,
    pub(crate) container_disk_gb: Option<u32>,
    /// In order of preference; empty for any.
    pub(crate) regions: Vec<String>,
    /// The network volumes that are attached to it.
    pub(crate) volumes: Vec<VolumeId>,
    pub(crate) image: Option<String>,
    pub(crate) command: Vec<String>,
    pub(crate) spot: bool,
    pub(crate) ports: Vec<PortSpec>,
    pub(crate) env: BTreeMap<String, Secret>,
    pub(crate) labels: BTreeMap<String, String>,
    /// What a face wants to remember of it.
    pub(crate) notes: Value,
}

impl Blueprint {
    /// The place that it needs.
    pub(super) fn wish(&self) -> Wish<'_> {
        Wish {
            gpus: &self.gpus,
            gpu_count: self.gpu_count,
            cpu_flavors: &self.cpu_flavors,
            cloud_type: self.cloud_type,
            regions: &self.regions,
        }
    }
}

/// A name of a machine that no cloud ever changes: its place in the order of creation.
pub(crate) type Serial = u64;

/// One machine.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) serial: Serial,
    pub(crate) id: ComputeId,
    /// The create that its name tells of.
    pub(crate) token: Option<SpawnToken>,
    pub(crate) blueprint: Blueprint,
    /// Which of the preferences it became, and where.
    pub(crate) place: Place,
    pub(crate) price: Money,
    pub(crate) stopped_price: Money,
    pub(crate) created_at: Timestamp,
    pub(crate) visible_from: Timestamp,
    pub(crate) hidden_until: Timestamp,
    /// Until when it is still shown although it is gone.
    pub(crate) forgotten_at: Option<Timestamp>,
    pub(crate) life: Timeline,
    /// The ports outside, in the order of those inside.
    pub(crate) public_ports: Vec<u16>,
    /// Why the cloud ended it by itself.
    pub(crate) reason: Option<&'static str>,
    /// What it wrote.
    pub(crate) log: Vec<u8>,
    /// What its application answers, by path; `None` for every other path.
    pub(crate) answers: BTreeMap<Option<String>, u16>,
}

impl Machine {
    /// The GPU that it has.
    pub(crate) fn gpu(&self) -> Option<&str> {
        (!self.blueprint.gpus.is_empty()).then_some(self.place.what.as_str())
    }

    /// Whether a read of its own account shows it.
    pub(crate) fn is_visible(&self, account: &str, now: Timestamp) -> bool {
        let remembered = match self.life.ended_at(now) {
            None => true,
            Some(_) => self.forgotten_at.is_some_and(|forgotten| now < forgotten),
        };
        self.blueprint.account == account && now >= self.visible_from && now >= self.hidden_until && remembered
    }

    /// Whether it is on the bill.
    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        self.life.ended_at(now).is_none()
    }

    /// What it costs an hour now.
    pub(crate) fn rate(&self, now: Timestamp) -> Money {
        match self.life.at(now).rate() {
            Rate::Running => self.price,
            Rate::Stopped => self.stopped_price,
            Rate::Nothing => Money::ZERO,
        }
    }

    /// What it has cost: each of its two prices for all the time that it held, rounded up to the next millionth.
    pub(crate) fn cost(&self, now: Timestamp) -> Money {
        let spent = |rate| self.life.spent(rate, now);
        self.price.for_span(spent(Rate::Running)) + self.stopped_price.for_span(spent(Rate::Stopped))
    }

    /// Whether its ports lead to it.
    pub(crate) fn is_running(&self, now: Timestamp) -> bool {
        self.life.at(now) == Phase::Running
    }

    /// Its line in the books.
    pub(crate) fn rent(&self, cloud: &str, now: Timestamp) -> Rent {
        Rent {
            id: self.id.clone(),
            kind: RentKind::Machine,
            cloud: cloud.to_owned(),
            account: self.blueprint.account.clone(),
            name: self.blueprint.name.clone(),
            token: self.token,
            started_at: self.created_at,
            ended_at: self.life.ended_at(now),
            cost: self.cost(now),
        }
    }
}
