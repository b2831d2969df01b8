//! The suite that every store must pass. A case gets a fresh store and a clock that moves only when told; what it
//! finds wrong it says by panicking, so it is for tests only.
//!
//! The suite may gain cases in any release.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "cases fail by panicking")]

mod claims;
mod commits;
mod fault;
mod records;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use atlas_auth::{Clock, SeededEntropy, Timestamp};

pub use fault::{Fault, FaultyStore};

use super::{Commit, CommitError, Committed, Cursor, Item, Key, Op, Page, Queue, Range, Row, RowKey, Store, WriteId};

/// How many events the stores under test keep.
pub const EVENTS_KEPT: u64 = 8;

/// Where the stores of one case live.
#[async_trait]
pub trait Place: Send + Sync {
    /// Opens what is there (at first an empty store), keeping [`EVENTS_KEPT`] events. The handle given out before has
    /// been closed.
    async fn open(&self, clock: Arc<dyn Clock>) -> Arc<dyn Store>;
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock(Mutex<(Timestamp, Duration)>);

impl ManualClock {
    /// A clock that stands at this hour.
    pub const fn new(now: Timestamp) -> Self {
        Self(Mutex::new((now, Duration::ZERO)))
    }

    /// Lets time pass.
    pub fn advance(&self, span: Duration) {
        let mut time = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *time = (time.0.plus(span), time.1.saturating_add(span));
    }

    /// Changes the hour, as a jump of the wall clock does: no time passes.
    pub fn set(&self, now: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 = now;
    }

    fn read(&self) -> (Timestamp, Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.read().0
    }

    fn monotonic(&self) -> Duration {
        self.read().1
    }

    fn boot(&self) -> Duration {
        self.read().1
    }
}

/// What a case works with.
pub struct Bench {
    /// The store, fresh at first.
    pub store: Arc<dyn Store>,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    entropy: SeededEntropy,
    place: Box<dyn Place>,
}

impl fmt::Debug for Bench {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Bench").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Bench {
    /// A fresh store at this place.
    pub async fn new(place: Box<dyn Place>) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(1_790_000_000)));
        let store = place.open(Arc::clone(&clock) as Arc<dyn Clock>).await;
        Self { store, clock, entropy: SeededEntropy::new(7), place }
    }

    /// Closes the store and opens it again.
    pub async fn reopen(&mut self) {
        self.store.close().await.expect("a store closes");
        self.store = self.place.open(Arc::clone(&self.clock) as Arc<dyn Clock>).await;
    }

    fn write_id(&self) -> WriteId {
        WriteId::new(self.clock.now(), &self.entropy)
    }

    fn change(&self) -> Commit {
        Commit::new(self.write_id())
    }

    async fn done(&self, commit: Commit) -> Committed {
        self.store.commit(commit).await.expect("nothing stands in the way of this commit")
    }

    async fn refused(&self, commit: Commit) -> CommitError {
        self.store.commit(commit).await.expect_err("something stands in the way of this commit")
    }

    /// Writes rows and gives back the versions they have got.
    async fn put(&self, rows: impl IntoIterator<Item = Row>) -> Vec<u64> {
        let commit = rows.into_iter().fold(self.change(), Commit::put);
        self.done(commit).await.versions.into_iter().map(|(_, version)| version).collect()
    }

    async fn row(&self, key: impl Into<Key>) -> Option<Row> {
        self.store.get(key.into()).await.expect("a row can be read")
    }

    async fn scan(&self, range: Range) -> Page {
        self.store.scan(range, Cursor::START, 100_000).await.expect("a range can be scanned")
    }

    async fn claim(&self, queue: &Queue, limit: usize) -> super::Claimed {
        self.store.claim(queue, limit, LEASE).await.expect("due rows can be claimed")
    }

    /// Everything that can be read, to compare before and after.
    async fn everything(&self) -> Vec<Item> {
        let mut items = Vec::new();
        for range in
            [Range::Rows { kind: None, phase: None }, Range::Events { after: 0 }, Range::Activity, Range::Counters]
        {
            items.extend(self.scan(range).await.items);
        }
        items
    }
}

const LEASE: Duration = Duration::from_secs(30);

fn session(id: &str) -> RowKey {
    RowKey::session(id)
}

/// A row of a session with a body of its own.
fn row(id: &str) -> Row {
    Row::new(session(id), 1, id.as_bytes().to_vec()).in_phase("served")
}

fn delete(id: &str) -> Op {
    Op::Delete(session(id))
}

/// One case of the suite.
#[derive(Clone, Copy)]
pub struct Case {
    /// What it proves.
    pub name: &'static str,
    run: fn(Bench) -> Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Case {
    /// Runs the case on a fresh store. Panics if the store breaks the promise.
    pub async fn run(&self, place: Box<dyn Place>) {
        (self.run)(Bench::new(place).await).await;
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

macro_rules! cases {
    ($($module:ident::$name:ident),* $(,)?) => {
        /// All cases.
        pub const CASES: &[Case] = &[$(Case { name: stringify!($name), run: |bench| Box::pin($module::$name(bench)) }),*];
    };
}

cases![
    commits::guards_see_what_is_there,
    commits::no_update_is_lost,
    commits::versions_rise_and_never_recur,
    commits::a_refused_commit_leaves_no_trace,
    commits::a_repeated_write_id_gives_the_first_answer,
    commits::a_write_id_is_known_for_a_day,
    commits::a_newer_format_is_left_untouched,
    commits::counters_keep_their_limit_in_a_race,
    commits::events_are_numbered_without_gaps_and_trimmed,
    commits::a_dropped_caller_stops_nothing,
    claims::due_rows_come_in_order,
    claims::a_claim_is_exclusive_until_its_lease_runs_out,
    claims::racing_claims_never_share_a_row,
    claims::a_put_ends_the_claim_and_a_held_one_does_not,
    claims::opening_voids_all_leases,
    claims::the_next_due_moment_is_exact,
    claims::the_hour_does_not_move_leases,
    records::a_unique_name_has_one_bearer,
    records::unique_names_are_freed,
    records::an_expired_name_can_be_taken_over,
    records::names_move_within_one_commit,
    records::activity_never_goes_down,
    records::scans_are_stable_under_writes,
    records::columns_are_rows_without_bodies,
    records::unknown_kinds_survive,
    records::reopening_keeps_everything,
    records::large_bodies_are_kept,
    records::a_closed_store_refuses,
];
