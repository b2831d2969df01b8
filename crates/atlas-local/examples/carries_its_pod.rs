//! A program that carries its own pod: it starts itself again, behind a hidden subcommand, as the supervisor of each
//! machine. Nothing need be installed beside it.
//!
//! ```text
//! cargo run --example carries_its_pod
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use atlas_core::config::Config;
use atlas_core::{Atlas, Auth, ComputeRequest};
use atlas_local::{factory, pod_main};

fn main() -> ExitCode {
    // First of all, before any thread and any runtime: the supervisor makes its own.
    if let Some(code) = pod_main() {
        return code;
    }
    match show() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn show() -> Result<(), Box<dyn Error>> {
    let state_dir = tempfile::tempdir()?;
    let config = Config::builder().state_dir(state_dir.path()).build();
    let atlas = Atlas::builder(config).factory(Arc::new(factory())).build();
    let local = atlas.provider("local")?;

    let spawned = local.spawn(ComputeRequest::cpu().name("first"), Auth::Bearer).await?;
    let compute = &spawned.compute;
    println!("{} is {}", compute.name.as_deref().unwrap_or_default(), compute.status);
    println!("at {} it answers whoever has its key", compute.ports[0].url.as_deref().unwrap_or_default());

    local.terminate(compute).await?;
    println!("and it is gone");
    Ok(())
}
