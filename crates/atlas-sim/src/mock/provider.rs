//! The provider's contract over the model.

use std::time::Duration;

use async_trait::async_trait;
use atlas_auth::Timestamp;
use atlas_core::{
    BoxStream, CallContext, Capability, Compute, ComputeFilter, ComputeId, ComputeRequest, ComputeStatus, Effect,
    EndpointId, Error, ErrorKind, Found, GpuType, Job, JobId, JobRequest, JobStream, LogOptions, LogStream, Provider,
    ProviderId, Rentable, RentalKind, Rented, Result, Scope, SpawnOrder, SpawnToken, Traits, Volume, VolumeId,
    VolumeOrder, VolumeRequest,
};
use bytes::Bytes;
use futures_util::stream;

use super::call::{Subject, Visit, refused};
use super::{Mock, describe, translate};
use crate::faults::{Fault, Operation, Strike};
use crate::model::{Blueprint, Cloud, Machine, Refusal};

/// How often what is followed is looked at.
pub(super) const PAUSE: Duration = Duration::from_millis(250);

#[async_trait]
impl Provider for Mock {
    fn id(&self) -> &ProviderId {
        &self.inner().id
    }

    fn traits(&self) -> &Traits {
        &self.inner().traits
    }

    fn check(&self, request: &ComputeRequest) -> Result<()> {
        translate::check(request, self.traits(), &self.inner().settings)
    }

    fn scope(&self, context: &CallContext) -> Scope {
        let state = self.lock();
        let account = if state.plan.is_elsewhere(self.now_in(&state)) {
            "another".to_owned()
        } else {
            state.account(context.key()).0
        };
        Scope::new(format!("mock.invalid/{account}"))
    }

    async fn spawn(&self, context: &CallContext, order: &SpawnOrder) -> Result<Compute> {
        let ready = self.check(order.request()).and_then(|()| self.refuse_expired(order.not_after()));
        let blueprint = ready.and_then(|()| translate::blueprint(order, &self.inner().settings));
        let blueprint = blueprint.map_err(|error| self.named(error, Operation::Spawn))?;
        let subject = Subject { operation: Operation::Spawn, compute: None, token: Some(order.token()) };
        let (machine, faults) = self
            .call(context, subject, |cloud, visit, now| {
                let machine = make(cloud, visit, blueprint, now)?;
                Ok((machine, visit.strikes.clone()))
            })
            .await?;
        let compute = self.describe(&machine, &faults);
        let failed = |message: &str| {
            let error = Error::new(ErrorKind::Provider, message).with_leftover(compute.id.clone());
            Err(self.named(error, Operation::Spawn))
        };
        if faults.iter().any(|strike| strike.fault == Fault::LeavesLeftover) {
            return failed("the cloud made the machine and answered an error");
        }
        if !translate::keeps_mark(compute.name.as_deref().unwrap_or_default(), order.mark()) {
            return failed("the cloud altered the machine's mark, so that it could not be known again");
        }
        Ok(compute)
    }

    async fn get(&self, context: &CallContext, id: &ComputeId) -> Result<Compute> {
        let (provider, kind) = (self.id(), self.traits().kind);
        self.call(context, Subject::named(Operation::Get, id), |cloud, visit, now| {
            let machine = cloud.read(&visit.account, id, now)?;
            Ok(lie(translate::describe(cloud, machine, provider, kind, now), &visit.strikes))
        })
        .await
    }

    async fn list(&self, context: &CallContext, filter: &ComputeFilter) -> Result<Vec<Compute>> {
        let subject = Subject::all(Operation::List);
        let all = self.call(context, subject, |cloud, visit, now| Ok(self.shown(cloud, visit, |_| true, now))).await?;
        Ok(all.into_iter().filter(|compute| filter.admits(compute)).collect())
    }

    async fn find_spawned(&self, context: &CallContext, token: SpawnToken) -> Result<Found> {
        let subject = Subject { operation: Operation::Find, compute: None, token: Some(token) };
        self.call(context, subject, |cloud, visit, now| {
            if visit.is_struck_by(&Fault::LooksPartly) {
                return Ok(Found::new(Vec::new(), false));
            }
            let mut matches = self.shown(cloud, visit, |machine| machine.token == Some(token), now);
            matches.retain(|compute| compute.status != ComputeStatus::Terminated);
            Ok(Found::new(matches, true))
        })
        .await
    }

    async fn terminate(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        self.call(context, Subject::named(Operation::Terminate, id), |cloud, visit, now| {
            if visit.is_struck_by(&Fault::Ignores) {
                return Ok(());
            }
            match cloud.delete(&visit.account, id, visit.landing, now) {
                // Gone already, or never seen by this account: a success, as rule C3 has it.
                Ok(()) | Err(Refusal::NotFound) => Ok(()),
                Err(refusal) => Err(refusal),
            }
        })
        .await
    }

    async fn stop(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        self.able("stop", Capability::StopResume)?;
        self.call(context, Subject::named(Operation::Stop, id), |cloud, visit, now| {
            if visit.is_struck_by(&Fault::Ignores) {
                return Ok(());
            }
            cloud.stop(&visit.account, id, visit.landing, now)
        })
        .await
    }

    async fn start(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        self.able("start", Capability::StopResume)?;
        self.call(context, Subject::named(Operation::Start, id), |cloud, visit, now| {
            if visit.is_struck_by(&Fault::Ignores) {
                return Ok(());
            }
            cloud.start(&visit.account, id, visit.landing, now)
        })
        .await
    }

    fn logs(&self, context: &CallContext, id: &ComputeId, options: &LogOptions) -> Result<LogStream> {
        self.able("logs", Capability::Logs)?;
        let account = self.lock().account(context.key()).1;
        let (cloud, id, follow) = (self.clone(), id.clone(), options.follow);
        cloud.log_from(&account, &id, 0).map_err(|error| error.with_provider(self.id()).with_operation("logs"))?;
        let stream: BoxStream<'static, Result<Bytes>> = Box::pin(stream::unfold(0, move |from| {
            let (cloud, account, id) = (cloud.clone(), account.clone(), id.clone());
            async move {
                loop {
                    // A machine that is gone writes no more: that is the end of its log, not a failure.
                    let (piece, over) = cloud.log_from(&account, &id, from).ok()?;
                    if !piece.is_empty() {
                        let next = from + piece.len();
                        return Some((Ok(piece), next));
                    }
                    if over || !follow {
                        return None;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }));
        Ok(stream)
    }

    async fn list_gpu_types(&self, context: &CallContext) -> Result<Vec<GpuType>> {
        self.able("list_gpu_types", Capability::Catalog)?;
        let spot = self.traits().has(Capability::Spot);
        self.call(context, Subject::all(Operation::GpuTypes), |cloud, _, now| Ok(describe::gpu_types(cloud, spot, now)))
            .await
    }

    async fn run_job(&self, context: &CallContext, request: &JobRequest) -> Result<Job> {
        self.able("run_job", Capability::Serverless)?;
        self.send_job(context, request).await
    }

    async fn get_job(&self, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<Job> {
        self.able("get_job", Capability::Serverless)?;
        self.read_job(context, endpoint, job).await
    }

    async fn cancel_job(&self, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<Job> {
        self.able("cancel_job", Capability::Serverless)?;
        self.end_job(context, endpoint, job).await
    }

    fn stream_job(&self, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<JobStream> {
        self.able("stream_job", Capability::Serverless)?;
        Ok(self.follow_job(context, endpoint, job))
    }

    fn check_volume(&self, request: &VolumeRequest) -> Result<()> {
        self.able("create_volume", Capability::NetworkVolumes)?;
        describe::check_volume(request, &self.inner().settings)
    }

    async fn create_volume(&self, context: &CallContext, order: &VolumeOrder) -> Result<Volume> {
        self.make_volume(context, order).await
    }

    async fn get_volume(&self, context: &CallContext, id: &VolumeId) -> Result<Volume> {
        self.able("get_volume", Capability::NetworkVolumes)?;
        self.read_volume(context, id).await
    }

    async fn list_volumes(&self, context: &CallContext) -> Result<Vec<Volume>> {
        self.able("list_volumes", Capability::NetworkVolumes)?;
        self.read_volumes(context).await
    }

    async fn grow_volume(&self, context: &CallContext, id: &VolumeId, size_gb: u32) -> Result<Volume> {
        self.able("grow_volume", Capability::NetworkVolumes)?;
        self.enlarge_volume(context, id, size_gb).await
    }

    async fn delete_volume(&self, context: &CallContext, id: &VolumeId) -> Result<()> {
        self.able("delete_volume", Capability::NetworkVolumes)?;
        self.end_volume(context, id).await
    }

    async fn list_rented(&self, context: &CallContext, kind: RentalKind) -> Result<Vec<Rented>> {
        match kind {
            RentalKind::Machine => {
                let all = self.list(context, &ComputeFilter::all()).await?;
                Ok(all.iter().map(Rentable::rented).collect())
            }
            RentalKind::Volume => Ok(self.list_volumes(context).await?.iter().map(Rentable::rented).collect()),
            RentalKind::Endpoint => {
                self.able("list_rented", Capability::Serverless)?;
                self.list_endpoints(context).await
            }
            _ => Err(self.unsupported("list_rented", Capability::Serverless)),
        }
    }

    async fn end_rented(&self, context: &CallContext, kind: RentalKind, id: &ComputeId) -> Result<()> {
        match kind {
            RentalKind::Machine => self.terminate(context, id).await,
            RentalKind::Volume => self.delete_volume(context, &VolumeId::new(id.as_str())).await,
            RentalKind::Endpoint => {
                self.able("end_rented", Capability::Serverless)?;
                self.end_endpoint(context, id).await
            }
            _ => Err(self.unsupported("end_rented", Capability::Serverless)),
        }
    }
}

impl Mock {
    /// Refuses what this cloud was told not to have.
    fn able(&self, operation: &'static str, capability: Capability) -> Result<()> {
        if self.traits().has(capability) { Ok(()) } else { Err(self.unsupported(operation, capability)) }
    }

    /// Nothing is created past the moment that the order names: its sender may have slept (rule P2).
    pub(super) fn refuse_expired(&self, not_after: Timestamp) -> Result<()> {
        if self.inner().clock.now() <= not_after {
            return Ok(());
        }
        let message = format!("the order was to be sent by {not_after}, and was not");
        Err(Error::timeout(message).with_effect(Effect::NotSent))
    }

    /// The machine as it is by now; one that never came to be, as it was promised.
    fn describe(&self, machine: &Machine, strikes: &[Strike]) -> Compute {
        let state = self.lock();
        let now = self.now_in(&state);
        let machine = state.cloud.numbered(machine.serial).unwrap_or(machine);
        lie(translate::describe(&state.cloud, machine, self.id(), self.traits().kind, now), strikes)
    }

    /// All machines that are `wanted`, as far as this call shows them.
    fn shown(&self, cloud: &Cloud, visit: &Visit, wanted: impl Fn(&Machine) -> bool, now: Timestamp) -> Vec<Compute> {
        let mut all: Vec<_> = cloud.list(&visit.account, now).collect();
        for strike in visit.strikes.iter().filter(|strike| strike.fault == Fault::ListsShort) {
            match &strike.compute {
                Some(left_out) => all.retain(|machine| machine.id != *left_out),
                None => all.truncate(all.len() / 2),
            }
        }
        all.into_iter()
            .filter(|machine| wanted(machine))
            .map(|machine| translate::describe(cloud, machine, self.id(), self.traits().kind, now))
            .map(|compute| lie(compute, &visit.strikes))
            .collect()
    }

    /// What a machine wrote after the first `from` bytes, and whether it will write more.
    fn log_from(&self, account: &str, id: &ComputeId, from: usize) -> Result<(Bytes, bool)> {
        let mut state = self.lock();
        let now = self.now_in(&state);
        let now = state.cloud.settle(now);
        let machine = state.cloud.read(account, id, now).map_err(|refusal| refused(&refusal, "machine"))?;
        let piece = machine.log.get(from..).unwrap_or_default();
        Ok((Bytes::copy_from_slice(piece), translate::status(machine.life.at(now)).is_over()))
    }
}

/// What a create makes of its blueprint, with the faults that strike it.
fn make(cloud: &mut Cloud, visit: &Visit, mut blueprint: Blueprint, now: Timestamp) -> Result<Machine, Refusal> {
    blueprint.account.clone_from(&visit.account);
    blueprint.name = visit.written(blueprint.name);
    if visit.is_struck_by(&Fault::Ignores) {
        let place = cloud.best_place(&blueprint);
        return Ok(cloud.draft(blueprint, place, now));
    }
    let twin = visit.is_struck_by(&Fault::Duplicates).then(|| blueprint.clone());
    let machine = cloud.create(blueprint, visit.landing, now)?;
    if let Some(twin) = twin {
        // Past every check: a cloud that makes a machine too many does not ask whether it may.
        cloud.place(twin, machine.place.clone(), now);
    }
    Ok(machine)
}

/// Shows a status that is none.
fn lie(mut compute: Compute, strikes: &[Strike]) -> Compute {
    for strike in strikes {
        if let Fault::LiesStatus(status) = &strike.fault
            && strike.compute.as_ref().is_none_or(|lied_about| *lied_about == compute.id)
        {
            compute.status = status.clone();
        }
    }
    compute
}
