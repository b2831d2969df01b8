//! Runs the rounds, several at once, each on a ground of its own. Whatever a run leaves is ended; the ground of one that
//! failed is kept to be looked at.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::asked::Asked;
use crate::ground::{Ground, clear};
use crate::plan::{Round, VICTIMS, Victim};
use crate::process::no_more_starts;
use crate::{backend, demo, orchestrator, spawn};

/// All rounds. The error counts the runs that failed.
pub(crate) fn run(asked: &Asked) -> Outcome {
    let begun = Instant::now();
    let folder = tempfile::Builder::new().prefix("atlas-kill-").tempdir();
    let folder = folder.map_err(|error| format!("no temporary folder can be made: {error}"))?;
    clear_when_interrupted(folder.path().to_owned());
    let runs = asked.runs();
    let spans = measure(folder.path(), &runs)?;
    println!("seed {}; a start takes {}", asked.seed, told(&spans));
    let next = AtomicUsize::new(0);
    let failed = AtomicUsize::new(0);
    let screen = Mutex::new(());
    std::thread::scope(|threads| {
        for _ in 0..asked.lanes.min(runs.len()) {
            threads.spawn(|| {
                while let Some(round) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let lines = one(asked, round, folder.path(), &spans);
                    failed.fetch_add(usize::from(lines.is_err()), Ordering::Relaxed);
                    let _whole = screen.lock().unwrap_or_else(PoisonError::into_inner);
                    println!("{}", lines.unwrap_or_else(|lines| lines));
                }
            });
        }
    });
    let seconds = begun.elapsed().as_secs();
    match failed.load(Ordering::Relaxed) {
        0 => {
            println!("{} runs in {seconds} s: nothing was forgotten, doubled or ended under its user", runs.len());
            Ok(())
        }
        failed => {
            let kept = folder.keep();
            Err(format!("{failed} of {} runs failed in {seconds} s; see {}", runs.len(), kept.display()))
        }
    }
}

/// One run. Gives the line that tells of it.
fn one(asked: &Asked, round: &Round, folder: &Path, spans: &BTreeMap<Victim, Duration>) -> Result<String, String> {
    let begun = Instant::now();
    let name = format!("round {} of {}, {}", round.number, round.victim, round.books);
    let ground = Ground::new(folder.join(name.replace([' ', ','], "-")))?;
    let span = spans.get(&round.victim).copied().unwrap_or_default();
    let outcome = match round.victim {
        Victim::Demo => demo::run(round.clone(), &ground, span),
        Victim::Orchestrator => orchestrator::run(round.clone(), &ground, span),
        Victim::Backend => backend::run(round.clone(), &ground, span),
        Victim::Spawn => spawn::run(round.clone(), &ground, span),
    };
    let left = outcome.is_err().then(|| crate::machines::processes(ground.folder()));
    ground.clear();
    let notes = asked.notes.then(|| ground.notes());
    match outcome {
        Ok(seen) => {
            // What cannot be removed goes with the folder of all.
            let _ = std::fs::remove_dir_all(ground.folder());
            let mut lines = vec![format!("{name}: {seen} ({} s)", begun.elapsed().as_secs())];
            lines.extend(notes.iter().flatten().map(|note| format!("    {note}")));
            Ok(lines.join("\n"))
        }
        Err(wrong) => {
            let mut lines = vec![format!("FAILED: {name}: {wrong}")];
            lines.extend(ground.notes().iter().map(|note| format!("    {note}")));
            lines.extend(left.iter().flatten().map(|process| format!("    left: {} {}", process.pid, process.words)));
            lines.push(format!(
                "    repeat it with: cargo xtask kill --seed {} --round {}; see {}",
                asked.seed,
                round.number,
                ground.folder().display()
            ));
            Err(lines.join("\n"))
        }
    }
}

/// How long the start of each victim takes here, undisturbed.
fn measure(folder: &Path, runs: &[Round]) -> Outcome<BTreeMap<Victim, Duration>> {
    let mut spans = BTreeMap::new();
    for victim in VICTIMS.into_iter().filter(|victim| runs.iter().any(|run| run.victim == *victim)) {
        let ground = Ground::new(folder.join(format!("measure-{victim}")))?;
        let measured = match victim {
            Victim::Demo | Victim::Orchestrator => demo::measure(&ground),
            Victim::Backend => backend::measure(&ground),
            Victim::Spawn => spawn::measure(&ground),
        };
        ground.clear();
        spans.insert(victim, measured.map_err(|error| format!("{victim}, which nobody killed: {error}"))?);
    }
    Ok(spans)
}

fn told(spans: &BTreeMap<Victim, Duration>) -> String {
    let words: Vec<_> = spans.iter().map(|(victim, span)| format!("{} ms ({victim})", span.as_millis())).collect();
    words.join(", ")
}

/// Ctrl-C, and whatever else asks this program to end, ends first whatever runs here.
fn clear_when_interrupted(folder: PathBuf) {
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        if runtime.block_on(interrupted()).is_ok() {
            let _nothing_starts = no_more_starts();
            clear(&folder);
            let _ = std::fs::remove_dir_all(&folder);
            std::process::exit(130);
        }
    });
}

async fn interrupted() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut hangup, mut terminate) = (signal(SignalKind::hangup())?, signal(SignalKind::terminate())?);
    tokio::select! {
        asked = tokio::signal::ctrl_c() => asked,
        _ = hangup.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}
