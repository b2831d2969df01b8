//! How many requests a second the simulated cloud answers by itself: it must not be what is measured elsewhere.

use std::time::{Duration, Instant};

use atlas_core::{CallContext, Provider};
use atlas_tests::{Outcome, machine_order};
use futures_util::future::try_join_all;

use super::cloud::{Cloud, request};
use crate::figure::{Figure, Goal};

/// So many clients ask at once, one request after the other.
const CLIENTS: usize = 16;

/// For so long.
const SPAN: Duration = Duration::from_secs(4);

pub(crate) async fn run() -> Outcome<Vec<Figure>> {
    let cloud = Cloud::start()?;
    let (account, bare) = (cloud.account()?, cloud.bare()?);
    let made = account.spawn(&CallContext::new(), &machine_order(&account, request()).await?).await?;
    let path = format!("pods/{}", made.id);
    let (begun, used) = (Instant::now(), cloud.process.cpu()?);
    let asking = (0..CLIENTS).map(|_| async {
        let mut answered = 0_u32;
        while begun.elapsed() < SPAN {
            std::hint::black_box(bare.get(&path).await?);
            answered += 1;
        }
        Outcome::Ok(answered)
    });
    let answered = f64::from(try_join_all(asking).await?.iter().sum::<u32>());
    let (took, used) = (begun.elapsed().as_secs_f64(), cloud.process.cpu()? - used);
    Ok(vec![Figure {
        what: "requests that the simulated cloud answers in a second of its processor time",
        goal: Goal::AtLeast(10_000.0),
        value: answered / used,
        unit: "",
        detail: format!("{:.0} a second by the clock, asked by {CLIENTS} clients on one thread", answered / took),
    }])
}
