//! Time-outs are honoured, and a call that is given up leaves nothing that cannot be found.

use std::time::Duration;

use atlas_core::ErrorKind;
use futures_util::FutureExt;

use crate::bench::{Bench, Broken, ensure};
use crate::case::Verdict;
use crate::harness::Trouble;

pub(super) async fn timeout(bench: &Bench<'_>) -> Verdict {
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

pub(super) async fn dropped(bench: &Bench<'_>) -> Verdict {
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
