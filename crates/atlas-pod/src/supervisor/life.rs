//! A pod that is up: waits for its command, or for being asked to end, and leaves nothing behind.

use std::io;
use std::sync::mpsc;
use std::time::Duration;

use atlas_auth::{Clock, SystemClock};
use rustix::io::Errno;
use rustix::process::{WaitOptions, WaitStatus};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

use super::ports::Port;
use crate::directory::Directory;
use crate::files;
use crate::log::writer::LogWriter;
use crate::report::{ExitReport, Outcome, PodReport};
use crate::sweep::Scope;

/// How long the rest of the output may take to reach the log once nobody is left to write more.
const LOG_LIMIT: Duration = Duration::from_secs(1);

/// The signals that a supervisor hears.
#[derive(Debug)]
pub(super) struct Signals {
    child: Signal,
    terminate: Signal,
    interrupt: Signal,
    /// Caught so that it does nothing: unlike an ignored one, a caught signal is as new for the command.
    hangup: Signal,
}

impl Signals {
    pub(super) fn catch() -> io::Result<Self> {
        Ok(Self {
            child: signal(SignalKind::child())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    pub(super) async fn next(&mut self) -> Heard {
        loop {
            tokio::select! {
                _ = self.child.recv() => return Heard::Child,
                _ = self.terminate.recv() => return Heard::End,
                _ = self.interrupt.recv() => return Heard::End,
                _ = self.hangup.recv() => {}
            }
        }
    }
}

/// What a signal was about.
pub(super) enum Heard {
    Child,
    End,
}

/// A pod that is up.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) directory: Directory,
    pub(super) report: PodReport,
    pub(super) scope: Scope,
    pub(super) command: i32,
    pub(super) grace: Duration,
    pub(super) log: LogWriter,
    pub(super) log_done: mpsc::Receiver<()>,
    pub(super) _servers: JoinSet<()>,
    pub(super) _ports: Vec<Port>,
}

impl Life {
    pub(super) fn report(&self) -> &PodReport {
        &self.report
    }

    /// Lives until nothing of the pod is left but this process.
    pub(super) async fn live(self, signals: &mut Signals) {
        // The moment, on the clock that never goes back, at which patience ends.
        let mut patience: Option<Duration> = None;
        let (mut ended, mut asked) = (false, false);
        loop {
            let Reaped { outcome, childless } = reap(self.command);
            if let Some(outcome) = outcome {
                self.write_exit(outcome, asked);
                ended = true;
            }
            let now = SystemClock.monotonic();
            if childless || patience.is_some_and(|until| now >= until) {
                break;
            }
            // A command that went by itself takes the rest with it; they are asked, and have their grace as well.
            if ended && patience.is_none() {
                patience = Some(now.saturating_add(self.grace));
                self.ask_to_end();
            }
            let left = patience.map_or(Duration::MAX, |until| until.saturating_sub(now));
            let heard = tokio::time::timeout(left, signals.next()).await;
            if matches!(heard, Ok(Heard::End)) {
                let until = SystemClock.monotonic().saturating_add(self.directory.read_ending().unwrap_or(self.grace));
                patience = Some(patience.map_or(until, |earlier| earlier.min(until)));
                asked |= !ended;
                self.ask_to_end();
            }
        }
        self.kill_the_rest(ended, asked).await;
        // Everything that was said before is in the log when the lock becomes free.
        let _ = self.log_done.recv_timeout(LOG_LIMIT);
    }

    fn ask_to_end(&self) {
        if let Err(error) = self.scope.ask_to_end() {
            self.log.remark(&format!("the processes cannot be asked to end: {error}"));
        }
    }

    async fn kill_the_rest(&self, mut ended: bool, asked: bool) {
        let killed = self
            .scope
            .kill_all(|_| {
                let reaped = reap(self.command);
                if let Some(outcome) = reaped.outcome {
                    self.write_exit(outcome, asked);
                    ended = true;
                }
                // Every orphan becomes this process's child: without children there are no descendants.
                reaped.childless
            })
            .await;
        match killed {
            Ok(0) => {}
            Ok(left) => self.log.remark(&format!("{left} processes do not die and are left behind")),
            Err(error) => self.log.remark(&format!("the processes cannot be found: {error}")),
        }
    }

    fn write_exit(&self, outcome: Outcome, asked: bool) {
        let exit = ExitReport { run: self.report.run, outcome, at: SystemClock.now(), asked };
        let text = serde_json::to_vec(&exit).expect("an exit report is plain text and numbers");
        let path = self.directory.exit();
        let written = files::fill_reserved(&self.directory.exit_reserve(), &path, &text)
            .or_else(|_| files::write_whole(&path, &text));
        if let Err(error) = written {
            self.log.remark(&format!("the exit status cannot be written: {error}"));
        }
    }
}

/// What [`reap`] found.
pub(super) struct Reaped {
    /// How the process that was named ended, once.
    pub(super) outcome: Option<Outcome>,
    /// Whether there is no child any more, dead or alive.
    pub(super) childless: bool,
}

/// Takes the exit status of everything that has ended.
pub(super) fn reap(command: i32) -> Reaped {
    let mut outcome = None;
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => {
                if pid.as_raw_nonzero().get() == command {
                    outcome = outcome_of(status);
                }
            }
            Ok(None) => return Reaped { outcome, childless: false },
            Err(Errno::INTR) => {}
            Err(_) => return Reaped { outcome, childless: true },
        }
    }
}

fn outcome_of(status: WaitStatus) -> Option<Outcome> {
    status.exit_status().map(Outcome::Code).or_else(|| status.terminating_signal().map(Outcome::Signal))
}
