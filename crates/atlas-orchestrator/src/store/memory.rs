//! The reference: everything in ordered maps behind one lock. Nothing outlives the process, but a store can be opened
//! again ([`MemoryStore::restart`]) and copied ([`MemoryStore::backup`]), so that whole histories run in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use atlas_auth::{Clock, SystemClock, Timestamp};
use bytes::Bytes;

use super::commit::{Commit, CommitError, Committed, Fence, StoreError, WriteId};
use super::leases::{Leases, Moment};
use super::page::{Claimed, Cursor, Event, Item, Page, Range};
use super::plan::{Bearer, Change, Numbers, Plan, Refusal, Verdict, View, bearing_row, plan};
use super::row::{Key, Kind, Queue, Row, RowKey, UniqueName};
use super::{Store, keys, sealed};

const CLOSED: &str = "it was closed";

/// How a [`MemoryStore`] is to behave.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MemoryOptions {
    /// How many events are kept; the oldest go first. 20,000 unless told.
    pub events_kept: u64,
    /// Judges what is due, what has expired, and leases.
    pub clock: Arc<dyn Clock>,
}

impl Default for MemoryOptions {
    fn default() -> Self {
        Self { events_kept: 20_000, clock: Arc::new(SystemClock) }
    }
}

/// A store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    shared: Arc<Mutex<Shared>>,
    /// The opening that this handle belongs to; a later one has taken over when they differ.
    opening: u64,
    options: MemoryOptions,
}

#[derive(Debug)]
struct Shared {
    records: Records,
    leases: Leases,
    closed: bool,
}

#[derive(Clone, Debug)]
struct Records {
    rows: BTreeMap<RowKey, Row>,
    due: BTreeSet<(Queue, Timestamp, RowKey)>,
    unique: BTreeMap<UniqueName, Bearer>,
    counters: BTreeMap<String, i64>,
    activity: BTreeMap<String, u64>,
    events: BTreeMap<u64, Bytes>,
    answers: BTreeMap<WriteId, Committed>,
    frontier: Option<Bytes>,
    numbers: Numbers,
}

impl MemoryStore {
    /// An empty store, judged by the system's clock.
    pub fn new() -> Self {
        Self::with_options(MemoryOptions::default())
    }

    /// An empty store.
    pub fn with_options(options: MemoryOptions) -> Self {
        let records = Records {
            rows: BTreeMap::new(),
            due: BTreeSet::new(),
            unique: BTreeMap::new(),
            counters: BTreeMap::new(),
            activity: BTreeMap::new(),
            events: BTreeMap::new(),
            answers: BTreeMap::new(),
            frontier: None,
            numbers: Numbers::NEW,
        };
        Self::open(records, options)
    }

    /// What a restart of the process finds: the same records, no leases. This handle is closed by it.
    #[must_use]
    pub fn restart(&self) -> Self {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.records.numbers = shared.records.numbers.raised(self.options.clock.now());
        shared.leases = Leases::new(shared.records.numbers.openings);
        shared.closed = false;
        let opening = shared.records.numbers.openings;
        drop(shared);
        Self { shared: Arc::clone(&self.shared), opening, options: self.options.clone() }
    }

    /// A copy of the records as they are now, opened on its own, as a restored backup would be.
    #[must_use]
    pub fn backup(&self) -> Self {
        let records = self.shared.lock().unwrap_or_else(PoisonError::into_inner).records.clone();
        Self::open(records, self.options.clone())
    }

    fn open(mut records: Records, options: MemoryOptions) -> Self {
        records.numbers = records.numbers.raised(options.clock.now());
        let opening = records.numbers.openings;
        let leases = Leases::new(opening);
        Self { shared: Arc::new(Mutex::new(Shared { records, leases, closed: false })), opening, options }
    }

    fn lock(&self) -> Result<MutexGuard<'_, Shared>, StoreError> {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.closed || shared.records.numbers.openings != self.opening {
            return Err(StoreError::Unavailable(CLOSED.to_owned()));
        }
        Ok(shared)
    }

    fn moment(&self) -> Moment {
        Moment::read(self.options.clock.as_ref())
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

/// The records and leases as a commit sees them.
struct State<'a> {
    records: &'a Records,
    leases: &'a Leases,
    boot: Duration,
}

impl View for State<'_> {
    type Error = Infallible;

    fn row(&self, key: &RowKey) -> Result<Option<Row>, Infallible> {
        Ok(self.records.rows.get(key).cloned())
    }

    fn bearer(&self, name: &UniqueName) -> Result<Option<Bearer>, Infallible> {
        Ok(self.records.unique.get(name).cloned())
    }

    fn activity(&self, session: &str) -> Result<Option<u64>, Infallible> {
        Ok(self.records.activity.get(session).copied())
    }

    fn counter(&self, name: &str) -> Result<i64, Infallible> {
        Ok(self.records.counters.get(name).copied().unwrap_or(0))
    }

    fn answer(&self, write_id: WriteId) -> Result<Option<Committed>, Infallible> {
        Ok(self.records.answers.get(&write_id).cloned())
    }

    fn holds(&self, key: &RowKey, fence: Fence) -> bool {
        self.leases.holds(key, fence, self.boot)
    }
}

impl Shared {
    fn state(&self, boot: Duration) -> State<'_> {
        State { records: &self.records, leases: &self.leases, boot }
    }

    fn commit(&mut self, commit: &Commit, at: Moment, retention: u64) -> Result<Committed, CommitError> {
        match plan(&self.state(at.boot), commit, self.records.numbers, at.now) {
            Ok(Verdict::Repeat(first)) => Ok(first),
            Ok(Verdict::Do(plan)) => {
                for change in plan.rows.iter().filter(|change| change.ends_claim) {
                    self.leases.end(&change.key);
                }
                let answer = plan.answer.clone();
                self.records.forget(at.now);
                self.records.answers.insert(commit.write_id, answer.clone());
                self.records.apply(plan, retention);
                Ok(answer)
            }
            Err(Refusal::Refused(error)) => Err(error),
            Err(Refusal::Broken(never)) => match never {},
        }
    }
}

impl Records {
    fn apply(&mut self, plan: Plan, retention: u64) {
        for Change { key, before, after, .. } in plan.rows {
            if let Some((queue, due_at)) = before.as_ref().and_then(Row::place) {
                self.due.remove(&(queue.clone(), due_at, key.clone()));
            }
            if let Some((queue, due_at)) = after.as_ref().and_then(Row::place) {
                self.due.insert((queue.clone(), due_at, key.clone()));
            }
            if let Some(row) = after {
                self.rows.insert(key, row);
            } else {
                self.rows.remove(&key);
                if key.kind == Kind::SESSION {
                    self.activity.remove(&key.id);
                }
            }
        }
        for name in plan.freed {
            self.unique.remove(&name);
        }
        self.unique.extend(plan.taken);
        for (name, value) in plan.counters {
            if value == 0 {
                self.counters.remove(&name);
            } else {
                self.counters.insert(name, value);
            }
        }
        for (number, body) in plan.answer.events.clone().zip(plan.events) {
            self.events.insert(number, body);
        }
        self.numbers = self.numbers.after(&plan.answer, retention);
        self.events = self.events.split_off(&self.numbers.first_event);
    }

    /// Lets go of the answers that need no longer be known.
    fn forget(&mut self, now: Timestamp) {
        let oldest = WriteId::oldest_remembered(now);
        if self.answers.first_key_value().is_some_and(|(first, _)| *first < oldest) {
            self.answers = self.answers.split_off(&oldest);
        }
    }

    /// Rows of this kind, or of all, after the cursor.
    fn rows_after<'a>(&'a self, kind: Option<Kind>, from: Option<&[u8]>) -> impl Iterator<Item = &'a Row> + use<'a> {
        let start = match (from.and_then(keys::read_row), kind) {
            (Some(key), _) => Bound::Excluded(key),
            (None, Some(kind)) => Bound::Included(RowKey::new(kind, "")),
            (None, None) => Bound::Unbounded,
        };
        let rows = self.rows.range((start, Bound::Unbounded)).map(|(_, row)| row);
        rows.take_while(move |row| kind.is_none_or(|kind| row.key.kind == kind))
    }

    /// Items of a range after the cursor, each with where it stands. Lazy: a page takes as many as it needs.
    fn items<'a>(&'a self, range: &'a Range, cursor: &Cursor) -> Box<dyn Iterator<Item = (Bytes, Item)> + 'a> {
        let from = cursor.0.as_deref();
        match range {
            Range::Rows { kind, phase } => {
                let rows = self.rows_after(*kind, from);
                let rows = rows.filter(move |row| phase.as_ref().is_none_or(|phase| row.phase == *phase));
                Box::new(rows.map(|row| (keys::row(&row.key).into(), Item::Row(row.clone()))))
            }
            Range::Columns { kind } => Box::new(self.rows_after(Some(*kind), from).map(|row| {
                let row = Row { body: Bytes::new(), ..row.clone() };
                (keys::row(&row.key).into(), Item::Row(row))
            })),
            Range::Events { after } => {
                let start = from.and_then(keys::read_number).unwrap_or(*after);
                let events = self.events.range((Bound::Excluded(start), Bound::Unbounded));
                Box::new(events.map(|(number, body)| {
                    let event = Event { number: *number, body: body.clone() };
                    (Bytes::copy_from_slice(&keys::number(*number)), Item::Event(event))
                }))
            }
            Range::Activity => {
                Box::new(named(&self.activity, from).map(|(id, value)| (name(id), Item::Activity(id.clone(), *value))))
            }
            Range::Counters => {
                Box::new(named(&self.counters, from).map(|(id, value)| (name(id), Item::Counter(id.clone(), *value))))
            }
        }
    }
}

fn name(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn named<'a, T>(
    map: &'a BTreeMap<String, T>,
    from: Option<&[u8]>,
) -> impl Iterator<Item = (&'a String, &'a T)> + use<'a, T> {
    let after = from.and_then(|bytes| std::str::from_utf8(bytes).ok()).map(str::to_owned);
    map.range((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded))
}

impl sealed::Sealed for MemoryStore {}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: Key) -> Result<Option<Row>, StoreError> {
        let at = self.moment();
        let shared = self.lock()?;
        match key {
            Key::Row(key) => Ok(shared.records.rows.get(&key).cloned()),
            Key::Unique(name) => match bearing_row(&shared.state(at.boot), &name, at.now) {
                Ok(row) => Ok(row),
                Err(never) => match never {},
            },
        }
    }

    async fn scan(&self, range: Range, cursor: Cursor, limit: usize) -> Result<Page, StoreError> {
        let shared = self.lock()?;
        let records = &shared.records;
        let limit = limit.max(1);
        let mut found: Vec<(Bytes, Item)> = records.items(&range, &cursor).take(limit.saturating_add(1)).collect();
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(place, _)| Cursor(Some(place.clone())));
        let items = found.into_iter().map(|(_, item)| item).collect();
        Ok(Page { items, next, first_event: records.numbers.first_event, next_event: records.numbers.next_event })
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        let at = self.moment();
        let mut shared = self.lock().map_err(|_| CommitError::Unavailable(CLOSED.to_owned()))?;
        shared.commit(&commit, at, self.options.events_kept)
    }

    async fn claim(&self, queue: &Queue, limit: usize, lease: Duration) -> Result<Claimed, StoreError> {
        let at = self.moment();
        let mut shared = self.lock()?;
        let Shared { records, leases, .. } = &mut *shared;
        let first = (queue.clone(), Timestamp::from_millis(i64::MIN), RowKey::new(Kind::from_code(0), ""));
        let due = records.due.range(first..).take_while(|(of, ..)| of == queue);
        let due = due.map(|(_, due_at, key)| Ok::<_, Infallible>((*due_at, key.clone())));
        match leases.claim(due, limit, lease, at, |key| Ok(records.rows.get(key).cloned())) {
            Ok(claimed) => Ok(claimed),
            Err(never) => match never {},
        }
    }

    async fn release(&self, key: &RowKey, fence: Fence) -> Result<(), StoreError> {
        self.lock()?.leases.release(key, fence);
        Ok(())
    }

    async fn beat(&self, touches: Vec<(String, u64)>, frontier: Bytes) -> Result<(), StoreError> {
        let now = self.options.clock.now();
        let mut shared = self.lock()?;
        shared.records.forget(now);
        for (session, value) in touches {
            let kept = shared.records.activity.entry(session).or_default();
            *kept = value.max(*kept);
        }
        shared.records.frontier = Some(frontier);
        Ok(())
    }

    async fn frontier(&self) -> Result<Option<Bytes>, StoreError> {
        Ok(self.lock()?.records.frontier.clone())
    }

    async fn counter(&self, name: &str) -> Result<i64, StoreError> {
        Ok(self.lock()?.records.counters.get(name).copied().unwrap_or(0))
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.lock().map(drop)
    }

    async fn close(&self) -> Result<(), StoreError> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.records.numbers.openings == self.opening {
            shared.closed = true;
        }
        Ok(())
    }
}
