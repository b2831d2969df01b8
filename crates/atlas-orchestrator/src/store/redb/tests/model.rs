//! The file store does what the reference does, whatever is asked of both.

use std::time::Duration;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;

use super::*;
use crate::store::{Claim, Claimed, Cursor, Fence, Guard, Key, MemoryOptions, MemoryStore, Op, Range, UniqueKey};

const QUEUES: [&str; 2] = ["release/a", "release/b"];

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<MockGuard>, Vec<MockOp>),
    /// Asks one of the commits before once more.
    Repeat(usize),
    Claim(usize, usize),
    Release(usize),
    Beat(Vec<(u8, u64)>),
    Get(u8),
    GetUnique(u8),
    Scan(u8, usize),
    Advance(u32),
    Reopen,
}

/// Guards about things that a sequence met before, by their places.
#[derive(Clone, Debug)]
enum MockGuard {
    Absent(u8),
    Version(u8, bool),
    Fence(usize),
    Free(u8),
    Below(u8, u64),
    AtMost(i64, i64),
}

#[derive(Clone, Debug)]
enum MockOp {
    Put { id: u8, format: u16, held: bool, due: Option<(usize, i64)>, unique: Vec<(u8, Option<i64>)> },
    Delete(u8),
    Add(i64),
    Append(u8),
}

fn guard() -> impl Strategy<Value = MockGuard> {
    prop_oneof![
        (0..5_u8).prop_map(MockGuard::Absent),
        (0..5_u8, any::<bool>()).prop_map(|(id, right)| MockGuard::Version(id, right)),
        (0..9_usize).prop_map(MockGuard::Fence),
        (0..4_u8).prop_map(MockGuard::Free),
        (0..5_u8, 0..9_u64).prop_map(|(id, value)| MockGuard::Below(id, value)),
        (-3..9_i64, -3..4_i64).prop_map(|(limit, adding)| MockGuard::AtMost(limit, adding)),
    ]
}

fn op() -> impl Strategy<Value = MockOp> {
    let unique = vec((0..4_u8, option::of(-20..90_i64)), 0..3);
    let put = (0..5_u8, 1..3_u16, any::<bool>(), option::of((0..2_usize, -60..60_i64)), unique)
        .prop_map(|(id, format, held, due, unique)| MockOp::Put { id, format, held, due, unique });
    prop_oneof![
        5 => put,
        1 => (0..5_u8).prop_map(MockOp::Delete),
        1 => (-3..4_i64).prop_map(MockOp::Add),
        2 => any::<u8>().prop_map(MockOp::Append),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (vec(guard(), 0..2), vec(op(), 0..4)).prop_map(|(guards, ops)| Step::Commit(guards, ops)),
        1 => (0..20_usize).prop_map(Step::Repeat),
        4 => (0..2_usize, 0..4_usize).prop_map(|(queue, limit)| Step::Claim(queue, limit)),
        1 => (0..9_usize).prop_map(Step::Release),
        1 => vec((0..5_u8, 0..9_u64), 0..3).prop_map(Step::Beat),
        1 => (0..5_u8).prop_map(Step::Get),
        1 => (0..4_u8).prop_map(Step::GetUnique),
        2 => (0..7_u8, 1..4_usize).prop_map(|(range, limit)| Step::Scan(range, limit)),
        2 => prop_oneof![0..90_u32, Just(90_000)].prop_map(Step::Advance),
        1 => Just(Step::Reopen),
    ]
}

struct Pair {
    clock: Arc<ManualClock>,
    writer: Writer,
    folder: Folder,
    memory: MemoryStore,
    redb: Arc<dyn Store>,
    commits: Vec<Commit>,
    claims: Vec<Claim>,
}

fn name(number: u8) -> UniqueName {
    UniqueName::new("d", "key", number.to_string())
}

fn key(id: u8) -> RowKey {
    RowKey::new(if id.is_multiple_of(2) { Kind::SESSION } else { Kind::RENTAL }, id.to_string())
}

impl Pair {
    async fn new() -> Self {
        let clock = manual();
        let memory = MemoryOptions { events_kept: EVENTS_KEPT, clock: Arc::clone(&clock) as Arc<dyn Clock> };
        let folder = Folder::new();
        Self {
            writer: Writer::new(&clock),
            memory: MemoryStore::with_options(memory),
            redb: folder.open(Arc::clone(&clock) as Arc<dyn Clock>).await,
            clock,
            folder,
            commits: Vec::new(),
            claims: Vec::new(),
        }
    }

    async fn guard(&self, guard: &MockGuard) -> Option<Guard> {
        Some(match guard {
            MockGuard::Absent(id) => Guard::Absent(key(*id)),
            MockGuard::Version(id, right) => {
                let version = self.memory.get(Key::Row(key(*id))).await.unwrap().map_or(1, |row| row.version);
                Guard::Version(key(*id), if *right { version } else { version - 1 })
            }
            MockGuard::Fence(place) => {
                let claim = self.claims.iter().rev().nth(*place)?;
                Guard::Fence(claim.row.key.clone(), claim.fence)
            }
            MockGuard::Free(number) => Guard::UniqueFree(name(*number)),
            MockGuard::Below(id, value) => Guard::ActivityBelow(id.to_string(), *value),
            MockGuard::AtMost(limit, adding) => Guard::AtMost { counter: "n".into(), limit: *limit, adding: *adding },
        })
    }

    fn op(&self, op: &MockOp) -> Op {
        let moment = |offset: i64| Timestamp::from_millis(self.clock.now().as_millis() + offset * 1000);
        match op {
            MockOp::Put { id, format, held, due, unique } => {
                let mut row = Row::new(key(*id), *format, vec![*id]).in_phase(format!("p{}", id % 2));
                if let Some((queue, offset)) = due {
                    row = row.due(Queue::new(QUEUES[*queue]), moment(*offset));
                }
                for (number, expiry) in unique {
                    row = row.bearing(UniqueKey { name: name(*number), expires_at: expiry.map(moment) });
                }
                if *held { Op::PutHeld(row) } else { Op::Put(row) }
            }
            MockOp::Delete(id) => Op::Delete(key(*id)),
            MockOp::Add(amount) => Op::Add("n".into(), *amount),
            MockOp::Append(body) => Op::Append(vec![*body].into()),
        }
    }

    async fn step(&mut self, step: &Step) {
        let (memory, redb) = (&self.memory, &self.redb);
        match step {
            Step::Commit(guards, ops) => {
                let mut commit = self.writer.change();
                for mock in guards {
                    commit.guards.extend(self.guard(mock).await);
                }
                commit.ops = ops.iter().map(|op| self.op(op)).collect();
                assert_eq!(memory.commit(commit.clone()).await, redb.commit(commit.clone()).await);
                self.commits.push(commit);
            }
            Step::Repeat(place) => {
                if let Some(commit) = self.commits.iter().rev().nth(*place) {
                    assert_eq!(memory.commit(commit.clone()).await, redb.commit(commit.clone()).await);
                }
            }
            Step::Claim(queue, limit) => {
                let (queue, lease) = (Queue::new(QUEUES[*queue]), Duration::from_secs(30));
                let claimed: Claimed = memory.claim(&queue, *limit, lease).await.unwrap();
                assert_eq!(claimed, redb.claim(&queue, *limit, lease).await.unwrap());
                self.claims.extend(claimed.claims);
            }
            Step::Release(place) => {
                if let Some(claim) = self.claims.iter().rev().nth(*place) {
                    let (key, fence): (&RowKey, Fence) = (&claim.row.key, claim.fence);
                    memory.release(key, fence).await.unwrap();
                    redb.release(key, fence).await.unwrap();
                }
            }
            Step::Beat(touches) => {
                let touches: Vec<_> = touches.iter().map(|(id, value)| (id.to_string(), *value)).collect();
                let frontier = Bytes::from(format!("{touches:?}"));
                memory.beat(touches.clone(), frontier.clone()).await.unwrap();
                redb.beat(touches, frontier).await.unwrap();
                assert_eq!(memory.frontier().await, redb.frontier().await);
            }
            Step::Get(id) => self.get(Key::Row(key(*id))).await,
            Step::GetUnique(number) => self.get(Key::Unique(name(*number))).await,
            Step::Scan(range, limit) => self.scan(*range, *limit).await,
            Step::Advance(seconds) => self.clock.advance(Duration::from_secs((*seconds).into())),
            Step::Reopen => {
                self.memory = self.memory.restart();
                self.redb.close().await.unwrap();
                self.redb = self.folder.open(Arc::clone(&self.clock) as Arc<dyn Clock>).await;
            }
        }
    }

    async fn get(&self, key: Key) {
        assert_eq!(self.memory.get(key.clone()).await, self.redb.get(key).await);
    }

    /// The whole range, page by page.
    async fn scan(&self, range: u8, limit: usize) {
        let range = match range {
            0 => Range::Rows { kind: None, phase: None },
            1 => Range::rows(Kind::RENTAL),
            2 => Range::Rows { kind: Some(Kind::SESSION), phase: Some("p0".into()) },
            3 => Range::Events { after: 2 },
            4 => Range::Activity,
            5 => Range::Columns { kind: Kind::SESSION },
            _ => Range::Counters,
        };
        let mut cursor = Cursor::START;
        loop {
            let page = self.memory.scan(range.clone(), cursor.clone(), limit).await.unwrap();
            assert_eq!(page, self.redb.scan(range.clone(), cursor, limit).await.unwrap());
            match page.next {
                Some(next) => cursor = next,
                None => return,
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn redb_does_what_memory_does(steps in vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut pair = Pair::new().await;
            for step in &steps {
                pair.step(step).await;
            }
            for range in 0..7 {
                pair.scan(range, 3).await;
            }
        });
    }
}
