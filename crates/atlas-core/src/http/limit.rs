//! Keeps the cloud's limits on this side, so that calls wait here in order of urgency rather than being refused there.
//!
//! Each bucket has quotas, as documented, and a moment until which the cloud said that it takes nothing. Who finds nobody
//! waiting and nothing against it goes at once; who must wait stands in the bucket's queue, ordered by lane and arrival;
//! only the first may go, and wakes the next. A call that would be over before its turn is told so at once. A call with a
//! key of its own counts under that key. No lock is held across an await.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use atlas_auth::{Clock, Secret, TokenHash};
use http::HeaderMap;
use tokio::sync::Notify;

use super::{Lane, Request, Response, Transport};
use crate::{Effect, Error, ErrorKind, ProviderId, Result, duration};

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

/// So many buckets are kept before those that hold nothing are dropped: each endpoint of an account has some of its own.
const MANY: usize = 1024;

/// How much of a key's hash tells whose limits a call counts under.
const FINGERPRINT: usize = 16;

/// A wait as long as this is told, for a person may be watching.
const LONG: Duration = Duration::from_secs(5);

/// Holds requests back until the cloud will take them.
#[derive(Debug)]
pub(crate) struct Limit {
    pub(crate) inner: Arc<dyn Transport>,
    pub(crate) provider: ProviderId,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) quotas: Quotas,
    pub(crate) read: Option<LimitReader>,
    pub(crate) buckets: Mutex<Buckets>,
}

/// By their names: those of a call that brings a key of its own begin with that key's hash.
pub(crate) type Buckets = BTreeMap<String, Bucket>;

#[derive(Debug, Default)]
pub(crate) struct Bucket {
    quotas: &'static [Quota],
    /// When calls went, oldest first, as far back as the longest quota reaches.
    gone: VecDeque<Duration>,
    blocked_until: Duration,
    waiting: BTreeMap<(Lane, u64), Arc<Notify>>,
    next: u64,
}

impl Bucket {
    /// Lets one call go, if nothing stands against it; else says for how long something does.
    fn go(&mut self, now: Duration) -> Result<(), Duration> {
        match self.free_in(now) {
            Duration::ZERO if self.quotas.is_empty() => Ok(()),
            Duration::ZERO => {
                self.gone.push_back(now);
                Ok(())
            }
            wait => Err(wait),
        }
    }

    fn leave(&mut self, place: (Lane, u64)) {
        if self.waiting.remove(&place).is_some()
            && let Some(first) = self.waiting.values().next()
        {
            first.notify_one();
        }
    }

    /// How long until one more call may go.
    fn free_in(&mut self, now: Duration) -> Duration {
        let longest = self.quotas.iter().map(|quota| quota.within).max().unwrap_or_default();
        while self.gone.front().is_some_and(|at| now.saturating_sub(*at) >= longest) {
            self.gone.pop_front();
        }
        let wait = |quota: &Quota| {
            let calls = usize::try_from(quota.calls).unwrap_or(usize::MAX).max(1);
            let oldest = self.gone.len().checked_sub(calls).and_then(|index| self.gone.get(index));
            oldest.map_or(Duration::ZERO, |at| (*at + quota.within).saturating_sub(now))
        };
        let blocked = self.blocked_until.saturating_sub(now);
        self.quotas.iter().map(wait).max().unwrap_or_default().max(blocked)
    }

    /// Whether a new one would do as well.
    fn is_idle(&mut self, now: Duration) -> bool {
        self.waiting.is_empty() && self.free_in(now).is_zero() && self.gone.is_empty()
    }
}

/// A place in a bucket's queue; given up when dropped, however its call ends.
struct Place<'a> {
    limit: &'a Limit,
    bucket: &'a str,
    rank: (Lane, u64),
    turn: Arc<Notify>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(bucket) = self.limit.lock().get_mut(self.bucket) {
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
    fn lock(&self) -> MutexGuard<'_, Buckets> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bucket, which is made if there is none yet.
    fn bucket<'a>(&self, buckets: &'a mut Buckets, name: &str, quotas: &'static [Quota]) -> &'a mut Bucket {
        // Looked up twice, so that no name is copied for the one that is there.
        if !buckets.contains_key(name) {
            if buckets.len() >= MANY {
                let now = self.clock.monotonic();
                buckets.retain(|_, bucket| !bucket.is_idle(now));
            }
            buckets.insert(name.to_owned(), Bucket { quotas, ..Bucket::default() });
        }
        buckets.get_mut(name).expect("it was there, or was put there")
    }

    /// A place in the queue, unless the call may go at once.
    fn queue<'a>(&'a self, name: &'a str, quotas: &'static [Quota], lane: Lane) -> Option<Place<'a>> {
        let mut buckets = self.lock();
        let bucket = self.bucket(&mut buckets, name, quotas);
        if bucket.waiting.is_empty() && bucket.go(self.clock.monotonic()).is_ok() {
            return None;
        }
        bucket.next += 1;
        let (rank, turn) = ((lane, bucket.next), Arc::new(Notify::new()));
        bucket.waiting.insert(rank, turn.clone());
        Some(Place { limit: self, bucket: name, rank, turn })
    }

    fn turn(&self, place: &Place<'_>) -> Turn {
        let now = self.clock.monotonic();
        let mut buckets = self.lock();
        let Some(bucket) = buckets.get_mut(place.bucket) else { return Turn::Now };
        if bucket.waiting.keys().next() != Some(&place.rank) {
            return Turn::Later;
        }
        match bucket.go(now) {
            Ok(()) => {
                bucket.leave(place.rank);
                Turn::Now
            }
            Err(wait) => Turn::In(wait),
        }
    }

    /// Waits until the request may go. One that will be over before that is refused now, and can say for how long.
    async fn pass(&self, name: &str, quotas: &'static [Quota], request: &Request) -> Result<()> {
        let Some(place) = self.queue(name, quotas, request.urgency()) else { return Ok(()) };
        loop {
            match self.turn(&place) {
                Turn::Now => return Ok(()),
                Turn::Later => place.turn.notified().await,
                Turn::In(wait) if request.terms.is_over_after(wait, self.clock.monotonic()) => return Err(full(wait)),
                // Whoever comes with more urgency in the meantime is the first then, and goes first.
                Turn::In(wait) => {
                    told_wait(&self.provider, request.operation(), wait);
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    fn block(&self, name: &str, quotas: &'static [Quota], span: Duration) {
        let until = self.clock.monotonic() + span.min(LONGEST_WAIT);
        let mut buckets = self.lock();
        let bucket = self.bucket(&mut buckets, name, quotas);
        bucket.blocked_until = bucket.blocked_until.max(until);
    }
}

/// Under which name a request counts: another key may be another account's, and has limits of its own.
fn counted<'a>(bucket: &'a str, key: Option<&Secret>) -> Cow<'a, str> {
    let Some(key) = key else { return Cow::Borrowed(bucket) };
    let mut name: String = TokenHash::of(key.expose()).to_string().chars().take(FINGERPRINT).collect();
    name.extend([" ", bucket]);
    Cow::Owned(name)
}

/// Tells a long wait.
pub(super) fn told_wait(provider: &ProviderId, operation: &'static str, wait: Duration) {
    if wait >= LONG {
        let seconds = wait.as_secs();
        tracing::warn!(target: "atlas::http", provider = provider.as_str(), operation, seconds, "waiting for the cloud to take calls again");
    }
}

fn full(wait: Duration) -> Error {
    let message = format!("the cloud takes no more such calls for {}", duration::rounded(wait));
    Error::new(ErrorKind::RateLimited, message).with_effect(Effect::NotSent).with_retry_after(wait)
}

#[async_trait]
impl Transport for Limit {
    async fn send(&self, request: Request) -> Result<Response> {
        let bucket = request.counted_under().to_owned();
        let quotas = (self.quotas)(&bucket);
        let name = counted(&bucket, request.terms.key.as_ref());
        self.pass(&name, quotas, &request).await?;
        let answer = self.inner.send(request).await;
        let full_for = match &answer {
            Ok(response) => self.read.and_then(|read| read(&response.headers)).map(|learned| learned.exhausted_for),
            Err(error) => refused_for(error),
        };
        if let Some(span) = full_for {
            self.block(&name, quotas, span);
        }
        answer
    }
}

/// How long the cloud wants nothing more of this kind.
fn refused_for(error: &Error) -> Option<Duration> {
    (error.kind() == ErrorKind::RateLimited).then(|| error.retry_after()).flatten()
}
