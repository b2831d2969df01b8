//! Network volumes: they bill until they are deleted, so each can be found again.

use atlas_core::{Capability, Effect, ErrorKind, RentalKind, SpawnToken, Volume, VolumeOrder, VolumeRequest};

use crate::bench::{Bench, Broken, ensure};
use crate::case::{Case, Cost, Verdict};
use crate::harness::Trouble;

use super::listing::whole_or_error;
use super::{FREE, with};

/// The rows of this room.
pub(super) const CASES: &[Case] = &[
    case!(
        "volume/life",
        "a volume is made with its mark, shown, and gone when it is deleted",
        with(Capability::NetworkVolumes),
        Cost::Little,
        life
    ),
    case!("volume/found", "O1: a volume is found by its token", with(Capability::NetworkVolumes), Cost::Little, found),
    case!(
        "volume/lost-answer",
        "O1: a volume whose create was never answered is found, and made once",
        with(Capability::NetworkVolumes),
        Cost::Little,
        lost_answer
    ),
    case!(
        "volume/not-after",
        "P2: no volume is made past the moment that the order names",
        with(Capability::NetworkVolumes),
        FREE,
        not_after
    ),
    case!(
        "volume/nonsense",
        "a volume that cannot be is refused before anything is sent",
        with(Capability::NetworkVolumes),
        FREE,
        nonsense
    ),
    case!(
        "volume/whole-or-error",
        "a listing of volumes that fails on its way is an error, and never shorter",
        with(Capability::NetworkVolumes),
        Cost::Little,
        whole
    ),
    case!(
        "volume/grows",
        "a volume can be made larger, safely again, and never smaller",
        with(Capability::NetworkVolumes),
        Cost::Little,
        grows
    ),
    case!(
        "volume/delete-repeats",
        "to delete a volume that is gone is a success",
        with(Capability::NetworkVolumes),
        Cost::Little,
        delete_repeats
    ),
];

fn smallest(bench: &Bench<'_>) -> Result<VolumeRequest, Broken> {
    let named = bench.harness().volume();
    named.ok_or_else(|| Broken::NotProvable("the harness names no network volume".to_owned()))
}

pub(super) async fn made(bench: &Bench<'_>) -> Result<(Volume, VolumeOrder), Broken> {
    let request = smallest(bench)?;
    bench.provider().check_volume(&request)?;
    let order = bench.volume_order(request).await?;
    let volume = bench.provider().create_volume(&bench.context(), &order).await?;
    let until = bench.settled_at();
    while !listed(bench, &volume).await.is_ok_and(|times| times == 1) && bench.waits(until).await {}
    Ok((volume, order))
}

/// What a listing of all that is rented shows under a token.
async fn bearing(bench: &Bench<'_>, token: SpawnToken) -> Result<Vec<String>, Broken> {
    let all = bench.provider().list_rented(&bench.context(), RentalKind::Volume).await?;
    ensure!(all.iter().all(|rented| rented.kind == RentalKind::Volume), "among the volumes are others: {all:?}");
    Ok(all.into_iter().filter(|rented| rented.bears(token)).map(|rented| rented.id.as_str().to_owned()).collect())
}

async fn listed(bench: &Bench<'_>, volume: &Volume) -> Result<usize, Broken> {
    let all = bench.provider().list_volumes(&bench.context()).await?;
    Ok(all.iter().filter(|listed| listed.id == volume.id).count())
}

async fn life(bench: &Bench<'_>) -> Verdict {
    let (volume, order) = made(bench).await?;
    ensure!(volume.mark().is_some_and(|mark| mark.token == order.mark().token), "the volume does not bear its mark");
    let read = bench.provider().get_volume(&bench.context(), &volume.id).await?;
    ensure!(read.id == volume.id && read.size_gb == order.request().size_gb, "the read shows {read:?}");
    ensure!(listed(bench, &volume).await? == 1, "a listing does not show the volume");
    bench.provider().delete_volume(&bench.context(), &volume.id).await?;
    let until = bench.settled_at();
    while !listed(bench, &volume).await.is_ok_and(|times| times == 0) && bench.waits(until).await {}
    ensure!(listed(bench, &volume).await? == 0, "a listing shows the volume after it was deleted");
    Ok(())
}

async fn found(bench: &Bench<'_>) -> Verdict {
    let (volume, order) = made(bench).await?;
    let token = order.mark().token;
    let found = bearing(bench, token).await?;
    ensure!(found == [volume.id.as_str()], "the token of {} was found at {found:?}", volume.id);
    Ok(())
}

async fn lost_answer(bench: &Bench<'_>) -> Verdict {
    let order = bench.volume_order(smallest(bench)?).await?;
    bench.inject(Trouble::LosesVolume)?;
    match bench.provider().create_volume(&bench.context(), &order).await {
        Ok(made) => return Err(Broken::because(format!("the answer was lost, and volume {} came of it", made.id))),
        Err(error) => {
            ensure!(error.effect() == Effect::Unknown, "the effect of a lost answer is {:?}", error.effect());
        }
    }
    bench.settle().await;
    let found = bearing(bench, order.mark().token).await?;
    ensure!(found.len() == 1, "the create that was never answered is found as {found:?}, and made one volume");
    Ok(())
}

async fn not_after(bench: &Bench<'_>) -> Verdict {
    let order = bench.expired_volume_order(smallest(bench)?).await?;
    let context = bench.context();
    let call = bench.provider().create_volume(&context, &order);
    bench.refused("an order for a volume whose time is over", call).await.map(drop)
}

async fn grows(bench: &Bench<'_>) -> Verdict {
    let (volume, order) = made(bench).await?;
    let larger = order.request().size_gb + 10;
    for _ in 0..2 {
        let grown = bench.provider().grow_volume(&bench.context(), &volume.id, larger).await?;
        ensure!(grown.size_gb == larger, "made larger, it has {} GB", grown.size_gb);
        let read = bench.provider().get_volume(&bench.context(), &volume.id).await?;
        ensure!(read.size_gb == larger, "made larger, it reads {} GB", read.size_gb);
    }
    let smaller = bench.provider().grow_volume(&bench.context(), &volume.id, order.request().size_gb).await;
    ensure!(smaller.is_err(), "a volume was made smaller");
    Ok(())
}

async fn delete_repeats(bench: &Bench<'_>) -> Verdict {
    let (volume, _) = made(bench).await?;
    for _ in 0..3 {
        bench.provider().delete_volume(&bench.context(), &volume.id).await?;
        let until = bench.settled_at();
        while !listed(bench, &volume).await.is_ok_and(|times| times == 0) && bench.waits(until).await {}
    }
    Ok(())
}

async fn nonsense(bench: &Bench<'_>) -> Verdict {
    let mut request = smallest(bench)?;
    request.size_gb = 0;
    ensure!(bench.provider().check_volume(&request).is_err(), "check admits a volume of no size");
    let order = bench.volume_order(request).await?;
    let context = bench.context();
    let call = bench.provider().create_volume(&context, &order);
    let error = bench.refused("a volume of no size", call).await?;
    ensure!(error.kind() == ErrorKind::Validation, "a volume of no size is refused as {}: {error}", error.kind());
    Ok(())
}

async fn whole(bench: &Bench<'_>) -> Verdict {
    bench.needs(Trouble::ListingsFail)?;
    let (volume, _) = made(bench).await?;
    bench.inject(Trouble::ListingsFail)?;
    let context = bench.context().with_retries(0);
    let list = || async {
        let listed = bench.provider().list_volumes(&context).await?;
        Ok(listed.iter().map(|volume| volume.id.to_string()).collect())
    };
    whole_or_error("volumes", &[volume.id.to_string()], list).await
}
