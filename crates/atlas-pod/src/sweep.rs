//! Who belongs to a pod, and getting rid of all of them.
//!
//! Invariant: a process is only counted as the pod's by a proof that a reused number cannot fake. While the supervisor
//! or its keeper lives that is descent: as subreapers they inherit every orphan, and hold the lock until none is left.
//! When both were killed it is a bearer: the marker is in its environment, or what it says goes into the pod's pipe;
//! whoever descends from a bearer; and the pod's session, provided that a bearer is in it (a session's number cannot be
//! given away while anybody is in that session).

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use atlas_auth::{Clock, SystemClock};
use rustix::process::Signal;

use crate::process::{self, Handle, Process};
use crate::report::{Inode, PodReport};

/// The environment variable that marks whatever a pod started, and what descends from it.
pub const MARKER_VARIABLE: &str = "ATLAS_POD_RUN";

/// How long killing may take: what has not gone by then waits inside the kernel, or is not ours to signal.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// Between two rounds of killing: dying takes the kernel about this long.
const KILL_PAUSE: Duration = Duration::from_millis(5);

/// What makes a process one of this pod's.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    /// Supervisor or keeper: whoever inherits the orphans.
    root: i32,
    /// Whether that one is known to be alive for as long as this is used.
    alive: bool,
    session: i32,
    not_before: u64,
    /// What the environment of a bearer holds.
    marker: Option<Vec<u8>>,
    /// What a bearer says goes here.
    output: Option<Inode>,
    /// The asking process, which never ends itself.
    own: i32,
}

impl Scope {
    pub(crate) fn of(report: &PodReport, alive: bool) -> Self {
        Self {
            root: report.pid,
            alive,
            session: report.session,
            not_before: report.started_ticks,
            marker: Some(format!("{MARKER_VARIABLE}={}", report.marker).into_bytes()),
            output: report.output,
            own: process::own(),
        }
    }

    /// All that descend from this process, which is alive for as long as this is used, and leads its session.
    pub(crate) fn descendants_of(pid: i32, started: u64) -> Self {
        Self {
            root: pid,
            alive: true,
            session: pid,
            not_before: started,
            marker: None,
            output: None,
            own: process::own(),
        }
    }

    fn bears(&self, pid: i32) -> bool {
        self.marker.as_ref().is_some_and(|marker| process::environment_has(pid, marker))
            || self.output.is_some_and(|output| process::says_into(pid, output.device, output.inode))
    }

    /// All that belong to the pod now, but for the root.
    pub(crate) fn members(&self) -> io::Result<Vec<Process>> {
        let processes = process::all()?;
        Ok(select(self, &processes, |pid| self.bears(pid)))
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

/// Picks the members among `processes`. `bears` reads files of theirs, so it is asked as seldom as possible.
pub(crate) fn select(scope: &Scope, processes: &[Process], bears: impl Fn(i32) -> bool) -> Vec<Process> {
    // Nothing that began before the root can come from it: this spares asking of most.
    let candidates: Vec<&Process> =
        processes.iter().filter(|process| process.started >= scope.not_before && process.pid != scope.root).collect();
    let mut members: HashSet<i32> = HashSet::new();
    let mut session_is_ours = scope.alive;
    for process in &candidates {
        let descends = scope.alive && (process.parent == scope.root || process.session == scope.session);
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
