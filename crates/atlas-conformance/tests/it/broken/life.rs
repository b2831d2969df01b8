//! What can be wrong with a machine between its create and its end.

use atlas_auth::{PRESHARED_KEY_ENV, Secret};
use atlas_core::{
    CallContext, Capability, Compute, ComputeId, ComputeStatus, Effect, Error, ErrorKind, LogOptions, LogStream,
    Provider, Result,
};

use super::{Broken, Defect, renamed, token};

pub(super) async fn get(broken: &Broken, context: &CallContext, id: &ComputeId) -> Result<Compute> {
    let without = CallContext::new();
    let context = if broken.has(Defect::IgnoresTimeout) { &without } else { context };
    if broken.has(Defect::LogsKey) {
        tracing::trace!(key = context.key().map(Secret::expose), "a read");
    }
    match broken.inner.get(context, id).await {
        Ok(compute) => seen(broken, compute),
        Err(error) => Err(failed(broken, context, id, error)),
    }
}

/// What a read that was answered shows.
fn seen(broken: &Broken, mut compute: Compute) -> Result<Compute> {
    let has_name = compute.mark().is_some_and(|mark| mark.name.is_some());
    match (broken.defect, &compute.status) {
        (Defect::RefusesUnknownStatus, ComputeStatus::Other(_)) => {
            return Err(Error::new(ErrorKind::Decode, "no such status").with_provider(broken.id()));
        }
        (Defect::FailsToReadGone, ComputeStatus::Terminated) => {
            let one = token(&compute).map(|token| (token, compute.id.clone()));
            if one.is_some_and(|one| !broken.memory().shown_gone.insert(one)) {
                return Err(Error::new(ErrorKind::Decode, "no machine in the answer").with_provider(broken.id()));
            }
        }
        (Defect::ReadsAnotherId, _) => compute.id = ComputeId::new(format!("pod-{}", compute.id)),
        (Defect::LosesMarkOnRead, _) => compute = renamed(compute, |name| name.replace('-', "_")),
        (Defect::LosesMarkOfTheStopped, ComputeStatus::Stopped) => {
            compute = renamed(compute, |name| name.replace('-', "_"));
        }
        (Defect::LosesMarkOfTheStarted, _)
            if token(&compute).is_some_and(|token| broken.memory().started.contains(&token)) =>
        {
            compute = renamed(compute, |name| name.replace('-', "_"));
        }
        (Defect::ReadsAnotherDeployment, _) if has_name => {
            compute = renamed(compute, |name| name.replacen("conformance", "another", 1));
        }
        (Defect::CutsLongNamesOnRead, _) => compute = renamed(compute, cut),
        _ => {}
    }
    Ok(broken.shown(compute))
}

/// Of a name that is too long, only what comes before the token.
fn cut(mut name: String) -> String {
    if name.len() > 58 {
        name.truncate(30);
    }
    name
}

/// What a read that failed says.
fn failed(broken: &Broken, context: &CallContext, id: &ComputeId, error: Error) -> Error {
    match broken.defect {
        Defect::ForbidsUnknown if error.is_not_found() && id.as_str().starts_with("nobody") => {
            Error::new(ErrorKind::Forbidden, "no").with_effect(Effect::Rejected).with_provider(broken.id())
        }
        Defect::HidesWhichAccount if !broken.exists(id) => {
            Error::new(error.kind(), error.message()).with_effect(error.effect())
        }
        Defect::CallsKeyNotFound if error.kind() == ErrorKind::Unauthorized => {
            Error::not_found("no such machine").with_provider(broken.id())
        }
        Defect::ShowsKey => {
            let key = context.key().map(Secret::expose).unwrap_or_default();
            error.context(format!("with the key {key}"))
        }
        _ => error,
    }
}

pub(super) async fn terminate(broken: &Broken, context: &CallContext, id: &ComputeId) -> Result<()> {
    let is_unknown = id.as_str().starts_with("nobody");
    match broken.defect {
        Defect::FailsToEndUnknown if is_unknown => Err(Error::not_found("no such machine")),
        Defect::FailsToEndGone if !is_unknown && !broken.exists(id) => Err(Error::not_found("no such machine")),
        Defect::EndsRunningOnlyOnceListed if overlooked(broken, id, &ComputeStatus::Running).await => Ok(()),
        Defect::EndsStoppedOnlyOnceListed if overlooked(broken, id, &ComputeStatus::Stopped).await => Ok(()),
        Defect::EndsNothing => Ok(()),
        Defect::NeverEnds => std::future::pending().await,
        _ => broken.inner.terminate(context, id).await,
    }
}

/// Whether a machine has this status, and no listing has shown it.
async fn overlooked(broken: &Broken, id: &ComputeId, status: &ComputeStatus) -> bool {
    let read = broken.inner.get(&CallContext::new(), id).await;
    let unseen = |compute: &Compute| token(compute).is_some_and(|token| !broken.memory().listed.contains(&token));
    read.is_ok_and(|compute| compute.status == *status && unseen(&compute))
}

pub(super) async fn stop(broken: &Broken, context: &CallContext, id: &ComputeId) -> Result<()> {
    match broken.defect {
        Defect::StopsUndeclared => Ok(()),
        Defect::StopsOnlyOnce if broken.inner.get(&CallContext::new(), id).await?.status == ComputeStatus::Stopped => {
            Err(Error::conflict("it is stopped already"))
        }
        _ => broken.inner.stop(context, id).await,
    }
}

pub(super) async fn start(broken: &Broken, context: &CallContext, id: &ComputeId) -> Result<()> {
    if broken.has(Defect::StartsOnlyStopped)
        && broken.inner.get(&CallContext::new(), id).await?.status == ComputeStatus::Running
    {
        return Err(Error::conflict("it runs already"));
    }
    let read = broken.inner.get(&CallContext::new(), id).await;
    broken.memory().started.extend(read.ok().as_ref().and_then(token));
    broken.inner.start(context, id).await?;
    if broken.has(Defect::RotatesKeysOnStart) {
        broken.inner.set_env(id, PRESHARED_KEY_ENV, "another key")?;
    }
    Ok(())
}

pub(super) fn logs(broken: &Broken, context: &CallContext, id: &ComputeId, options: LogOptions) -> Result<LogStream> {
    match broken.defect {
        Defect::LacksDeclaredLogs => Err(broken.unsupported("logs", Capability::Logs)),
        Defect::HasUndeclaredLogs | Defect::LogsNothing => Ok(Box::pin(futures_util::stream::empty())),
        _ => broken.inner.logs(context, id, &options),
    }
}
