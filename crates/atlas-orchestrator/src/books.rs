//! The books: sessions and rentals as typed records over the store, and the one way to change them.
//!
//! A [`Change`] gathers what one commit writes: rows, unique keys, events (rule P1). When it is done, whoever waits for
//! it is told: the loop of what is now due, the callers that wait for a session, the followers of events.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use atlas_auth::{Clock, Entropy, Timestamp};
use atlas_core::{Deployment, ProviderId};
use bytes::Bytes;
use tokio::sync::{Notify, broadcast, watch};

use crate::activity::Activity;
use crate::events::Event;
use crate::rental::{Power, RentalPhase, RentalRecord};
use crate::session::{SessionPhase, SessionRecord};
use crate::store::{
    Commit, CommitError, Committed, Fence, Guard, Key, Kind, Op, Queue, Row, RowKey, Store, UniqueName, WriteId,
};
use crate::time::SteadyClock;
use crate::{Error, RentalId, Result, SessionId};

/// The namespace of `ensure`'s keys.
const KEY_NAMESPACE: &str = "session-key";

/// How often a commit of unknown fate is asked again before its caller is told so.
const ASK_AGAIN: u32 = 20;

/// A record and the version under which it was read.
#[derive(Debug, Clone)]
pub(crate) struct Read<T> {
    pub(crate) record: T,
    pub(crate) version: u64,
}

/// What is due when, by queue, as far as this process knows.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    next: Mutex<HashMap<Queue, Timestamp>>,
    /// Told when something falls due earlier than was known.
    pub(crate) sooner: Notify,
}

impl Agenda {
    pub(crate) fn note(&self, queue: &Queue, due: Timestamp) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = next.get(queue).is_none_or(|known| due < *known);
        if earlier {
            next.insert(queue.clone(), due);
            drop(next);
            self.sooner.notify_one();
        }
    }

    /// What is known of `queue`, which is forgotten: the claim that follows tells anew.
    pub(crate) fn take_due(&self, queue: &Queue, now: Timestamp) -> bool {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        match next.get(queue) {
            Some(due) if *due <= now => {
                next.remove(queue);
                true
            }
            Some(_) | None => false,
        }
    }

    /// When the earliest of `queues` falls due.
    pub(crate) fn earliest<'a>(&self, queues: impl Iterator<Item = &'a Queue>) -> Option<Timestamp> {
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        queues.filter_map(|queue| next.get(queue).copied()).min()
    }
}

/// Typed access to the store.
#[derive(Debug)]
pub(crate) struct Books {
    store: Arc<dyn Store>,
    clock: Arc<SteadyClock>,
    entropy: Arc<dyn Entropy>,
    deployment: Deployment,
    activity: Arc<Activity>,
    agenda: Agenda,
    told: watch::Sender<u64>,
    heartbeats: broadcast::Sender<Event>,
}

impl Books {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<SteadyClock>,
        entropy: Arc<dyn Entropy>,
        deployment: Deployment,
        activity: Arc<Activity>,
    ) -> Self {
        Self {
            store,
            clock,
            entropy,
            deployment,
            activity,
            agenda: Agenda::default(),
            told: watch::Sender::new(0),
            heartbeats: broadcast::Sender::new(16),
        }
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    pub(crate) fn agenda(&self) -> &Agenda {
        &self.agenda
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Follows the number of the last event.
    pub(crate) fn told(&self) -> watch::Receiver<u64> {
        self.told.subscribe()
    }

    pub(crate) fn heartbeats(&self) -> broadcast::Receiver<Event> {
        self.heartbeats.subscribe()
    }

    /// Tells followers of something that is not numbered.
    pub(crate) fn beat(&self, event: Event) {
        // Nobody following is no failure.
        let _ = self.heartbeats.send(event);
    }

    pub(crate) async fn session(&self, id: SessionId) -> Result<Option<Read<SessionRecord>>> {
        let row = self.store.get(Key::Row(RowKey::session(id.to_string()))).await?;
        row.map(|row| read_session(&row)).transpose()
    }

    pub(crate) async fn rental(&self, id: RentalId) -> Result<Option<Read<RentalRecord>>> {
        let row = self.store.get(Key::Row(RowKey::rental(id.to_string()))).await?;
        row.map(|row| read_rental(&row)).transpose()
    }

    /// The session that bears this key now.
    pub(crate) async fn session_of_key(&self, key: &str) -> Result<Option<Read<SessionRecord>>> {
        let row = self.store.get(Key::Unique(self.key_name(key))).await?;
        row.map(|row| read_session(&row)).transpose()
    }

    pub(crate) fn key_name(&self, key: &str) -> UniqueName {
        UniqueName::new(self.deployment.as_str(), KEY_NAMESPACE, key)
    }

    /// Begins a change.
    pub(crate) fn change(&self) -> Change<'_> {
        Change {
            books: self,
            commit: Commit::new(WriteId::new(self.now(), &*self.entropy)),
            due: Vec::new(),
            sessions: Vec::new(),
        }
    }

    /// Gives a claim back as it was.
    pub(crate) async fn release(&self, key: &RowKey, fence: Fence) -> Result<()> {
        Ok(self.store.release(key, fence).await?)
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        let mut pause = Duration::from_millis(10);
        for _ in 0..ASK_AGAIN {
            match self.store.commit(commit.clone()).await {
                // Its name makes asking again safe: either it was done, and this is its answer, or it is done now.
                Err(CommitError::Unknown(_)) => tokio::time::sleep(pause).await,
                answer => return answer,
            }
            pause = (pause * 2).min(Duration::from_secs(1));
        }
        self.store.commit(commit).await
    }
}

/// What one commit writes.
#[derive(Debug)]
#[must_use = "a change does nothing until it is committed"]
pub(crate) struct Change<'a> {
    books: &'a Books,
    commit: Commit,
    due: Vec<(Queue, Timestamp)>,
    sessions: Vec<SessionId>,
}

/// Under what condition a row is written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expect {
    /// It is not there yet.
    New,
    /// It stands at this version.
    At(u64),
}

impl Change<'_> {
    /// Goes through even when the disk is full.
    pub(crate) fn urgent(mut self) -> Self {
        self.commit.urgent = true;
        self
    }

    /// Only while this claim holds.
    pub(crate) fn under(self, key: &RowKey, fence: Fence) -> Self {
        self.guard(Guard::Fence(key.clone(), fence))
    }

    pub(crate) fn guard(mut self, guard: Guard) -> Self {
        self.commit.guards.push(guard);
        self
    }

    /// Writes a session, to be looked at at `due`.
    pub(crate) fn session(self, record: &SessionRecord, expect: Expect, due: Option<Timestamp>) -> Self {
        let row = self.books.session_row(record, due);
        self.put(row, expect).about(record.id)
    }

    /// Writes a rental, to be looked at at `due`.
    pub(crate) fn rental(self, record: &RentalRecord, expect: Expect, due: Option<Timestamp>) -> Self {
        let row = rental_row(record, due);
        let told = match record.payer() {
            Some(session) => self.about(session),
            None => self,
        };
        told.put(row, expect)
    }

    /// As [`rental`](Self::rental), but whoever drives it now finishes first: of two who call the cloud about one machine
    /// the later must not overtake the earlier (rule P9).
    pub(crate) fn rental_after_drive(self, record: &RentalRecord, expect: Expect, due: Option<Timestamp>) -> Self {
        let mut change = self.rental(record, expect, due);
        if let Some(Op::Put(row)) = change.commit.ops.pop() {
            change.commit.ops.push(Op::PutHeld(row));
        }
        change
    }

    /// Writes any row.
    pub(crate) fn put(mut self, row: Row, expect: Expect) -> Self {
        if let (Some(queue), Some(due)) = (&row.queue, row.due_at) {
            self.due.push((queue.clone(), due));
        }
        let guard = match expect {
            Expect::New => Guard::Absent(row.key.clone()),
            Expect::At(version) => Guard::Version(row.key.clone(), version),
        };
        self.commit.ops.push(Op::Put(row));
        self.guard(guard)
    }

    pub(crate) fn delete(mut self, key: RowKey, version: u64) -> Self {
        self.commit.ops.push(Op::Delete(key.clone()));
        self.guard(Guard::Version(key, version))
    }

    /// Appends an event.
    pub(crate) fn event(mut self, event: &Event) -> Self {
        let body = serde_json::to_vec(event).expect("an event has a JSON form");
        self.commit.ops.push(Op::Append(Bytes::from(body)));
        self
    }

    /// Wakes those who wait for this session when it is done.
    pub(crate) fn about(mut self, session: SessionId) -> Self {
        if !self.sessions.contains(&session) {
            self.sessions.push(session);
        }
        self
    }

    /// Does it all or nothing, and tells whoever waits.
    pub(crate) async fn commit(self) -> Result<Committed, CommitError> {
        let committed = self.books.commit(self.commit).await?;
        for (queue, due) in &self.due {
            self.books.agenda.note(queue, *due);
        }
        for session in &self.sessions {
            self.books.activity.tell(session);
        }
        if let Some(last) = committed.events.end.checked_sub(1).filter(|_| !committed.events.is_empty()) {
            self.books.told.send_if_modified(|told| {
                let newer = last > *told;
                *told = last.max(*told);
                newer
            });
        }
        Ok(committed)
    }
}

impl Books {
    fn session_row(&self, record: &SessionRecord, due: Option<Timestamp>) -> Row {
        let body = serde_json::to_vec(record).expect("a session has a JSON form");
        let (word, queue) = match record.phase {
            SessionPhase::Waiting { .. } => ("waiting", Some(Lane::Create.queue(&record.provider))),
            SessionPhase::Served => ("served", Some(sessions_queue())),
            SessionPhase::Ending { .. } => ("ending", None),
            SessionPhase::Ended { .. } => ("ended", Some(forget_queue())),
        };
        // Outside the body, so that an opening knows of it before anybody is touched.
        let word = if record.is_living() && record.leave_grace.is_some() { "leaving" } else { word };
        let mut row = Row::new(RowKey::session(record.id.to_string()), SessionRecord::FORMAT, body)
            .in_phase(word)
            .on_account(record.provider.as_str());
        if let (Some(queue), Some(due)) = (queue, due) {
            row = row.due(queue, due);
        }
        match &record.key {
            Some(key) if record.is_living() => row.bearing(self.key_name(key).forever()),
            Some(_) | None => row,
        }
    }
}

fn rental_row(record: &RentalRecord, due: Option<Timestamp>) -> Row {
    let body = serde_json::to_vec(record).expect("a rental has a JSON form");
    let queue = match (&record.phase, &record.compute) {
        (RentalPhase::Open, _) | (RentalPhase::Releasing { .. }, None) => Lane::Find.queue(&record.provider),
        (RentalPhase::Held { power: Power::Starting | Power::Stopping, .. }, _) => Lane::Start.queue(&record.provider),
        (RentalPhase::Held { .. }, _) => Lane::Watch.queue(&record.provider),
        (RentalPhase::Releasing { .. }, Some(_)) => Lane::Release.queue(&record.provider),
        (RentalPhase::Closed { .. }, _) => forget_queue(),
    };
    let row = Row::new(RowKey::rental(record.id.to_string()), RentalRecord::FORMAT, body)
        .in_phase(record.phase_word())
        .on_account(record.provider.as_str());
    match due {
        Some(due) => row.due(queue, due),
        None => row,
    }
}

/// What is done at one account, each with its own room, so that none waits for another (rule P16).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Lane {
    Release,
    Find,
    Create,
    /// Machines that somebody waits for.
    Start,
    /// Machines in use: many, and none in a hurry.
    Watch,
}

impl Lane {
    pub(crate) const ALL: [Self; 5] = [Self::Release, Self::Find, Self::Create, Self::Start, Self::Watch];

    pub(crate) fn queue(self, provider: &ProviderId) -> Queue {
        Queue::new(format!(
            "{}/{provider}",
            match self {
                Self::Release => "release",
                Self::Find => "find",
                Self::Create => "create",
                Self::Start => "start",
                Self::Watch => "watch",
            }
        ))
    }
}

/// Sessions whose silence or lifetime is to be judged: no cloud is asked.
pub(crate) fn sessions_queue() -> Queue {
    Queue::new("sessions")
}

/// What has ended, to be forgotten at last.
pub(crate) fn forget_queue() -> Queue {
    Queue::new("forget")
}

pub(crate) fn read_session(row: &Row) -> Result<Read<SessionRecord>> {
    read(row, SessionRecord::FORMAT)
}

pub(crate) fn read_rental(row: &Row) -> Result<Read<RentalRecord>> {
    read(row, RentalRecord::FORMAT)
}

fn read<T: serde::de::DeserializeOwned>(row: &Row, known: u16) -> Result<Read<T>> {
    let unreadable = |why: String| Error::Unreadable { row: row.key.to_string(), why };
    if row.format > known {
        return Err(unreadable(format!("it has format {}, this version knows {known} at most", row.format)));
    }
    // The cause may quote the record, which holds nothing secret.
    let record = serde_json::from_slice(&row.body).map_err(|cause| unreadable(cause.to_string()))?;
    Ok(Read { record, version: row.version })
}

/// The key of `ensure` that the session of this row bears in this deployment.
pub(crate) fn key_in<'a>(row: &'a Row, deployment: &Deployment) -> Option<&'a str> {
    let ours = |name: &&UniqueName| name.deployment == deployment.as_str() && name.namespace == KEY_NAMESPACE;
    row.unique.iter().map(|unique| &unique.name).find(ours).map(|name| name.text.as_str())
}

/// The row of a kind that has no record of its own.
pub(crate) fn small_row(kind: Kind, id: &str, body: &impl serde::Serialize) -> Row {
    Row::new(RowKey::new(kind, id), 1, serde_json::to_vec(body).expect("a small record has a JSON form"))
}
