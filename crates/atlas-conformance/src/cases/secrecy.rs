//! No secret stands in an answer, an error, or what either is shown as (rules C5, C9).

use std::error::Error as _;
use std::fmt::Write;

use atlas_auth::Secret;
use atlas_core::{Compute, ComputeFilter, Error, RentalKind, SpawnOrder};
use tracing::instrument::WithSubscriber;

use super::life::nobody;
use crate::bench::{Bench, Broken, ensure};
use crate::case::{Case, Verdict};
use crate::listener::Listener;

use super::{ANY, FREE, ONE};

/// The rows of this room.
pub(super) const CASES: &[Case] = &[
    case!("secrecy/environment", "C5, C9: environment and key stand in no answer", ANY, ONE, environment),
    case!("secrecy/errors", "C9: no error holds a key", ANY, FREE, errors),
    case!("secrecy/traces", "C9: no event and no span tells a key or an environment, at any level", ANY, ONE, traces),
];

/// Everything that a machine can be made to say.
fn shown(compute: &Compute) -> String {
    format!("{compute:?} {}", serde_json::to_string(compute).unwrap_or_default())
}

/// Everything that an error can be made to say.
fn said(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {}", serde_json::to_string(error).unwrap_or_default());
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(text, " {cause} {cause:?}");
        source = cause.source();
    }
    text
}

async fn environment(bench: &Bench<'_>) -> Verdict {
    let canary = bench.canary();
    let (order, credentials) = bench.guarded(bench.machine().env("CANARY", canary.as_str())).await?;
    ensure!(!format!("{order:?}").contains(&canary), "the order shows its environment");
    let made = bench.place(&order).await?;
    bench.seen(&made.id).await;
    let read = bench.get(&made.id).await?;
    let listed = bench.list().await?.into_iter().find(|compute| compute.id == made.id);
    let found = bench.provider().find_spawned(&bench.context(), order.token()).await?.matches;
    for (what, compute) in
        [("create", Some(made)), ("read", Some(read)), ("listing", listed), ("search", found.into_iter().next())]
    {
        let Some(compute) = compute else {
            return Err(Broken::because(format!("the {what} does not show the machine")));
        };
        let text = shown(&compute);
        ensure!(!text.contains(&canary), "the answer of the {what} holds the environment");
        ensure!(!text.contains(credentials.expose()), "the answer of the {what} holds the machine's key");
    }
    Ok(())
}

async fn errors(bench: &Bench<'_>) -> Verdict {
    let canary = bench.canary();
    let context = bench.context().with_key(Secret::new(canary.as_str()));
    ensure!(!format!("{context:?}").contains(&canary), "the context shows its key");
    if let Err(error) = bench.provider().get(&context, &nobody()).await {
        ensure!(!said(&error).contains(&canary), "the error of a read holds the key");
    }
    let order = bench.order(bench.machine().env("CANARY", canary.as_str()).http_port(1).http_port(1)).await?;
    if let Err(error) = bench.place(&order).await {
        ensure!(!said(&error).contains(&canary), "the error of a create holds the environment");
    }
    Ok(())
}

async fn traces(bench: &Bench<'_>) -> Verdict {
    let (canary, key) = (bench.canary(), bench.canary());
    let (order, credentials) = bench.guarded(bench.machine().env("CANARY", canary.as_str())).await?;
    let mut secrets = bench.harness().secrets();
    secrets.extend([canary, key.clone(), credentials.expose().to_owned()]);
    let listener = Listener::new(secrets);
    // Under this future alone: a library must not take a process's own listener away.
    let done = walk(bench, &order, &key).with_subscriber(listener.clone()).await;
    let told = listener.told();
    ensure!(told.is_empty(), "a secret is told by {told:?}");
    done
}

/// A machine's life, and calls that fail for their key.
async fn walk(bench: &Bench<'_>, order: &SpawnOrder, key: &str) -> Verdict {
    let made = bench.place(order).await?;
    bench.seen(&made.id).await;
    bench.list().await?;
    bench.provider().find_spawned(&bench.context(), order.token()).await?;
    let stranger = bench.context().with_key(Secret::new(key)).with_retries(0);
    // What another key opens, or does not, is not the question here.
    let _ = bench.provider().get(&stranger, &nobody()).await;
    let _ = bench.provider().list(&stranger, &ComputeFilter::all()).await;
    let _ = bench.provider().find_spawned(&stranger, bench.token()).await;
    let _ = bench.provider().list_rented(&stranger, RentalKind::Machine).await;
    let _ = bench.provider().terminate(&stranger, &nobody()).await;
    bench.end(&made.id).await
}
