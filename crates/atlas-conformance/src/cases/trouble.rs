//! What an error says of the cloud that failed (rule C8): its kind, its effect, what is left over.

use atlas_core::{ComputeStatus, Effect, Error, ErrorKind, SpawnToken};

use crate::bench::{Bench, Broken, ensure};
use crate::case::{Case, Verdict};
use crate::harness::Trouble;

use super::{ANY, ONE};

/// The rows of this room.
pub(super) const CASES: &[Case] = &[
    case!(
        "trouble/never-arrived",
        "C8: a create that never arrived is not_sent, and made nothing",
        ANY,
        ONE,
        never_arrived,
        lingers
    ),
    case!(
        "trouble/no-capacity",
        "C8: want of machines is no_capacity, and provably made nothing",
        ANY,
        ONE,
        no_capacity,
        lingers
    ),
    case!("trouble/leftover", "C8: an error names what exists all the same", ANY, ONE, leftover),
    case!(
        "trouble/altered-mark",
        "O2: a machine whose mark was altered is an error that names it",
        ANY,
        ONE,
        altered_mark
    ),
    case!("trouble/key-unknown", "C8: a refused key is unauthorized", ANY, ONE, key_unknown),
    case!("trouble/unknown-status", "C5: a status that nobody knows is kept", ANY, ONE, unknown_status),
];

/// A create that must fail so.
async fn fails(bench: &Bench<'_>, trouble: Trouble) -> Result<(Error, SpawnToken), Broken> {
    let order = bench.order(bench.machine()).await?;
    bench.inject(trouble)?;
    // Not repeated, so that the trouble is seen as it is.
    match bench.provider().spawn(&bench.context().with_retries(0), &order).await {
        Ok(made) => Err(Broken::because(format!("{trouble:?}, and machine {} came of it", made.id))),
        Err(error) => {
            ensure!(error.provider() == Some(bench.provider().id()), "the error does not name the account: {error}");
            Ok((error, order.token()))
        }
    }
}

async fn never_arrived(bench: &Bench<'_>) -> Verdict {
    let (error, token) = fails(bench, Trouble::CreateNeverArrives).await?;
    ensure!(error.effect() == Effect::NotSent, "the effect is {:?}: {error}", error.effect());
    bench.makes_at_most(0, token, "a create that never arrived").await
}

async fn no_capacity(bench: &Bench<'_>) -> Verdict {
    let (error, token) = fails(bench, Trouble::NoCapacity).await?;
    ensure!(error.kind() == ErrorKind::NoCapacity, "want of machines is {}: {error}", error.kind());
    ensure!(error.is_safe_to_resend(), "want of machines may have made something: {error}");
    bench.makes_at_most(0, token, "a create that was refused for want of machines").await
}

async fn leftover(bench: &Bench<'_>) -> Verdict {
    let (error, token) = fails(bench, Trouble::LeavesLeftover).await?;
    let until = bench.settled_at();
    let found = async || bench.provider().find_spawned(&bench.context(), token).await;
    while !found().await.is_ok_and(|found| !found.matches.is_empty()) && bench.waits(until).await {}
    let found = bench.provider().find_spawned(&bench.context(), token).await?;
    for compute in &found.matches {
        ensure!(
            error.leftovers().contains(&compute.id),
            "machine {} is there, and the error does not name it",
            compute.id
        );
    }
    ensure!(!found.matches.is_empty(), "nothing is left over, and something was to be");
    Ok(())
}

async fn key_unknown(bench: &Bench<'_>) -> Verdict {
    let (made, _) = bench.spawn().await?;
    bench.seen(&made.id).await;
    bench.inject(Trouble::KeyUnknown)?;
    match bench.get(&made.id).await {
        Ok(_) => Err(Broken::because("a read was answered although the key is unknown")),
        Err(error) => {
            ensure!(error.kind() == ErrorKind::Unauthorized, "a refused key is {}: {error}", error.kind());
            Ok(())
        }
    }
}

async fn unknown_status(bench: &Bench<'_>) -> Verdict {
    let (made, _) = bench.spawn().await?;
    bench.until(&made.id, &ComputeStatus::Running).await?;
    bench.inject(Trouble::UnknownStatus)?;
    let read = bench.get(&made.id).await?;
    ensure!(matches!(read.status, ComputeStatus::Other(_)), "a status that nobody knows reads {}", read.status);
    Ok(())
}

async fn altered_mark(bench: &Bench<'_>) -> Verdict {
    let order = bench.order(bench.machine()).await?;
    bench.inject(Trouble::AltersMark)?;
    let error = match bench.provider().spawn(&bench.context().with_retries(0), &order).await {
        Ok(made) => {
            bench.seen(&made.id).await;
            bench.end(&made.id).await?;
            return Err(Broken::because(format!("machine {} is answered as if its mark had been kept", made.id)));
        }
        Err(error) => error,
    };
    ensure!(!error.leftovers().is_empty(), "the error does not name the machine whose mark was altered: {error}");
    for id in error.leftovers() {
        // Nobody finds it by its mark: it is ended here.
        bench.seen(id).await;
        bench.end(id).await?;
    }
    Ok(())
}
