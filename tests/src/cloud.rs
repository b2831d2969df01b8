//! A cloud that keeps no machines: what it answers follows from the machine's id alone.
//!
//! It serves where a cloud's own memory and work would drown what is measured, and where a store is filled with machines
//! that no cloud has ever made.

use std::collections::HashSet;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use atlas_core::{
    CallContext, Capabilities, Capability, Compute, ComputeFilter, ComputeId, ComputeStatus, Error, GoneRule, Mark,
    Money, Port, PortSpec, Probe, ProbeAnswer, ProbeRequest, Provider, ProviderId, Result, SpawnOrder, Traits,
};
use std::time::Duration;

/// A machine's id is its marked name, so every machine with a well-formed name exists until it is terminated.
#[derive(Debug)]
pub struct PlainCloud {
    id: ProviderId,
    traits: Traits,
    ended: Mutex<HashSet<ComputeId>>,
    first_read: OnceLock<Instant>,
}

impl PlainCloud {
    /// An account called `plain` of a cloud whose every answer is true at once.
    pub fn new() -> Result<Self> {
        let mut traits = Traits::new("plain", Capabilities::NONE.with(Capability::Cpu).with(Capability::HttpProxy));
        traits.capabilities = traits.capabilities.with(Capability::Gpu).with(Capability::Images);
        traits.settle_window = Duration::ZERO;
        traits.gone = GoneRule::NotFound;
        Ok(Self { id: ProviderId::parse("plain")?, traits, ended: Mutex::default(), first_read: OnceLock::new() })
    }

    /// When it was first asked for a machine.
    pub fn first_read(&self) -> Option<Instant> {
        self.first_read.get().copied()
    }

    fn machine(&self, id: &ComputeId) -> Option<Compute> {
        let mark = Mark::read(id.as_str())?;
        let mut compute =
            Compute::new(&self.id, self.traits.kind, id.clone(), ComputeStatus::Running).with_name(id.as_str());
        compute.mark = Some(mark);
        compute.cost_per_hour = Some(Money::from_micros(360_000));
        compute.ports = vec![Port::new(PortSpec::http(8000)).with_url("https://machine.plain.example/")];
        Some(compute)
    }
}

#[async_trait]
impl Provider for PlainCloud {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn traits(&self) -> &Traits {
        &self.traits
    }

    async fn spawn(&self, _: &CallContext, order: &SpawnOrder) -> Result<Compute> {
        let id = ComputeId::new(order.name());
        self.machine(&id).ok_or_else(|| Error::validation(format!("{id} bears no mark")))
    }

    async fn get(&self, _: &CallContext, id: &ComputeId) -> Result<Compute> {
        self.first_read.get_or_init(Instant::now);
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).contains(id);
        self.machine(id).filter(|_| !ended).ok_or_else(|| Error::not_found(format!("there is no machine {id}")))
    }

    async fn list(&self, _: &CallContext, _: &ComputeFilter) -> Result<Vec<Compute>> {
        // A listing must be complete or an error, and nothing here knows what there is.
        Err(Error::unknown("this cloud keeps no list"))
    }

    async fn terminate(&self, _: &CallContext, id: &ComputeId) -> Result<()> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        Ok(())
    }
}

/// A probe to which every machine answers.
#[derive(Debug, Clone, Copy)]
pub struct AlwaysReady;

#[async_trait]
impl Probe for AlwaysReady {
    async fn ask(&self, _: &ProbeRequest) -> Result<ProbeAnswer> {
        Ok(ProbeAnswer::new(200))
    }
}
