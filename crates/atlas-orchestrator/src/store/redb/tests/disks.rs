//! A disk in memory that fills up, fails, and remembers every write, so that what a power cut leaves can be rebuilt.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::{Builder, Database, DatabaseError, ReadOnlyDatabase, StorageBackend};

use super::super::disk::Disk;
use super::*;

const PAGE: u64 = 4096;

/// What was done to the file, in order.
#[derive(Clone, Debug)]
pub(super) enum Write {
    Bytes(u64, Vec<u8>),
    Length(u64),
    Sync,
    Published,
}

#[derive(Debug, Default)]
pub(super) struct Platter {
    pub(super) bytes: Vec<u8>,
    /// What a power cut, or a failed sync, leaves.
    pub(super) synced: Vec<u8>,
    pub(super) journal: Vec<Write>,
    /// Space is taken by pages that were written, as in a sparse file, and by the reserve.
    taken: BTreeSet<u64>,
    pub(super) reserve: Option<u64>,
    pub(super) capacity: Option<u64>,
    /// Counts down to a sync that fails and loses what was written since the last.
    pub(super) fail_sync_in: Option<u32>,
    /// The sync that fails keeps what was written all the same.
    pub(super) kept_all_the_same: bool,
    pub(super) refuse_to_open: bool,
    pub(super) opened: u32,
    locked: bool,
}

impl Platter {
    pub(super) fn used(&self) -> u64 {
        let pages = u64::try_from(self.taken.len()).unwrap();
        pages * PAGE + self.reserve.unwrap_or(0)
    }

    fn room(&self, more: u64) -> io::Result<()> {
        match self.capacity {
            Some(capacity) if self.used() + more > capacity => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    pub(super) fn apply(&mut self, write: &Write) {
        match write {
            Write::Bytes(offset, data) => {
                let start = usize::try_from(*offset).unwrap();
                if self.bytes.len() < start + data.len() {
                    self.bytes.resize(start + data.len(), 0);
                }
                self.bytes[start..start + data.len()].copy_from_slice(data);
            }
            Write::Length(length) => self.bytes.resize(usize::try_from(*length).unwrap(), 0),
            Write::Sync => self.synced.clone_from(&self.bytes),
            Write::Published => {}
        }
    }

    fn record(&mut self, write: Write) {
        self.apply(&write);
        self.journal.push(write);
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct TestDisk(Arc<Mutex<Platter>>);

impl TestDisk {
    /// The disk as it is after the power came back.
    pub(super) fn holding(bytes: Vec<u8>) -> Self {
        let platter = Platter { synced: bytes.clone(), bytes, ..Platter::default() };
        Self(Arc::new(Mutex::new(platter)))
    }

    pub(super) fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves this much room beside what is taken now.
    pub(super) fn leave(&self, room: u64) {
        let mut platter = self.platter();
        platter.capacity = Some(platter.used() + room);
    }

    pub(super) fn open_store(&self, clock: &Arc<ManualClock>) -> Result<RedbStore, crate::store::StoreError> {
        let clock = Arc::clone(clock) as Arc<dyn Clock>;
        RedbStore::open_on(Arc::new(self.clone()), &options(clock))
    }
}

impl StorageBackend for TestDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(u64::try_from(self.platter().bytes.len()).unwrap())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.platter();
        let start = usize::try_from(offset).unwrap();
        let found = platter.bytes.get(start..start + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut platter = self.platter();
        platter.taken = platter.taken.split_off(&0).into_iter().filter(|page| page * PAGE < length).collect();
        platter.record(Write::Length(length));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.platter();
        if let Some(left) = platter.fail_sync_in {
            platter.fail_sync_in = left.checked_sub(1);
            if left == 0 {
                if platter.kept_all_the_same {
                    platter.record(Write::Sync);
                }
                return Err(io::Error::other("the disk does not answer"));
            }
        }
        platter.record(Write::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut platter = self.platter();
        let end = offset + u64::try_from(data.len()).unwrap();
        let pages: BTreeSet<u64> =
            (offset / PAGE..end.div_ceil(PAGE)).filter(|page| !platter.taken.contains(page)).collect();
        platter.room(u64::try_from(pages.len()).unwrap() * PAGE)?;
        platter.taken.extend(pages);
        platter.record(Write::Bytes(offset, data.to_vec()));
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.platter().locked = false;
        Ok(())
    }
}

impl Disk for TestDisk {
    fn name(&self) -> String {
        "a disk in memory".to_owned()
    }

    fn open(&self, builder: &Builder) -> Result<Database, DatabaseError> {
        {
            let mut platter = self.platter();
            if platter.locked {
                return Err(DatabaseError::DatabaseAlreadyOpen);
            }
            if platter.refuse_to_open {
                return Err(io::Error::other("the disk is gone").into());
            }
            platter.locked = true;
            platter.opened += 1;
        }
        builder.create_with_backend(self.clone())
    }

    fn look(&self, _: &Builder) -> Option<ReadOnlyDatabase> {
        None
    }

    fn publish(&self) -> io::Result<()> {
        self.platter().record(Write::Published);
        Ok(())
    }

    fn settle(&self) -> io::Result<()> {
        let mut platter = self.platter();
        if platter.refuse_to_open {
            return Err(io::Error::other("the disk is gone"));
        }
        // What no sync has reached is lost, as after a failed sync.
        platter.bytes = platter.synced.clone();
        Ok(())
    }

    fn has_reserve(&self) -> bool {
        self.platter().reserve.is_some()
    }

    fn take_reserve(&self, bytes: u64) -> io::Result<()> {
        let mut platter = self.platter();
        platter.room(bytes)?;
        platter.reserve = Some(bytes);
        Ok(())
    }

    fn give_reserve(&self) -> io::Result<()> {
        self.platter().reserve = None;
        Ok(())
    }

    fn holder(&self) -> Option<u32> {
        None
    }

    fn note_holder(&self, _: Option<u32>) -> io::Result<()> {
        Ok(())
    }
}
