//! Keeps the cloud's limits on this side, so that calls wait here in order of urgency rather than being refused there.
//!
//! Each bucket has quotas, as documented, and a moment until which the cloud said that it takes nothing. Who waits stands
//! in its queue, ordered by lane and arrival; only the first may go, and wakes the next. No lock is held across an await.
//!
//! Clouds count by account, so a call with a key of its own is counted apart: who used up another account's calls slows
//! down nobody here.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use atlas_auth::{Clock, TokenHash};
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

/// From so many buckets on those that hold nobody back are forgotten before another is made.
const MANY: usize = 1024;

/// What is counted together: the calls of one account under one name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    /// The hash of the key that the calls bring; `None` where it is the account's own.
    other_account: Option<String>,
    text: String,
}

impl Name {
    fn of(request: &Request) -> Self {
        let other_account = request.terms.key.as_ref().map(|key| TokenHash::of(key.expose()).to_string());
        Self { other_account, text: request.counted_under().to_owned() }
    }
}

/// Holds requests back until the cloud will take them.
#[derive(Debug)]
pub(crate) struct Limit {
    inner: Arc<dyn Transport>,
    buckets: Mutex<BTreeMap<Name, Bucket>>,
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

    /// Whether it would be no other if it were made anew.
    fn is_idle(&mut self, quotas: &[Quota], now: Duration) -> bool {
        self.waiting.is_empty() && self.free_in(quotas, now).is_zero() && self.gone.is_empty()
    }
}

/// A place in a bucket's queue; given up when dropped, however its call ends.
struct Place<'a> {
    limit: &'a Limit,
    bucket: Name,
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

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Name, Bucket>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self, bucket: &Name, lane: Lane) -> Place<'_> {
        let mut buckets = self.lock();
        if buckets.len() >= MANY && !buckets.contains_key(bucket) {
            let now = self.clock.monotonic();
            buckets.retain(|name, bucket| !bucket.is_idle((self.quotas)(&name.text), now));
        }
        let entry = buckets.entry(bucket.clone()).or_default();
        entry.next += 1;
        let (rank, turn) = ((lane, entry.next), Arc::new(Notify::new()));
        entry.waiting.insert(rank, turn.clone());
        Place { limit: self, bucket: bucket.clone(), rank, turn }
    }

    fn turn(&self, place: &Place<'_>) -> Turn {
        let now = self.clock.monotonic();
        let mut buckets = self.lock();
        let Some(bucket) = buckets.get_mut(&place.bucket) else { return Turn::Now };
        if bucket.waiting.keys().next() != Some(&place.rank) {
            return Turn::Later;
        }
        match bucket.free_in((self.quotas)(&place.bucket.text), now) {
            Duration::ZERO => {
                bucket.gone.push_back(now);
                bucket.leave(place.rank);
                Turn::Now
            }
            wait => Turn::In(wait),
        }
    }

    async fn pass(&self, name: &Name, lane: Lane) {
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

    fn block(&self, name: &Name, span: Duration) {
        let until = self.clock.monotonic() + span.min(LONGEST_WAIT);
        let mut buckets = self.lock();
        let bucket = buckets.entry(name.clone()).or_default();
        bucket.blocked_until = bucket.blocked_until.max(until);
    }
}

#[async_trait]
impl Transport for Limit {
    async fn send(&self, request: Request) -> Result<Response> {
        let name = Name::of(&request);
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

#[cfg(test)]
mod tests {
    //! How much is remembered.

    use atlas_auth::{Secret, Timestamp};
    use http::StatusCode;
    use url::Url;

    use super::*;
    use crate::testing::TokioClock;

    const MINUTE: &[Quota] = &[Quota::new(1, Duration::from_mins(1))];

    #[derive(Debug)]
    struct Answers;

    #[async_trait]
    impl Transport for Answers {
        async fn send(&self, _: Request) -> Result<Response> {
            Ok(Response::new(StatusCode::OK, HeaderMap::new(), "{}"))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn buckets_of_keys_that_are_used_no_more_are_forgotten_and_those_that_hold_back_are_not() {
        let clock = Arc::new(TokioClock::new(Timestamp::EPOCH));
        let limit = Limit::new(Arc::new(Answers), |_| MINUTE, None, clock.clone());
        let ask = |key: usize| {
            let mut request = Request::get(Url::parse("https://cloud.invalid").unwrap(), "x");
            request.terms.key = Some(Secret::new(format!("key {key}")));
            limit.send(request)
        };
        for key in 0..MANY {
            ask(key).await.unwrap();
        }
        ask(MANY).await.unwrap();
        assert_eq!(limit.lock().len(), MANY + 1, "each has used up its minute: none may be forgotten");
        tokio::time::sleep(Duration::from_mins(1)).await;
        ask(MANY + 1).await.unwrap();
        assert_eq!(limit.lock().len(), 1);
    }
}
