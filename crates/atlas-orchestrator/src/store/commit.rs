//! A change of the store: what must hold, what is then written, and what the store answers. All or nothing.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use atlas_auth::{Entropy, Timestamp};
use bytes::Bytes;

use super::row::{Row, RowKey, UniqueName};

/// The name of one commit, made once by the caller: asking the same commit again gives its first answer.
///
/// It begins with the moment at which it was made, which keeps recent names side by side in the store and says when
/// one may be forgotten.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId(u128);

impl WriteId {
    /// For how long the store knows the answer to a commit.
    pub const REMEMBERED: Duration = Duration::from_hours(24);

    /// A new name: 48 bits of time, 80 of chance.
    pub fn new(now: Timestamp, entropy: &dyn Entropy) -> Self {
        let mut chance = [0; 16];
        entropy.fill(&mut chance[6..]);
        let millis = u64::try_from(now.as_millis()).unwrap_or(0).min((1 << 48) - 1);
        Self((u128::from(millis) << 80) | u128::from_be_bytes(chance))
    }

    /// The number that [`as_u128`](Self::as_u128) gave.
    pub const fn from_u128(number: u128) -> Self {
        Self(number)
    }

    /// The name as a number, to keep it elsewhere.
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// When it was made.
    pub fn made_at(self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.0 >> 80).unwrap_or(i64::MAX))
    }

    /// The smallest name that `now` still remembers.
    pub(crate) fn oldest_remembered(now: Timestamp) -> Self {
        let millis = now.minus(Self::REMEMBERED).as_millis();
        Self(u128::from(u64::try_from(millis).unwrap_or(0).min((1 << 48) - 1)) << 80)
    }
}

impl fmt::Display for WriteId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

impl fmt::Debug for WriteId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// What a claim of a row is known by. Each claim gets one of its own; none is ever given twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Fence(u64);

impl Fence {
    pub(crate) const fn new(number: u64) -> Self {
        Self(number)
    }
}

/// What must hold before a commit for it to be done. All guards look at the state before the commit.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Guard {
    /// There is no such row.
    Absent(RowKey),
    /// The row is there, in this very version.
    Version(RowKey, u64),
    /// The row is claimed under this fence, and the lease has not run out.
    Fence(RowKey, Fence),
    /// No row bears this name, or what bore it has expired.
    UniqueFree(UniqueName),
    /// The stored activity of the session (zero if there is none) is below this value.
    ActivityBelow(String, u64),
    /// The counter (zero if there is none) is at most `limit` once `adding` is added. It adds nothing itself: that is
    /// [`Op::Add`].
    AtMost {
        /// Name of the counter.
        counter: String,
        /// What it may reach.
        limit: i64,
        /// What this commit is about to add.
        adding: i64,
    },
}

/// One write of a commit.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Op {
    /// Writes the whole row under a new version (that in the row is not looked at) and ends any claim on it.
    Put(Row),
    /// As `Put`, but a claim on the row goes on: for the steps inside one drive, and for a change from outside that
    /// must not let a second driver in.
    PutHeld(Row),
    /// Takes the row away with its unique names, its claim and, for a session, its activity. Nothing if there is none.
    Delete(RowKey),
    /// Adds to a counter.
    Add(String, i64),
    /// Appends an event under the next number.
    Append(Bytes),
}

/// One change: if all guards hold, all operations are done, in one durable step; otherwise none.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Commit {
    /// Its name, by which it can be asked again.
    pub write_id: WriteId,
    /// Whether it must go through even when the disk is full: endings.
    pub urgent: bool,
    /// What must hold.
    pub guards: Vec<Guard>,
    /// What is then written. At most the last of several writes of one row remains.
    pub ops: Vec<Op>,
}

impl Commit {
    /// A commit that does nothing yet.
    pub fn new(write_id: WriteId) -> Self {
        Self { write_id, urgent: false, guards: Vec::new(), ops: Vec::new() }
    }

    /// The same commit, to go through even when the disk is full.
    #[must_use]
    pub fn urgent(mut self) -> Self {
        self.urgent = true;
        self
    }

    /// The same commit under one more guard.
    #[must_use]
    pub fn guard(mut self, guard: Guard) -> Self {
        self.guards.push(guard);
        self
    }

    /// The same commit with one more operation.
    #[must_use]
    pub fn op(mut self, op: Op) -> Self {
        self.ops.push(op);
        self
    }

    /// The same commit, writing this row too: [`Op::Put`].
    #[must_use]
    pub fn put(self, row: Row) -> Self {
        self.op(Op::Put(row))
    }

    /// The same commit, appending an event too: [`Op::Append`].
    #[must_use]
    pub fn append(self, event: impl Into<Bytes>) -> Self {
        self.op(Op::Append(event.into()))
    }
}

/// What a commit did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Committed {
    /// The version that each row written has got, in the order of the operations.
    pub versions: Vec<(RowKey, u64)>,
    /// The numbers of the events appended; empty if there were none.
    pub events: Range<u64>,
}

impl Committed {
    /// The version that this row has got.
    pub fn version(&self, key: &RowKey) -> Option<u64> {
        self.versions.iter().rev().find(|(written, _)| written == key).map(|(_, version)| *version)
    }
}

/// What stood in the way of a commit.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Found {
    /// No row where one was expected.
    Nothing,
    /// This row: the present one, or the bearer of the unique name.
    Row(Box<Row>),
    /// This activity of the session.
    Activity(u64),
    /// This value of the counter.
    Counter(i64),
}

impl fmt::Display for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => formatter.write_str("there is no such row"),
            Self::Row(row) => write!(formatter, "{} stands at version {}", row.key, row.version),
            Self::Activity(value) => write!(formatter, "activity is {value}"),
            Self::Counter(value) => write!(formatter, "the counter is at {value}"),
        }
    }
}

/// Why a commit was not done, or is not known to be done.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// A guard did not hold, or a row to be written bears a unique name that another row holds. Nothing was written.
    /// Read again and decide again.
    #[error("the store has moved on: {found}; read again and decide again")]
    Conflict {
        /// Which guard, by its place; `None`: a unique name of a row to be written.
        guard: Option<usize>,
        /// What stands in the store.
        found: Found,
    },
    /// The claim has ended or was taken over. Nothing was written; let go of the row.
    #[error("the claim on {0} has ended; another may hold it now")]
    Fenced(RowKey),
    /// It may have been written or not. Ask the same commit again: its name makes that safe.
    #[error("it is not known whether the change was written: {0}; ask again under the same write id")]
    Unknown(String),
    /// The disk is full and the commit is not urgent. Nothing was written.
    #[error("the disk of the store is full: nothing was written but endings still are; free space on {0}")]
    Full(String),
    /// The stored row has a newer format than the one to be written. Nothing was written.
    #[error("{key} was written in format {stored} and would be cut down to format {offered}; use the newer program")]
    Newer {
        /// The row.
        key: RowKey,
        /// Its format in the store.
        stored: u16,
        /// The format of the row to be written.
        offered: u16,
    },
    /// The store cannot be used now. Nothing was written.
    #[error("the store cannot be written: {0}")]
    Unavailable(String),
}

/// Why the store could not be opened or read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has the file open.
    #[error("the store {path} is held by {}; stop that one first, or use another state directory", holder(*pid))]
    Held {
        /// The file.
        path: String,
        /// The process, if it said so.
        pid: Option<u32>,
    },
    /// The file was written by a newer program. It was left as it is.
    #[error(
        "the store {path} has schema {found}, this program knows {known} at most; it was left untouched: use the newer program"
    )]
    NewerSchema {
        /// The file.
        path: String,
        /// The schema of the file.
        found: u16,
        /// The newest schema that this program knows.
        known: u16,
    },
    /// The file is damaged, or not a store.
    #[error(
        "the store {path} cannot be read: {reason}; restore a backup, or move the file away and run `reap` to see what is running"
    )]
    Corrupt {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The disk is full. Nothing was written.
    #[error("the disk of the store is full; free space on {0}")]
    Full(String),
    /// The store cannot be used now. What was to be written may have been written or not; writing it again is safe.
    #[error("the store cannot be used: {0}")]
    Unavailable(String),
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}
