//! What one simulated cloud is like: its catalog, what else costs money, and delays.

use std::time::Duration;

use atlas_core::{Money, Pace};

use super::catalog::{CPU, Catalog, Place};

/// How many hours a month has on a bill.
const HOURS_A_MONTH: i64 = 730;

/// What an id is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdKind {
    Machine,
    Volume,
    Endpoint,
    Worker,
    Job,
    /// A job that its sender waits for.
    SyncJob,
}

/// What one simulated cloud is like.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The account's name, which stands in the ledger.
    pub(crate) cloud: String,
    pub(crate) catalog: Catalog,
    /// What everything costs an hour that has no price of its own.
    pub(crate) price: Money,
    /// What a stopped machine costs an hour, beside its disk.
    pub(crate) stopped_price: Money,
    /// What a gigabyte of a machine's own disks costs a month, while it runs.
    pub(crate) disk_month: Money,
    /// What a gigabyte of the disk that outlives a stop costs a month, while it is stopped.
    pub(crate) stopped_disk_month: Money,
    /// What a gigabyte of a network volume costs a month.
    pub(crate) volume_month: Money,
    /// How long a machine is starting.
    pub(crate) startup: Duration,
    /// How long a machine is stopping.
    pub(crate) stopping: Duration,
    /// How long a machine, or a network volume, is terminating, and bills on.
    pub(crate) terminating: Duration,
    /// How long a machine that is gone is still shown, as terminated.
    pub(crate) remembers: Duration,
    /// How long what is new is invisible to reads.
    pub(crate) appears_after: Duration,
    /// How long a running machine's ports do not answer yet.
    pub(crate) answers_after: Duration,
    /// How long a serverless worker starts, where its endpoint does not say otherwise.
    pub(crate) cold_start: Duration,
    /// How long a job that is over is kept: one that nobody waits for, and one that its sender waits for.
    pub(crate) keeps_jobs: (Duration, Duration),
    /// Whether a start gives a machine new ports outside.
    pub(crate) moves_ports: bool,
    /// Whether http ports stand behind a proxy of the cloud that ends TLS.
    pub(crate) has_proxy: bool,
    /// How many creates within which time.
    pub(crate) launch_pace: Option<Pace>,
    /// How many calls of any kind within which time.
    pub(crate) call_pace: Option<Pace>,
    /// Whether a second live machine of the same name is refused.
    pub(crate) unique_names: bool,
    /// How the cloud writes an id that is made of this randomness.
    pub(crate) id: fn(IdKind, [u8; 16]) -> String,
}

impl Settings {
    pub(crate) fn new(cloud: &str) -> Self {
        Self {
            cloud: cloud.to_owned(),
            catalog: Catalog::flat(),
            // Exactly a hundred millionths a second, so that bills can be read by eye.
            price: Money::from_micros(360_000),
            stopped_price: Money::ZERO,
            disk_month: Money::ZERO,
            stopped_disk_month: Money::ZERO,
            // Exactly a hundred millionths an hour, for the same reason.
            volume_month: Money::from_micros(73_000),
            startup: Duration::ZERO,
            stopping: Duration::ZERO,
            terminating: Duration::ZERO,
            remembers: Duration::ZERO,
            appears_after: Duration::ZERO,
            answers_after: Duration::ZERO,
            cold_start: Duration::ZERO,
            keeps_jobs: (Duration::from_mins(30), Duration::from_mins(1)),
            moves_ports: false,
            has_proxy: true,
            launch_pace: None,
            call_pace: None,
            unique_names: false,
            id: plain_id,
        }
    }

    /// What a machine costs an hour while it runs, beside its disks: so much for each GPU or virtual CPU, or once for a
    /// machine without either.
    pub(crate) fn price_of(&self, place: &Place, gpu_count: u32, cpus: Option<u32>, spot: bool) -> Money {
        let catalog = &self.catalog;
        let (ordinary, for_spot, count) = if let Some(gpu) = catalog.find_gpu(&place.what) {
            let offer = gpu.offered(place.cloud_type);
            (offer.and_then(|offer| offer.price), offer.and_then(|offer| offer.spot_price), gpu_count)
        } else if let Some(cpu) = catalog.find_cpu(&place.what) {
            (Some(cpu.price_per_vcpu), None, cpus.unwrap_or(cpu.vcpus.0))
        } else if place.what == CPU {
            (catalog.plain.ordinary, catalog.plain.spot, 1)
        } else {
            (None, None, gpu_count)
        };
        let ordinary = ordinary.unwrap_or(self.price);
        let half = Money::from_micros(ordinary.as_micros() / 2);
        times(if spot { for_spot.unwrap_or(half) } else { ordinary }, count)
    }

    /// What a serverless worker costs an hour.
    pub(crate) fn worker_price(&self, place: &Place, gpu_count: u32, cpus: Option<u32>) -> Money {
        let gpu = self.catalog.find_gpu(&place.what).and_then(|gpu| gpu.serverless_price);
        let cpu = self.catalog.find_cpu(&place.what).and_then(|cpu| Some((cpu, cpu.serverless_price_per_vcpu?)));
        match (gpu, cpu) {
            (Some(price), _) => times(price, gpu_count),
            (None, Some((cpu, price))) => times(price, cpus.unwrap_or(cpu.vcpus.0)),
            (None, None) => self.price_of(place, gpu_count, cpus, false),
        }
    }

    /// What so many gigabytes at this price a month cost an hour, rounded up to the next millionth.
    pub(crate) fn hourly(month: Money, gigabytes: u32) -> Money {
        let micros = month.as_micros().saturating_mul(i64::from(gigabytes));
        Money::from_micros(micros.div_euclid(HOURS_A_MONTH) + i64::from(micros.rem_euclid(HOURS_A_MONTH) != 0))
    }
}

fn times(each: Money, count: u32) -> Money {
    Money::from_micros(each.as_micros().saturating_mul(i64::from(count.max(1))))
}

/// How this cloud writes an id where no face writes it otherwise.
fn plain_id(kind: IdKind, random: [u8; 16]) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let text: String = random.iter().take(10).map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect();
    match kind {
        IdKind::Machine => format!("mock-{text}"),
        IdKind::Volume => format!("volume-{text}"),
        IdKind::Endpoint => format!("endpoint-{text}"),
        IdKind::Worker => format!("worker-{text}"),
        IdKind::Job => format!("job-{text}"),
        IdKind::SyncJob => format!("sync-{text}"),
    }
}
