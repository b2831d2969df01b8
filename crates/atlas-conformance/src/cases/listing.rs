//! A listing is the whole answer or an error, never less.

use std::collections::BTreeMap;

use atlas_core::{Capability, Compute, ComputeFilter, ComputeId, ComputeStatus, Rentable, RentalKind, SpawnToken};
use futures_util::future::join_all;

use super::life::running;
use crate::bench::{Bench, Broken, ensure, mark_of};
use crate::case::{Case, Cost, Verdict};
use crate::harness::Trouble;

use super::{ANY, ONE, with};

/// The rows of this room.
pub(super) const CASES: &[Case] = &[
    case!("listing/complete", "C3: a listing shows each machine once", ANY, Cost::Machines(3), complete),
    case!("listing/several-pages", "C3: a listing reads all pages", ANY, Cost::Machines(3), several_pages),
    case!(
        "listing/whole-or-error",
        "C3: a listing that fails on its way is an error, and never shorter",
        ANY,
        Cost::Machines(3),
        whole
    ),
    case!("listing/account", "C11: the account's name and kind stand in whatever is answered", ANY, ONE, account),
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

/// So many machines that a listing of them has several pages, where the harness knows.
pub(super) async fn several(bench: &Bench<'_>) -> Result<Vec<(Compute, SpawnToken)>, Broken> {
    let count = bench.harness().several_pages().unwrap_or(1);
    let made = join_all((0..count).map(|_| bench.spawn())).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    for (compute, _) in &made {
        bench.seen(&compute.id).await;
    }
    Ok(made)
}

/// Proves that a listing shows all of these or fails, twice: the first may end before the trouble begins.
pub(super) async fn whole_or_error<F: Future<Output = atlas_core::Result<Vec<String>>>>(
    what: &str,
    all: &[String],
    list: impl Fn() -> F,
) -> Verdict {
    for _ in 0..2 {
        if let Ok(listed) = list().await {
            let missing: Vec<_> = all.iter().filter(|id| !listed.contains(id)).collect();
            ensure!(missing.is_empty(), "the cloud failed, and the listing of {what} came back without {missing:?}");
        }
    }
    Ok(())
}

async fn whole(bench: &Bench<'_>) -> Verdict {
    bench.needs(Trouble::ListingsFail)?;
    let made = several(bench).await?;
    let all: Vec<_> = made.iter().map(|(compute, _)| compute.id.to_string()).collect();
    bench.inject(Trouble::ListingsFail)?;
    let context = bench.context().with_retries(0);
    let list = || async {
        let listed = bench.provider().list(&context, &ComputeFilter::all()).await?;
        Ok(listed.iter().map(|compute| compute.id.to_string()).collect())
    };
    whole_or_error("machines", &all, list).await
}

async fn account(bench: &Bench<'_>) -> Verdict {
    let (made, token) = bench.spawn().await?;
    bench.seen(&made.id).await;
    let (read, listed) = (bench.get(&made.id).await?, bench.list().await?);
    let found = bench.provider().find_spawned(&bench.context(), token).await?.matches;
    for (what, shown) in [("read", vec![read]), ("listing", listed), ("search", found)] {
        ensure!(!shown.is_empty(), "the {what} does not show the machine");
        for compute in shown {
            let (account, kind) = (bench.provider().id(), bench.provider().traits().kind);
            ensure!(compute.provider == *account, "the {what} says that it is of account {}", compute.provider);
            ensure!(compute.kind == kind, "the {what} says that it is of kind {}", compute.kind);
        }
    }
    Ok(())
}
