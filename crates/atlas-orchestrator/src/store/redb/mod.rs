//! The default store: one file. One process holds it, so opening it voids all leases.
//!
//! - `disk` the folder, as a seam · `failure` what goes wrong, in our words · `keys`, `codec` bytes ·
//!   `tables` what is read and written · `file` the open file · `writer` grouped commits.
//!
//! A commit is answered when it is synced to the disk. After any failed write the file is closed and opened again, and
//! what became of the commits in flight is read back from it. When the disk is full a reserve of real bytes beside the
//! file is given up, so that endings still fit; everything else is refused until it could be taken again.

mod codec;
mod disk;
mod failure;
mod file;
mod keys;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use atlas_auth::{Clock, SystemClock};
use bytes::Bytes;

use self::disk::{Disk, Folder};
use self::failure::Failure;
use self::file::OpenFile;
use self::tables::{ReadTables, Sight};
use self::writer::Shared;
use super::commit::{Commit, CommitError, Committed, Fence, StoreError};
use super::leases::Moment;
use super::page::{Claimed, Cursor, Page, Range};
use super::plan::bearing_row;
use super::row::{Key, Queue, Row, RowKey};
use super::{Store, sealed};

/// How a [`RedbStore`] is to behave.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RedbOptions {
    /// Memory for pages of the file, in bytes. 16 MiB unless told.
    pub cache_bytes: usize,
    /// Space held back on the disk for endings, in bytes. 4 MiB unless told.
    pub reserve_bytes: u64,
    /// How many events are kept; the oldest go first. 20,000 unless told.
    pub events_kept: u64,
    /// Judges what is due, what has expired, and leases.
    pub clock: Arc<dyn Clock>,
}

impl Default for RedbOptions {
    fn default() -> Self {
        Self { cache_bytes: 16 << 20, reserve_bytes: 4 << 20, events_kept: 20_000, clock: Arc::new(SystemClock) }
    }
}

/// A store in one file, `path`, with `path.reserve` and `path.pid` beside it, all readable by their owner only.
///
/// Needs a tokio runtime: it reads and writes on its blocking threads.
pub struct RedbStore {
    shared: Arc<Shared>,
}

impl RedbStore {
    /// Opens the store, or makes it together with its folder. A crash before is mended here, which reads the whole
    /// file once.
    pub async fn open(path: impl Into<PathBuf>, options: RedbOptions) -> Result<Self, StoreError> {
        let path = path.into();
        let name = path.display().to_string();
        blocking(move || {
            let disk = Folder::new(path).map_err(|error| Failure::io(&error).told(&name))?;
            Self::open_on(Arc::new(disk), &options)
        })
        .await
    }

    fn open_on(disk: Arc<dyn Disk>, options: &RedbOptions) -> Result<Self, StoreError> {
        let now = options.clock.now();
        let (file, numbers) = OpenFile::open(disk, options.cache_bytes, options.reserve_bytes, now)?;
        let clock = Arc::clone(&options.clock);
        Ok(Self { shared: Shared::new(file, numbers.openings, options.events_kept, clock) })
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl Fn(&ReadTables) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            if shared.is_closed() {
                return Err(closed());
            }
            shared.file.read(work).map_err(|failure| failure.told(&shared.file.disk.name()))
        })
        .await
    }
}

impl fmt::Debug for RedbStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RedbStore").field("path", &self.shared.file.disk.name()).finish_non_exhaustive()
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable(file::CLOSED.to_owned())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(StoreError::Unavailable(format!("its work was cut off: {error}"))))
}

impl sealed::Sealed for RedbStore {}

#[async_trait]
impl Store for RedbStore {
    async fn get(&self, key: Key) -> Result<Option<Row>, StoreError> {
        let at = Moment::read(self.shared.clock.as_ref());
        let shared = Arc::clone(&self.shared);
        self.read(move |tables| match &key {
            Key::Row(key) => tables.row(key),
            Key::Unique(name) => {
                let sight = Sight { tables, leases: &shared.leases, boot: at.boot };
                bearing_row(&sight, name, at.now)
            }
        })
        .await
    }

    async fn scan(&self, range: Range, cursor: Cursor, limit: usize) -> Result<Page, StoreError> {
        self.read(move |tables| tables.scan(&range, &cursor, limit)).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        self.shared.commit(commit).await
    }

    async fn claim(&self, queue: &Queue, limit: usize, lease: Duration) -> Result<Claimed, StoreError> {
        let prefix = keys::queue(queue);
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            if shared.is_closed() {
                return Err(closed());
            }
            let claimed = shared.file.with(|database| {
                // The leases first, then the state: a claim that a commit has ended is then never seen without what
                // that commit wrote.
                let mut leases = shared.leases.lock().unwrap_or_else(PoisonError::into_inner);
                let tables = ReadTables::of(database)?;
                let at = Moment::read(shared.clock.as_ref());
                leases.claim(tables.due(&prefix)?, limit, lease, at, |key| tables.row(key))
            });
            claimed.map_err(|failure| failure.told(&shared.file.disk.name()))
        })
        .await
    }

    async fn release(&self, key: &RowKey, fence: Fence) -> Result<(), StoreError> {
        if self.shared.is_closed() {
            return Err(closed());
        }
        self.shared.leases.lock().unwrap_or_else(PoisonError::into_inner).release(key, fence);
        Ok(())
    }

    async fn beat(&self, touches: Vec<(String, u64)>, frontier: Bytes) -> Result<(), StoreError> {
        self.shared.beat(touches, frontier).await
    }

    async fn frontier(&self) -> Result<Option<Bytes>, StoreError> {
        self.read(ReadTables::frontier).await
    }

    async fn counter(&self, name: &str) -> Result<i64, StoreError> {
        let name = name.to_owned();
        self.read(move |tables| tables.counter(&name)).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.read(|tables| tables.numbers().map(drop)).await?;
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            if shared.only_endings(shared.clock.boot()) {
                return Err(StoreError::Full(shared.file.disk.name()));
            }
            Ok(())
        })
        .await
    }

    async fn close(&self) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        shared.shut().await;
        blocking(move || {
            shared.file.close();
            Ok(())
        })
        .await
    }
}
