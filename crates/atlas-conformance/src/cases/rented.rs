//! What is rented can be listed and ended by its kind alone, whatever it is.

use atlas_core::{Capability, ComputeId, EndpointId, RentalKind};

use super::life::nobody;
use super::listing::{several, whole_or_error};
use super::{ANY, FREE, ONE, volume, with};
use crate::bench::{Bench, Broken, ensure};
use crate::case::{Case, Cost, Verdict};
use crate::harness::Trouble;

/// The rows of this room.
pub(super) const CASES: &[Case] = &[
    case!("rented/machine-ends", "O1: a machine can be ended as what is rented, safely again", ANY, ONE, machine_ends),
    case!(
        "rented/volume-ends",
        "O1: a volume can be ended as what is rented, safely again",
        with(Capability::NetworkVolumes),
        Cost::Little,
        volume_ends
    ),
    case!(
        "rented/endpoint-ends",
        "O1: an endpoint can be ended as what is rented, safely again",
        with(Capability::Serverless),
        FREE,
        endpoint_ends
    ),
    case!("rented/unknown-ends", "to end what nobody knows is a success, whatever its kind", ANY, FREE, unknown_ends),
    case!(
        "rented/whole-or-error",
        "O1: a listing of what is rented that fails on its way is an error, and never shorter",
        ANY,
        Cost::Machines(3),
        whole
    ),
];

/// What can be rented here.
fn kinds(bench: &Bench<'_>) -> Vec<RentalKind> {
    let traits = bench.provider().traits();
    let of = |capability, kind| traits.has(capability).then_some(kind);
    let others = [of(Capability::NetworkVolumes, RentalKind::Volume), of(Capability::Serverless, RentalKind::Endpoint)];
    std::iter::once(RentalKind::Machine).chain(others.into_iter().flatten()).collect()
}

async fn machine_ends(bench: &Bench<'_>) -> Verdict {
    let (made, _) = bench.spawn().await?;
    bench.seen(&made.id).await;
    bench.provider().end_rented(&bench.context(), RentalKind::Machine, &made.id).await?;
    bench.unseen(&made.id).await;
    let alive = bench.get(&made.id).await.is_ok_and(|compute| !compute.status.is_over());
    ensure!(!alive, "machine {} was ended, and reads still show it alive", made.id);
    bench.is_over(&made.id);
    Ok(bench.provider().end_rented(&bench.context(), RentalKind::Machine, &made.id).await?)
}

async fn volume_ends(bench: &Bench<'_>) -> Verdict {
    let (made, _) = volume::made(bench).await?;
    ends_safely(bench, RentalKind::Volume, &ComputeId::new(made.id.as_str())).await
}

async fn endpoint_ends(bench: &Bench<'_>) -> Verdict {
    let endpoint = spare(bench)?;
    ends_safely(bench, RentalKind::Endpoint, &ComputeId::new(endpoint.as_str())).await
}

fn spare(bench: &Bench<'_>) -> Result<EndpointId, Broken> {
    let spare = bench.harness().spare_endpoint();
    spare.ok_or_else(|| Broken::NotProvable("the harness has no endpoint that may be ended".to_owned()))
}

async fn listed(bench: &Bench<'_>, kind: RentalKind) -> Result<Vec<String>, Broken> {
    let all = bench.provider().list_rented(&bench.context(), kind).await?;
    Ok(all.iter().map(|rented| rented.id.to_string()).collect())
}

async fn is_listed(bench: &Bench<'_>, kind: RentalKind, id: &ComputeId) -> Result<bool, Broken> {
    Ok(listed(bench, kind).await?.iter().any(|listed| listed == id.as_str()))
}

/// Ends what is listed three times; it is listed no more.
async fn ends_safely(bench: &Bench<'_>, kind: RentalKind, id: &ComputeId) -> Verdict {
    ensure!(is_listed(bench, kind, id).await?, "the listing of what is rented does not show the {kind} {id}");
    for _ in 0..3 {
        bench.provider().end_rented(&bench.context(), kind, id).await?;
        let until = bench.settled_at();
        while is_listed(bench, kind, id).await? && bench.waits(until).await {}
    }
    ensure!(!is_listed(bench, kind, id).await?, "the {kind} {id} was ended, and what is rented still shows it");
    Ok(())
}

async fn unknown_ends(bench: &Bench<'_>) -> Verdict {
    for kind in kinds(bench) {
        let ended = bench.provider().end_rented(&bench.context(), kind, &nobody()).await;
        ensure!(ended.is_ok(), "to end a {kind} that nobody knows: {ended:?}");
    }
    Ok(())
}

async fn whole(bench: &Bench<'_>) -> Verdict {
    bench.needs(Trouble::ListingsFail)?;
    several(bench).await?;
    if bench.harness().volume().is_some() && bench.provider().traits().has(Capability::NetworkVolumes) {
        volume::made(bench).await?;
    }
    let mut all = Vec::new();
    for kind in kinds(bench) {
        all.push((kind, listed(bench, kind).await?));
    }
    bench.inject(Trouble::ListingsFail)?;
    let context = bench.context().with_retries(0);
    for (kind, all) in all {
        let list = || async {
            let listed = bench.provider().list_rented(&context, kind).await?;
            Ok(listed.iter().map(|rented| rented.id.to_string()).collect())
        };
        whole_or_error(&format!("{kind}s"), &all, list).await?;
    }
    Ok(())
}
