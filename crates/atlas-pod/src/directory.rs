//! The files of a pod's directory, and who may start in it.
//!
//! | file | written by | what it is |
//! |---|---|---|
//! | `pod.lock` | owner, empty | held exclusively by keeper and supervisor for as long as either lives, or by an owner that ends it |
//! | `run` | owner | the number of the run that may start; none: nothing may |
//! | `pod.json` | supervisor | [`PodReport`], on disk before the command starts |
//! | `exit.json` | supervisor | [`ExitReport`] |
//! | `exit.reserve` | supervisor | room for `exit.json` on a full disk |
//! | `ending` | owner | how long the command may take to end, this time |
//! | `log`, `log.1` | supervisor | what the command said: `log.1` before `log` |
//! | `work/` | command | its working directory |
//!
//! Invariant: a supervisor starts its command only while it holds the lock of a file that is still linked here, and
//! `run` names its run. Whoever takes the lock first and then removes the directory, or `run`, has ended the pod for
//! good, even if a supervisor was already forked.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::files;
use crate::report::{ExitReport, PodReport};

/// The directory of one pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Directory {
    path: PathBuf,
}

impl Directory {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.path.join("pod.lock")
    }

    pub(crate) fn run(&self) -> PathBuf {
        self.path.join("run")
    }

    pub(crate) fn report(&self) -> PathBuf {
        self.path.join("pod.json")
    }

    pub(crate) fn exit(&self) -> PathBuf {
        self.path.join("exit.json")
    }

    pub(crate) fn exit_reserve(&self) -> PathBuf {
        self.path.join("exit.reserve")
    }

    pub(crate) fn ending(&self) -> PathBuf {
        self.path.join("ending")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    pub(crate) fn older_log(&self) -> PathBuf {
        self.path.join("log.1")
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.path.join("work")
    }

    /// The run that may start.
    pub(crate) fn read_run(&self) -> io::Result<Option<u64>> {
        let Some(text) = files::read_if_there(&self.run())? else { return Ok(None) };
        Ok(String::from_utf8_lossy(&text).trim().parse().ok())
    }

    pub(crate) fn read_report(&self) -> io::Result<Option<PodReport>> {
        read_json(&self.report())
    }

    /// How the command of this run ended.
    pub(crate) fn read_exit(&self, run: u64) -> io::Result<Option<ExitReport>> {
        Ok(read_json::<ExitReport>(&self.exit())?.filter(|exit| exit.run == run))
    }

    /// What the owner said at the last ending.
    pub(crate) fn read_ending(&self) -> Option<Duration> {
        let text = files::read_if_there(&self.ending()).ok()??;
        String::from_utf8_lossy(&text).trim().parse().ok().map(Duration::from_millis)
    }

    /// Takes the lock if nobody holds it and the directory is still there.
    pub(crate) fn try_claim(&self) -> io::Result<Claim> {
        let Some(file) = self.open_lock()? else { return Ok(Claim::Missing) };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Claim::Held),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        Ok(if self.is_linked(&file)? { Claim::Taken(file) } else { Claim::Missing })
    }

    /// Whether somebody holds the lock; `None` where there is no pod.
    pub(crate) fn is_held(&self) -> io::Result<Option<bool>> {
        let Some(file) = self.open_lock()? else { return Ok(None) };
        // Shared, so that any number may look at once; whoever wants the lock for itself asks again after a moment.
        match file.try_lock_shared() {
            Ok(()) => Ok(Some(false)),
            Err(TryLockError::WouldBlock) => Ok(Some(true)),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Only for reading, so that a pod can be looked at and ended where nothing may be written; and it never creates: a
    /// directory that was removed stays removed.
    fn open_lock(&self) -> io::Result<Option<File>> {
        match files::open_for_reading(&self.lock()) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Device and inode of the lock's file.
    pub(crate) fn lock_identity(&self) -> io::Result<(u64, u64)> {
        let metadata = files::about(&self.lock())?;
        Ok((metadata.dev(), metadata.ino()))
    }

    /// Whether this open file is the lock that stands here now.
    pub(crate) fn is_linked(&self, file: &File) -> io::Result<bool> {
        let held = file.metadata()?;
        match self.lock_identity() {
            Ok(linked) => Ok(linked == (held.dev(), held.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// What came of asking for the lock.
#[derive(Debug)]
pub(crate) enum Claim {
    /// It is ours until the file is closed.
    Taken(File),
    /// Somebody else has it.
    Held,
    /// The directory was removed.
    Missing,
}

fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    let Some(text) = files::read_if_there(path)? else { return Ok(None) };
    let value = serde_json::from_slice(&text)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("it cannot be understood: {error}")))?;
    Ok(Some(value))
}
