//! The disk under the store, as a seam: the database file, the reserve of space beside it, and the note of who holds
//! it. [`Folder`] is the real one; tests put in disks that fill up, fail and lose power.

#![expect(clippy::disallowed_methods, reason = "this is the seam")]

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{Builder, Database, DatabaseError, ReadOnlyDatabase};

/// What the store needs of a disk.
pub(super) trait Disk: fmt::Debug + Send + Sync {
    /// How people know the file.
    fn name(&self) -> String;

    /// Opens the database, or makes it: one that is new is not in its place yet.
    fn open(&self, builder: &Builder) -> Result<Database, DatabaseError>;

    /// The database as it stands, to look at it without changing a byte. None: there is none, or a crash left it in
    /// need of mending.
    fn look(&self, builder: &Builder) -> Option<ReadOnlyDatabase>;

    /// Puts a database that was just made in its place, whole. Never over another.
    fn publish(&self) -> io::Result<()>;

    /// After a failed write, with the database closed: brings what the operating system still holds of the file to the
    /// disk, and makes it forget the rest, so that the next open reads what is really there.
    fn settle(&self) -> io::Result<()>;

    /// Whether the reserve is there.
    fn has_reserve(&self) -> bool;

    /// Takes so many bytes of the disk, durably, or none.
    fn take_reserve(&self, bytes: u64) -> io::Result<()>;

    /// Gives the reserve back to the disk.
    fn give_reserve(&self) -> io::Result<()>;

    /// The process that noted itself as the holder.
    fn holder(&self) -> Option<u32>;

    /// Notes this process as the holder, or nobody.
    fn note_holder(&self, pid: Option<u32>) -> io::Result<()>;
}

/// A file in a folder, with its `.reserve` and `.pid` beside it. All are made for the owner's eyes only.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The store at `path`. Makes the folder if it is not there.
    pub(super) fn new(path: PathBuf) -> io::Result<Self> {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        Ok(Self { path })
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(ending);
        name.into()
    }

    /// A file that is new or taken away is durable only once its folder is.
    fn sync_folder(&self) -> io::Result<()> {
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
    }

    fn private() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).mode(0o600);
        options
    }

    fn fill(&self, path: &Path, bytes: u64) -> io::Result<()> {
        let mut file = Self::private().truncate(true).open(path)?;
        // Bytes that no file system can squeeze together.
        let mut state = 0x2545_F491_4F6C_DD1D_u64;
        let mut left = bytes;
        while left > 0 {
            let mut block = [0; 4096];
            for chunk in block.chunks_exact_mut(8) {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                chunk.copy_from_slice(&state.to_be_bytes());
            }
            let size = usize::try_from(left.min(4096)).unwrap_or(4096);
            file.write_all(&block[..size])?;
            left = left.saturating_sub(4096);
        }
        file.sync_all()?;
        self.sync_folder()
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

impl Disk for Folder {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn open(&self, builder: &Builder) -> Result<Database, DatabaseError> {
        let making = self.beside(".new");
        if self.path.exists() {
            remove(&making)?;
            let file = Self::private().create(false).open(&self.path)?;
            return builder.create_with_backend(FileBackend::new(file)?);
        }
        let file = Self::private().truncate(false).open(&making)?;
        // What a crash left half made holds nothing that anyone was promised; unless somebody is making it right now.
        match file.try_lock() {
            Ok(()) => file.set_len(0)?,
            Err(TryLockError::WouldBlock) => return Err(DatabaseError::DatabaseAlreadyOpen),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        file.unlock()?;
        builder.create_with_backend(FileBackend::new(file)?)
    }

    fn look(&self, builder: &Builder) -> Option<ReadOnlyDatabase> {
        builder.open_read_only(&self.path).ok()
    }

    fn publish(&self) -> io::Result<()> {
        let making = self.beside(".new");
        if !making.exists() {
            return Ok(());
        }
        // A second name for the file, which unlike a renaming can never take the place of another's.
        std::fs::hard_link(&making, &self.path)?;
        remove(&making)?;
        self.sync_folder()
    }

    fn settle(&self) -> io::Result<()> {
        let file = OpenOptions::new().read(true).write(true).open(&self.path)?;
        file.sync_data()?;
        // Pages that could not be written count as clean afterwards and would be read back as if they had been.
        #[cfg(target_os = "linux")]
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        Ok(())
    }

    fn has_reserve(&self) -> bool {
        self.beside(".reserve").exists()
    }

    fn take_reserve(&self, bytes: u64) -> io::Result<()> {
        // Under another name until it is whole, so that half a reserve is never taken for one.
        let making = self.beside(".reserve.new");
        let made = self.fill(&making, bytes);
        if made.is_err() {
            remove(&making)?;
            return made;
        }
        std::fs::rename(&making, self.beside(".reserve"))?;
        self.sync_folder()
    }

    fn give_reserve(&self) -> io::Result<()> {
        remove(&self.beside(".reserve"))?;
        self.sync_folder()
    }

    fn holder(&self) -> Option<u32> {
        std::fs::read_to_string(self.beside(".pid")).ok()?.trim().parse().ok()
    }

    fn note_holder(&self, pid: Option<u32>) -> io::Result<()> {
        let path = self.beside(".pid");
        match pid {
            Some(pid) => Self::private().truncate(true).open(path)?.write_all(format!("{pid}\n").as_bytes()),
            None => remove(&path),
        }
    }
}
