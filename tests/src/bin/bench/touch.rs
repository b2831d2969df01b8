//! Touches against the plainest thing that does as much: a look-up in a sharded map and an atomic store.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, PoisonError, RwLock};
use std::time::Duration;

use atlas_orchestrator::{Orchestrator, SessionId};
use atlas_tests::{Filled, Outcome, PlainCloud, atlas};

use crate::figure::{Figure, Goal};
use crate::numbers::{count, median, shuffle};

const SHARDS: usize = 64;

const REPETITIONS: usize = 31;

/// Longer than a tick of idle time: the next touch of each session then raises its value, which is the dearer case.
const UNTIL_NEXT_TICK: Duration = Duration::from_millis(300);

/// Session ids are random numbers, so that eight bytes of them are hash enough. The baseline shall be as quick as can be.
#[derive(Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for (place, byte) in bytes.iter().enumerate().take(8) {
            self.0 ^= u64::from(*byte) << (place * 8);
        }
    }

    fn write_u128(&mut self, number: u128) {
        self.0 = u64::try_from(number & u128::from(u64::MAX)).unwrap_or_default();
    }
}

type Hashing = BuildHasherDefault<FirstBytes>;

/// The baseline.
struct Sharded {
    shards: Vec<RwLock<HashMap<SessionId, AtomicU64, Hashing>>>,
}

impl Sharded {
    fn new(ids: &[SessionId]) -> Self {
        let shards = Self { shards: (0..SHARDS).map(|_| RwLock::default()).collect() };
        for id in ids {
            let mut shard = shards.shard(id).write().unwrap_or_else(PoisonError::into_inner);
            shard.insert(*id, AtomicU64::new(0));
        }
        shards
    }

    fn shard(&self, id: &SessionId) -> &RwLock<HashMap<SessionId, AtomicU64, Hashing>> {
        // Bits that the map itself does not choose its places by.
        let hash = Hashing::default().hash_one(id) >> 40;
        &self.shards[usize::try_from(hash).unwrap_or(0) % SHARDS]
    }

    fn touch(&self, id: &SessionId, stamp: u64) -> bool {
        let shard = self.shard(id).read().unwrap_or_else(PoisonError::into_inner);
        shard.get(id).map(|cell| cell.store(stamp, Ordering::Release)).is_some()
    }
}

/// The processor time of this thread. What other programs take away meanwhile is not in it, and neither side waits for
/// anything: what threads cost each other shows as slower memory, which counts.
fn busy() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// How long `threads` take for one pass each, every one in its own order.
fn pass(orders: &[Vec<SessionId>], threads: usize, touch: &(impl Fn(&SessionId) -> bool + Sync)) -> Outcome<f64> {
    let barrier = Barrier::new(threads);
    let spans: Vec<(Duration, usize)> = std::thread::scope(|scope| {
        let running: Vec<_> = orders
            .iter()
            .take(threads)
            .map(|order| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    let begun = busy();
                    let missed = order.iter().filter(|id| !touch(id)).count();
                    (busy().saturating_sub(begun), missed)
                })
            })
            .collect();
        running.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    if spans.len() != threads || spans.iter().any(|(_, missed)| *missed > 0) {
        return Err("a touch found no session".into());
    }
    Ok(spans.iter().map(|(span, _)| span.as_secs_f64()).fold(0.0, f64::max))
}

/// The spans of one side: the first pass after a tick, the pass right after it, and a pass of two threads.
#[derive(Default)]
struct Spans {
    fresh: Vec<f64>,
    again: Vec<f64>,
    two: Vec<f64>,
}

impl Spans {
    fn take(&mut self, orders: &[Vec<SessionId>], touch: &(impl Fn(&SessionId) -> bool + Sync)) -> Outcome<()> {
        self.fresh.push(pass(orders, 1, touch)?);
        self.again.push(pass(orders, 1, touch)?);
        std::thread::sleep(UNTIL_NEXT_TICK);
        self.two.push(pass(orders, 2, touch)?);
        Ok(())
    }

    /// How many times as much two threads do in the same time.
    fn scale(&self) -> f64 {
        2.0 * median(&self.fresh) / median(&self.two)
    }
}

pub(crate) async fn run(filled: &Filled) -> Outcome<Vec<Figure>> {
    let folder = filled.copy()?;
    let orchestrator = Orchestrator::open(atlas(folder.path(), Arc::new(PlainCloud::new()?))).await?;
    let orders: Vec<Vec<SessionId>> = (1..=2)
        .map(|seed| {
            let mut order = filled.ids.clone();
            shuffle(&mut order, seed);
            order
        })
        .collect();
    let touching = orchestrator.clone();
    let measured = tokio::task::spawn_blocking(move || measure(&touching, &orders)).await?;
    orchestrator.shutdown(Duration::from_secs(10)).await?;
    let (ours, plain) = measured?;
    let (fresh, again) = (median(&ours.fresh), median(&ours.again));
    let each = |span: f64| span * 1e9 / count(filled.ids.len());
    Ok(vec![
        Figure {
            what: "touch ÷ sharded map look-up and atomic store",
            goal: Goal::AtMost(3.0),
            value: fresh / median(&plain.fresh),
            unit: "×",
            detail: format!(
                "{:.0} ns against {:.0} ns, the first touch of each session in a tick; a further one at once: {:.0} \
                 against {:.0} ns",
                each(fresh),
                each(median(&plain.fresh)),
                each(again),
                each(median(&plain.again)),
            ),
        },
        Figure {
            what: "touches of two threads ÷ of one",
            goal: Goal::AtLeast(1.6),
            value: ours.scale(),
            unit: "×",
            detail: format!("the sharded map: {:.2}×", plain.scale()),
        },
    ])
}

fn measure(orchestrator: &Orchestrator, orders: &[Vec<SessionId>]) -> Outcome<(Spans, Spans)> {
    let map = Sharded::new(&orders[0]);
    let stamp = AtomicU64::new(1);
    let (mut ours, mut plain) = (Spans::default(), Spans::default());
    for repetition in 0..REPETITIONS {
        std::thread::sleep(UNTIL_NEXT_TICK);
        let mut take_ours = || ours.take(orders, &|id: &SessionId| orchestrator.touch(id).is_ok());
        let mut take_plain = || {
            stamp.fetch_add(1, Ordering::Relaxed);
            plain.take(orders, &|id: &SessionId| map.touch(id, stamp.load(Ordering::Relaxed)))
        };
        if repetition % 2 == 0 {
            take_ours()?;
            take_plain()?;
        } else {
            take_plain()?;
            take_ours()?;
        }
    }
    Ok((ours, plain))
}
