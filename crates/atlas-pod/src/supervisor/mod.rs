//! The supervisor: one process for one run of a pod, from its start until nothing of it is left; and its [`keeper`].
//!
//! ```text
//! keeper:     spec from stdin ─► setsid, subreaper ─► lock, permission ─► supervisor ─► … ─► what it left ─► exit
//! supervisor: setsid, subreaper ─► strays of an earlier run ─► ports ─► pod.json ─► command (through `exec`)
//!   ─► answer on stdout ─► … ─► exit.json ─► all descendants gone ─► exit (lock free)
//! ```
//!
//! Invariants: nothing of a run starts before its `pod.json` is on disk, so whoever finds the lock free knows whom to
//! look for. A launcher that died meanwhile changes nothing: the pod is there, and its directory says so. The command
//! is started by the process's first thread, which lives as long as the process, since the kernel ties the command to
//! the thread.

mod birth;
mod environment;
mod keeper;
mod life;
mod ports;

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustix::fs::Mode;
use rustix::process::{getpid, set_child_subreaper, setsid, umask};

use crate::directory::Directory;
use crate::files;
use crate::launch::Answer;
use crate::program::say;
use crate::spec::Wire;

/// Runs a pod to its end.
pub(crate) fn main(path: PathBuf) -> ExitCode {
    stage(async |spec| supervise(Directory::new(path), spec).await)
}

/// Runs a supervisor, and clears up after it.
pub(crate) fn keeper(path: PathBuf) -> ExitCode {
    stage(async |spec| keep(Directory::new(path), spec).await)
}

/// A process of its own, with a spec from its standard input. An error means that nothing runs.
fn stage(life: impl AsyncFnOnce(Wire) -> Result<(), String>) -> ExitCode {
    match prepare().map_err(|error| format!("the supervisor cannot be set up: {error}")).and_then(|(spec, runtime)| {
        let outcome = runtime.block_on(life(spec));
        // A thread that still waits for a pipe must not keep the process, and with it the lock.
        runtime.shutdown_background();
        outcome
    }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            answer(&Answer::Failed(reason));
            ExitCode::FAILURE
        }
    }
}

fn prepare() -> io::Result<(Wire, tokio::runtime::Runtime)> {
    close_inherited()?;
    let mut text = Vec::new();
    io::stdin().read_to_end(&mut text)?;
    // A launcher that was killed while writing leaves half a text, which is not understood: nothing starts.
    let spec = serde_json::from_slice(&text)?;
    setsid()?;
    set_child_subreaper(Some(getpid()))?;
    umask(Mode::RWXG | Mode::RWXO);
    // No folder is kept from being unmounted.
    #[expect(clippy::disallowed_methods, reason = "this process is the supervisor's own")]
    std::env::set_current_dir("/")?;
    Ok((spec, tokio::runtime::Builder::new_current_thread().enable_all().build()?))
}

/// Closes what the owner's own surroundings left open, such as the lock of a script that started it: the pod would keep
/// it for as long as it lives.
fn close_inherited() -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "what the kernel shows of this process")]
    let numbers: Vec<i32> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2)
        .collect();
    for number in numbers {
        // This process has opened nothing yet but the listing itself, which is closed by now: that one is an error.
        let _ = nix::unistd::close(number);
    }
    Ok(())
}

async fn keep(directory: Directory, spec: Wire) -> Result<(), String> {
    let mut signals = signals()?;
    let supervisor = keeper::start(&directory, &spec).await?;
    // The answer is the supervisor's to give; and the keys are not this process's to keep.
    silence();
    drop(spec);
    keeper::keep(supervisor, &mut signals).await;
    Ok(())
}

fn signals() -> Result<life::Signals, String> {
    life::Signals::catch().map_err(|error| format!("signals cannot be caught: {error}"))
}

async fn supervise(directory: Directory, spec: Wire) -> Result<(), String> {
    keeper::inherit(&directory)?;
    let mut signals = signals()?;
    let pod = birth::bring_up(directory, spec).await?;
    answer(&Answer::Started(Box::new(pod.report().clone())));
    silence();
    pod.live(&mut signals).await;
    Ok(())
}

/// Tells the launcher. One that is gone does not matter.
fn answer(answer: &Answer) {
    let mut stdout = io::stdout();
    let _ = stdout.write_all(answer.line().as_bytes()).and_then(|()| stdout.flush());
}

/// Lets go of the launcher's pipes, which it reads to their end.
fn silence() {
    let silenced = files::open_device(Path::new("/dev/null")).and_then(|null| {
        rustix::stdio::dup2_stdin(&null)?;
        rustix::stdio::dup2_stdout(&null)?;
        rustix::stdio::dup2_stderr(&null)?;
        Ok(())
    });
    if let Err(error) = silenced {
        say(&format!("atlas-pod: /dev/null cannot be opened: {error}"));
    }
}
