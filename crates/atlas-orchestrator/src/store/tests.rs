//! Both stores under the suite, and what is the memory store's own.

#![allow(clippy::disallowed_methods, reason = "tests stand outside the seams")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use atlas_auth::{Clock, SeededEntropy, Timestamp};

use super::suite::{CASES, EVENTS_KEPT, Fault, FaultyStore, ManualClock, Place};
use super::{Commit, CommitError, Key, MemoryOptions, MemoryStore, Op, Row, RowKey, Store, WriteId};

#[derive(Default)]
struct Memory(Mutex<Option<Arc<MemoryStore>>>);

#[async_trait]
impl Place for Memory {
    async fn open(&self, clock: Arc<dyn Clock>) -> Arc<dyn Store> {
        let mut place = self.0.lock().unwrap();
        let store = match place.take() {
            Some(old) => old.restart(),
            None => MemoryStore::with_options(MemoryOptions { events_kept: EVENTS_KEPT, clock }),
        };
        let store = Arc::new(store);
        *place = Some(Arc::clone(&store));
        store
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_passes_the_suite() {
    for case in CASES {
        println!("{}", case.name);
        case.run(Box::new(Memory::default())).await;
    }
}

fn options() -> (MemoryOptions, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(1_790_000_000)));
    (MemoryOptions { events_kept: EVENTS_KEPT, clock: Arc::clone(&clock) as Arc<dyn Clock> }, clock)
}

#[tokio::test]
async fn a_restored_backup_never_repeats_a_version() {
    let (options, clock) = options();
    let entropy = SeededEntropy::new(1);
    let original = MemoryStore::with_options(options);
    let put = async |store: &MemoryStore| {
        let commit = Commit::new(WriteId::new(clock.now(), &entropy)).put(Row::new(RowKey::session("a"), 1, ""));
        store.commit(commit).await.unwrap().versions[0].1
    };
    put(&original).await;
    let copy = original.backup();
    let mut given = 0;
    for _ in 0..100 {
        given = put(&original).await;
    }
    clock.advance(std::time::Duration::from_secs(1));
    let restored = copy.backup();
    assert!(put(&restored).await > given);
}

#[tokio::test]
async fn a_restarted_store_refuses_its_old_handle() {
    let (options, clock) = options();
    let old = MemoryStore::with_options(options);
    let new = old.restart();
    assert!(old.check().await.is_err());
    new.check().await.unwrap();
    // Closing the old handle now does not close the new one.
    old.close().await.unwrap();
    let commit = Commit::new(WriteId::new(clock.now(), &SeededEntropy::new(1)));
    new.commit(commit).await.unwrap();
}

#[tokio::test]
async fn faults_strike_as_told() {
    let (options, clock) = options();
    let entropy = SeededEntropy::new(1);
    let store = FaultyStore::new(Arc::new(MemoryStore::with_options(options)));
    store.next([Fault::None, Fault::Lost, Fault::Unknown, Fault::Full, Fault::Full]);
    let change = || Commit::new(WriteId::new(clock.now(), &entropy)).op(Op::Add("n".into(), 1));
    store.commit(change()).await.unwrap();
    let lost = change();
    assert!(matches!(store.commit(lost.clone()).await, Err(CommitError::Unknown(_))));
    assert!(matches!(store.commit(change()).await, Err(CommitError::Unknown(_))));
    assert!(matches!(store.commit(change()).await, Err(CommitError::Full(_))));
    store.commit(change().urgent()).await.unwrap();
    store.commit(lost).await.unwrap();
    assert_eq!(store.counter("n").await.unwrap(), 3);
    store.always(Fault::Unavailable);
    assert!(matches!(store.commit(change()).await, Err(CommitError::Unavailable(_))));
    assert_eq!(store.get(Key::Row(RowKey::session("a"))).await.unwrap(), None);
}
