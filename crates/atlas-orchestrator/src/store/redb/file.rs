//! The open file. After a failed write it is closed and opened again, never trusted.

use std::sync::{Arc, PoisonError, RwLock};

use atlas_auth::Timestamp;
use redb::{Builder, Database, DatabaseError};

use super::disk::Disk;
use super::failure::{Failure, guarded};
use super::tables::{ReadTables, WriteTables, schema};
use crate::store::commit::StoreError;
use crate::store::plan::Numbers;

pub(super) const CLOSED: &str = "it was closed";

/// The newest arrangement of tables that this program knows. A file of a newer one is refused and left as it is.
const SCHEMA: u16 = 1;

/// Where the database is.
#[derive(Debug)]
enum Slot {
    Open(Database),
    /// A failed write has left it closed, and it could not yet be opened again.
    Broken,
    /// Let go of for good.
    Closed,
}

/// The file of a store.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) disk: Arc<dyn Disk>,
    cache_bytes: usize,
    reserve_bytes: u64,
    slot: RwLock<Slot>,
}

impl OpenFile {
    /// Opens the file or makes it, and begins a new opening of the store: its numbers are given back.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        cache_bytes: usize,
        reserve_bytes: u64,
        now: Timestamp,
    ) -> Result<(Self, Numbers), StoreError> {
        let file = Self { disk, cache_bytes, reserve_bytes, slot: RwLock::new(Slot::Broken) };
        let numbers = match file.begin(now) {
            // An opening is written too, and must be possible on a full disk: what is running has to be ended.
            Err(StoreError::Full(_)) if file.disk.has_reserve() => {
                file.disk.give_reserve().map_err(|error| Failure::io(&error).told(&file.disk.name()))?;
                file.begin(now)?
            }
            other => other?,
        };
        // Without them the store works: a full disk is found out at the first write, a holder stays unnamed.
        if let Err(error) = file.disk.note_holder(Some(std::process::id())) {
            tracing::warn!(store = file.disk.name(), %error, "the holder of the store could not be noted");
        }
        file.refill_reserve();
        Ok((file, numbers))
    }

    fn begin(&self, now: Timestamp) -> Result<Numbers, StoreError> {
        // An open for writing changes the file a little, so one that is too new is found out before.
        let look = guarded(|| self.disk.look(&self.builder()).map_or(Ok(None), |standing| schema(&standing)));
        self.known(look.unwrap_or_default())?;
        let (database, schema) = self.database()?;
        let begun = guarded(|| {
            let transaction = database.begin_write()?;
            let mut tables = WriteTables::of(&transaction)?;
            let numbers = match schema {
                Some(_) => tables.numbers()?,
                None => Numbers::NEW,
            };
            let numbers = numbers.raised(now);
            tables.set_schema(SCHEMA)?;
            tables.set_numbers(numbers)?;
            drop(tables);
            transaction.commit()?;
            if schema.is_none() {
                self.disk.publish().map_err(|error| Failure::io(&error))?;
            }
            Ok(numbers)
        });
        let numbers = begun.map_err(|failure| failure.told(&self.disk.name()))?;
        *self.slot.write().unwrap_or_else(PoisonError::into_inner) = Slot::Open(database);
        Ok(numbers)
    }

    /// The database and its schema, unless it is another's, damaged, or too new.
    fn database(&self) -> Result<(Database, Option<u16>), StoreError> {
        let path = self.disk.name();
        let mut held = false;
        let opened = guarded(|| {
            let opened = self.disk.open(&self.builder());
            held = matches!(opened, Err(DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch));
            let database = opened?;
            let schema = schema(&database)?;
            Ok((database, schema))
        });
        match opened {
            Err(_) if held => Err(StoreError::Held { path, pid: self.disk.holder() }),
            Err(failure) => Err(failure.told(&path)),
            Ok((database, schema)) => self.known(schema).map(|()| (database, schema)),
        }
    }

    fn builder(&self) -> Builder {
        let mut builder = Builder::new();
        builder.set_cache_size(self.cache_bytes);
        builder
    }

    /// Refuses a file of a newer schema.
    fn known(&self, schema: Option<u16>) -> Result<(), StoreError> {
        match schema {
            Some(found) if found > SCHEMA => {
                Err(StoreError::NewerSchema { path: self.disk.name(), found, known: SCHEMA })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Closes the file and opens it again, so that what is then read is what the disk holds.
    pub(super) fn reopen(&self) -> Result<(), Failure> {
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *slot, Slot::Broken) {
            // What is left to do at closing fails after a failed write, and may panic on a damaged file.
            Slot::Open(database) => drop(guarded(|| {
                drop(database);
                Ok(())
            })),
            Slot::Broken => {}
            Slot::Closed => *slot = Slot::Closed,
        }
        self.mend(&mut slot)
    }

    /// Opens what a failed write left closed.
    fn mend(&self, slot: &mut Slot) -> Result<(), Failure> {
        match slot {
            Slot::Open(_) => return Ok(()),
            Slot::Broken => {}
            Slot::Closed => return Err(Failure::Other(CLOSED.to_owned())),
        }
        self.disk.settle().map_err(|error| Failure::io(&error))?;
        let (database, schema) = self.database().map_err(|error| Failure::Other(error.to_string()))?;
        if schema.is_none() {
            return Err(Failure::corrupt("its schema number"));
        }
        *slot = Slot::Open(database);
        Ok(())
    }

    /// Lets go of the file.
    pub(super) fn close(&self) {
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        // Before the lock is: afterwards the note may be the next holder's.
        if matches!(*slot, Slot::Open(_))
            && let Err(error) = self.disk.note_holder(None)
        {
            tracing::warn!(store = self.disk.name(), %error, "the note of the store's holder could not be taken away");
        }
        *slot = Slot::Closed;
    }

    /// Works on the open database. One that a failed write left closed is opened again first.
    pub(super) fn with<T>(&self, work: impl Fn(&Database) -> Result<T, Failure>) -> Result<T, Failure> {
        for _ in 0..2 {
            let slot = self.slot.read().unwrap_or_else(PoisonError::into_inner);
            if let Slot::Open(database) = &*slot {
                return guarded(|| work(database));
            }
            drop(slot);
            self.mend(&mut self.slot.write().unwrap_or_else(PoisonError::into_inner))?;
        }
        Err(Failure::Other("a failed write has left it closed".to_owned()))
    }

    /// Reads one consistent state.
    pub(super) fn read<T>(&self, work: impl Fn(&ReadTables) -> Result<T, Failure>) -> Result<T, Failure> {
        self.with(|database| work(&ReadTables::of(database)?))
    }

    /// Takes the reserve again if it is gone and there is room. Says whether it is there.
    pub(super) fn refill_reserve(&self) -> bool {
        if self.disk.has_reserve() {
            return true;
        }
        match self.disk.take_reserve(self.reserve_bytes) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(store = self.disk.name(), %error, "no room for the reserve: only endings are written now");
                false
            }
        }
    }
}
