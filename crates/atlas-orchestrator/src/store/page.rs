//! What a store answers to reading: pages of a scan, and claims of due rows.

use atlas_auth::Timestamp;
use bytes::Bytes;

use super::commit::Fence;
use super::row::{Kind, Row};

/// What to scan.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Range {
    /// Rows, in the order of their keys.
    Rows {
        /// Only of this kind; `None`: of all kinds, also those that this program does not know.
        kind: Option<Kind>,
        /// Only in this phase.
        phase: Option<String>,
    },
    /// Rows of a kind in the order of their keys, without their bodies: much less to read where the columns tell enough.
    /// One whose columns cannot be read is shown as it is.
    Columns {
        /// Only of this kind.
        kind: Kind,
    },
    /// Events with a number above `after`, in order.
    Events {
        /// The last number that the reader has seen; 0 for none.
        after: u64,
    },
    /// The stored activity of all sessions, in the order of their ids.
    Activity,
    /// All counters that are not zero, in the order of their names.
    Counters,
}

impl Range {
    /// All rows of a kind.
    pub const fn rows(kind: Kind) -> Self {
        Self::Rows { kind: Some(kind), phase: None }
    }
}

/// Where a scan goes on. Stable under writes: a row that stays in the store for the whole scan is seen exactly once,
/// whatever comes or goes beside it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Cursor(pub(crate) Option<Bytes>);

impl Cursor {
    /// The beginning of the range.
    pub const START: Self = Self(None);
}

/// One thing found by a scan.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Item {
    /// A row.
    Row(Row),
    /// An event.
    Event(Event),
    /// The activity of the session of this id.
    Activity(String, u64),
    /// The value of the counter of this name.
    Counter(String, i64),
}

/// A numbered event.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Event {
    /// Its number: 1 for the first of a store, without gaps.
    pub number: u64,
    /// What the commit appended.
    pub body: Bytes,
}

/// A part of a range.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Page {
    /// What was found, at most as many as asked for.
    pub items: Vec<Item>,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
    /// The number of the oldest event still kept, in this very state of the store. Whatever the range.
    pub first_event: u64,
    /// The number that the next event will get.
    pub next_event: u64,
}

impl Page {
    /// The rows among the items.
    pub fn into_rows(self) -> Vec<Row> {
        self.items.into_iter().filter_map(|item| if let Item::Row(row) = item { Some(row) } else { None }).collect()
    }

    /// The events among the items.
    pub fn into_events(self) -> Vec<Event> {
        self.items
            .into_iter()
            .filter_map(|item| if let Item::Event(event) = item { Some(event) } else { None })
            .collect()
    }

    /// How many events a reader that has seen `after` can no longer get.
    pub const fn missed(&self, after: u64) -> u64 {
        self.first_event.saturating_sub(after.saturating_add(1))
    }
}

/// A row that is ours to drive until its lease runs out.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Claim {
    /// The row as it is.
    pub row: Row,
    /// To be shown with each commit of the drive: [`Guard::Fence`](super::Guard::Fence).
    pub fence: Fence,
}

/// What a claim gave.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Claimed {
    /// The rows, longest due first, equal ones in the order of their keys.
    pub claims: Vec<Claim>,
    /// The earliest moment at which another claim of this queue may give a row: when the next row falls due (in the
    /// past, if the limit left some over) or the lease of a due row runs out. `None`: not before a commit changes
    /// something.
    pub next_due: Option<Timestamp>,
}
