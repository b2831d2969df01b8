//! A stream of ten thousand pieces of a job's output against a poller by hand.

use std::cell::Cell;

use atlas_core::{CallContext, EndpointId, JobId, Provider};
use atlas_runpod::RunPod;
use atlas_tests::Outcome;
use futures_util::StreamExt;
use serde_json::Value;

use super::bare::Bare;
use super::cloud::Served;
use super::cpu::compare;
use super::pieces::{A_LOOK, PIECES};
use crate::figure::{Figure, Goal};
use crate::numbers::count;

/// Opens nothing.
const KEY: &str = "by-hand-or-by-atlas";

pub(crate) async fn run() -> Outcome<Vec<Figure>> {
    let server = Served::start("pieces")?;
    let base = format!("{}/v2", server.said.trim());
    let account = RunPod::builder().api_key(KEY).runtime_url(&base).build()?;
    let bare = Bare::new(&base, KEY)?;
    // Each time another job of another endpoint: there is a limit for each, and none is to be waited for.
    let jobs = Cell::new(0_u32);
    let next = || {
        jobs.set(jobs.get() + 1);
        (EndpointId::new(format!("endpoint{}", jobs.get())), JobId::new(format!("job{}", jobs.get())))
    };
    let ours = async || -> Outcome<()> {
        let (endpoint, job) = next();
        let mut stream = account.stream_job(&CallContext::new(), &endpoint, &job)?;
        let mut seen = 0;
        while let Some(chunk) = stream.next().await {
            std::hint::black_box(chunk?);
            seen += 1;
        }
        all(seen)
    };
    let by_hand = async || -> Outcome<()> {
        let (endpoint, job) = next();
        let path = format!("{endpoint}/stream/{job}?wait=10000");
        let mut seen = 0;
        loop {
            let mut answer: Value = serde_json::from_slice(&bare.get(&path).await?)?;
            let Some(Value::Array(pieces)) = answer.get_mut("stream").map(Value::take) else {
                return Err("a look without pieces".into());
            };
            for mut piece in pieces {
                std::hint::black_box(piece.get_mut("output").map(Value::take));
                seen += 1;
            }
            if answer.get("status").and_then(Value::as_str) == Some("COMPLETED") {
                return all(seen);
            }
        }
    };
    let compared = compare(ours, by_hand).await?;
    Ok(vec![Figure {
        what: "processor time of a stream of 10,000 chunks ÷ a poller by hand",
        goal: Goal::AtMost(1.15),
        value: compared.ratio(),
        unit: "×",
        detail: format!("{A_LOOK} chunks a look; {}", compared.each(count(PIECES))),
    }])
}

fn all(seen: usize) -> Outcome<()> {
    if seen == PIECES { Ok(()) } else { Err(format!("{seen} chunks came").into()) }
}
