//! RunPod's provider against what a person would write by hand: the same requests to the same simulated cloud, which runs
//! in a process of its own, so that only the client is measured. Everything on one thread.

mod bare;
mod cloud;
mod cpu;
mod get;
mod life;
mod list;
mod pieces;
mod rate;
mod stream;

use atlas_tests::Outcome;

use crate::figure::Figure;

/// The parts of these, in the order in which they run.
pub(crate) const PARTS: [&str; 5] = ["life", "get", "list", "stream", "sim"];

/// Children: the servers. They end when their standard input does.
pub(crate) fn serve(what: &str) -> Outcome<()> {
    match what {
        "cloud" => cloud::serve(),
        "pieces" => pieces::serve(),
        other => Err(format!("no server is called {other}").into()),
    }
}

pub(crate) fn run(part: &str) -> Outcome<Vec<Figure>> {
    // One thread, so that no other one's waking and waiting is measured along.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match part {
            "life" => life::run().await,
            "get" => get::run().await,
            "list" => list::run().await,
            "stream" => stream::run().await,
            "sim" => rate::run().await,
            other => Err(format!("part {other} is not wired").into()),
        }
    })
}
