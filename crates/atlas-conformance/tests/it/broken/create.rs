//! What can be wrong with a create and with the look before it.

use atlas_auth::Timestamp;
use atlas_core::testing::Forgotten;
use atlas_core::{
    CallContext, Capability, Compute, ComputeId, ComputeRequest, Credentials, Effect, Error, ErrorKind, Intent,
    Protocol, Provider, Result, SpawnOrder,
};
use atlas_sim::Mock;

use super::{Broken, Defect};

pub(super) fn check(broken: &Broken, request: &ComputeRequest) -> Result<()> {
    if broken.has(Defect::ChecksNothing) || (broken.has(Defect::ChecksNoSizes) && request.memory_mb == Some(0)) {
        return Ok(());
    }
    match mistaken(broken.defect, request) {
        Some(mistaken) => request.validate().and_then(|()| broken.inner.check(&mistaken)),
        None => broken.inner.check(request),
    }
}

pub(super) async fn spawn(broken: &Broken, context: &CallContext, order: &SpawnOrder) -> Result<Compute> {
    broken.memory().heard.insert(order.token());
    if let Some(request) = altered(broken.defect, order.request()) {
        order.request().validate()?;
        let order = good_forever(broken, order, request).await?;
        return broken.inner.spawn(context, &order).await;
    }
    match broken.defect {
        Defect::RefusesDeclaredCpu if order.request().gpu.is_empty() => {
            Err(broken.unsupported("spawn", Capability::Cpu))
        }
        Defect::RefusesDeclaredCommand if !order.request().command.is_empty() => {
            Err(broken.unsupported("spawn", Capability::Commands))
        }
        Defect::LogsEnvironment => {
            let env: Vec<_> = order.env().iter().map(|(name, value)| format!("{name}={}", value.expose())).collect();
            tracing::trace!(?env, "a create");
            answered(broken, context, order).await
        }
        Defect::RefusesDeclaredSpot if order.request().spot => Err(broken.unsupported("spawn", Capability::Spot)),
        Defect::MakesOneAtOnce => one_at_once(broken, context, order).await,
        Defect::RepeatsWhatIsGivenUp => {
            let made = broken.inner.spawn(context, order).await?;
            let mut guard = MakesAgain { cloud: &broken.inner, id: Some(made.id.clone()) };
            tokio::task::yield_now().await;
            guard.id = None;
            Ok(made)
        }
        _ => answered(broken, context, order).await,
    }
}

/// What an answer is made of.
async fn answered(broken: &Broken, context: &CallContext, order: &SpawnOrder) -> Result<Compute> {
    match (broken.defect, broken.inner.spawn(context, order).await) {
        (Defect::AnswersWithoutMark, Ok(mut compute)) => {
            compute.name = None;
            compute.mark = None;
            Ok(compute)
        }
        (Defect::SendsAgain, Err(error)) if error.kind() == ErrorKind::Timeout => {
            let _ = broken.inner.spawn(context, order).await;
            Err(error)
        }
        (Defect::SendsWhatItRefuses, Err(error))
            if error.kind() == ErrorKind::Timeout && error.effect() == Effect::NotSent =>
        {
            let order = good_forever(broken, order, order.request().clone()).await?;
            broken.inner.spawn(context, &order).await?;
            Err(error)
        }
        (Defect::CallsLostRejected, Err(error)) if error.effect() == Effect::Unknown => {
            Err(error.with_effect(Effect::Rejected))
        }
        (Defect::FindsOnlyWhatWasAnswered, Err(error)) if error.kind() == ErrorKind::Timeout => {
            broken.memory().unanswered.insert(order.token());
            Err(error)
        }
        (Defect::DoubtsNotSent, Err(error)) if error.kind() == ErrorKind::Transport => {
            Err(error.with_effect(Effect::Unknown))
        }
        (Defect::CallsCapacityFailure, Err(error)) if error.kind() == ErrorKind::NoCapacity => {
            Err(Error::new(ErrorKind::Provider, "failed").with_effect(Effect::Rejected).with_provider(broken.id()))
        }
        (Defect::TakesAlteredMark, Err(error)) if error.message().contains("altered") => {
            broken.inner.get(context, &error.leftovers()[0]).await
        }
        (Defect::ForgetsLeftover, Err(error))
            if !error.leftovers().is_empty() && !error.message().contains("altered") =>
        {
            Err(Error::new(error.kind(), "failed").with_provider(broken.id()))
        }
        (_, Ok(compute)) => Ok(broken.shown(compute)),
        (_, Err(error)) => Err(error),
    }
}

/// What check and create take a request for.
fn mistaken(defect: Defect, request: &ComputeRequest) -> Option<ComputeRequest> {
    let mut wrong = request.clone();
    match defect {
        Defect::TakesSpotForOrdinary if request.spot => wrong.spot = false,
        Defect::DropsGpu if !request.gpu.is_empty() => {
            wrong.gpu.clear();
            wrong.gpu_count = None;
        }
        Defect::AddsGpu if request.gpu.is_empty() => wrong.gpu.push("rtx_4090".to_owned()),
        Defect::DropsImage if request.image.is_some() => wrong.image = None,
        Defect::DropsCommand if !request.command.is_empty() => wrong.command.clear(),
        Defect::DropsTcpPorts if request.ports.iter().any(|port| port.protocol == Protocol::Tcp) => {
            wrong.ports.retain(|port| port.protocol != Protocol::Tcp);
        }
        Defect::TakesSymmetricPorts | Defect::LacksSymmetricPorts => {
            wrong.provider_opts.remove(Capability::SymmetricPorts.name())?;
        }
        Defect::TakesGlobalNetworking | Defect::LacksGlobalNetworking => {
            wrong.provider_opts.remove(Capability::GlobalNetworking.name())?;
        }
        _ => return None,
    }
    Some(wrong)
}

/// What a create makes of a request, whatever its check said.
fn altered(defect: Defect, request: &ComputeRequest) -> Option<ComputeRequest> {
    let mut wrong = request.clone();
    match defect {
        Defect::SendsExpired => {}
        Defect::DropsOptions if request.provider_opts.contains_key("labels") => wrong.provider_opts.clear(),
        Defect::TakesForbiddenOptions if request.provider_opts.contains_key("env") => wrong.provider_opts.clear(),
        Defect::MakesWhatItRefuses if request.template_id.is_some() => wrong.template_id = None,
        Defect::TakesAnotherGpu if request.gpu.iter().any(|gpu| gpu.contains("nobody")) => {
            wrong.gpu = vec!["rtx_4090".to_owned()];
        }
        _ => return mistaken(defect, request),
    }
    Some(wrong)
}

/// The same order for another request, good until the end of time.
async fn good_forever(broken: &Broken, order: &SpawnOrder, request: ComputeRequest) -> Result<SpawnOrder> {
    let scope = broken.inner.scope(&CallContext::new());
    let forever = Timestamp::from_millis(i64::MAX / 2);
    let intent = Intent::machine(order.mark().clone(), broken.inner.id(), scope, Timestamp::EPOCH, forever);
    SpawnOrder::record(&Forgotten, &intent, request, &Credentials::None, broken.inner.traits()).await
}

/// Answers a create that comes while another is under way with what that one made.
async fn one_at_once(broken: &Broken, context: &CallContext, order: &SpawnOrder) -> Result<Compute> {
    let others = {
        let mut memory = broken.memory();
        memory.under_way += 1;
        if memory.under_way > 1 { memory.made.clone() } else { None }
    };
    let _leaving = Leaves(broken);
    let answer = match others {
        Some(made) => Ok(made),
        None => broken.inner.spawn(context, order).await,
    };
    broken.memory().made = answer.as_ref().ok().cloned();
    tokio::task::yield_now().await;
    answer
}

/// A create that is under way until this is dropped.
struct Leaves<'a>(&'a Broken);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.memory().under_way -= 1;
    }
}

/// Makes the machine once more when it is dropped with its id.
struct MakesAgain<'a> {
    cloud: &'a Mock,
    id: Option<ComputeId>,
}

impl Drop for MakesAgain<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            let _ = self.cloud.clone_machine(&id);
        }
    }
}
