//! A started program: what it says, its end, and kill -9.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::Outcome;
use crate::ground::PATIENCE;

/// What is started; both are built beside this program.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Program {
    Atlas,
    Backend,
}

impl Program {
    pub(crate) fn path(self) -> Outcome<PathBuf> {
        let own = std::env::current_exe().map_err(|error| format!("this program's own path is unknown: {error}"))?;
        let path = own.with_file_name(match self {
            Self::Atlas => "atlas",
            Self::Backend => "examples/gpu_per_user",
        });
        let missing = || format!("{} is missing; `cargo xtask kill` builds it", path.display());
        if path.exists() { Ok(path) } else { Err(missing()) }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Atlas => "atlas",
            Self::Backend => "gpu_per_user",
        })
    }
}

/// Whoever starts a program shares it; whoever ends all takes it, so that nothing starts meanwhile.
static STARTING: RwLock<()> = RwLock::new(());

/// From now on, while this is kept, nothing is started.
pub(crate) fn no_more_starts() -> RwLockWriteGuard<'static, ()> {
    STARTING.write().unwrap_or_else(PoisonError::into_inner)
}

/// A program that was started. Killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    stderr: PathBuf,
    pub(crate) begun: Instant,
}

impl Running {
    /// Starts it with this state directory and these settings, and no other environment.
    pub(crate) fn start(
        folder: &Path,
        state: &Path,
        program: Program,
        words: &[&str],
        settings: &[(&str, &str)],
    ) -> Outcome<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let stderr = folder.join(format!("stderr-{number}-{program}"));
        let wrong = |error: std::io::Error| format!("{program} cannot be started: {error}");
        let _shared = STARTING.read().unwrap_or_else(PoisonError::into_inner);
        let begun = Instant::now();
        let mut child = Command::new(program.path()?)
            .args(words)
            .current_dir(folder)
            .env_clear()
            .env("ATLAS_STATE_DIR", state)
            .env("ATLAS_ORCHESTRATOR__REAP_GRACE", "1s")
            .envs(settings.iter().map(|(name, value)| (OsStr::new(name), OsStr::new(value))))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&stderr).map_err(wrong)?)
            .spawn()
            .map_err(wrong)?;
        let stdout = child.stdout.take().ok_or_else(|| format!("{program} has no standard output"))?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, lines, stderr, begun })
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap_or(0)
    }

    /// The next line of standard output as JSON; `None` when the moment came first, or no line will come any more.
    pub(crate) fn line(&self, until: Instant) -> Option<Value> {
        match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) => Some(serde_json::from_str(&line).unwrap_or(Value::String(line))),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                // It has closed its output; the moment is waited for all the same.
                std::thread::sleep(until.saturating_duration_since(Instant::now()).min(Duration::from_millis(20)));
                None
            }
        }
    }

    /// All lines that are still to come, once it has ended.
    pub(crate) fn rest(&self) -> Outcome<Vec<Value>> {
        let mut lines = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => lines.push(serde_json::from_str(&line).unwrap_or(Value::String(line))),
                Err(RecvTimeoutError::Disconnected) => return Ok(lines),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("process {} has ended, and somebody still holds its output", self.pid()));
                }
            }
        }
    }

    /// kill -9, and its corpse taken.
    pub(crate) fn kill(&mut self) -> Outcome {
        let pid = self.pid();
        let wrong = |error: std::io::Error| format!("process {pid} cannot be killed: {error}");
        self.child.kill().map_err(wrong)?;
        self.child.wait().map(drop).map_err(wrong)
    }

    pub(crate) fn send(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// Its exit code, if it has ended. One that was ended by a signal has -1.
    pub(crate) fn code(&mut self) -> Option<i32> {
        self.child.try_wait().ok().flatten().map(|status| status.code().unwrap_or(-1))
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> Outcome<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.code() {
                Some(code) => return Ok(code),
                None if Instant::now() > deadline => {
                    return Err(format!("process {} did not end within {PATIENCE:?}", self.pid()));
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// What it said on standard error.
    pub(crate) fn complaint(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default().trim().to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process that may have ended meanwhile.
pub(crate) fn send(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}
