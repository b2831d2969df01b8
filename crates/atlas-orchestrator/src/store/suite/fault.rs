//! A store that fails on demand, in front of another: for testing what is built on stores.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::store::{
    Claimed, Commit, CommitError, Committed, Cursor, Fence, Key, Page, Queue, Range, Row, RowKey, Store, StoreError,
    sealed,
};

/// What becomes of one write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// It is done as it should be: lets faults strike later ones.
    None,
    /// It is done, and its answer is lost: [`CommitError::Unknown`].
    Lost,
    /// It is not done, and it is not known: [`CommitError::Unknown`].
    Unknown,
    /// It is not done unless it is urgent: [`CommitError::Full`].
    Full,
    /// It is not done: [`CommitError::Unavailable`].
    Unavailable,
}

/// Which of the reads that follow fail.
#[derive(Debug, Clone, Copy, Default)]
struct Strike {
    after: u64,
    times: u64,
}

impl Strike {
    /// Whether it strikes this read.
    fn strikes(&mut self) -> bool {
        if self.after > 0 {
            self.after -= 1;
            return false;
        }
        let strikes = self.times > 0;
        self.times = self.times.saturating_sub(1);
        strikes
    }
}

/// A commit that gets in before another.
struct Overtaking {
    is_overtaken: Box<dyn Fn(&Commit) -> bool + Send>,
    by: Commit,
}

impl fmt::Debug for Overtaking {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Overtaking").field("by", &self.by).finish_non_exhaustive()
    }
}

/// A store whose commits, beats and reads fail as told.
#[derive(Debug)]
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    next: Mutex<VecDeque<Fault>>,
    always: Mutex<Fault>,
    delay: Mutex<Duration>,
    strike: Mutex<Strike>,
    overtaking: Mutex<Option<Overtaking>>,
    reads: AtomicU64,
}

impl FaultyStore {
    /// Everything goes to `inner` until told otherwise.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            next: Mutex::default(),
            always: Mutex::new(Fault::None),
            delay: Mutex::default(),
            strike: Mutex::default(),
            overtaking: Mutex::default(),
            reads: AtomicU64::new(0),
        }
    }

    /// Lets `after` reads (gets, scans, claims, releases of claims) pass, and the next `times` fail:
    /// [`StoreError::Unavailable`].
    pub fn fail_reads(&self, after: u64, times: u64) {
        *self.strike.lock().unwrap_or_else(PoisonError::into_inner) = Strike { after, times };
    }

    /// How many reads there were.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Does `by` just before the next commit that `is_overtaken` knows, as another process would that was a moment faster.
    pub fn overtake(&self, is_overtaken: impl Fn(&Commit) -> bool + Send + 'static, by: Commit) {
        let overtaking = Overtaking { is_overtaken: Box::new(is_overtaken), by };
        *self.overtaking.lock().unwrap_or_else(PoisonError::into_inner) = Some(overtaking);
    }

    /// Whether a commit was overtaken, after it was asked for.
    pub fn has_overtaken(&self) -> bool {
        self.overtaking.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    fn overtaker(&self, commit: &Commit) -> Option<Commit> {
        let mut overtaking = self.overtaking.lock().unwrap_or_else(PoisonError::into_inner);
        overtaking.take_if(|overtaking| (overtaking.is_overtaken)(commit)).map(|overtaking| overtaking.by)
    }

    fn read(&self) -> Result<(), StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if self.strike.lock().unwrap_or_else(PoisonError::into_inner).strikes() {
            return Err(StoreError::Unavailable(REASON.to_owned()));
        }
        Ok(())
    }

    /// One fault for each of the next writes, in this order, after those that were told before.
    pub fn next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).extend(faults);
    }

    /// This fault for all writes for which none was told, until told otherwise.
    pub fn always(&self, fault: Fault) {
        *self.always.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// Lets every read and every commit take so long, on the way there and on the way back: a caller may be gone when
    /// the answer comes.
    pub fn delay(&self, span: Duration) {
        *self.delay.lock().unwrap_or_else(PoisonError::into_inner) = span;
    }

    async fn travel(&self) {
        let span = *self.delay.lock().unwrap_or_else(PoisonError::into_inner);
        if !span.is_zero() {
            tokio::time::sleep(span).await;
        }
    }

    fn fault(&self) -> Fault {
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        next.unwrap_or_else(|| *self.always.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

const REASON: &str = "a fault was asked for";

impl sealed::Sealed for FaultyStore {}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Store for FaultyStore {
    async fn get(&self, key: Key) -> Result<Option<Row>, StoreError> {
        self.travel().await;
        self.read()?;
        self.inner.get(key).await
    }

    async fn scan(&self, range: Range, cursor: Cursor, limit: usize) -> Result<Page, StoreError> {
        self.read()?;
        self.inner.scan(range, cursor, limit).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        self.travel().await;
        if let Some(first) = self.overtaker(&commit) {
            self.inner.commit(first).await?;
        }
        let answer = match self.fault() {
            Fault::None => self.inner.commit(commit).await,
            Fault::Full if commit.urgent => self.inner.commit(commit).await,
            Fault::Lost => match self.inner.commit(commit).await {
                Ok(_) => Err(CommitError::Unknown(REASON.to_owned())),
                refused => refused,
            },
            Fault::Unknown => Err(CommitError::Unknown(REASON.to_owned())),
            Fault::Full => Err(CommitError::Full(REASON.to_owned())),
            Fault::Unavailable => Err(CommitError::Unavailable(REASON.to_owned())),
        };
        self.travel().await;
        answer
    }

    async fn claim(&self, queue: &Queue, limit: usize, lease: Duration) -> Result<Claimed, StoreError> {
        self.read()?;
        self.inner.claim(queue, limit, lease).await
    }

    async fn release(&self, key: &RowKey, fence: Fence) -> Result<(), StoreError> {
        self.read()?;
        self.inner.release(key, fence).await
    }

    async fn beat(&self, touches: Vec<(String, u64)>, frontier: Bytes) -> Result<(), StoreError> {
        match self.fault() {
            Fault::None => self.inner.beat(touches, frontier).await,
            Fault::Lost => {
                self.inner.beat(touches, frontier).await?;
                Err(StoreError::Unavailable(REASON.to_owned()))
            }
            Fault::Full => Err(StoreError::Full(REASON.to_owned())),
            Fault::Unknown | Fault::Unavailable => Err(StoreError::Unavailable(REASON.to_owned())),
        }
    }

    async fn frontier(&self) -> Result<Option<Bytes>, StoreError> {
        self.inner.frontier().await
    }

    async fn counter(&self, name: &str) -> Result<i64, StoreError> {
        self.inner.counter(name).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.inner.check().await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }
}
