//! The seam to the file system (rule S1): what is written here is durable, private, and whole or absent.
//!
//! Every function blocks for as long as the disk takes.

#![expect(clippy::disallowed_methods, reason = "this is the seam")]

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::{Error, ErrorKind};

/// How the name of a file ends that is not yet what it is to become.
const TEMPORARY: &str = ".new";

/// How long to wait for a lock that is held for one write: only a process that stands still holds it longer.
const LOCK_LIMIT: Duration = Duration::from_secs(10);

/// How often a held lock is asked for: the kernel tells nobody when it becomes free.
const LOCK_PAUSE: Duration = Duration::from_millis(3);

/// Makes a folder and its parents, durably, readable only by its owner. One that exists is left as it is.
pub fn make_private_dir(path: &Path) -> io::Result<()> {
    let made: Vec<_> =
        path.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists()).collect();
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    // What is written below is no more durable than the folders that lead to it.
    made.into_iter().rev().try_for_each(sync_parent)
}

/// Replaces a file's content: afterwards it holds the new content, or, after a crash at any moment, the old one. Readable
/// only by its owner. The folder must exist.
pub fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = write_beside(path, content)?;
    let written = fs::rename(&temporary, path);
    if written.is_err() {
        // Best effort: the error that counts is the first one.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    sync_parent(path)
}

/// Makes a file that must not exist yet, durably. `AlreadyExists` if it does.
pub fn create_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = write_beside(path, content)?;
    let written = fs::hard_link(&temporary, path);
    let _ = fs::remove_file(&temporary);
    written?;
    sync_parent(path)
}

/// The whole content; `None` if there is no such file.
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    absent_is_none(fs::read(path))
}

/// The whole content, of a file that a person named; `None` if there is no such file. One that holds more than `limit`
/// bytes, as a device does that never ends, is an error.
pub fn read_at_most(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let Some(file) = absent_is_none(File::open(path))? else { return Ok(None) };
    let mut content = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut content)?;
    if u64::try_from(content.len()).unwrap_or(u64::MAX) > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it holds more than {limit} bytes")));
    }
    Ok(Some(content))
}

/// Removes a file. One that is not there is a success.
pub fn remove(path: &Path) -> io::Result<()> {
    absent_is_none(fs::remove_file(path)).map(|_| ())
}

/// Removes a folder with all in it. One that is not there is a success.
pub fn remove_dir(path: &Path) -> io::Result<()> {
    absent_is_none(fs::remove_dir_all(path)).map(|_| ())
}

/// Removes what writers that died left in a folder: temporary files that were last written before `moment`.
pub fn sweep(folder: &Path, moment: SystemTime) -> io::Result<()> {
    for path in list(folder)? {
        let is_temporary = path.as_os_str().as_encoded_bytes().ends_with(TEMPORARY.as_bytes());
        if is_temporary && absent_is_none(fs::metadata(&path).and_then(|about| about.modified()))? < Some(moment) {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Renames within one file system, durably.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_parent(to)
}

/// The entries of a folder, by name; none if there is no such folder.
pub fn list(path: &Path) -> io::Result<Vec<PathBuf>> {
    let Some(entries) = absent_is_none(fs::read_dir(path))? else { return Ok(Vec::new()) };
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Whether something is at this path.
pub fn exists(path: &Path) -> bool {
    path.exists()
}

/// Whether a folder is at this path.
pub fn is_folder(path: &Path) -> bool {
    path.is_dir()
}

/// Whether a file is this process's own user's, or root's: nobody else can have written what it says.
#[cfg(unix)]
pub fn is_trusted(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let owner = fs::metadata(path)?.uid();
    Ok(owner == 0 || owner == rustix::process::geteuid().as_raw())
}

/// Whether a file is this process's own user's. Where owners cannot be told, each is.
#[cfg(not(unix))]
pub fn is_trusted(_: &Path) -> io::Result<bool> {
    Ok(true)
}

/// The permission bits of what is at this path; `None` if nothing is.
#[cfg(unix)]
pub fn mode(path: &Path) -> io::Result<Option<u32>> {
    use std::os::unix::fs::PermissionsExt;
    Ok(absent_is_none(fs::metadata(path))?.map(|about| about.permissions().mode() & 0o7777))
}

/// The permission bits of what is at this path. Where there are none, nothing can be said of any.
#[cfg(not(unix))]
pub fn mode(_: &Path) -> io::Result<Option<u32>> {
    Ok(None)
}

/// A lock between processes, held until it is dropped or its process dies.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes the lock at `path`, waiting for it; `TimedOut` where somebody holds it for ten seconds.
    pub fn acquire(path: &Path) -> io::Result<Self> {
        let mut waited = Duration::ZERO;
        loop {
            if let Some(lock) = Self::try_acquire(path)? {
                return Ok(lock);
            }
            if waited >= LOCK_LIMIT {
                let why = "another process has held it for ten seconds: end it, or let it go on";
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
            std::thread::sleep(LOCK_PAUSE);
            waited += LOCK_PAUSE;
        }
    }

    /// Takes the lock at `path`; `None` if somebody holds it.
    pub fn try_acquire(path: &Path) -> io::Result<Option<Self>> {
        let file = open_for_lock(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

fn open_for_lock(path: &Path) -> io::Result<File> {
    match private(OpenOptions::new().read(true).write(true).create(true).truncate(false)).open(path) {
        // One that is there can be locked all the same.
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => File::open(path),
        opened => opened,
    }
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Writes a file of its own beside `path`, durably. No other writer has its name: neither a thread of this process nor a
/// process of another container, whose number may be the same.
fn write_beside(path: &Path, content: &[u8]) -> io::Result<PathBuf> {
    for attempt in 0_u32.. {
        let mut name = path.file_name().map(std::ffi::OsStr::to_owned).unwrap_or_default();
        name.push(format!(".{}.{attempt}{TEMPORARY}", std::process::id()));
        let temporary = path.with_file_name(name);
        let mut file = match private(OpenOptions::new().write(true).create_new(true)).open(&temporary) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(error),
        };
        if let Err(error) = file.write_all(content).and_then(|()| file.sync_all()) {
            // Best effort: the error that counts is the first one.
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
        return Ok(temporary);
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

fn absent_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The error of a file operation, for a person: what was being done, to which file, and why it failed.
pub fn error(doing: &str, path: &Path, cause: &io::Error) -> Error {
    let hint = match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; free some space and try again",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; give this user the right to write there, or set state_dir elsewhere"
        }
        _ => "",
    };
    Error::new(ErrorKind::Unknown, format!("cannot {doing} {}: {cause}{hint}", path.display()))
        .with_effect(crate::Effect::NotSent)
}

#[cfg(test)]
mod tests {
    //! No writer hurts another, and what a dead one left is swept.

    use super::*;

    #[test]
    fn s1_writers_of_one_file_never_share_a_temporary_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("installation");
        // A process of another container with our number, in mid-write.
        let theirs = folder.path().join(format!("installation.{}.0.new", std::process::id()));
        fs::write(&theirs, "theirs").unwrap();
        create_durably(&path, b"ours").unwrap();
        write_durably(&path, b"ours again").unwrap();
        assert_eq!(fs::read(&theirs).unwrap(), b"theirs");
        assert_eq!(fs::read(&path).unwrap(), b"ours again");
        assert_eq!(list(folder.path()).unwrap().len(), 2);
    }

    #[test]
    fn s1_only_what_a_dead_writer_left_is_swept() {
        let folder = tempfile::tempdir().unwrap();
        let (left, kept) = (folder.path().join("a.json.7.0.new"), folder.path().join("a.json"));
        fs::write(&left, "").unwrap();
        fs::write(&kept, "").unwrap();
        let written = fs::metadata(&left).unwrap().modified().unwrap();
        sweep(folder.path(), written).unwrap();
        assert!(left.exists(), "perhaps it is still being written");
        sweep(folder.path(), written + Duration::from_millis(1)).unwrap();
        assert_eq!(list(folder.path()).unwrap(), [kept]);
    }

    #[test]
    fn o1_a_folder_is_made_with_all_that_leads_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/c");
        make_private_dir(&path).unwrap();
        make_private_dir(&path).unwrap();
        assert!(path.is_dir());
    }
}
