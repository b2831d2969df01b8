//! What can be wrong with a listing, a search, and what is rented at all.

use atlas_core::{
    CallContext, Capability, Compute, ComputeFilter, ComputeId, ComputeStatus, Error, Found, Money, Provider,
    ProviderId, RentalKind, Rented, Result, SpawnToken,
};

use super::{Broken, Defect, token};

/// So many machines stand on one page.
const PAGE: usize = 3;
/// So many are shown by a provider that does not read on.
const PAGES: usize = 2 * PAGE;

pub(super) async fn list(broken: &Broken, context: &CallContext, filter: &ComputeFilter) -> Result<Vec<Compute>> {
    let mut filter = filter.clone();
    if broken.has(Defect::IgnoresNameFilter) {
        filter.name = None;
    }
    let listed = match broken.inner.list(context, &filter).await {
        Err(_) if broken.has(Defect::ListsNothingOnFailure) => Vec::new(),
        listed => listed?,
    };
    let mut listed: Vec<_> = listed.into_iter().map(|compute| broken.shown(compute)).collect();
    broken.memory().listed.extend(listed.iter().filter_map(token));
    match broken.defect {
        Defect::ListsTwice if listed.len() > 2 => listed.push(listed[0].clone()),
        Defect::ListsEndOfFullPageTwice if listed.len() == PAGE => listed.push(listed[PAGE - 1].clone()),
        Defect::ReadsTwoPages => listed.truncate(PAGES),
        Defect::TellsNoAge => listed.iter_mut().for_each(|compute| compute.created_at = None),
        Defect::ListsAnotherAccount => {
            let other = ProviderId::parse("another")?;
            for compute in &mut listed {
                compute.provider = other.clone();
            }
        }
        Defect::ListsWithoutStopped => listed.retain(|compute| compute.status != ComputeStatus::Stopped),
        Defect::ListsOtherwise => listed.iter_mut().for_each(|compute| compute.cost_per_hour = Some(Money::ZERO)),
        Defect::ListsGoneAsStopped => {
            let gone = listed.iter_mut().filter(|compute| compute.status == ComputeStatus::Terminated);
            gone.for_each(|compute| compute.status = ComputeStatus::Stopped);
        }
        _ => {}
    }
    Ok(listed)
}

pub(super) async fn find(broken: &Broken, context: &CallContext, wanted: SpawnToken) -> Result<Found> {
    let mut found = match broken.inner.find_spawned(context, wanted).await {
        Err(_) if broken.has(Defect::FindsNothingOnFailure) => Found::new(Vec::new(), true),
        found => found?,
    };
    found.matches = found.matches.into_iter().map(|compute| broken.shown(compute)).collect();
    match broken.defect {
        Defect::FindsOnlyOne => found.matches.truncate(1),
        Defect::FindsNoStopped => found.matches.retain(|compute| compute.status != ComputeStatus::Stopped),
        Defect::NeverLooksEverywhere => found.complete = false,
        Defect::LooksWhereNobodyElseIs => found.complete = found.matches.len() == broken.inner.machines().len(),
        Defect::LooksForItsOwnOnly => found.complete = broken.memory().heard.contains(&wanted),
        Defect::FindsOnlyWhatWasAnswered if broken.memory().unanswered.contains(&wanted) => found.matches.clear(),
        Defect::FindsGone if found.matches.is_empty() => {
            found.matches = broken.inner.list(context, &ComputeFilter::all()).await?;
            found
                .matches
                .retain(|compute| compute.status == ComputeStatus::Terminated && token(compute) == Some(wanted));
        }
        _ => {}
    }
    Ok(found)
}

pub(super) async fn rented(broken: &Broken, context: &CallContext, kind: RentalKind) -> Result<Vec<Rented>> {
    match (broken.defect, kind) {
        (Defect::ListsUndeclared, RentalKind::Endpoint) => return Ok(Vec::new()),
        (Defect::ListsNoEndpoints, RentalKind::Endpoint) => {
            return Err(broken.unsupported("list_rented", Capability::Serverless));
        }
        _ => {}
    }
    let mut listed = match broken.inner.list_rented(context, kind).await {
        Err(_) if broken.has(Defect::RentsNothingOnFailure) => Vec::new(),
        listed => listed?,
    };
    match (broken.defect, kind) {
        (Defect::FindsNoVolumes, RentalKind::Volume) => listed.clear(),
        (Defect::ListsVolumesWithoutMark, RentalKind::Volume) => {
            for rented in &mut listed {
                rented.name = None;
            }
        }
        (Defect::ListsVolumesByAnotherId, RentalKind::Volume) => {
            for rented in &mut listed {
                rented.id = ComputeId::new(format!("disk-{}", rented.id));
            }
        }
        (Defect::ListsEndpointsAsVolumes, RentalKind::Endpoint) => {
            for rented in &mut listed {
                rented.kind = RentalKind::Volume;
            }
        }
        (Defect::ForgetsMarkOfAnsweredVolumes, RentalKind::Volume) => {
            let memory = broken.memory();
            for rented in &mut listed {
                if memory.volumes.values().any(|volume| volume.name == rented.name) {
                    rented.name = None;
                }
            }
        }
        (Defect::RentsUnlisted, RentalKind::Machine) => {
            listed.pop();
        }
        _ => {}
    }
    Ok(listed)
}

pub(super) async fn end(broken: &Broken, context: &CallContext, kind: RentalKind, id: &ComputeId) -> Result<()> {
    match (broken.defect, kind) {
        (Defect::EndsNothing, _) => Ok(()),
        (Defect::NeverEnds, _) => std::future::pending().await,
        (Defect::EndsRentedMachinesOnce, RentalKind::Machine)
        | (Defect::EndsRentedVolumesOnce, RentalKind::Volume)
        | (Defect::EndsEndpointsOnce, RentalKind::Endpoint)
            if is_gone(broken, kind, id).await =>
        {
            Err(gone())
        }
        (Defect::FailsToEndUnknownEndpoints, RentalKind::Endpoint) if *id == nobody() => Err(gone()),
        _ => broken.inner.end_rented(context, kind, id).await,
    }
}

/// What the suite calls what nobody knows.
fn nobody() -> ComputeId {
    ComputeId::new("nobody0knows0me")
}

fn gone() -> Error {
    Error::not_found("there is no such thing")
}

/// Whether something was there and is not any more.
async fn is_gone(broken: &Broken, kind: RentalKind, id: &ComputeId) -> bool {
    let all = broken.inner.list_rented(&CallContext::new(), kind).await.unwrap_or_default();
    let lives = |rented: &Rented| rented.id == *id && rented.status != Some(ComputeStatus::Terminated);
    *id != nobody() && !all.iter().any(lives)
}
