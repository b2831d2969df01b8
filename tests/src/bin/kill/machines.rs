//! What there is: the machines' folders, which are the cloud, and the processes, which are the machines.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use crate::Outcome;

/// One process that belongs to a state directory: named in its command line, its working directory or its environment.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) words: String,
    /// Whose it is, where that can be told.
    pub(crate) machine: Option<String>,
    supervises: bool,
}

/// In this time something shows of what is still being started.
const SETTLING: Duration = Duration::from_millis(400);

/// What there is at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct There {
    /// The processes of each machine that has a folder.
    pub(crate) machines: BTreeMap<String, BTreeSet<i32>>,
    /// Processes that should not be: of machines that have none, or a second supervisor of one.
    pub(crate) strays: Vec<String>,
}

impl There {
    /// Looks at the account `local` of this state directory.
    pub(crate) fn look(state: &Path) -> Self {
        // First the processes: a machine that goes meanwhile takes its folder last.
        let processes = processes(state);
        let mut there = Self::default();
        for entry in fs::read_dir(state.join("local/local")).into_iter().flatten().flatten() {
            if let Some(id) = entry.file_name().to_str().filter(|name| name.starts_with("m-")) {
                there.machines.insert(id.to_owned(), BTreeSet::new());
            }
        }
        let mut supervised = BTreeSet::new();
        for process in processes {
            let Some(id) = process.machine else { continue };
            match there.machines.get_mut(&id) {
                Some(_) if process.supervises && !supervised.insert(id) => {
                    there.strays.push(format!("{} ({}), a second supervisor", process.pid, process.words));
                }
                Some(pids) => drop(pids.insert(process.pid)),
                None => there.strays.push(format!("{} ({})", process.pid, process.words)),
            }
        }
        there
    }

    /// Looks once everything that was being started has come up: when two looks a moment apart show the same.
    pub(crate) fn settled(state: &Path) -> Self {
        let mut before = Self::look(state);
        loop {
            std::thread::sleep(SETTLING);
            let there = Self::look(state);
            if there == before {
                return there;
            }
            before = there;
        }
    }

    pub(crate) fn ids(&self) -> BTreeSet<String> {
        self.machines.keys().cloned().collect()
    }

    /// Whether each of these machines, with each of its processes, is still there.
    pub(crate) fn has_all_of(&self, before: &Self) -> Outcome {
        for (id, pids) in &before.machines {
            let Some(now) = self.machines.get(id) else { return Err(format!("machine {id} was ended")) };
            if let Some(pid) = pids.difference(now).next() {
                return Err(format!("process {pid} of machine {id} was ended"));
            }
        }
        Ok(())
    }

    /// Whether there is nothing.
    pub(crate) fn nothing(&self) -> Outcome {
        match (self.machines.keys().next(), self.strays.first()) {
            (None, None) => Ok(()),
            (Some(id), _) => Err(format!("machine {id} is there")),
            (None, Some(stray)) => Err(format!("process {stray} is there, and should not be")),
        }
    }
}

/// All processes of a state directory.
pub(crate) fn processes(state: &Path) -> Vec<Process> {
    let text = state.as_os_str().as_bytes();
    let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    let own = std::process::id().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().filter(|name| **name != own).and_then(|name| name.parse().ok()) else { continue };
        let path = entry.path();
        let words = fs::read(path.join("cmdline")).unwrap_or_default();
        let folder = fs::read_link(path.join("cwd")).unwrap_or_default();
        let ours = holds(&words)
            || holds(folder.as_os_str().as_bytes())
            || holds(&fs::read(path.join("environ")).unwrap_or_default());
        if !ours {
            continue;
        }
        let words = String::from_utf8_lossy(&words).replace('\0', " ").trim().to_owned();
        let machine = machine_in(&folder.to_string_lossy()).or_else(|| machine_in(&words));
        let supervises = words.contains("__pod supervise ");
        found.push(Process { pid, words, machine, supervises });
    }
    found
}

/// The machine whose folder a text names.
fn machine_in(text: &str) -> Option<String> {
    let begun = text.find("/local/local/")? + "/local/local/".len();
    let name = text.get(begun..)?.trim_start_matches(".gone-").trim_start_matches(".new-");
    let id: String = name.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '-').collect();
    id.starts_with("m-").then_some(id)
}
