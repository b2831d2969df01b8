//! The ground of one run: a folder with a state directory of its own, what is started there, and what was noted.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::machines::{There, processes};
use crate::process::{Program, Running};

/// How long anything may take that has no other bound. Longer than any promise, so that a slow machine fails no run.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// How often something that is waited for is looked at.
const PAUSE: Duration = Duration::from_millis(30);

/// The folder of one run.
#[derive(Debug)]
pub(crate) struct Ground {
    folder: PathBuf,
    begun: Instant,
    notes: Mutex<Vec<String>>,
}

impl Ground {
    pub(crate) fn new(folder: PathBuf) -> Outcome<Self> {
        fs::create_dir_all(&folder).map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
        Ok(Self { folder, begun: Instant::now(), notes: Mutex::default() })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// The state directory of a demo inside the state directory.
    pub(crate) fn demo_state(&self) -> PathBuf {
        self.state().join("demo")
    }

    /// Something that happened, for whoever reads why a run failed.
    pub(crate) fn note(&self, what: impl Into<String>) {
        let line = format!("{:>6} ms  {}", self.begun.elapsed().as_millis(), what.into());
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    pub(crate) fn notes(&self) -> Vec<String> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts a program over the state directory.
    pub(crate) fn start(&self, program: Program, words: &[&str], settings: &[(&str, &str)]) -> Outcome<Running> {
        self.start_over(&self.state(), program, words, settings)
    }

    pub(crate) fn start_over(
        &self,
        state: &Path,
        program: Program,
        words: &[&str],
        settings: &[(&str, &str)],
    ) -> Outcome<Running> {
        self.note(format!("start {program} {}", words.join(" ")));
        Running::start(&self.folder, state, program, words, settings)
    }

    /// Takes away what Atlas knows, and leaves the cloud.
    pub(crate) fn lose_books(&self, state: &Path) -> Outcome {
        for name in ["store.redb", "store.redb.reserve", "intents"] {
            let path = state.join(name);
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            match removed {
                Ok(()) => self.note(format!("deleted {name}")),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(format!("{} cannot be deleted: {error}", path.display())),
            }
        }
        Ok(())
    }

    /// Waits until nothing is left of any machine.
    pub(crate) fn is_left_clean(&self, state: &Path) -> Outcome {
        until("everything is ended", || {
            There::look(state).nothing()?;
            match processes(&self.folder).first() {
                None => Ok(()),
                Some(process) => Err(format!("process {} ({}) is there", process.pid, process.words)),
            }
        })
    }

    /// Ends whatever runs here, as roughly as can be.
    pub(crate) fn clear(&self) {
        clear(&self.folder);
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // Also where a run panicked.
        self.clear();
    }
}

/// Ends all processes that belong to a folder.
pub(crate) fn clear(folder: &Path) {
    let deadline = Instant::now() + PATIENCE;
    // One walk can miss a child whose parent was gone when its turn came; the next one sees it.
    let mut empty_walks = 0;
    while empty_walks < 2 && Instant::now() < deadline {
        let left = processes(folder);
        empty_walks = if left.is_empty() { empty_walks + 1 } else { 0 };
        for pid in left.iter().filter_map(|process| rustix::process::Pid::from_raw(process.pid)) {
            // One that has ended meanwhile needs no signal.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        if empty_walks == 0 {
            std::thread::sleep(PAUSE);
        }
    }
}

/// Waits until something holds.
pub(crate) fn until<T>(what: &str, holds: impl FnMut() -> Outcome<T>) -> Outcome<T> {
    within(PATIENCE, what, holds)
}

/// Waits, at most this long, until something holds.
pub(crate) fn within<T>(limit: Duration, what: &str, mut holds: impl FnMut() -> Outcome<T>) -> Outcome<T> {
    let deadline = Instant::now() + limit;
    loop {
        match holds() {
            Ok(value) => return Ok(value),
            Err(error) if Instant::now() > deadline => {
                return Err(format!("within {limit:?} it never held that {what}: {error}"));
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

/// Looks for this long that something holds all the time.
pub(crate) fn always(span: Duration, mut holds: impl FnMut() -> Outcome) -> Outcome {
    let deadline = Instant::now() + span;
    while Instant::now() < deadline {
        holds()?;
        std::thread::sleep(PAUSE * 3);
    }
    holds()
}
