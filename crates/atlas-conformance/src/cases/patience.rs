//! Time-outs are honoured, and a call that is given up leaves nothing that cannot be found.

use std::time::Duration;

use atlas_core::ErrorKind;
use futures_util::FutureExt;

use crate::bench::{Bench, Broken, ensure};
use crate::case::{Case, Verdict};
use crate::harness::Trouble;

use super::{ANY, ONE};

/// The rows of this room.
pub(super) const CASES: &[Case] = &[
    case!("patience/timeout", "a call ends when its time-out says so", ANY, ONE, timeout),
    case!(
        "patience/dropped",
        "a create whose future is dropped makes at most one machine, which is found",
        ANY,
        ONE,
        dropped,
        lingers
    ),
];

async fn timeout(bench: &Bench<'_>) -> Verdict {
    let (made, _) = bench.spawn().await?;
    bench.seen(&made.id).await;
    bench.inject(Trouble::ReadNeverAnswered)?;
    let context = bench.context().with_timeout(Duration::from_secs(1)).with_retries(0);
    let read = bench.provider().get(&context, &made.id);
    match tokio::time::timeout(Duration::from_secs(20), read).await {
        Err(_) => Err(Broken::because("a call with a time-out of a second did not end within twenty")),
        Ok(Ok(_)) => Err(Broken::because("a read that is never answered was answered")),
        Ok(Err(error)) => {
            ensure!(error.kind() == ErrorKind::Timeout, "a call that took too long is {}: {error}", error.kind());
            Ok(())
        }
    }
}

async fn dropped(bench: &Bench<'_>) -> Verdict {
    let order = bench.order(bench.machine()).await?;
    let token = order.token();
    {
        let context = bench.context();
        let mut sending = Box::pin(bench.provider().spawn(&context, &order));
        // Begun, and given up where it first waits.
        let _ = sending.as_mut().now_or_never();
    }
    bench.makes_at_most(1, token, "one order that was given up").await
}
