//! What a machine is doing, from what its folder shows. Pure.

use atlas_core::ComputeStatus;
use atlas_pod::{Outcome, PodState};

use crate::machine::Wanted;

/// Added to a signal's number to make an exit code of it, as shells do.
const SIGNALLED: i32 = 128;

/// What became of the process of the latest run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Process {
    /// It was never started.
    None,
    /// It is just starting, or being ended.
    Changing,
    /// It lives.
    Alive,
    /// It ended with this code.
    Ended(i32),
    /// It is gone, and nobody saw how.
    Lost,
}

impl Process {
    /// What `state` says about run number `run`: what an earlier run left behind says nothing.
    pub(crate) fn of(state: &PodState, run: u64) -> Self {
        match state {
            PodState::Busy => Self::Changing,
            PodState::Running(_) => Self::Alive,
            PodState::Exited(report, exit) if report.run >= run => Self::Ended(match exit.outcome {
                Outcome::Code(code) => code,
                Outcome::Signal(signal) => SIGNALLED + signal,
                _ => -1,
            }),
            PodState::Dead(report) if report.run >= run => Self::Lost,
            _ => Self::None,
        }
    }
}

/// The status, and the exit code where that is the status. `held` says that somebody is at work on the machine.
pub(crate) fn status(wanted: Wanted, process: Process, held: bool) -> (ComputeStatus, Option<i32>) {
    let status = match (wanted, process) {
        (Wanted::Gone, _) => ComputeStatus::Terminating,
        (Wanted::Stopped, Process::Alive | Process::Changing) => ComputeStatus::Stopping,
        (Wanted::Stopped, Process::None | Process::Ended(_) | Process::Lost) => ComputeStatus::Stopped,
        (Wanted::Running, Process::Alive) => ComputeStatus::Running,
        (Wanted::Running, Process::Changing) => ComputeStatus::Starting,
        (Wanted::Running, Process::None) if held => ComputeStatus::Starting,
        (Wanted::Running, Process::None | Process::Lost) => ComputeStatus::Failed,
        (Wanted::Running, Process::Ended(code)) => return (ComputeStatus::Exited, Some(code)),
    };
    (status, None)
}

#[cfg(test)]
mod tests;
