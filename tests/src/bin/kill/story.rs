//! `atlas demo --stay` as it is told: who came, and which machine each got.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::Outcome;
use crate::ground::{Ground, PATIENCE, until};
use crate::machines::There;
use crate::process::{Program, Running};
use crate::reap::text;

/// How many users come to a demo.
const USERS: usize = 3;

/// A demo that stays.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) running: Running,
    /// The machine of each user, once the demo has told it.
    machines: BTreeMap<String, String>,
    pub(crate) stays: bool,
}

impl Story {
    pub(crate) fn start(ground: &Ground) -> Outcome<Self> {
        let running = ground.start(Program::Atlas, &["--json", "demo", "--stay"], &[])?;
        Ok(Self { running, machines: BTreeMap::new(), stays: false })
    }

    /// Listens until this moment.
    pub(crate) fn listen(&mut self, until: Instant) {
        while Instant::now() < until {
            self.hear(until);
        }
    }

    /// Listens until all users have their machine (`true`), or the demo has ended (`false`).
    pub(crate) fn listen_until_it_stays(&mut self) -> Outcome<bool> {
        let deadline = Instant::now() + PATIENCE;
        while !self.stays {
            if self.running.code().is_some() {
                return Ok(false);
            }
            if Instant::now() > deadline {
                return Err(format!("`atlas demo --stay` came nowhere within {PATIENCE:?}"));
            }
            self.hear(Instant::now() + Duration::from_millis(50));
        }
        Ok(true)
    }

    fn hear(&mut self, until: Instant) {
        let Some(line) = self.running.line(until) else { return };
        for session in line["data"]["sessions"].as_array().into_iter().flatten() {
            if let (Some(user), Some(machine)) = (text(session, "user"), text(session, "machine")) {
                self.machines.insert(user, machine);
            }
        }
        self.stays |= line["data"]["stays"] == true;
    }

    /// Whether it has ended by itself, which is wrong as long as nobody has touched it.
    pub(crate) fn goes_on(&mut self) -> Outcome {
        match self.running.code() {
            None => Ok(()),
            Some(code) => Err(format!("`atlas demo --stay` ended unasked with {code}: {}", self.running.complaint())),
        }
    }

    /// Whether there is one machine for each user, and besides those of `others` nothing.
    pub(crate) fn has_one_machine_each(&self, ground: &Ground, others: &There) -> Outcome<There> {
        let wanted: BTreeSet<String> = self.machines.values().cloned().chain(others.ids()).collect();
        if self.machines.len() != USERS || wanted.len() != USERS + others.machines.len() {
            return Err(format!("{USERS} users came, and they were given {:?}", self.machines));
        }
        until("each user has one machine and there is no other", || {
            let there = There::look(&ground.demo_state());
            if there.ids() != wanted || !there.strays.is_empty() {
                return Err(format!("there are {:?} instead of {wanted:?}, and {:?}", there.ids(), there.strays));
            }
            match there.machines.iter().find(|(id, pids)| !others.machines.contains_key(*id) && pids.is_empty()) {
                None => Ok(there),
                Some((id, _)) => Err(format!("machine {id} has no process")),
            }
        })
    }

    /// Ctrl-C. Gives the exit code.
    pub(crate) fn interrupt(&mut self, ground: &Ground) -> Outcome<i32> {
        self.running.send(Signal::INT);
        self.end(ground)
    }

    /// Waits for its end. Gives the exit code.
    pub(crate) fn end(&mut self, ground: &Ground) -> Outcome<i32> {
        let code = self.running.ended()?;
        ground.note(format!("the demo ended with {code}: {}", self.running.complaint()));
        Ok(code)
    }
}
