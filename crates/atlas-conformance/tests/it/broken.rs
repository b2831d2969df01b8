//! Providers that break one promise each: a right one with one thing wrong.

use std::time::Duration;

use async_trait::async_trait;
use atlas_auth::{Secret, Timestamp};
use atlas_core::testing::Forgotten;
use atlas_core::{
    CallContext, Capability, Compute, ComputeFilter, ComputeId, ComputeRequest, ComputeStatus, Credentials, Effect,
    EndpointId, Error, ErrorKind, Found, GpuType, Intent, Job, JobId, JobRequest, JobStream, LogOptions, LogStream,
    Money, Provider, ProviderId, RentalKind, Rented, Result, Scope, SpawnOrder, SpawnToken, Traits, Volume, VolumeId,
    VolumeOrder, VolumeRequest,
};
use atlas_sim::Mock;
use futures_util::StreamExt;
use serde_json::Value;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    AnswersWithoutMark,
    LosesMarkOnRead,
    ForbidsUnknown,
    HidesWhichAccount,
    FailsToEndUnknown,
    FailsToEndGone,
    EndsNothing,
    SaysNoPrice,
    SaysNoPlace,
    KeepsNoRaw,
    ListsTwice,
    ListsWithoutStopped,
    ListsOtherwise,
    IgnoresNameFilter,
    FindsOnlyOne,
    FindsNoStopped,
    FindsGone,
    NeverLooksEverywhere,
    SendsAgain,
    CallsLostRejected,
    SendsExpired,
    SendsWhatItRefuses,
    ScopeIgnoresKey,
    ScopeHoldsKey,
    StopsUndeclared,
    StopsOnlyOnce,
    StartsOnlyStopped,
    LacksDeclaredLogs,
    TakesSpotForOrdinary,
    ChecksNothing,
    DropsOptions,
    TakesForbiddenOptions,
    ShowsEnvironment,
    ShowsKey,
    IgnoresTimeout,
    RefusesUnknownStatus,
    ForgetsLeftover,
    CallsCapacityFailure,
    CallsKeyNotFound,
    DoubtsNotSent,
    PricesNothing,
    MisnamesGpus,
    FindsNoVolumes,
    ListsVolumesWithoutMark,
    RentsUnlisted,
    ListsUndeclared,
    ListsNoEndpoints,
    CallsLostVolumeRejected,
    SendsVolumeAgain,
    SendsExpiredVolume,
    DeletesVolumesOnce,
    StreamsTwice,
    ForgetsWhichJob,
    SendsJobAgain,
    CallsLostJobRejected,
    TakesWebhooks,
    CancelsOnce,
    DoubtsForgottenJobs,
    NeverEnds,
    TellsNoAge,
}

/// A right provider with one thing wrong.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) inner: Mock,
    pub(crate) defect: Defect,
}

impl Broken {
    fn has(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    /// The same order for another request, good until the end of time.
    async fn altered(&self, order: &SpawnOrder, request: ComputeRequest) -> Result<SpawnOrder> {
        let scope = self.inner.scope(&CallContext::new());
        let forever = Timestamp::from_millis(i64::MAX / 2);
        let intent = Intent::machine(order.mark().clone(), self.inner.id(), scope, Timestamp::EPOCH, forever);
        SpawnOrder::record(&Forgotten, &intent, request, &Credentials::None, self.inner.traits()).await
    }

    fn shown(&self, mut compute: Compute) -> Compute {
        match self.defect {
            Defect::SaysNoPrice => compute.cost_per_hour = None,
            Defect::SaysNoPlace => compute.region = None,
            Defect::KeepsNoRaw => compute.raw = Value::Null,
            Defect::ShowsEnvironment => {
                for (name, value) in self.inner.env(&compute.id).unwrap_or_default() {
                    compute.raw[name.as_str()] = Value::from(value.expose());
                }
            }
            _ => {}
        }
        compute
    }

    fn exists(&self, id: &ComputeId) -> bool {
        self.inner.machines().iter().any(|compute| compute.id == *id && compute.status != ComputeStatus::Terminated)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Provider for Broken {
    fn id(&self) -> &ProviderId {
        self.inner.id()
    }

    fn traits(&self) -> &Traits {
        self.inner.traits()
    }

    fn check(&self, request: &ComputeRequest) -> Result<()> {
        match self.defect {
            Defect::ChecksNothing => Ok(()),
            Defect::TakesSpotForOrdinary => self.inner.check(&request.clone().spot(false)),
            _ => self.inner.check(request),
        }
    }

    fn scope(&self, context: &CallContext) -> Scope {
        match (self.defect, context.key()) {
            (Defect::ScopeIgnoresKey, _) => self.inner.scope(&CallContext::new()),
            (Defect::ScopeHoldsKey, Some(key)) => Scope::new(key.expose()),
            _ => self.inner.scope(context),
        }
    }

    fn unsupported(&self, operation: &'static str, capability: Capability) -> Error {
        self.inner.unsupported(operation, capability)
    }

    async fn spawn(&self, context: &CallContext, order: &SpawnOrder) -> Result<Compute> {
        let mut request = order.request().clone();
        match self.defect {
            Defect::TakesSpotForOrdinary if request.spot => {
                let order = self.altered(order, request.spot(false)).await?;
                return self.inner.spawn(context, &order).await;
            }
            Defect::SendsExpired => {
                let order = self.altered(order, request).await?;
                return self.inner.spawn(context, &order).await;
            }
            Defect::DropsOptions if request.provider_opts.contains_key("labels") => {
                request.provider_opts.clear();
                let order = self.altered(order, request).await?;
                return self.inner.spawn(context, &order).await;
            }
            Defect::TakesForbiddenOptions if request.provider_opts.contains_key("env") => {
                request.provider_opts.clear();
                let order = self.altered(order, request).await?;
                return self.inner.spawn(context, &order).await;
            }
            _ => {}
        }
        let answer = self.inner.spawn(context, order).await;
        match (self.defect, answer) {
            (Defect::AnswersWithoutMark, Ok(mut compute)) => {
                compute.name = None;
                compute.mark = None;
                Ok(compute)
            }
            (Defect::SendsAgain, Err(error)) if error.kind() == ErrorKind::Timeout => {
                let _ = self.inner.spawn(context, order).await;
                Err(error)
            }
            (Defect::SendsWhatItRefuses, Err(error))
                if error.kind() == ErrorKind::Timeout && error.effect() == Effect::NotSent =>
            {
                let order = self.altered(order, order.request().clone()).await?;
                self.inner.spawn(context, &order).await?;
                Err(error)
            }
            (Defect::CallsLostRejected, Err(error)) if error.effect() == Effect::Unknown => {
                Err(error.with_effect(Effect::Rejected))
            }
            (Defect::DoubtsNotSent, Err(error)) if error.kind() == ErrorKind::Transport => {
                Err(error.with_effect(Effect::Unknown))
            }
            (Defect::CallsCapacityFailure, Err(error)) if error.kind() == ErrorKind::NoCapacity => {
                Err(Error::new(ErrorKind::Provider, "failed").with_effect(Effect::Rejected).with_provider(self.id()))
            }
            (Defect::ForgetsLeftover, Err(error)) if !error.leftovers().is_empty() => {
                Err(Error::new(error.kind(), "failed").with_provider(self.id()))
            }
            (_, Ok(compute)) => Ok(self.shown(compute)),
            (_, Err(error)) => Err(error),
        }
    }

    async fn get(&self, context: &CallContext, id: &ComputeId) -> Result<Compute> {
        let without = CallContext::new();
        let context = if self.has(Defect::IgnoresTimeout) { &without } else { context };
        let is_unknown = !self.inner.machines().iter().any(|compute| compute.id == *id);
        let answer = self.inner.get(context, id).await;
        match (self.defect, answer) {
            (Defect::ForbidsUnknown, Err(error)) if error.is_not_found() && id.as_str().starts_with("nobody") => {
                Err(Error::new(ErrorKind::Forbidden, "no").with_effect(Effect::Rejected).with_provider(self.id()))
            }
            (Defect::HidesWhichAccount, Err(error)) if is_unknown => {
                Err(Error::new(error.kind(), error.message()).with_effect(error.effect()))
            }
            (Defect::CallsKeyNotFound, Err(error)) if error.kind() == ErrorKind::Unauthorized => {
                Err(Error::not_found("no such machine").with_provider(self.id()))
            }
            (Defect::ShowsKey, Err(error)) => {
                let key = context.key().map(Secret::expose).unwrap_or_default();
                Err(error.context(format!("with the key {key}")))
            }
            (Defect::RefusesUnknownStatus, Ok(compute)) if matches!(compute.status, ComputeStatus::Other(_)) => {
                Err(Error::new(ErrorKind::Decode, "no such status").with_provider(self.id()))
            }
            (Defect::LosesMarkOnRead, Ok(mut compute)) => {
                compute.name = compute.name.map(|name| name.replace('-', "_"));
                compute.mark = None;
                Ok(compute)
            }
            (_, Ok(compute)) => Ok(self.shown(compute)),
            (_, Err(error)) => Err(error),
        }
    }

    async fn list(&self, context: &CallContext, filter: &ComputeFilter) -> Result<Vec<Compute>> {
        let mut filter = filter.clone();
        if self.has(Defect::IgnoresNameFilter) {
            filter.name = None;
        }
        let mut listed: Vec<_> =
            self.inner.list(context, &filter).await?.into_iter().map(|compute| self.shown(compute)).collect();
        match self.defect {
            Defect::ListsTwice if listed.len() > 2 => {
                let again = listed[0].clone();
                listed.push(again);
            }
            Defect::TellsNoAge => listed.iter_mut().for_each(|compute| compute.created_at = None),
            Defect::ListsWithoutStopped => listed.retain(|compute| compute.status != ComputeStatus::Stopped),
            Defect::ListsOtherwise => listed.iter_mut().for_each(|compute| compute.cost_per_hour = Some(Money::ZERO)),
            _ => {}
        }
        Ok(listed)
    }

    async fn terminate(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        let is_unknown = id.as_str().starts_with("nobody");
        match self.defect {
            Defect::FailsToEndUnknown if is_unknown => Err(Error::not_found("no such machine")),
            Defect::FailsToEndGone if !is_unknown && !self.exists(id) => Err(Error::not_found("no such machine")),
            Defect::EndsNothing => Ok(()),
            Defect::NeverEnds => std::future::pending().await,
            _ => self.inner.terminate(context, id).await,
        }
    }

    async fn find_spawned(&self, context: &CallContext, token: SpawnToken) -> Result<Found> {
        let mut found = self.inner.find_spawned(context, token).await?;
        found.matches = found.matches.into_iter().map(|compute| self.shown(compute)).collect();
        match self.defect {
            Defect::FindsOnlyOne => found.matches.truncate(1),
            Defect::FindsNoStopped => found.matches.retain(|compute| compute.status != ComputeStatus::Stopped),
            Defect::NeverLooksEverywhere => found.complete = false,
            Defect::FindsGone if found.matches.is_empty() => {
                found.matches = self.inner.list(context, &ComputeFilter::all()).await?;
                found.matches.retain(|compute| {
                    compute.status == ComputeStatus::Terminated
                        && compute.mark.as_ref().is_some_and(|mark| mark.token == token)
                });
            }
            _ => {}
        }
        Ok(found)
    }

    async fn stop(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        match self.defect {
            Defect::StopsUndeclared => Ok(()),
            Defect::StopsOnlyOnce
                if self.inner.get(&CallContext::new(), id).await?.status == ComputeStatus::Stopped =>
            {
                Err(Error::conflict("it is stopped already"))
            }
            _ => self.inner.stop(context, id).await,
        }
    }

    async fn start(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        if self.has(Defect::StartsOnlyStopped)
            && self.inner.get(&CallContext::new(), id).await?.status == ComputeStatus::Running
        {
            return Err(Error::conflict("it runs already"));
        }
        self.inner.start(context, id).await
    }

    fn logs(&self, context: &CallContext, id: &ComputeId, options: &LogOptions) -> Result<LogStream> {
        if self.has(Defect::LacksDeclaredLogs) {
            return Err(self.unsupported("logs", Capability::Logs));
        }
        self.inner.logs(context, id, options)
    }

    async fn list_gpu_types(&self, context: &CallContext) -> Result<Vec<GpuType>> {
        let mut types = self.inner.list_gpu_types(context).await?;
        match self.defect {
            Defect::PricesNothing => {
                types.iter_mut().flat_map(|gpu| &mut gpu.offers).for_each(|offer| {
                    offer.price_per_hour = Some(Money::ZERO);
                });
            }
            Defect::MisnamesGpus => {
                let other = types[1].canonical.clone();
                types[0].canonical = other;
            }
            _ => {}
        }
        Ok(types)
    }

    async fn run_job(&self, context: &CallContext, request: &JobRequest) -> Result<Job> {
        if self.has(Defect::TakesWebhooks) {
            let mut request = request.clone();
            request.webhook = None;
            return self.inner.run_job(context, &request).await;
        }
        let answer = self.inner.run_job(context, request).await;
        match answer {
            Err(error) if self.has(Defect::SendsJobAgain) && error.effect() == Effect::Unknown => {
                let _ = self.inner.run_job(context, request).await;
                Err(error)
            }
            Err(error) if self.has(Defect::CallsLostJobRejected) && error.effect() == Effect::Unknown => {
                Err(error.with_effect(Effect::Rejected))
            }
            Err(error) if self.has(Defect::ForgetsWhichJob) => {
                Err(Error::new(error.kind(), "it took too long").with_provider(self.id()))
            }
            answer => answer,
        }
    }

    async fn get_job(&self, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<Job> {
        match self.inner.get_job(context, endpoint, job).await {
            Err(error) if self.has(Defect::DoubtsForgottenJobs) && error.is_not_found() => {
                Err(Error::new(ErrorKind::Provider, "failed").with_provider(self.id()))
            }
            answer => answer,
        }
    }

    async fn cancel_job(&self, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<Job> {
        if self.has(Defect::CancelsOnce) && self.inner.get_job(context, endpoint, job).await?.status.is_over() {
            return Err(Error::conflict("it is over already"));
        }
        self.inner.cancel_job(context, endpoint, job).await
    }

    fn stream_job(&self, context: &CallContext, endpoint: &EndpointId, job: &JobId) -> Result<JobStream> {
        let stream = self.inner.stream_job(context, endpoint, job)?;
        if !self.has(Defect::StreamsTwice) {
            return Ok(stream);
        }
        Ok(Box::pin(stream.flat_map(|piece| futures_util::stream::iter([piece.clone(), piece]))))
    }

    fn check_volume(&self, request: &VolumeRequest) -> Result<()> {
        self.inner.check_volume(request)
    }

    async fn create_volume(&self, context: &CallContext, order: &VolumeOrder) -> Result<Volume> {
        if self.has(Defect::SendsExpiredVolume) {
            let scope = self.inner.scope(context);
            let forever = Timestamp::from_millis(i64::MAX / 2);
            let intent = Intent::machine(order.mark().clone(), self.id(), scope, Timestamp::EPOCH, forever);
            let intent = intent.of_kind(RentalKind::Volume);
            let limit = self.traits().name_limit;
            let order = VolumeOrder::record(&Forgotten, &intent, order.request().clone(), limit).await?;
            return self.inner.create_volume(context, &order).await;
        }
        match self.inner.create_volume(context, order).await {
            Err(error) if self.has(Defect::SendsVolumeAgain) && error.effect() == Effect::Unknown => {
                let _ = self.inner.create_volume(context, order).await;
                Err(error)
            }
            Err(error) if self.has(Defect::CallsLostVolumeRejected) && error.effect() == Effect::Unknown => {
                Err(error.with_effect(Effect::Rejected))
            }
            answer => answer,
        }
    }

    async fn get_volume(&self, context: &CallContext, id: &VolumeId) -> Result<Volume> {
        self.inner.get_volume(context, id).await
    }

    async fn list_volumes(&self, context: &CallContext) -> Result<Vec<Volume>> {
        let mut volumes = self.inner.list_volumes(context).await?;
        if self.has(Defect::TellsNoAge) {
            for volume in &mut volumes {
                volume.created_at = None;
            }
        }
        Ok(volumes)
    }

    async fn grow_volume(&self, context: &CallContext, id: &VolumeId, size_gb: u32) -> Result<Volume> {
        self.inner.grow_volume(context, id, size_gb).await
    }

    async fn delete_volume(&self, context: &CallContext, id: &VolumeId) -> Result<()> {
        if self.has(Defect::DeletesVolumesOnce) {
            self.inner.get_volume(context, id).await?;
        }
        self.inner.delete_volume(context, id).await
    }

    async fn list_rented(&self, context: &CallContext, kind: RentalKind) -> Result<Vec<Rented>> {
        match self.defect {
            Defect::ListsUndeclared if kind == RentalKind::Endpoint => return Ok(Vec::new()),
            Defect::ListsNoEndpoints if kind == RentalKind::Endpoint => {
                return Err(self.unsupported("list_rented", Capability::Serverless));
            }
            _ => {}
        }
        let mut listed = self.inner.list_rented(context, kind).await?;
        match self.defect {
            Defect::FindsNoVolumes if kind == RentalKind::Volume => listed.clear(),
            Defect::ListsVolumesWithoutMark if kind == RentalKind::Volume => {
                for rented in &mut listed {
                    rented.name = None;
                }
            }
            Defect::RentsUnlisted if kind == RentalKind::Machine => {
                listed.pop();
            }
            _ => {}
        }
        Ok(listed)
    }

    async fn end_rented(&self, context: &CallContext, kind: RentalKind, id: &ComputeId) -> Result<()> {
        match self.defect {
            Defect::EndsNothing => Ok(()),
            Defect::NeverEnds => std::future::pending().await,
            _ => self.inner.end_rented(context, kind, id).await,
        }
    }
}

/// The simulated cloud that remembers what was terminated for an hour, so that a provider can show it wrongly.
pub(crate) fn remembering() -> atlas_sim::MockBuilder {
    Mock::builder().remembers(Duration::from_hours(1))
}
