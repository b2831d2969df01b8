//! Power cuts: at whatever write it comes, and whichever of the writes that no sync had reached then made it to the
//! disk, the store opens and holds all commits that were answered, and of the others each wholly or not at all.

use std::collections::BTreeSet;

use super::disks::{Platter, TestDisk, Write};
use super::*;
use crate::store::{Cursor, Op, Range};

/// Writes, and for each commit answered how many writes there were by then.
async fn workload(clock: &Arc<ManualClock>) -> (Vec<Write>, Vec<(usize, String)>, usize) {
    let disk = TestDisk::default();
    let store = Arc::new(disk.open_store(clock).unwrap());
    let made = disk.platter().journal.len();
    let writer = Arc::new(Writer::new(clock));
    let mut answered = Vec::new();
    for round in 0..12 {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..5_u8 {
            let (store, writer, disk) = (Arc::clone(&store), Arc::clone(&writer), disk.clone());
            tasks.spawn(async move {
                let id = format!("{round}-{number}");
                let body = vec![round; 300 + 700 * usize::from(number)];
                let row = Row::new(RowKey::session(&*id), 1, body)
                    .due(Queue::new("q"), writer.clock.now())
                    .bearing(UniqueName::new("d", "key", &*id).forever());
                let commit = writer.change().put(row).append(id.clone()).op(Op::Add("rows".into(), 1));
                store.commit(commit).await.unwrap();
                let length = disk.platter().journal.len();
                (length, id)
            });
        }
        answered.extend(tasks.join_all().await);
    }
    let journal = disk.platter().journal.clone();
    (journal, answered, made)
}

/// A number from a seed: the same in each run.
fn chance(seed: &mut u64, below: usize) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*seed >> 33).unwrap() % below
}

/// What the disk holds when the power goes after `writes` writes.
fn image(journal: &[Write], writes: usize, seed: &mut u64) -> Vec<u8> {
    if !journal[..writes].iter().any(|write| matches!(write, Write::Published)) {
        // It is still under another name.
        return Vec::new();
    }
    let synced = journal[..writes].iter().rposition(|write| matches!(write, Write::Sync)).map_or(0, |place| place + 1);
    let mut platter = Platter::default();
    for write in &journal[..synced] {
        platter.apply(write);
    }
    for write in &journal[synced..writes] {
        match (write, chance(seed, 4)) {
            // Torn in the middle, at the border of a sector.
            (Write::Bytes(offset, data), 0) => {
                let sectors = data.len() / 512;
                platter.apply(&Write::Bytes(*offset, data[..512 * chance(seed, sectors + 1)].to_vec()));
            }
            (_, 1) => {}
            (write, _) => platter.apply(write),
        }
    }
    platter.bytes
}

async fn survives(bytes: Vec<u8>, answered: &BTreeSet<&str>, clock: &Arc<ManualClock>) {
    let store = TestDisk::holding(bytes).open_store(clock).expect("the store opens after a power cut");
    let scan = async |range| store.scan(range, Cursor::START, 1000).await.unwrap();
    let rows = scan(Range::rows(Kind::SESSION)).await.into_rows();
    let ids: BTreeSet<&str> = rows.iter().map(|row| row.key.id.as_str()).collect();
    assert!(answered.is_subset(&ids), "lost: {:?}", answered.difference(&ids));
    // Each whole: row, unique name, counter and event.
    assert_eq!(store.counter("rows").await.unwrap(), i64::try_from(ids.len()).unwrap());
    let events = scan(Range::Events { after: 0 }).await;
    assert_eq!(usize::try_from(events.next_event).unwrap(), ids.len() + 1);
    for event in events.into_events() {
        assert!(ids.contains(std::str::from_utf8(&event.body).unwrap()));
    }
    for row in &rows {
        let name = UniqueName::new("d", "key", row.key.id.clone());
        assert_eq!(store.get(name.into()).await.unwrap().as_ref(), Some(row));
    }
    let claimed = store.claim(&Queue::new("q"), 1000, std::time::Duration::from_secs(9)).await.unwrap();
    assert_eq!(claimed.claims.len(), ids.len());
    store.commit(Writer::new(clock).put("after")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_loses_nothing_that_was_answered() {
    let clock = manual();
    let (journal, answered, made) = workload(&clock).await;
    assert!(journal.len() > made + 100, "{}", journal.len());
    let mut seed = 11;
    for round in 0..150 {
        let writes = made + chance(&mut seed, journal.len() + 1 - made);
        let known = answered.iter().filter(|(length, _)| *length <= writes).map(|(_, id)| id.as_str()).collect();
        println!("round {round}: after {writes} of {} writes", journal.len());
        survives(image(&journal, writes, &mut seed), &known, &clock).await;
    }
}
