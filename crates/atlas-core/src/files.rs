//! The seam to the file system (rule S1): what is written here is durable, private, and whole or absent.
//!
//! Every function blocks for as long as the disk takes.

#![expect(clippy::disallowed_methods, reason = "this is the seam")]

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::{Error, ErrorKind};

/// Makes a folder and its parents, readable only by its owner. One that exists is left as it is.
pub fn make_private_dir(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Replaces a file's content: afterwards it holds the new content, or, after a crash at any moment, the old one. Readable
/// only by its owner. The folder must exist.
pub fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = temporary_beside(path);
    let written = write_new(&temporary, content).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // Best effort: the error that counts is the first one.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    sync_parent(path)
}

/// Makes a file that must not exist yet, durably. `AlreadyExists` if it does.
pub fn create_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = temporary_beside(path);
    let written = write_new(&temporary, content).and_then(|()| fs::hard_link(&temporary, path));
    let _ = fs::remove_file(&temporary);
    written?;
    sync_parent(path)
}

/// The whole content; `None` if there is no such file.
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    absent_is_none(fs::read(path))
}

/// Removes a file. One that is not there is a success.
pub fn remove(path: &Path) -> io::Result<()> {
    absent_is_none(fs::remove_file(path)).map(|_| ())
}

/// Removes a folder with all in it. One that is not there is a success.
pub fn remove_dir(path: &Path) -> io::Result<()> {
    absent_is_none(fs::remove_dir_all(path)).map(|_| ())
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

/// A lock between processes, held until it is dropped or its process dies.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes the lock at `path`, waiting for it.
    pub fn acquire(path: &Path) -> io::Result<Self> {
        let file = open_for_lock(path)?;
        file.lock()?;
        Ok(Self { _file: file })
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
    private(OpenOptions::new().read(true).write(true).create(true).truncate(false)).open(path)
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = private(OpenOptions::new().write(true).create(true).truncate(true)).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn temporary_beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().map(std::ffi::OsStr::to_owned).unwrap_or_default();
    name.push(format!(".{}.{:?}.new", std::process::id(), std::thread::current().id()));
    path.with_file_name(name)
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
