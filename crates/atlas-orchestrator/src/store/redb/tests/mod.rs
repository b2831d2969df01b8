//! The file store under the suite, against the reference, on disks that fail, and at opening.

#![allow(clippy::disallowed_methods, reason = "tests stand outside the seams")]

mod crash;
mod disks;
mod full;
mod model;
mod opening;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use atlas_auth::{Clock, SeededEntropy, Timestamp};
use proptest::prelude::*;
use tempfile::TempDir;

use super::{RedbOptions, RedbStore, keys};
use crate::store::suite::{CASES, EVENTS_KEPT, ManualClock, Place};
use crate::store::{Commit, Kind, Queue, Row, RowKey, Store, UniqueName, WriteId};

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

fn options(clock: Arc<dyn Clock>) -> RedbOptions {
    RedbOptions { events_kept: EVENTS_KEPT, reserve_bytes: 64 << 10, clock, ..RedbOptions::default() }
}

fn manual() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::from_seconds(1_790_000_000)))
}

/// Commits of their own write ids.
struct Writer {
    clock: Arc<ManualClock>,
    entropy: SeededEntropy,
}

impl Writer {
    fn new(clock: &Arc<ManualClock>) -> Self {
        // No two writers give the same write ids.
        static WRITERS: AtomicU64 = AtomicU64::new(0);
        let seed = WRITERS.fetch_add(1, Ordering::Relaxed);
        Self { clock: Arc::clone(clock), entropy: SeededEntropy::new(seed) }
    }

    fn change(&self) -> Commit {
        Commit::new(WriteId::new(self.clock.now(), &self.entropy))
    }

    fn put(&self, id: &str) -> Commit {
        self.change().put(Row::new(RowKey::session(id), 1, id.to_owned()))
    }
}

#[async_trait]
impl Place for Folder {
    async fn open(&self, clock: Arc<dyn Clock>) -> Arc<dyn Store> {
        Arc::new(RedbStore::open(self.0.path().join("deep/er/store"), options(clock)).await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redb_passes_the_suite() {
    for case in CASES {
        println!("{}", case.name);
        case.run(Box::new(Folder::new())).await;
    }
}

/// On one thread and under paused time: what is being written holds the clock still.
#[tokio::test(start_paused = true)]
async fn redb_passes_the_suite_under_paused_time() {
    let begin = tokio::time::Instant::now();
    let deadline = tokio::time::sleep(std::time::Duration::from_hours(1));
    tokio::pin!(deadline);
    for case in CASES {
        tokio::select! {
            biased;
            () = &mut deadline => panic!("time went on while {} was writing", case.name),
            () = case.run(Box::new(Folder::new())) => {}
        }
    }
    assert_eq!(begin.elapsed(), std::time::Duration::ZERO);
}

fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop_oneof![Just('\0'), Just('\u{1}'), Just('a'), Just('/'), Just('\u{10FFFF}')], 0..4)
        .prop_map(|letters| letters.into_iter().collect())
}

fn due() -> impl Strategy<Value = (Queue, Timestamp, RowKey)> {
    let time = prop_oneof![any::<i64>(), -3..3_i64].prop_map(Timestamp::from_millis);
    let key = (any::<u8>(), text()).prop_map(|(kind, id)| RowKey::new(Kind::from_code(kind), id));
    (text().prop_map(Queue::new), time, key)
}

fn unique() -> impl Strategy<Value = UniqueName> {
    (text(), text(), text()).prop_map(|(deployment, namespace, text)| UniqueName { deployment, namespace, text })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn keys_sort_as_what_they_stand_for(a in due(), b in due(), x in unique(), y in unique()) {
        let key = |(queue, time, key): &(Queue, Timestamp, RowKey)| keys::due(queue, *time, key);
        prop_assert_eq!(a.cmp(&b), key(&a).cmp(&key(&b)));
        prop_assert_eq!(x.cmp(&y), keys::unique(&x).cmp(&keys::unique(&y)));
        let stored = key(&a);
        let prefix = keys::queue(&a.0);
        prop_assert!(stored.starts_with(&prefix));
        prop_assert_eq!(keys::read_due(&stored[prefix.len()..]), Some((a.1, a.2.clone())));
        prop_assert_eq!(key(&b).starts_with(&prefix), a.0 == b.0);
        prop_assert!(keys::above(&prefix).is_some_and(|above| above > stored));
    }
}
