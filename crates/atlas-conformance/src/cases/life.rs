//! From create to end.

use std::sync::Arc;
use std::time::Duration;

use atlas_core::probe::{is_ready, question};
use atlas_core::{Capability, ComputeId, ComputeStatus, Credentials, Effect, LogOptions, Money, Probe, Provider};
use futures_util::StreamExt;
use futures_util::future::join_all;

use crate::bench::{Bench, Broken, ensure, mark_of};
use crate::case::{Case, Cost, Verdict};

use super::{ANY, FREE, ONE, with};

/// The rows of this room.
pub(super) const CASES: &[Case] = &[
    case!("life/spawn", "C1, C4: a create answers the machine, with account, kind and mark", ANY, ONE, spawn),
    case!("life/get", "a machine that was made is shown by its id", ANY, ONE, get),
    case!("life/runs", "a machine comes to run", ANY, ONE, runs),
    case!("life/price", "C7: a running machine says what it costs and where it is", ANY, ONE, price),
    case!("life/terminate", "a machine that is told to end is gone afterwards", ANY, ONE, terminate),
    case!("life/terminate-repeats", "C3: to end what is gone already is a success", ANY, ONE, terminate_repeats),
    case!("life/terminate-unknown", "C3: to end what nobody knows is a success", ANY, FREE, terminate_unknown),
    case!("life/get-gone", "C3: a machine that is gone is not_found or terminated", ANY, ONE, get_gone),
    case!(
        "life/get-unknown",
        "C8: an id that nobody knows is not_found, with the account's name",
        ANY,
        FREE,
        get_unknown
    ),
    case!("life/raw", "C5: the cloud's own answer is kept in raw", ANY, ONE, raw),
    case!(
        "life/many-at-once",
        "creates at once make machines of their own, all of them found",
        ANY,
        Cost::Machines(5),
        many_at_once
    ),
    case!("life/forwarded", "Arc and Box answer as what they hold", ANY, FREE, forwarded),
    case!("life/stop", "a stopped machine is shown stopped, under its id", with(Capability::StopResume), ONE, stop),
    case!("life/stop-repeats", "stop repeats safely", with(Capability::StopResume), ONE, stop_repeats),
    case!("life/start", "a machine that is started again keeps id and mark", with(Capability::StopResume), ONE, start),
    case!("life/start-repeats", "start repeats safely", with(Capability::StopResume), ONE, start_repeats),
    case!(
        "life/start-same-keys",
        "a machine that is started again knows its user by the same key, and nobody else",
        with(Capability::StopResume),
        ONE,
        start_same_keys
    ),
    case!("life/stopped-ends", "a stopped machine can be ended", with(Capability::StopResume), ONE, stopped_ends),
    case!("life/logs", "what a machine writes can be read, and the reading ends", with(Capability::Logs), ONE, logs),
    case!("life/logs-hold", "a log holds what the machine wrote", with(Capability::Logs), ONE, logs_hold),
];

/// How long something that must change nothing is given to change something.
const A_WHILE: Duration = Duration::from_secs(3);

/// An id of a form that clouds use, and that none has given.
pub(super) fn nobody() -> ComputeId {
    ComputeId::new("nobody0knows0me")
}

async fn spawn(bench: &Bench<'_>) -> Verdict {
    let order = bench.order(bench.machine()).await?;
    let compute = bench.place(&order).await?;
    ensure!(!compute.id.as_str().is_empty(), "the machine has no id");
    ensure!(compute.provider == *bench.provider().id(), "the machine says it is of account {}", compute.provider);
    ensure!(compute.kind == bench.provider().traits().kind, "the machine says it is of kind {}", compute.kind);
    let mark = mark_of(&compute).ok_or_else(|| Broken::because("the answer bears no mark"))?;
    ensure!(mark.token == order.token(), "the answer bears another token");
    ensure!(!compute.status.is_over(), "the machine is {} from the beginning", compute.status);
    Ok(())
}

async fn get(bench: &Bench<'_>) -> Verdict {
    let (made, _) = bench.spawn().await?;
    bench.seen(&made.id).await;
    let read = bench.get(&made.id).await?;
    ensure!(read.id == made.id, "asked for {} and got {}", made.id, read.id);
    Ok(())
}

async fn runs(bench: &Bench<'_>) -> Verdict {
    let (made, _) = bench.spawn().await?;
    bench.until(&made.id, &ComputeStatus::Running).await.map(drop)
}

async fn price(bench: &Bench<'_>) -> Verdict {
    let (made, _) = bench.spawn().await?;
    let running = bench.until(&made.id, &ComputeStatus::Running).await?;
    let price = running.cost_per_hour.ok_or_else(|| Broken::because("a running machine says no price"))?;
    ensure!(price >= Money::ZERO, "the price is {price}");
    ensure!(bench.harness().is_free() || price > Money::ZERO, "a running machine costs nothing");
    ensure!(running.region.is_some(), "a running machine does not say where it is");
    ensure!(running.created_at.is_some(), "a running machine does not say when it was made");
    Ok(())
}

async fn terminate(bench: &Bench<'_>) -> Verdict {
    let (made, _) = bench.spawn().await?;
    bench.until(&made.id, &ComputeStatus::Running).await?;
    bench.end(&made.id).await
}

async fn terminate_repeats(bench: &Bench<'_>) -> Verdict {
    let (made, _) = bench.spawn().await?;
    bench.seen(&made.id).await;
    bench.end(&made.id).await?;
    for _ in 0..2 {
        bench.provider().terminate(&bench.context(), &made.id).await?;
    }
    Ok(())
}

async fn terminate_unknown(bench: &Bench<'_>) -> Verdict {
    Ok(bench.provider().terminate(&bench.context(), &nobody()).await?)
}

async fn get_gone(bench: &Bench<'_>) -> Verdict {
    let (made, _) = bench.spawn().await?;
    bench.seen(&made.id).await;
    bench.end(&made.id).await?;
    bench.unseen(&made.id).await;
    match bench.get(&made.id).await {
        Ok(compute) => {
            ensure!(compute.status == ComputeStatus::Terminated, "a machine that is gone reads {}", compute.status);
        }
        Err(error) => ensure!(error.is_not_found(), "a machine that is gone reads {error}"),
    }
    Ok(())
}

async fn get_unknown(bench: &Bench<'_>) -> Verdict {
    let Err(error) = bench.get(&nobody()).await else {
        return Err(Broken::because("an id that nobody knows was answered"));
    };
    ensure!(error.is_not_found(), "an id that nobody knows is {}: {error}", error.kind());
    ensure!(error.effect() == Effect::Rejected, "the effect of a not-found is {:?}", error.effect());
    ensure!(error.provider() == Some(bench.provider().id()), "the error does not name the account: {error}");
    Ok(())
}

async fn raw(bench: &Bench<'_>) -> Verdict {
    let (made, _) = bench.spawn().await?;
    bench.seen(&made.id).await;
    let read = bench.get(&made.id).await?;
    ensure!(read.raw.is_object(), "raw holds nothing of the cloud's answer");
    Ok(())
}

async fn many_at_once(bench: &Bench<'_>) -> Verdict {
    let made = join_all((0..5).map(|_| bench.spawn())).await;
    let made = made.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut ids: Vec<_> = made.iter().map(|(compute, _)| compute.id.clone()).collect();
    ids.sort();
    ids.dedup();
    ensure!(ids.len() == 5, "five creates at once made {} machines", ids.len());
    for (compute, token) in &made {
        bench.seen(&compute.id).await;
        let found = bench.provider().find_spawned(&bench.context(), *token).await?;
        let found: Vec<_> = found.matches.iter().map(|compute| &compute.id).collect();
        ensure!(found == [&compute.id], "token of {} was found at {found:?}", compute.id);
    }
    Ok(())
}

async fn forwarded(bench: &Bench<'_>) -> Verdict {
    let (held, context) = (bench.provider(), bench.context());
    let boxed: Box<Arc<dyn Provider>> = Box::new(held.clone());
    ensure!(Provider::id(&boxed) == held.id(), "the account's name is another one");
    ensure!(Provider::traits(&boxed) == held.traits(), "the traits are others");
    ensure!(Provider::scope(&boxed, &context) == held.scope(&context), "the scope is another one");
    let checked = (Provider::check(&boxed, &bench.machine()).is_ok(), held.check(&bench.machine()).is_ok());
    ensure!(checked == (true, true), "the cheapest machine is refused: {checked:?}");
    let listed = Provider::list(&boxed, &context, &atlas_core::ComputeFilter::all()).await?;
    ensure!(listed.len() == bench.list().await?.len(), "the listing is another one");
    Ok(())
}

async fn stop(bench: &Bench<'_>) -> Verdict {
    let (made, token) = running(bench).await?;
    bench.provider().stop(&bench.context(), &made).await?;
    let stopped = bench.until(&made, &ComputeStatus::Stopped).await?;
    ensure!(mark_of(&stopped).is_some_and(|mark| mark.token == token), "a stopped machine lost its mark");
    Ok(())
}

async fn stop_repeats(bench: &Bench<'_>) -> Verdict {
    let (made, _) = running(bench).await?;
    bench.provider().stop(&bench.context(), &made).await?;
    bench.until(&made, &ComputeStatus::Stopped).await?;
    bench.provider().stop(&bench.context(), &made).await?;
    bench.harness().pass(A_WHILE).await;
    let read = bench.get(&made).await?;
    ensure!(read.status == ComputeStatus::Stopped, "stopped twice, it is {}", read.status);
    Ok(())
}

async fn start(bench: &Bench<'_>) -> Verdict {
    let (made, token) = running(bench).await?;
    bench.provider().stop(&bench.context(), &made).await?;
    bench.until(&made, &ComputeStatus::Stopped).await?;
    bench.provider().start(&bench.context(), &made).await?;
    let started = bench.until(&made, &ComputeStatus::Running).await?;
    ensure!(mark_of(&started).is_some_and(|mark| mark.token == token), "a machine started again lost its mark");
    Ok(())
}

async fn start_repeats(bench: &Bench<'_>) -> Verdict {
    let (made, _) = running(bench).await?;
    bench.provider().start(&bench.context(), &made).await?;
    bench.harness().pass(A_WHILE).await;
    let read = bench.get(&made).await?;
    ensure!(read.status == ComputeStatus::Running, "started while it ran, it is {}", read.status);
    Ok(())
}

async fn stopped_ends(bench: &Bench<'_>) -> Verdict {
    let (made, _) = running(bench).await?;
    bench.provider().stop(&bench.context(), &made).await?;
    bench.until(&made, &ComputeStatus::Stopped).await?;
    bench.end(&made).await
}

async fn logs(bench: &Bench<'_>) -> Verdict {
    let (made, _) = running(bench).await?;
    let mut log = bench.provider().logs(&bench.context(), &made, &LogOptions::now())?;
    while let Some(piece) = log.next().await {
        piece?;
    }
    Ok(())
}

pub(super) async fn running(bench: &Bench<'_>) -> Result<(ComputeId, atlas_core::SpawnToken), Broken> {
    let (made, token) = bench.spawn().await?;
    bench.until(&made.id, &ComputeStatus::Running).await?;
    Ok((made.id, token))
}

async fn start_same_keys(bench: &Bench<'_>) -> Verdict {
    let Some(probe) = bench.harness().probe() else {
        return Err(Broken::NotProvable("the harness cannot ask the ports of machines".to_owned()));
    };
    let (order, credentials) = bench.guarded(bench.machine()).await?;
    let made = bench.place(&order).await?;
    bench.until(&made.id, &ComputeStatus::Running).await?;
    opens(bench, &*probe, &made.id, &credentials).await?;
    bench.provider().stop(&bench.context(), &made.id).await?;
    bench.until(&made.id, &ComputeStatus::Stopped).await?;
    bench.provider().start(&bench.context(), &made.id).await?;
    bench.until(&made.id, &ComputeStatus::Running).await?;
    opens(bench, &*probe, &made.id, &credentials).await
}

/// Waits until the machine answers its user, and proves that it refuses whoever has no key.
async fn opens(bench: &Bench<'_>, probe: &dyn Probe, id: &ComputeId, credentials: &Credentials) -> Verdict {
    let (until, signs) = (bench.now().plus(bench.harness().patience()), &bench.provider().traits().proxy);
    let mut last = String::from("it has no address");
    while bench.now() < until {
        let compute = bench.get(id).await?;
        if let Some(asked) = question(&compute, None, credentials, &*bench.harness().clock())? {
            match probe.ask(&asked).await {
                Ok(answer) if is_ready(&answer, signs, false, true) => {
                    let stranger = probe.ask(&asked.bearer(None)).await?;
                    ensure!(matches!(stranger.status, 401 | 403), "whoever has no key is answered {}", stranger.status);
                    return Ok(());
                }
                Ok(answer) => last = format!("it answers {}", answer.status),
                Err(error) => last = error.to_string(),
            }
        }
        bench.moment().await;
    }
    Err(Broken::because(format!("machine {id} does not know its user in time: {last}")))
}

async fn logs_hold(bench: &Bench<'_>) -> Verdict {
    let words = bench.canary();
    let speaker = bench.harness().speaker(&words);
    let speaks = speaker.is_some();
    let (made, _) = bench.spawn_as(speaker.unwrap_or_else(|| bench.machine())).await?;
    bench.until(&made.id, &ComputeStatus::Running).await?;
    if !speaks && !bench.harness().writes(&made.id, &words).await {
        return Err(Broken::NotProvable("the harness cannot make a machine write".to_owned()));
    }
    let until = bench.now().plus(bench.harness().patience());
    while bench.now() < until {
        let mut log = bench.provider().logs(&bench.context(), &made.id, &LogOptions::now())?;
        let mut text = Vec::new();
        while let Some(piece) = log.next().await {
            text.extend_from_slice(&piece?);
        }
        if String::from_utf8_lossy(&text).contains(&words) {
            return Ok(());
        }
        bench.moment().await;
    }
    Err(Broken::because(format!("the log of machine {} does not hold what it wrote", made.id)))
}
