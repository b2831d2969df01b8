//! A pod as its owner sees it: a directory, and perhaps a supervisor and its keeper that hold the lock in it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use atlas_auth::{Clock, SystemClock};
use rustix::process::Signal;

use crate::directory::{Claim, Directory};
use crate::files;
use crate::log::reader::LogReader;
use crate::process::{self, Handle};
use crate::report::{ExitReport, PodReport, PodState, ProcessId};
use crate::sweep::Scope;

/// How much longer than its command's grace a supervisor may take to go, for killing what is left and writing the end.
const SUPERVISOR_MARGIN: Duration = Duration::from_secs(5);

/// How long somebody who holds the lock, and is no supervisor that could be asked to end, may keep it.
const HOLDER_LIMIT: Duration = Duration::from_secs(10);

/// How often a held lock is asked for: the kernel tells nobody when it becomes free.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Why a pod cannot be looked at or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PodError {
    /// There is no pod.
    #[error("there is no pod in {path}; it was removed, or never made")]
    Missing {
        /// The directory.
        path: PathBuf,
    },
    /// Somebody else holds the pod.
    #[error("the pod in {path} is held by another process; ask again when that has ended it or started it")]
    Busy {
        /// The directory.
        path: PathBuf,
    },
    /// Processes of the pod could not be killed.
    #[error("{count} processes of the pod in {path} do not die; they wait in the kernel, or belong to another user")]
    Remaining {
        /// The directory.
        path: PathBuf,
        /// How many.
        count: usize,
    },
    /// A file could not be read or written.
    #[error("cannot {what} of the pod in {path}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl PodError {
    pub(crate) fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { what, path: path.to_owned(), source }
    }
}

/// A pod, by its directory.
///
/// What is read here is read from `/proc` and a handful of small files: quick, but blocking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    directory: Directory,
}

impl Pod {
    /// The pod of a directory, whether or not there is one yet.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: Directory::new(directory.into()) }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The command's working directory.
    pub fn work_directory(&self) -> PathBuf {
        self.directory.work()
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Makes what the directory lacks and permits run number `run` to start, and no other. Repeats safely.
    ///
    /// To be called before each [`launch`](crate::launch), under whatever keeps the owner's processes from starting
    /// and ending the same pod at once. Each run has a number that no earlier one had.
    pub fn prepare(&self, run: u64) -> Result<(), PodError> {
        files::create_directory(self.path())
            .and_then(|()| files::create_directory(&self.directory.work()))
            .and_then(|()| files::create_empty(&self.directory.lock()))
            .and_then(|()| files::write_whole(&self.directory.run(), run.to_string().as_bytes()))
            .map_err(|error| PodError::io("prepare the directory", self.path(), error))
    }

    /// What the directory shows of the pod now. Changes nothing.
    pub fn inspect(&self) -> Result<PodState, PodError> {
        let wrong = |error| PodError::io("read the state", self.path(), error);
        loop {
            let before = self.read_report()?;
            let held = self.directory.is_held().map_err(wrong)?;
            let report = self.read_report()?;
            // A supervisor may have come up between two of these reads.
            if before != report {
                continue;
            }
            return Ok(match (held, report) {
                (None, _) => return Err(PodError::Missing { path: self.path().to_owned() }),
                (Some(true), Some(report)) if self.holder(&report).is_some() => PodState::Running(report),
                (Some(true), _) => PodState::Busy,
                (Some(false), None) => PodState::NeverStarted,
                (Some(false), Some(report)) => match self.directory.read_exit(report.run).map_err(wrong)? {
                    Some(exit) => PodState::Exited(report, exit),
                    None => PodState::Dead(report),
                },
            });
        }
    }

    /// Ends the pod, whatever state it is in, and returns when nothing of it runs. Repeats safely.
    ///
    /// The command and all its descendants are asked to end and killed after `grace`. What a supervisor left behind
    /// that was itself killed is found and killed too. No run can start any more until the next
    /// [`prepare`](Self::prepare); the answer holds the pod's lock, so that the owner can remove the directory under
    /// it.
    ///
    /// Dropping the future stops nothing that has begun: the pod goes on ending by itself.
    pub async fn end(&self, grace: Duration) -> Result<Ended, PodError> {
        let wrong = |error| PodError::io("end the processes", self.path(), error);
        // A supervisor that was forked and has not looked yet starts nothing.
        let withdrawn = files::remove_if_there(&self.directory.run())
            .map_err(|error| PodError::io("withdraw the permission to start", self.path(), error));
        let lock = self.take_lock(grace).await?;
        // One that cannot be understood names nobody; that the lock is free is the keeper's word that nobody is left.
        let report = self.read_report().or_else(unless_spoilt)?;
        if let Some(report) = &report {
            self.kill_strays(report).await?;
        }
        let exit = match &report {
            Some(report) => self.directory.read_exit(report.run).map_err(wrong)?,
            None => None,
        };
        // Said last: on a disk that takes no change, what runs is ended all the same.
        withdrawn?;
        Ok(Ended { report, exit, _lock: lock })
    }

    /// Kills what a killed supervisor left behind. Does nothing to a pod that runs. Repeats safely.
    pub async fn sweep(&self) -> Result<(), PodError> {
        match self.directory.try_claim().map_err(|error| PodError::io("take the lock", self.path(), error))? {
            Claim::Missing => Err(PodError::Missing { path: self.path().to_owned() }),
            Claim::Held => Ok(()),
            Claim::Taken(_lock) => match self.read_report()? {
                Some(report) => self.kill_strays(&report).await,
                None => Ok(()),
            },
        }
    }

    /// Reads the log from its beginning, as far as the cap has left it.
    pub fn read_log(&self) -> Result<LogReader, PodError> {
        LogReader::open(self.clone(), None).map_err(|error| PodError::io("open the log", self.path(), error))
    }

    /// Reads the log from the first whole line within its last bytes.
    pub fn read_log_end(&self, last_bytes: u64) -> Result<LogReader, PodError> {
        LogReader::open(self.clone(), Some(last_bytes))
            .map_err(|error| PodError::io("open the log", self.path(), error))
    }

    async fn take_lock(&self, grace: Duration) -> Result<File, PodError> {
        let begun = SystemClock.monotonic();
        let mut asked: Option<ProcessId> = None;
        loop {
            match self.directory.try_claim().map_err(|error| PodError::io("take the lock", self.path(), error))? {
                Claim::Taken(lock) => return Ok(lock),
                Claim::Missing => return Err(PodError::Missing { path: self.path().to_owned() }),
                Claim::Held => {}
            }
            // Read each time: a supervisor may just be coming up.
            let holder = match self.read_report() {
                Ok(report) => report.as_ref().and_then(|report| self.holder(report)),
                Err(error) => unless_spoilt(error).map(|_| self.holder_by_its_words())?,
            };
            let waited = SystemClock.monotonic().saturating_sub(begun);
            match holder {
                Some((holder, process)) => {
                    if asked != Some(holder) {
                        // On a full disk the pod goes by the grace that it was launched with.
                        let millis = grace.as_millis().to_string();
                        let _ = files::write_whole(&self.directory.ending(), millis.as_bytes());
                        process.send(Signal::TERM);
                        process.send(Signal::CONT);
                        asked = Some(holder);
                    } else if waited > grace.saturating_add(SUPERVISOR_MARGIN) {
                        self.kill_with(holder, &process).await?;
                    }
                }
                None if waited > grace.saturating_add(HOLDER_LIMIT) => {
                    return Err(PodError::Busy { path: self.path().to_owned() });
                }
                None => {}
            }
            tokio::time::sleep(LOCK_PAUSE).await;
        }
    }

    /// For a supervisor or keeper that does not do its work. Standing still, it goes on collecting its orphans, so that
    /// all can be found by descent; it goes last.
    async fn kill_with(&self, holder: ProcessId, process: &Handle) -> Result<(), PodError> {
        process.send(Signal::STOP);
        let left = Scope::descendants_of(holder.pid, holder.started_ticks).kill_strays().await;
        // One that still has descendants keeps the lock, so that nobody takes them for gone.
        process.send(if matches!(left, Ok(0)) { Signal::KILL } else { Signal::CONT });
        let count = left.map_err(|error| PodError::io("end the processes", self.path(), error))?;
        if count > 0 { Err(PodError::Remaining { path: self.path().to_owned(), count }) } else { Ok(()) }
    }

    /// For a pod whose supervisor and keeper are gone.
    async fn kill_strays(&self, report: &PodReport) -> Result<(), PodError> {
        let wrong = |error| PodError::io("end the processes", self.path(), error);
        if process::boot_id().map_err(wrong)? != report.boot_id {
            return Ok(());
        }
        let count = Scope::of(report, false).kill_strays().await.map_err(wrong)?;
        if count > 0 { Err(PodError::Remaining { path: self.path().to_owned(), count }) } else { Ok(()) }
    }

    /// The live process that the report names, if it is this pod's supervisor, or else its keeper: of this boot, begun
    /// when the report says, and with this very lock open.
    fn holder(&self, report: &PodReport) -> Option<(ProcessId, Handle)> {
        let (device, inode) = self.directory.lock_identity().ok()?;
        if process::boot_id().ok()? != report.boot_id {
            return None;
        }
        let supervisor = ProcessId { pid: report.pid, started_ticks: report.started_ticks };
        [Some(supervisor), report.keeper].into_iter().flatten().find_map(|holder| {
            let handle = Handle::open(holder.pid, holder.started_ticks)?;
            process::has_open(holder.pid, device, inode).then_some((holder, handle))
        })
    }

    /// The same, where the report cannot be understood: whoever was started to supervise this directory, or to keep it,
    /// and has its lock open.
    fn holder_by_its_words(&self) -> Option<(ProcessId, Handle)> {
        let (device, inode) = self.directory.lock_identity().ok()?;
        let path = std::path::absolute(self.path()).ok()?;
        let processes = process::all().ok()?;
        ["supervise", "run"].into_iter().find_map(|verb| {
            let is_it = |process: &&process::Process| {
                process::was_told(process.pid, verb, &path) && process::has_open(process.pid, device, inode)
            };
            let found = processes.iter().find(is_it)?;
            let holder = ProcessId { pid: found.pid, started_ticks: found.started };
            Some((holder, Handle::open(found.pid, found.started)?))
        })
    }

    fn read_report(&self) -> Result<Option<PodReport>, PodError> {
        self.directory.read_report().map_err(|error| PodError::io("read the report", self.path(), error))
    }
}

/// A report that cannot be understood is as none, to whoever ends the pod.
fn unless_spoilt(error: PodError) -> Result<Option<PodReport>, PodError> {
    match error {
        PodError::Io { source, .. } if source.kind() == io::ErrorKind::InvalidData => Ok(None),
        other => Err(other),
    }
}

/// A pod of which nothing runs. While this is kept, nobody can start it, nor remove it by way of [`Pod::end`].
#[derive(Debug)]
#[must_use = "the pod is held until this is dropped"]
pub struct Ended {
    report: Option<PodReport>,
    exit: Option<ExitReport>,
    _lock: File,
}

impl Ended {
    /// What the latest run wrote about itself, if there was one.
    pub fn report(&self) -> Option<&PodReport> {
        self.report.as_ref()
    }

    /// How its command ended, where its supervisor lived to see it.
    pub fn exit(&self) -> Option<ExitReport> {
        self.exit
    }
}
