//! A listing is the whole answer or an error, never less.

use std::collections::BTreeMap;

use atlas_core::{Capability, Compute, ComputeFilter, ComputeId, ComputeStatus, Rentable, RentalKind};
use futures_util::future::join_all;

use super::life::running;
use crate::bench::{Bench, Broken, ensure, mark_of};
use crate::case::{Case, Cost, Verdict};

use super::{ANY, ONE, with};

/// The rows of this room.
pub(super) const CASES: &[Case] = &[
    case!("listing/complete", "C3: a listing shows each machine once", ANY, Cost::Machines(3), complete),
    case!("listing/several-pages", "C3: a listing reads all pages", ANY, Cost::Machines(3), several_pages),
    case!("listing/filters", "a filter admits what it says and nothing else", ANY, Cost::Machines(2), filters),
    case!("listing/stopped", "C3: a listing shows stopped machines", with(Capability::StopResume), ONE, stopped),
    case!("listing/gone", "a machine that is gone is in no listing, but as terminated", ANY, ONE, gone),
    case!("listing/rented", "O1: what is rented is listed with its marks, all of it", ANY, ONE, rented),
    case!("listing/same-as-get", "a listing and a read tell the same of a machine", ANY, ONE, same_as_get),
];

fn times(listed: &[Compute], wanted: &ComputeId) -> usize {
    listed.iter().filter(|compute| compute.id == *wanted).count()
}

async fn shows_each_once(bench: &Bench<'_>, count: usize) -> Verdict {
    let made = join_all((0..count).map(|_| bench.spawn())).await;
    let made = made.into_iter().collect::<Result<Vec<_>, _>>()?;
    for (compute, _) in &made {
        bench.seen(&compute.id).await;
    }
    let listed = bench.list().await?;
    for (compute, _) in &made {
        let times = times(&listed, &compute.id);
        ensure!(times == 1, "machine {} stands {times} times in a listing of {}", compute.id, listed.len());
    }
    Ok(())
}

async fn complete(bench: &Bench<'_>) -> Verdict {
    shows_each_once(bench, 3).await
}

async fn several_pages(bench: &Bench<'_>) -> Verdict {
    let Some(count) = bench.harness().several_pages() else {
        return Err(Broken::NotProvable("the harness does not say how many machines span several pages".to_owned()));
    };
    shows_each_once(bench, count).await
}

async fn filters(bench: &Bench<'_>) -> Verdict {
    let (first, _) = bench.spawn_as(bench.machine().name("first-of-two")).await?;
    let (second, _) = bench.spawn_as(bench.machine().name("second-of-two")).await?;
    bench.until(&first.id, &ComputeStatus::Running).await?;
    let second = bench.until(&second.id, &ComputeStatus::Running).await?;
    let mut filters: BTreeMap<&str, ComputeFilter> = BTreeMap::new();
    let filter = |change: &dyn Fn(&mut ComputeFilter)| {
        let mut filter = ComputeFilter::all();
        change(&mut filter);
        filter
    };
    filters.insert("name", filter(&|filter| filter.name = Some("second-of".to_owned())));
    filters.insert("status", filter(&|filter| filter.statuses = vec![ComputeStatus::Stopped]));
    filters.insert("region", filter(&|filter| filter.region.clone_from(&second.region)));
    filters.insert("gpu", filter(&|filter| filter.gpu = Some("h200".to_owned())));
    filters.insert("marked", filter(&|filter| filter.marked = true));
    let all = bench.list().await?;
    for (what, filter) in filters {
        let listed = bench.provider().list(&bench.context(), &filter).await?;
        for compute in &all {
            let (wanted, found) = (filter.admits(compute), times(&listed, &compute.id) == 1);
            ensure!(
                wanted == found,
                "by {what}, machine {} is {}",
                compute.id,
                if found { "shown" } else { "missing" }
            );
        }
    }
    Ok(())
}

async fn stopped(bench: &Bench<'_>) -> Verdict {
    let (id, _) = running(bench).await?;
    bench.provider().stop(&bench.context(), &id).await?;
    bench.until(&id, &ComputeStatus::Stopped).await?;
    bench.seen(&id).await;
    ensure!(times(&bench.list().await?, &id) == 1, "a listing does not show the stopped machine {id}");
    Ok(())
}

async fn rented(bench: &Bench<'_>) -> Verdict {
    let (made, token) = bench.spawn().await?;
    bench.seen(&made.id).await;
    let rented = bench.provider().list_rented(&bench.context(), RentalKind::Machine).await?;
    let ours: Vec<_> = rented.iter().filter(|rented| rented.bears(token)).map(|rented| &rented.id).collect();
    ensure!(ours == [&made.id], "of all that is rented, {ours:?} bear the token of machine {}", made.id);
    let sorted = |mut ids: Vec<ComputeId>| {
        ids.sort();
        ids
    };
    let listed = sorted(bench.list().await?.iter().map(|compute| compute.rented().id).collect());
    let rented = sorted(rented.into_iter().map(|rented| rented.id).collect());
    ensure!(listed == rented, "the listing shows {listed:?}, and rented are {rented:?}");
    Ok(())
}

async fn gone(bench: &Bench<'_>) -> Verdict {
    let (made, _) = bench.spawn().await?;
    bench.seen(&made.id).await;
    bench.end(&made.id).await?;
    bench.unseen(&made.id).await;
    let listed = bench.list().await?;
    let alive = listed.iter().find(|compute| compute.id == made.id && compute.status != ComputeStatus::Terminated);
    ensure!(alive.is_none(), "a listing shows machine {} alive after its end", made.id);
    Ok(())
}

async fn same_as_get(bench: &Bench<'_>) -> Verdict {
    let (id, _) = running(bench).await?;
    bench.seen(&id).await;
    let read = bench.get(&id).await?;
    let listed = bench.list().await?;
    let listed = listed.iter().find(|compute| compute.id == id);
    let listed = listed.ok_or_else(|| Broken::because(format!("a listing does not show machine {id}")))?;
    let told = |compute: &Compute| {
        (
            compute.name.clone(),
            compute.status.clone(),
            compute.region.clone(),
            compute.gpu_type.clone(),
            compute.gpu_count,
            compute.cost_per_hour,
            compute.ports.clone(),
            mark_of(compute),
        )
    };
    ensure!(told(&read) == told(listed), "the read says {:?}, the listing {:?}", told(&read), told(listed));
    Ok(())
}
