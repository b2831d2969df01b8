//! The keeper: the supervisor's parent, and second in line to inherit what the command started.
//!
//! Invariant: keeper and supervisor hold the pod's lock by one open file, which the kernel lets go of with the last of
//! the two. So whoever finds the lock free after the supervisor was killed knows that the keeper has seen the last
//! descendant die. It finds them by descent alone, which no process can shed: neither by another session, nor by
//! another environment, nor by closing all that it inherited.
//!
//! It does nothing else, so that hardly anything can go wrong with it. Where it is killed itself, the machine lives on,
//! and only what the next owner can prove (see [`crate::sweep`]) stands behind the supervisor any more.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, IntoRawFd};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::life::{Signals, reap};
use crate::directory::{Claim, Directory};
use crate::process;
use crate::spec::Wire;
use crate::surroundings;
use crate::sweep::Scope;

/// Whoever just looks at the pod holds the lock for a moment; whoever ends it withdraws the permission.
const LOCK_TRIES: u32 = 300;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Between two attempts at what does not die: it waits inside the kernel, and nobody can hurry it.
const STUBBORN_PAUSE: Duration = Duration::from_secs(1);

/// Starts the supervisor, under the pod's lock. Its process number.
pub(super) async fn start(directory: &Directory, spec: &Wire) -> Result<i32, String> {
    let lock = claim(directory, spec.run).await?;
    let wrong = |error: std::io::Error| format!("the supervisor cannot be started: {error}");
    let text = atlas_auth::Secret::new(serde_json::to_string(spec).map_err(|error| wrong(error.into()))?);
    #[expect(clippy::disallowed_methods, reason = "the supervisor is started here")]
    let mut child = Command::new(surroundings::OWN_PROGRAM)
        .args(&spec.prefix)
        .arg("supervise")
        .arg(directory.path())
        .stdin(Stdio::piped())
        // One of the three that can be handed on in safe Rust; there is nothing to say on it yet.
        .stderr(lock.try_clone().map_err(wrong)?)
        .spawn()
        .map_err(wrong)?;
    // Kept until the end of this process.
    let _held_for_life = lock.into_raw_fd();
    if let Some(mut stdin) = child.stdin.take() {
        // A supervisor that refuses before it has read everything breaks the pipe; its answer says why.
        let _ = stdin.write_all(text.expose().as_bytes());
    }
    i32::try_from(child.id()).map_err(|error| format!("the supervisor has no process number: {error}"))
}

/// Waits for the supervisor's end, and ends whatever it left. Returns when nothing of the pod runs.
pub(super) async fn keep(supervisor: i32, signals: &mut Signals) {
    loop {
        let reaped = reap(supervisor);
        if reaped.childless {
            return;
        }
        if reaped.outcome.is_some() {
            break;
        }
        // Whoever wants the pod to end asks the supervisor: a signal only means to look again.
        let _ = signals.next().await;
    }
    while !ended_all(supervisor).await {
        tokio::time::sleep(STUBBORN_PAUSE).await;
    }
}

/// Whether all that came to this process is dead.
async fn ended_all(supervisor: i32) -> bool {
    let Some(itself) = process::read(process::own()) else { return false };
    let left = Scope::descendants_of(itself.pid, itself.started).kill_all(|_| reap(supervisor).childless).await;
    matches!(left, Ok(0))
}

async fn claim(directory: &Directory, run: u64) -> Result<File, String> {
    for _ in 0..LOCK_TRIES {
        match directory.try_claim().map_err(|error| format!("the lock cannot be taken: {error}"))? {
            Claim::Missing => return Err(format!("its directory {} was removed", directory.path().display())),
            Claim::Held => tokio::time::sleep(LOCK_PAUSE).await,
            Claim::Taken(lock) => {
                let permitted = directory.read_run().map_err(|error| format!("its run cannot be read: {error}"))?;
                return if permitted == Some(run) {
                    Ok(lock)
                } else {
                    Err(format!("run {run} may not start any more: it was ended, or another was prepared"))
                };
            }
        }
    }
    Err(format!("the pod in {} is running already, or being ended", directory.path().display()))
}

/// The supervisor's own hold on the lock that its keeper took: for as long as this process lives.
pub(super) fn inherit(directory: &Directory) -> Result<(), String> {
    let wrong = |error: std::io::Error| format!("the lock was not handed over: {error}");
    let lock = File::from(std::io::stderr().as_fd().try_clone_to_owned().map_err(wrong)?);
    if !directory.is_linked(&lock).map_err(wrong)? {
        return Err(format!(
            "its directory {} was removed, or its keeper holds no lock in it",
            directory.path().display()
        ));
    }
    // Never closed but by the end of the process, when the ports have been let go: the next run may want the same.
    let _held_for_life = lock.into_raw_fd();
    Ok(())
}
