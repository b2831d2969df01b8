//! Disks that are full, and writes that fail (history 16).

use std::time::Duration;

use bytes::Bytes;

use super::disks::TestDisk;
use super::*;
use crate::store::{CommitError, Cursor, Guard, Key, Op, Range, StoreError};

async fn has(store: &RedbStore, id: &str) -> bool {
    store.get(Key::Row(RowKey::session(id))).await.unwrap().is_some()
}

/// Fills the disk with rows until one does not fit. Gives back how many did.
async fn fill(store: &RedbStore, writer: &Writer) -> usize {
    for number in 0..10_000 {
        let body = vec![7; 2000];
        let commit = writer.change().put(Row::new(RowKey::session(format!("fill {number}")), 1, body)).append("filled");
        match store.commit(commit).await {
            Ok(_) => {}
            Err(CommitError::Full(_)) => return number,
            Err(other) => panic!("{other}"),
        }
    }
    panic!("the disk never filled up");
}

#[tokio::test(flavor = "multi_thread")]
async fn endings_still_fit_on_a_full_disk() {
    let (clock, disk) = (manual(), TestDisk::default());
    let store = disk.open_store(&clock).unwrap();
    let writer = Writer::new(&clock);
    let queue = Queue::new("drive");
    let live = Row::new(RowKey::session("live"), 1, "").due(queue.clone(), clock.now());
    store.commit(writer.change().put(live)).await.unwrap();
    let claim = store.claim(&queue, 1, Duration::from_mins(10)).await.unwrap().claims.remove(0);
    disk.leave(200 << 10);
    let fitted = fill(&store, &writer).await;
    assert!(fitted > 10, "{fitted}");
    assert!(matches!(store.check().await, Err(StoreError::Full(_))));

    // Nothing but endings; and all that was answered is there.
    assert!(matches!(store.commit(writer.put("new")).await, Err(CommitError::Full(_))));
    assert!(matches!(store.beat(vec![("live".into(), 1)], Bytes::new()).await, Err(StoreError::Full(_))));
    let fence = Guard::Fence(RowKey::session("live"), claim.fence);
    for number in 0..5 {
        let ending = writer.put(&format!("ending {number}")).guard(fence.clone()).append("ending").urgent();
        let done = store.commit(ending.clone()).await.unwrap();
        assert_eq!(store.commit(ending).await.unwrap(), done);
    }
    assert!(disk.platter().reserve.is_none(), "the reserve was given up for them");
    let rows = store.scan(Range::rows(Kind::SESSION), Cursor::START, 100_000).await.unwrap();
    assert_eq!(rows.items.len(), 1 + fitted + 5);
    // A restart on the full disk is possible, and finds the same.
    store.close().await.unwrap();
    drop(store);
    let store = disk.open_store(&clock).unwrap();
    assert!(matches!(store.commit(writer.put("new")).await, Err(CommitError::Full(_))));
    store.commit(writer.put("ending after").urgent()).await.unwrap();
    assert_eq!(store.scan(Range::rows(Kind::SESSION), Cursor::START, 100_000).await.unwrap().items.len(), 7 + fitted);

    // There is room again: at first nobody looks, then the reserve comes first.
    disk.platter().capacity = None;
    assert!(matches!(store.commit(writer.put("new")).await, Err(CommitError::Full(_))));
    clock.advance(Duration::from_secs(10));
    store.commit(writer.put("new")).await.unwrap();
    assert!(disk.platter().reserve.is_some());
    store.beat(vec![("live".into(), 1)], Bytes::new()).await.unwrap();
    store.check().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_at_opening_costs_the_reserve() {
    let (clock, disk) = (manual(), TestDisk::default());
    let store = disk.open_store(&clock).unwrap();
    let writer = Writer::new(&clock);
    disk.leave(100 << 10);
    let fitted = fill(&store, &writer).await;
    assert!(disk.platter().reserve.is_some());
    store.close().await.unwrap();
    drop(store);
    disk.leave(0);
    for _ in 0..3 {
        let store = disk.open_store(&clock).unwrap();
        let rows = store.scan(Range::rows(Kind::SESSION), Cursor::START, 100_000).await.unwrap();
        assert_eq!(rows.items.len(), fitted);
        store.commit(writer.change().op(Op::Delete(RowKey::session("none"))).urgent()).await.unwrap();
        store.close().await.unwrap();
    }
}

/// Whether the failed sync kept what was written or lost it: the answer is what the disk then holds.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_failed_sync_the_answer_is_the_truth() {
    for kept in [false, true] {
        let mut answers = [0, 0];
        for failing in 0..4 {
            let (clock, disk) = (manual(), TestDisk::default());
            let store = disk.open_store(&clock).unwrap();
            let writer = Writer::new(&clock);
            store.commit(writer.put("before")).await.unwrap();
            let opened = disk.platter().opened;
            disk.platter().fail_sync_in = Some(failing);
            disk.platter().kept_all_the_same = kept;
            for number in 0..6 {
                let id = format!("{number}");
                let commit = writer.put(&id).append("event");
                match store.commit(commit.clone()).await {
                    Ok(done) => {
                        answers[0] += 1;
                        assert!(has(&store, &id).await);
                        assert_eq!(store.commit(commit).await.unwrap(), done);
                    }
                    Err(CommitError::Unavailable(reason)) => {
                        answers[1] += 1;
                        assert!(!has(&store, &id).await, "{reason}");
                    }
                    Err(other) => panic!("{other}"),
                }
            }
            assert!(disk.platter().opened > opened, "the file was opened again");
            store.close().await.unwrap();
            drop(store);
            let store = disk.open_store(&clock).unwrap();
            assert!(has(&store, "before").await);
        }
        assert!(answers[0] >= 4 * 5, "{answers:?}");
        assert!(kept || answers[1] > 0, "{answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_back_is_unknown_until_it_can() {
    let (clock, disk) = (manual(), TestDisk::default());
    let store = disk.open_store(&clock).unwrap();
    let writer = Writer::new(&clock);
    disk.platter().fail_sync_in = Some(0);
    disk.platter().kept_all_the_same = true;
    disk.platter().refuse_to_open = true;
    let lost = writer.put("a").op(Op::Add("n".into(), 1));
    let error = store.commit(lost.clone()).await.unwrap_err();
    assert!(matches!(&error, CommitError::Unknown(_)), "{error}");
    // Until the disk is back nothing works, and everything says so.
    let error = store.commit(writer.put("b")).await.unwrap_err();
    assert!(matches!(&error, CommitError::Unavailable(_)), "{error}");
    assert!(matches!(store.get(Key::Row(RowKey::session("a"))).await, Err(StoreError::Unavailable(_))));
    disk.platter().refuse_to_open = false;
    assert!(has(&store, "a").await);
    assert!(!has(&store, "b").await);
    store.commit(lost).await.unwrap();
    assert_eq!(store.counter("n").await.unwrap(), 1);
}
