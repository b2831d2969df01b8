//! Keeps the cloud's limits on this side, so that calls wait here in order of urgency rather than being refused there.
//!
//! Each bucket has quotas, as documented, and a moment until which the cloud said that it takes nothing. Who waits stands
//! in its queue, ordered by lane and arrival; only the first may go, and wakes the next. No lock is held across an await.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use atlas_auth::Clock;
use http::HeaderMap;
use tokio::sync::Notify;

use super::{Lane, Request, Response, Transport};
use crate::{Error, ErrorKind, Result};

/// So many calls within so much time, for one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// How many.
    pub calls: u32,
    /// Within how long.
    pub within: Duration,
}

impl Quota {
    /// `calls` in each span of `within`.
    pub const fn new(calls: u32, within: Duration) -> Self {
        Self { calls, within }
    }
}

/// What the headers of an answer say of the cloud's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Learned {
    /// Nothing more is taken for so long.
    pub exhausted_for: Duration,
}

/// Reads the headers of an answer: `Some` if a limit is exhausted. Pure.
pub type LimitReader = fn(&HeaderMap) -> Option<Learned>;

/// Which quotas a bucket has, by its name. Pure.
pub(crate) type Quotas = fn(&str) -> &'static [Quota];

/// No wait that a cloud asks for is believed beyond this; it is asked again then.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// Holds requests back until the cloud will take them.
#[derive(Debug)]
pub(crate) struct Limit {
    inner: Arc<dyn Transport>,
    buckets: Mutex<BTreeMap<String, Bucket>>,
    clock: Arc<dyn Clock>,
    quotas: Quotas,
    read: Option<LimitReader>,
}

#[derive(Debug, Default)]
struct Bucket {
    /// When calls went, oldest first, as far back as the longest quota reaches.
    gone: VecDeque<Duration>,
    blocked_until: Duration,
    waiting: BTreeMap<(Lane, u64), Arc<Notify>>,
    next: u64,
}

impl Bucket {
    fn leave(&mut self, place: (Lane, u64)) {
        if self.waiting.remove(&place).is_some()
            && let Some(first) = self.waiting.values().next()
        {
            first.notify_one();
        }
    }

    /// How long until one more call may go.
    fn free_in(&mut self, quotas: &[Quota], now: Duration) -> Duration {
        let longest = quotas.iter().map(|quota| quota.within).max().unwrap_or_default();
        while self.gone.front().is_some_and(|at| now.saturating_sub(*at) >= longest) {
            self.gone.pop_front();
        }
        let wait = |quota: &Quota| {
            let calls = usize::try_from(quota.calls).unwrap_or(usize::MAX).max(1);
            let oldest = self.gone.len().checked_sub(calls).and_then(|index| self.gone.get(index));
            oldest.map_or(Duration::ZERO, |at| (*at + quota.within).saturating_sub(now))
        };
        let blocked = self.blocked_until.saturating_sub(now);
        quotas.iter().map(wait).max().unwrap_or_default().max(blocked)
    }
}

/// A place in a bucket's queue; given up when dropped, however its call ends.
struct Place<'a> {
    limit: &'a Limit,
    bucket: String,
    rank: (Lane, u64),
    turn: Arc<Notify>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(bucket) = self.limit.lock().get_mut(&self.bucket) {
            bucket.leave(self.rank);
        }
    }
}

/// Whether a call may go.
enum Turn {
    Now,
    /// Others go first.
    Later,
    /// The cloud takes nothing for so long.
    In(Duration),
}

impl Limit {
    pub(crate) fn new(
        inner: Arc<dyn Transport>,
        quotas: Quotas,
        read: Option<LimitReader>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { inner, buckets: Mutex::default(), clock, quotas, read }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Bucket>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self, bucket: &str, lane: Lane) -> Place<'_> {
        let mut buckets = self.lock();
        let entry = buckets.entry(bucket.to_owned()).or_default();
        entry.next += 1;
        let (rank, turn) = ((lane, entry.next), Arc::new(Notify::new()));
        entry.waiting.insert(rank, turn.clone());
        Place { limit: self, bucket: bucket.to_owned(), rank, turn }
    }

    fn turn(&self, place: &Place<'_>) -> Turn {
        let now = self.clock.monotonic();
        let mut buckets = self.lock();
        let Some(bucket) = buckets.get_mut(&place.bucket) else { return Turn::Now };
        if bucket.waiting.keys().next() != Some(&place.rank) {
            return Turn::Later;
        }
        match bucket.free_in((self.quotas)(&place.bucket), now) {
            Duration::ZERO => {
                bucket.gone.push_back(now);
                bucket.leave(place.rank);
                Turn::Now
            }
            wait => Turn::In(wait),
        }
    }

    async fn pass(&self, name: &str, lane: Lane) {
        let place = self.queue(name, lane);
        loop {
            match self.turn(&place) {
                Turn::Now => return,
                Turn::Later => place.turn.notified().await,
                // Whoever comes with more urgency in the meantime is the first then, and goes first.
                Turn::In(wait) => tokio::time::sleep(wait).await,
            }
        }
    }

    fn block(&self, name: &str, span: Duration) {
        let until = self.clock.monotonic() + span.min(LONGEST_WAIT);
        let mut buckets = self.lock();
        let bucket = buckets.entry(name.to_owned()).or_default();
        bucket.blocked_until = bucket.blocked_until.max(until);
    }
}

#[async_trait]
impl Transport for Limit {
    async fn send(&self, request: Request) -> Result<Response> {
        let name = request.counted_under().to_owned();
        self.pass(&name, request.urgency()).await;
        let answer = self.inner.send(request).await;
        match &answer {
            Ok(response) => {
                if let Some(learned) = self.read.and_then(|read| read(&response.headers)) {
                    self.block(&name, learned.exhausted_for);
                }
            }
            Err(error) => {
                if let Some(wait) = refused_for(error) {
                    self.block(&name, wait);
                }
            }
        }
        answer
    }
}

/// How long the cloud wants nothing more of this kind.
fn refused_for(error: &Error) -> Option<Duration> {
    (error.kind() == ErrorKind::RateLimited).then(|| error.retry_after()).flatten()
}
