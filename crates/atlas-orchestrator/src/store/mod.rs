//! The store: where sessions and rentals are durable (rules P1, P7, P8 and the section "Store" of the design).
//!
//! A [`Store`] keeps rows, unique names, counters, numbered events and the activity of sessions, and changes them in
//! commits that happen wholly or not at all. It knows nothing of what the rows mean.
//!
//! What each store promises, and one suite tests for all of them:
//! - **All or nothing.** A commit whose guard fails, that meets a full disk or a crash, leaves no trace; one that was
//!   answered is durable.
//! - **Versions never recur**, not after a delete and not after a restored backup is opened: each opening goes on
//!   from the higher of the last version and the clock (seconds since 2020, times 2^30), so that a copy opened later
//!   starts above all that the original gave out after the copy was taken. (This needs a clock that is not behind the
//!   moment of the copy; with such a clock versions still rise within the file.)
//! - **A claim is exclusive** until its lease runs out, by the store's clock (the one that counts sleep, and that no
//!   change of the hour moves); after that its fence is refused. Opening a store voids all leases: it has one process.
//! - **Dropping a caller's future stops nothing**: a commit that was handed over is done all the same. Its answer can
//!   be had by asking again under the same [`WriteId`].
//!
//! [`MemoryStore`] is the reference; `RedbStore` (feature `redb`) keeps one file.

mod commit;
mod keys;
mod leases;
mod memory;
mod page;
mod plan;
#[cfg(feature = "redb")]
mod redb;
mod row;
#[cfg(any(test, feature = "testkit"))]
pub mod suite;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

pub use commit::{Commit, CommitError, Committed, Fence, Found, Guard, Op, StoreError, WriteId};
pub use memory::{MemoryOptions, MemoryStore};
pub use page::{Claim, Claimed, Cursor, Event, Item, Page, Range};
#[cfg(feature = "redb")]
pub use redb::{RedbOptions, RedbStore};
pub use row::{Key, Kind, Queue, Row, RowKey, UniqueKey, UniqueName};

mod sealed {
    /// Keeps [`Store`](super::Store) free to change until PostgreSQL has been built on it.
    pub trait Sealed {}
}

/// Where sessions and rentals are durable. Sealed for now; see the module for what every store promises.
#[async_trait]
pub trait Store: sealed::Sealed + Send + Sync + fmt::Debug + 'static {
    /// One row, by its own name or by a unique name that it bears now (an expired one finds nothing).
    async fn get(&self, key: Key) -> Result<Option<Row>, StoreError>;

    /// A part of a range: at most `limit` items from `cursor` on.
    async fn scan(&self, range: Range, cursor: Cursor, limit: usize) -> Result<Page, StoreError>;

    /// Does all operations if all guards hold, and answers when they are durable. Repeats are safe for
    /// [`WriteId::REMEMBERED`]: a commit that was done gives its first answer. (One that was refused left no trace and
    /// is judged anew; one older than that is [`CommitError::Unknown`].)
    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError>;

    /// Takes up to `limit` rows of `queue` that are due and that nobody holds, for the time of `lease`. The claim ends
    /// with the next [`Op::Put`] or [`Op::Delete`] of the row, with [`release`](Self::release), or with the lease.
    async fn claim(&self, queue: &Queue, limit: usize, lease: Duration) -> Result<Claimed, StoreError>;

    /// Gives a claim back without a change: the row is due as before. Does nothing if it is no longer held under this
    /// fence.
    async fn release(&self, key: &RowKey, fence: Fence) -> Result<(), StoreError>;

    /// Writes a batch of activity (session id, opaque value of which the higher of old and new is kept) together with
    /// the frontier, an opaque record that replaces the last one, in one durable step. Safe to repeat. Refused on a
    /// full disk, where only endings may still be written: time that could not be stored is blind time.
    async fn beat(&self, touches: Vec<(String, u64)>, frontier: Bytes) -> Result<(), StoreError>;

    /// The frontier of the last [`beat`](Self::beat).
    async fn frontier(&self) -> Result<Option<Bytes>, StoreError>;

    /// The value of a counter; zero if it was never added to.
    async fn counter(&self, name: &str) -> Result<i64, StoreError>;

    /// Whether the store can be read and, if space had run out, whether endings alone can be written now
    /// ([`StoreError::Full`]).
    async fn check(&self) -> Result<(), StoreError>;

    /// Finishes what was handed over and lets go of the file: when it returns, another can open it. Everything after it
    /// is refused as unavailable. Safe to repeat. (A store that is dropped lets go too, but perhaps a moment later.)
    async fn close(&self) -> Result<(), StoreError>;
}
