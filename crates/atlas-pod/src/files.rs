//! The file seam (rule S1): every byte that this crate reads from or writes to a disk passes here.
//!
//! Invariant: a document (`pod.json`, `exit.json`, `run`) is replaced whole or not at all, and is on the disk when the
//! call returns.

#![expect(clippy::disallowed_methods, reason = "this is the seam")]

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Room that [`reserve`] takes. Every text given to [`fill_reserved`] fits: an exit report is a fifth of it.
const RESERVED: usize = 512;

/// Only the owner reads and writes.
const PRIVATE: u32 = 0o600;

pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(path)
}

/// The content, or `None` where there is no such file.
pub(crate) fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a directory that only its owner can enter; one that is there already is left as it is.
pub(crate) fn create_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes an empty file; one that is there already is left as it is.
pub(crate) fn create_empty(path: &Path) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).mode(PRIVATE).open(path).map(drop)
}

pub(crate) fn open_for_reading(path: &Path) -> io::Result<File> {
    File::open(path)
}

pub(crate) fn open_for_appending(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(PRIVATE).open(path)
}

/// For reading and writing, of the kind that `/dev/null` is.
pub(crate) fn open_device(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// Replaces `path` by `content`, whole or not at all, and syncs both the file and its folder.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let fresh = path.with_added_extension("new");
    let written = write_and_sync(&fresh, content).and_then(|()| rename(&fresh, path));
    if written.is_err() {
        // What is half written helps nobody, and on a full disk takes room from others.
        let _ = remove_if_there(&fresh);
    }
    written
}

/// Takes room for one small document, so that it can still be written when the disk is full.
pub(crate) fn reserve(path: &Path) -> io::Result<()> {
    write_and_sync(path, &[b' '; RESERVED])
}

/// Writes a small document into the room that [`reserve`] took at `reserved` and puts it in place of `path`. It is
/// padded with blanks.
pub(crate) fn fill_reserved(reserved: &Path, path: &Path, content: &[u8]) -> io::Result<()> {
    let mut padded = content.to_vec();
    padded.resize(RESERVED.max(content.len()), b' ');
    let mut file = OpenOptions::new().write(true).open(reserved)?;
    file.write_all(&padded)?;
    file.sync_all()?;
    rename(reserved, path)
}

/// Renames within one folder and syncs it.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)?;
    sync_folder_of(to)
}

/// Renames without syncing: for logs, whose loss in a power cut is no harm.
pub(crate) fn rename_loosely(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)
}

/// Removes a file and syncs its folder; nothing there is success.
pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Ok(()) => sync_folder_of(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn write_and_sync(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(PRIVATE).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| open_for_reading(folder)?.sync_all())
}

/// What the file system knows of a file.
pub(crate) fn about(path: &Path) -> io::Result<std::fs::Metadata> {
    std::fs::metadata(path)
}
