//! The folders of an account and its machines: names, locks, and the steps that survive being cut off at any moment.
//!
//! Invariants: a machine's folder appears whole, under the account's lock, and vanishes whole, by one rename. Between the
//! two it is changed only under the machine's own lock. No ending needs the account's lock, so none waits for a create.

#![expect(clippy::disallowed_methods, reason = "this is the seam")]

use std::fs::{OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use atlas_auth::{Clock, Entropy, SystemClock, Timestamp};
use atlas_core::files::{self, FileLock};
use atlas_core::{ComputeId, Effect, Error, ErrorKind, Result};
use atlas_pod::Pod;

use crate::error;
use crate::machine::{FIRST_RUN, Machine, fresh_id, is_id};

/// A folder that is being made.
const HALF: &str = ".new-";

/// A folder whose machine is no more.
const TOMBSTONE: &str = ".gone-";

/// How long to wait for the account's lock, which is held for some writes to disk: only a process that stands still
/// keeps it longer.
const ACCOUNT_LIMIT: Duration = Duration::from_secs(20);

/// How long to wait for a machine's lock: longer than a launch and an ending may take together.
const MACHINE_LIMIT: Duration = Duration::from_secs(40);

/// How long a launch may take whose starter was killed. It is no proof, only what is shown meanwhile: whoever starts or
/// ends the machine then makes sure.
const FRESH: Duration = Duration::from_secs(3);

/// How often a held lock is asked for: the kernel tells nobody when it becomes free.
const LOCK_PAUSE: Duration = Duration::from_millis(3);

/// The folder of one account.
#[derive(Debug, Clone)]
pub(crate) struct AccountFolder {
    path: PathBuf,
}

impl AccountFolder {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The folder of a machine; `None` for an id that this provider never gives.
    pub(crate) fn machine(&self, id: &ComputeId) -> Option<MachineFolder> {
        is_id(id.as_str()).then(|| MachineFolder { path: self.path.join(id.as_str()), id: id.clone() })
    }

    /// All machines that have a folder at one moment at which nobody was making one.
    pub(crate) async fn machines(&self) -> Result<Vec<MachineFolder>> {
        let lock = self.path.join("lock");
        // For reading only, so that it works where nothing may be written, and makes nothing.
        let _lock = match OpenOptions::new().read(true).open(&lock) {
            Ok(file) => {
                let attempt = || match file.try_lock_shared() {
                    Ok(()) => Ok(Some(())),
                    Err(TryLockError::WouldBlock) => Ok(None),
                    Err(TryLockError::Error(error)) => Err(error),
                };
                waited(attempt, ACCOUNT_LIMIT, "make a machine", &lock).await?;
                file
            }
            // Whoever makes the first machine makes the lock before it.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => return Err(error::file("open", &lock, &cause)),
        };
        Ok(self.entries()?.iter().filter_map(|name| self.machine(&ComputeId::new(name.as_str()))).collect())
    }

    /// Makes the folder of a new machine, complete with its record, and gives it with its lock held. `admit` is asked
    /// under the account's lock, before anything is written; `describe` gives the record.
    ///
    /// An error means that there is no such folder.
    pub(crate) async fn create(
        &self,
        entropy: &dyn Entropy,
        admit: impl FnOnce() -> Result<()>,
        describe: impl FnOnce(ComputeId) -> Machine,
    ) -> Result<(MachineFolder, Machine, FileLock)> {
        files::make_private_dir(&self.path)
            .map_err(|cause| error::file("make the folder of machines", &self.path, &cause))?;
        let lock = self.path.join("lock");
        let attempt = || FileLock::try_acquire(&lock);
        let _account = waited(attempt, ACCOUNT_LIMIT, "make a machine", &lock).await?;
        admit()?;
        self.remove_all(HALF);
        let id = fresh_id(entropy);
        let half = self.path.join(format!("{HALF}{id}"));
        let folder = MachineFolder { path: self.path.join(id.as_str()), id: id.clone() };
        let machine = describe(id);
        let made = make_half(&half, &machine).and_then(|lock| {
            files::rename(&half, &folder.path).map_err(|cause| error::file("make", &folder.path, &cause))?;
            Ok(lock)
        });
        match made {
            Ok(lock) => Ok((folder, machine, lock)),
            Err(error) => {
                // Nothing was started in either, and nobody else can have seen more than a folder without a process.
                let _ = files::remove_dir(&half);
                let _ = folder.bury();
                Err(error)
            }
        }
    }

    /// Removes what is left of terminated machines. What resists is left to the next time.
    pub(crate) fn sweep(&self) {
        self.remove_all(TOMBSTONE);
    }

    fn remove_all(&self, prefix: &str) {
        for name in self.entries().unwrap_or_default().iter().filter(|name| name.starts_with(prefix)) {
            let path = self.path.join(name);
            if let Err(cause) = remove_stubborn(&path) {
                tracing::warn!(path = %path.display(), %cause, "what is left of a machine cannot be removed");
            }
        }
    }

    fn entries(&self) -> Result<Vec<String>> {
        let entries = files::list(&self.path).map_err(|cause| error::file("list", &self.path, &cause))?;
        Ok(entries.iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    /// The name of this folder among all others: made once, random, gone with the folder.
    pub(crate) fn identity(&self, entropy: &dyn Entropy) -> Result<String> {
        let path = self.path.join("identity");
        let wrong = |doing: &'static str| {
            let path = path.clone();
            move |cause: io::Error| error::file(doing, &path, &cause)
        };
        let mut text = files::read(&path).map_err(wrong("read"))?;
        if text.is_none() {
            files::make_private_dir(&self.path).map_err(wrong("make the folder of"))?;
            match files::create_durably(&path, fresh_id(entropy).as_str().as_bytes()) {
                Ok(()) => {}
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
                Err(cause) => return Err(wrong("write")(cause)),
            }
            text = files::read(&path).map_err(wrong("read"))?;
        }
        Ok(String::from_utf8_lossy(&text.unwrap_or_default()).trim().to_owned())
    }
}

fn make_half(half: &Path, machine: &Machine) -> Result<FileLock> {
    Pod::new(half).prepare(FIRST_RUN).map_err(|error| error::pod(&machine.id, error).with_effect(Effect::Rejected))?;
    let lock_path = half.join("machine.lock");
    let lock = FileLock::try_acquire(&lock_path)
        .map_err(|cause| error::file("make", &lock_path, &cause))?
        .ok_or_else(|| error::busy("make it", &lock_path))?;
    let record = half.join("machine.json");
    files::write_durably(&record, &machine.encode()).map_err(|cause| error::file("write", &record, &cause))?;
    Ok(lock)
}

/// The folder of one machine, whether or not it is there.
#[derive(Debug, Clone)]
pub(crate) struct MachineFolder {
    path: PathBuf,
    id: ComputeId,
}

impl MachineFolder {
    pub(crate) fn id(&self) -> &ComputeId {
        &self.id
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn pod(&self) -> Pod {
        Pod::new(&self.path)
    }

    pub(crate) fn exists(&self) -> bool {
        files::exists(&self.path)
    }

    /// Reads the record. A folder that is not there is `not_found`; one without a record that can be understood is an
    /// error that names it.
    pub(crate) fn read(&self) -> Result<Machine> {
        let path = self.path.join("machine.json");
        let text = files::read(&path).map_err(|cause| error::file("read", &path, &cause))?;
        let wrong = |why: String| {
            let message = format!("the record {} of machine {} is of no use: {why}", path.display(), self.id);
            Error::new(ErrorKind::Decode, message).with_effect(Effect::Rejected)
        };
        match text {
            Some(text) => Machine::decode(&text).map_err(wrong),
            None if self.exists() => Err(wrong("it is not there; restore it, or terminate the machine".to_owned())),
            None => Err(error::not_found(&self.id)),
        }
    }

    /// Replaces the record, durably. To be called with the lock held.
    pub(crate) fn write(&self, machine: &Machine) -> Result<()> {
        let path = self.path.join("machine.json");
        files::write_durably(&path, &machine.encode()).map_err(|cause| error::file("write", &path, &cause))
    }

    /// Takes the machine's lock, waiting for it. `not_found` if the machine is not there, or no more when its turn comes.
    pub(crate) async fn hold(&self) -> Result<FileLock> {
        let lock = self.path.join("machine.lock");
        if !self.exists() {
            return Err(error::not_found(&self.id));
        }
        let held = waited(|| FileLock::try_acquire(&lock), MACHINE_LIMIT, "start or end it", &lock).await;
        if self.exists() { held } else { Err(error::not_found(&self.id)) }
    }

    /// Whether somebody holds the machine's lock.
    pub(crate) fn is_held(&self) -> Result<bool> {
        let lock = self.path.join("machine.lock");
        let wrong = |cause: io::Error| error::file("read", &lock, &cause);
        match OpenOptions::new().read(true).open(&lock) {
            // Shared, so that any number may look at once.
            Ok(file) => match file.try_lock_shared() {
                Ok(()) => Ok(false),
                Err(TryLockError::WouldBlock) => Ok(true),
                Err(TryLockError::Error(cause)) => Err(wrong(cause)),
            },
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(cause) => Err(wrong(cause)),
        }
    }

    /// Whether the record was written moments ago, so that a launch whose starter was killed may still be coming up.
    pub(crate) fn is_fresh(&self) -> Result<bool> {
        let path = self.path.join("machine.json");
        let written = std::fs::metadata(&path).and_then(|metadata| metadata.modified());
        match written.map(Timestamp::from_system) {
            // A clock that was set back makes nothing fresh.
            Ok(written) => Ok(written <= SystemClock.now() && SystemClock.now().since(written) < FRESH),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(cause) => Err(error::file("read", &path, &cause)),
        }
    }

    /// Takes the machine out of the world; to be called when nothing of it runs and nothing can start. From the rename on
    /// it is gone. What cannot be removed then is left to the next sweep.
    pub(crate) fn bury(&self) -> Result<()> {
        let tombstone = self.path.with_file_name(format!("{TOMBSTONE}{}", self.id));
        match files::rename(&self.path, &tombstone) {
            Ok(()) => {}
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => return Err(files::error("remove", &self.path, &cause).with_effect(Effect::Unknown)),
        }
        if let Err(cause) = remove_stubborn(&tombstone) {
            tracing::warn!(path = %tombstone.display(), %cause, "what is left of a machine cannot be removed yet");
        }
        Ok(())
    }
}

/// Asks until `attempt` succeeds, at most for `limit`.
async fn waited<T>(
    mut attempt: impl FnMut() -> io::Result<Option<T>>,
    limit: Duration,
    what: &str,
    path: &Path,
) -> Result<T> {
    let begun = SystemClock.monotonic();
    loop {
        if let Some(taken) = attempt().map_err(|cause| error::file("lock", path, &cause))? {
            return Ok(taken);
        }
        if SystemClock.monotonic().saturating_sub(begun) > limit {
            return Err(error::busy(what, path));
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
}

/// Removes a folder even where its command made folders in it that forbid it.
fn remove_stubborn(path: &Path) -> io::Result<()> {
    match files::remove_dir(path) {
        Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path)?;
            files::remove_dir(path)
        }
        result => result,
    }
}

fn open_up(folder: &Path) -> io::Result<()> {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // Not of what a link points to: that is somebody else's.
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}
