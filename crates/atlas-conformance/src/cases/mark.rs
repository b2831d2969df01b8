//! A machine is known again by its mark, whatever became of the answer to its create.

use atlas_auth::Secret;
use atlas_core::{Capability, ComputeStatus, Effect, SpawnToken};

use super::life::running;
use super::listing::several;
use crate::bench::{Bench, Broken, ensure, mark_of};
use crate::case::{Case, Cost, Verdict};
use crate::harness::Trouble;

use super::{ANY, FREE, ONE, with};

/// The rows of this room.
pub(super) const CASES: &[Case] = &[
    case!("mark/kept", "C4, O2: reads give the whole mark back", ANY, ONE, kept),
    case!("mark/long-name", "O2: what is cut of a long name is never the token", ANY, ONE, long_name),
    case!("mark/found", "C4: a machine is found by its token, and no other", ANY, Cost::Machines(2), by_token),
    case!("mark/found-none", "C4: a token that nothing bears is found nowhere, completely", ANY, FREE, found_none),
    case!(
        "mark/found-stopped",
        "C4: a stopped machine is found by its token",
        with(Capability::StopResume),
        ONE,
        found_stopped
    ),
    case!(
        "mark/found-after-lost-answer",
        "C4: a machine whose create was never answered is found",
        ANY,
        ONE,
        found_after_lost_answer
    ),
    case!(
        "mark/lost-answer-not-repeated",
        "a create whose answer is lost is not sent again",
        ANY,
        ONE,
        lost_answer_not_repeated,
        lingers
    ),
    case!("mark/found-all", "C4: all that bear the token are found", ANY, Cost::Machines(2), found_all),
    case!(
        "mark/found-or-error",
        "C4: a search that fails on its way does not say that it looked everywhere",
        ANY,
        Cost::Machines(3),
        found_or_error
    ),
    case!("mark/gone-not-found", "C4: what is terminated is not found", ANY, ONE, gone_not_found),
    case!(
        "mark/not-after",
        "P2: nothing is created past the moment that the order names",
        ANY,
        FREE,
        not_after,
        lingers
    ),
    case!("mark/scope", "O3: the scope is the same each time, and another one under another key", ANY, FREE, scope),
];

async fn found(bench: &Bench<'_>, token: SpawnToken) -> Result<Vec<atlas_core::ComputeId>, Broken> {
    let found = bench.provider().find_spawned(&bench.context(), token).await?;
    ensure!(found.complete, "the search did not look everywhere");
    Ok(found.matches.into_iter().map(|compute| compute.id).collect())
}

async fn kept(bench: &Bench<'_>) -> Verdict {
    let order = bench.order(bench.machine().name("a-name")).await?;
    let made = bench.place(&order).await?;
    bench.seen(&made.id).await;
    let read = mark_of(&bench.get(&made.id).await?).ok_or_else(|| Broken::because("a read gives no mark back"))?;
    let wanted = order.mark();
    ensure!(
        (&read.deployment, &read.installation, read.token) == (&wanted.deployment, &wanted.installation, wanted.token),
        "the mark reads {read}, and was {wanted}"
    );
    Ok(())
}

async fn long_name(bench: &Bench<'_>) -> Verdict {
    let (made, token) = bench.spawn_as(bench.machine().name("n".repeat(40))).await?;
    bench.seen(&made.id).await;
    let read = mark_of(&bench.get(&made.id).await?);
    ensure!(read.is_some_and(|mark| mark.token == token), "the token was cut with the name");
    Ok(())
}

async fn by_token(bench: &Bench<'_>) -> Verdict {
    let (made, token) = bench.spawn().await?;
    let (other, other_token) = bench.spawn().await?;
    bench.seen(&made.id).await;
    bench.seen(&other.id).await;
    for (id, token) in [(&made.id, token), (&other.id, other_token)] {
        let found = found(bench, token).await?;
        ensure!(found == [id.clone()], "the token of {id} was found at {found:?}");
    }
    Ok(())
}

async fn found_none(bench: &Bench<'_>) -> Verdict {
    let found = found(bench, bench.token()).await?;
    ensure!(found.is_empty(), "a token that nothing bears was found at {found:?}");
    Ok(())
}

async fn found_stopped(bench: &Bench<'_>) -> Verdict {
    let (id, token) = running(bench).await?;
    bench.provider().stop(&bench.context(), &id).await?;
    bench.until(&id, &ComputeStatus::Stopped).await?;
    bench.seen(&id).await;
    let found = found(bench, token).await?;
    ensure!(found == [id.clone()], "the token of the stopped machine {id} was found at {found:?}");
    Ok(())
}

/// Sends a create whose answer is lost; the token under which it was sent.
async fn lost(bench: &Bench<'_>) -> Result<SpawnToken, Broken> {
    let order = bench.order(bench.machine()).await?;
    bench.inject(Trouble::LosesCreate)?;
    match bench.place(&order).await {
        Ok(made) => Err(Broken::because(format!("the answer was lost, and machine {} came of it", made.id))),
        Err(error) => {
            ensure!(error.effect() == Effect::Unknown, "the effect of a lost answer is {:?}", error.effect());
            Ok(order.token())
        }
    }
}

async fn found_after_lost_answer(bench: &Bench<'_>) -> Verdict {
    let token = lost(bench).await?;
    let until = bench.settled_at();
    while !found(bench, token).await.is_ok_and(|found| !found.is_empty()) && bench.waits(until).await {}
    let found = found(bench, token).await?;
    ensure!(!found.is_empty(), "the machine whose create was never answered is not found");
    Ok(())
}

async fn lost_answer_not_repeated(bench: &Bench<'_>) -> Verdict {
    let token = lost(bench).await?;
    bench.makes_at_most(1, token, "one order whose answer was lost").await
}

async fn found_all(bench: &Bench<'_>) -> Verdict {
    bench.inject(Trouble::MakesTwo)?;
    let (_, token) = bench.spawn().await?;
    let until = bench.settled_at();
    while !found(bench, token).await.is_ok_and(|found| found.len() == 2) && bench.waits(until).await {}
    let found = found(bench, token).await?;
    ensure!(found.len() == 2, "of two machines that bear the token, {} are found", found.len());
    Ok(())
}

async fn gone_not_found(bench: &Bench<'_>) -> Verdict {
    let (made, token) = bench.spawn().await?;
    bench.seen(&made.id).await;
    bench.end(&made.id).await?;
    bench.unseen(&made.id).await;
    let found = found(bench, token).await?;
    ensure!(found.is_empty(), "a machine that is gone is found at {found:?}");
    Ok(())
}

async fn not_after(bench: &Bench<'_>) -> Verdict {
    let order = bench.expired_order(bench.machine()).await?;
    let token = order.token();
    bench.refused("an order whose time is over", bench.place(&order)).await?;
    bench.makes_at_most(0, token, "an order whose time was over").await
}

async fn scope(bench: &Bench<'_>) -> Verdict {
    let (provider, context) = (bench.provider(), bench.context());
    let scope = provider.scope(&context);
    ensure!(scope == provider.scope(&context), "the scope is another one each time");
    let canary = bench.canary();
    let other = provider.scope(&bench.context().with_key(Secret::new(canary.as_str())));
    ensure!(!other.as_str().contains(&canary), "the scope holds the key");
    if bench.harness().has_key() {
        ensure!(other != scope, "under another key the scope is still {scope}");
    }
    Ok(())
}

async fn found_or_error(bench: &Bench<'_>) -> Verdict {
    let made = several(bench).await?;
    bench.inject(Trouble::ListingsFail)?;
    let context = bench.context().with_retries(0);
    for (compute, token) in &made {
        if let Ok(found) = bench.provider().find_spawned(&context, *token).await {
            let finds = found.matches.iter().any(|found| found.id == compute.id);
            ensure!(finds || !found.complete, "the cloud failed, and machine {} is found nowhere", compute.id);
        }
    }
    Ok(())
}
