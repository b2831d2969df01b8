//! Who belongs to a pod, and getting rid of all of them.
//!
//! Invariant: a process is only counted as the pod's by a proof that a reused number cannot fake. While the supervisor
//! lives that is descent: as subreaper it inherits every orphan. When it was killed it is the marker in a process's
//! environment; whoever descends from a bearer; and the pod's session, provided that a bearer is in it (a session's
//! number cannot be given away while anybody is in that session).

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use atlas_auth::{Clock, SystemClock};
use rustix::process::Signal;

use crate::process::{self, Handle, Process};
use crate::report::PodReport;

/// The environment variable that marks whatever a pod started, and what descends from it.
pub const MARKER_VARIABLE: &str = "ATLAS_POD_RUN";

/// How long killing may take: what has not gone by then waits inside the kernel, or is not ours to signal.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// Between two rounds of killing: dying takes the kernel about this long.
const KILL_PAUSE: Duration = Duration::from_millis(5);

/// What makes a process one of this pod's.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    supervisor: i32,
    /// Whether the supervisor is known to be alive for as long as this is used.
    alive: bool,
    session: i32,
    not_before: u64,
    marker: Vec<u8>,
    /// The asking process, which never ends itself.
    own: i32,
}

impl Scope {
    pub(crate) fn of(report: &PodReport, alive: bool) -> Self {
        Self {
            supervisor: report.pid,
            alive,
            session: report.session,
            not_before: report.started_ticks,
            marker: format!("{MARKER_VARIABLE}={}", report.marker).into_bytes(),
            own: rustix::process::getpid().as_raw_nonzero().get(),
        }
    }

    /// All that belong to the pod now, but for the supervisor.
    pub(crate) fn members(&self) -> io::Result<Vec<Process>> {
        let processes = process::all()?;
        Ok(select(self, &processes, |pid| process::environment_has(pid, &self.marker)))
    }

    /// Asks all to end.
    pub(crate) fn ask_to_end(&self) -> io::Result<()> {
        for member in self.members()? {
            if let Some(handle) = Handle::open(member.pid, member.started) {
                // One that is stopped only hears the first signal after the second.
                let _ = handle.send(Signal::TERM) && handle.send(Signal::CONT);
            }
        }
        Ok(())
    }

    /// One round of killing. Gives how many were found.
    pub(crate) fn kill_once(&self) -> io::Result<usize> {
        let members = self.members()?;
        let handles: Vec<Handle> =
            members.iter().filter_map(|member| Handle::open(member.pid, member.started)).collect();
        // All stand still before the first dies, so that none starts another in place of one that went.
        for signal in [Signal::STOP, Signal::KILL] {
            for handle in &handles {
                handle.send(signal);
            }
        }
        Ok(members.len())
    }

    /// Kills until `gone` says that nobody is left, given what a round found. Gives how many were left in the end.
    pub(crate) async fn kill_all(&self, mut gone: impl FnMut(usize) -> bool) -> io::Result<usize> {
        let begun = SystemClock.monotonic();
        loop {
            let found = self.kill_once()?;
            if gone(found) {
                return Ok(0);
            }
            if SystemClock.monotonic().saturating_sub(begun) > KILL_LIMIT {
                return Ok(found);
            }
            tokio::time::sleep(KILL_PAUSE).await;
        }
    }

    /// Kills all from outside the supervisor. Gives how many were left in the end.
    pub(crate) async fn kill_strays(&self) -> io::Result<usize> {
        // One walk can miss a child born during it whose parent was gone when its turn came; the next one sees it.
        let mut empty_walks = 0;
        self.kill_all(|found| {
            empty_walks = if found == 0 { empty_walks + 1 } else { 0 };
            empty_walks == 2
        })
        .await
    }
}

/// Picks the members among `processes`. `bears` reads an environment, so it is asked as seldom as possible.
pub(crate) fn select(scope: &Scope, processes: &[Process], bears: impl Fn(i32) -> bool) -> Vec<Process> {
    // Nothing that began before the supervisor can come from it: this spares reading most environments.
    let candidates: Vec<&Process> = processes
        .iter()
        .filter(|process| process.started >= scope.not_before && process.pid != scope.supervisor)
        .collect();
    let mut members: HashSet<i32> = HashSet::new();
    let mut session_is_ours = scope.alive;
    for process in &candidates {
        let descends = scope.alive && (process.parent == scope.supervisor || process.session == scope.session);
        if descends {
            members.insert(process.pid);
        } else if !process.dead && bears(process.pid) {
            members.insert(process.pid);
            session_is_ours |= process.session == scope.session;
        }
    }
    loop {
        let before = members.len();
        for process in &candidates {
            let joins = members.contains(&process.parent)
                || members.contains(&process.session)
                || (session_is_ours && process.session == scope.session);
            if joins {
                members.insert(process.pid);
            }
        }
        if members.len() == before {
            break;
        }
    }
    candidates
        .into_iter()
        .filter(|process| !process.dead && process.pid != scope.own && members.contains(&process.pid))
        .copied()
        .collect()
}

#[cfg(test)]
mod tests;
