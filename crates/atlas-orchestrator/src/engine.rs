//! The one loop: it claims what is due and drives it, each lane of each account in its own room (rule P16).
//!
//! A restart is this loop starting again. Nothing in it remembers anything that the store does not know.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use atlas_auth::Timestamp;
use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::activity::Unstored;
use crate::books::{Expect, Lane, Read, forget_queue, read_rental, sessions_queue};
use crate::drive::drive;
use crate::events::{Event, What};
use crate::inner::Inner;
use crate::store::{Claim, CommitError, Fence, Kind, Queue, Row};
use crate::time::TICK;
use crate::{Error, Result, SessionId};

/// After how long a drive no longer counts against the limit of its room.
const WEDGED: Duration = Duration::from_secs(10);

/// How many times the limit of a room may be under way, with those that take long.
const WEDGED_TOO: usize = 4;

/// How many things that ended long ago are forgotten at once: nobody waits for it.
const FORGOTTEN_AT_ONCE: usize = 4;

/// How long a row rests whose drive failed in the store. It doubles with each failure in a row of the same room: each
/// drive asks its cloud before it writes, and what cannot be written must not storm the cloud.
const AFTER_STORE_FAILURE: Duration = Duration::from_millis(200);

/// The longest such rest: so soon after a store is well again everything goes on.
const LONGEST_REST: Duration = Duration::from_secs(10);

/// How often the store is asked what is due in each room, whatever was told: a net under the notifications.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// How often both clocks are stored although nobody was touched: a process that is started again every few minutes
/// would else never see anybody idle.
pub(crate) const FRONTIER_EVERY: Duration = Duration::from_secs(10);

/// What is stored with each beat: where both clocks stood.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Frontier {
    pub(crate) time: Timestamp,
    pub(crate) idle: u64,
}

/// One queue, with its room.
#[derive(Debug)]
struct Room {
    queue: Queue,
    limit: usize,
    /// How many drives are under way that have not taken long yet.
    running: AtomicUsize,
    /// How many are under way in all.
    held: AtomicUsize,
    /// How many drives in a row failed in the store.
    failures: AtomicU32,
}

impl Room {
    /// For how many more drives there is space.
    fn space(&self) -> usize {
        let quick = self.limit.saturating_sub(self.running.load(Ordering::Acquire));
        let all = (self.limit * WEDGED_TOO).saturating_sub(self.held.load(Ordering::Acquire));
        quick.min(all)
    }

    fn rest(&self) -> Duration {
        let failures = self.failures.fetch_add(1, Ordering::AcqRel);
        AFTER_STORE_FAILURE.saturating_mul(1 << failures.min(16)).min(LONGEST_REST)
    }

    fn well_again(&self) {
        self.failures.store(0, Ordering::Release);
    }
}

/// Which lanes are driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// All of them.
    Everything,
    /// Only searching and ending: what one reconciliation by hand does.
    EndingsOnly,
}

fn rooms(inner: &Inner, scale: Scale) -> Vec<Arc<Room>> {
    let room = |queue: Queue, limit: usize| {
        Arc::new(Room {
            queue,
            limit,
            running: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            failures: AtomicU32::new(0),
        })
    };
    let policy = &inner.policy;
    let mut rooms = Vec::new();
    for provider in inner.accounts.keys() {
        for lane in Lane::ALL {
            let limit = match lane {
                Lane::Release => policy.releases_at_once,
                Lane::Create => policy.creates_at_once,
                Lane::Find | Lane::Start | Lane::Watch => policy.reads_at_once,
            };
            if scale == Scale::Everything || matches!(lane, Lane::Release | Lane::Find) {
                rooms.push(room(lane.queue(provider), limit));
            }
        }
    }
    if scale == Scale::Everything {
        rooms.push(room(sessions_queue(), policy.judged_at_once));
        rooms.push(room(forget_queue(), FORGOTTEN_AT_ONCE));
    }
    rooms
}

/// Runs until it is told to stop.
pub(crate) async fn run(inner: Arc<Inner>, scale: Scale, until: CancellationToken) {
    let rooms = rooms(&inner, scale);
    let freed = Arc::new(Notify::new());
    let mut asked_all: Option<Timestamp> = None;
    let mut first = 0;
    loop {
        // At first, and again and again: the agenda is only what this process was told, the store knows what is due.
        if asked_all.is_none_or(|asked| inner.now().since(asked) >= LONGEST_SLEEP) {
            asked_all = Some(inner.now());
            for room in &rooms {
                inner.books.agenda().note(&room.queue, Timestamp::EPOCH);
            }
        }
        for step in 0..rooms.len() {
            // Another room comes first each time, so that none is always last.
            let room = &rooms[(first + step) % rooms.len()];
            fill(&inner, room, &freed).await;
        }
        first = (first + 1) % rooms.len().max(1);
        let open = rooms.iter().filter(|room| room.space() > 0);
        let sleep = inner
            .books
            .agenda()
            .earliest(open.map(|room| &room.queue))
            .map_or(LONGEST_SLEEP, |due| due.since(inner.now()))
            .min(LONGEST_SLEEP);
        tokio::select! {
            () = until.cancelled() => return,
            () = inner.books.agenda().sooner.notified() => {}
            () = freed.notified() => {}
            // Also when nothing is left to sleep: what fell due since it was looked for must not wait for a notification.
            () = tokio::time::sleep(sleep) => {}
        }
    }
}

/// One place in a room, free again however its drive ends, and for others before that if it takes long: a wedged call
/// keeps its own row busy, and nobody else (rule P16).
#[derive(Debug)]
struct Slot {
    room: Arc<Room>,
    freed: Arc<Notify>,
    is_aside: AtomicBool,
}

impl Slot {
    fn take(room: &Arc<Room>, freed: &Arc<Notify>) -> Self {
        room.running.fetch_add(1, Ordering::AcqRel);
        room.held.fetch_add(1, Ordering::AcqRel);
        Self { room: room.clone(), freed: freed.clone(), is_aside: AtomicBool::new(false) }
    }

    fn step_aside(&self) {
        if !self.is_aside.swap(true, Ordering::AcqRel) {
            self.room.running.fetch_sub(1, Ordering::AcqRel);
            self.freed.notify_one();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.step_aside();
        self.room.held.fetch_sub(1, Ordering::AcqRel);
        self.freed.notify_one();
    }
}

/// Claims what is due in one room, as far as there is space, and drives it in tasks of its own.
async fn fill(inner: &Arc<Inner>, room: &Arc<Room>, freed: &Arc<Notify>) {
    let space = room.space();
    if space == 0 || !inner.books.agenda().take_due(&room.queue, inner.now()) {
        return;
    }
    match inner.books.store().claim(&room.queue, space, inner.policy.lease()).await {
        Ok(claimed) => {
            if let Some(next) = claimed.next_due {
                inner.books.agenda().note(&room.queue, next);
            }
            for claim in claimed.claims {
                let slot = Slot::take(room, freed);
                let inner = inner.clone();
                let tasks = inner.tasks.clone();
                tasks.spawn(async move {
                    let drive = pin!(drive_one(&inner, &slot.room, claim));
                    if let Either::Right(((), drive)) = select(drive, pin!(tokio::time::sleep(WEDGED))).await {
                        slot.step_aside();
                        drive.await;
                    }
                });
            }
        }
        Err(error) => {
            tracing::warn!(queue = %room.queue, %error, "the store cannot be asked for what is due");
            inner.books.agenda().note(&room.queue, inner.now().plus(room.rest()));
        }
    }
}

async fn drive_one(inner: &Arc<Inner>, room: &Room, claim: Claim) {
    let (row, fence) = (claim.row.clone(), claim.fence);
    let key = row.key.clone();
    let driven = match unless_it_panics(drive(inner, claim)).await {
        Ok(driven) => driven,
        Err(panic) => rest(inner, row, fence, &panic).await,
    };
    let Err(error) = driven else { return room.well_again() };
    let pause = match &error {
        // Somebody else changed it: look at it again at once.
        Error::Commit(CommitError::Conflict { .. } | CommitError::Fenced(_)) => Duration::ZERO,
        // Left alone until a version that can read it comes; it is exposure until then.
        Error::Unreadable { .. } => {
            tracing::error!(row = %key, %error, "a row cannot be driven");
            return;
        }
        _ => {
            tracing::warn!(row = %key, %error, "a row could not be driven; it is tried again");
            room.rest()
        }
    };
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    if let Err(error) = inner.books.release(&key, fence).await {
        tracing::warn!(row = %key, %error, "a claim could not be given back; it ends with its lease");
    }
    inner.books.agenda().note(&room.queue, inner.now());
}

/// Runs what calls code that is not ours, such as a provider: one that panics must cost nobody else anything (P16).
pub(crate) async fn unless_it_panics<T>(work: impl Future<Output = T>) -> std::result::Result<T, String> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| {
        let words = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let words = words.or_else(|| panic.downcast_ref::<String>().cloned());
        format!("it panicked: {}", words.unwrap_or_default())
    })
}

/// Puts off a row whose drive panicked, as if a call had failed. Whatever was written before stands: the row has moved
/// on then, and there is nothing to put off.
async fn rest(inner: &Arc<Inner>, mut row: Row, fence: Fence, panic: &str) -> Result<()> {
    tracing::error!(row = %row.key, panic, "a row could not be driven; it is tried again");
    let expect = Expect::At(row.version);
    let due = inner.now().plus(inner.policy.longest_pause);
    let change = inner.books.change().urgent().under(&row.key, fence);
    let change = match read_rental(&row) {
        Ok(Read { record: mut rental, .. }) if row.key.kind == Kind::RENTAL => {
            rental.failed(&panic);
            change.rental(&rental, expect, Some(due))
        }
        _ => {
            row.due_at = Some(due);
            change.put(row, expect)
        }
    };
    match change.commit().await {
        Ok(_) | Err(CommitError::Conflict { .. } | CommitError::Fenced(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Keeps idle time moving, and stores who was in use (P7, P8).
pub(crate) async fn beat(inner: Arc<Inner>) {
    let mut last_beat = inner.now();
    let mut last_stored = last_beat;
    let mut last_monotonic = inner.clock.monotonic();
    loop {
        tokio::select! {
            () = inner.closing.cancelled() => return,
            () = tokio::time::sleep(TICK) => {}
        }
        let monotonic = inner.clock.monotonic();
        let gap = monotonic.saturating_sub(last_monotonic);
        last_monotonic = monotonic;
        inner.idle.tick(monotonic);
        if gap > inner.policy.beat_interval * 5 {
            tell_blind(&inner, gap).await;
        }
        let now = inner.now();
        if now.since(last_beat) >= inner.policy.beat_interval {
            last_beat = now;
            let always = inner.activity.len() > 0 && now.since(last_stored) >= FRONTIER_EVERY;
            match flush(&inner, always).await {
                Ok(true) => last_stored = now,
                Ok(false) => {}
                // What could not be stored is blind time for whoever opens the store next.
                Err(error) => tracing::warn!(%error, "activity could not be stored"),
            }
        }
    }
}

/// Says for how long heartbeats may have been missed.
pub(crate) async fn tell_blind(inner: &Inner, span: Duration) {
    let seconds = span.as_secs();
    tracing::warn!(seconds, "heartbeats may have been missed; every idle deadline moves by as much");
    let event = Event::of_deployment(inner.now(), What::Blind { seconds });
    if let Err(error) = inner.books.change().event(&event).commit().await {
        tracing::warn!(%error, "that could not be told to the followers of events");
    }
}

/// Stores what was touched, and how far both clocks are. Whether there was anything to store.
pub(crate) async fn flush(inner: &Inner, always: bool) -> Result<bool> {
    let Unstored { touches, returned } = inner.activity.unstored();
    futures_util::future::try_join_all(returned.into_iter().map(|(id, left)| inner.came_back(id, left))).await?;
    if touches.is_empty() && !always {
        return Ok(false);
    }
    let time = inner.now();
    let frontier = Frontier { time, idle: inner.idle.now(inner.clock.monotonic()) };
    write_beat(inner, &touches, frontier).await?;
    *inner.frontier.lock().unwrap_or_else(PoisonError::into_inner) = Some(frontier);
    if !touches.is_empty() {
        inner.books.beat(Event::of_deployment(time, What::Heartbeat { touched: touches.len() }));
    }
    Ok(true)
}

/// Stores the touch of one session, if what is stored does not cover it: an `ensure` is durable when it returns. Only
/// of this session, hence under the frontier of the last beat.
///
/// That it cannot be stored harms nobody: the time since that beat is blind time then, for whoever opens the store next.
pub(crate) async fn store_touch(inner: &Inner, session: SessionId) {
    if let Err(error) = store_one(inner, session).await {
        tracing::warn!(%session, %error, "a touch could not be stored; it counts all the same");
    }
}

async fn store_one(inner: &Inner, session: SessionId) -> Result<()> {
    let Unstored { touches, returned } = inner.activity.unstored_of(session);
    for (session, left) in returned {
        inner.came_back(session, left).await?;
    }
    if touches.is_empty() {
        return Ok(());
    }
    let frontier = *inner.frontier.lock().unwrap_or_else(PoisonError::into_inner);
    let frontier = frontier.unwrap_or(Frontier { time: inner.now(), idle: 0 });
    write_beat(inner, &touches, frontier).await
}

async fn write_beat(inner: &Inner, touches: &[(SessionId, u64)], frontier: Frontier) -> Result<()> {
    let body = serde_json::to_vec(&frontier).expect("a frontier has a JSON form");
    let rows = touches.iter().map(|(session, value)| (session.to_string(), *value)).collect();
    inner.books.store().beat(rows, body.into()).await?;
    inner.activity.stored(touches);
    Ok(())
}

/// Drives what one reconciliation set in motion, until nothing of it is left or `timeout` is over.
pub(crate) async fn run_endings(inner: &Arc<Inner>, timeout: Duration) {
    let until = inner.closing.child_token();
    let running = pin!(run(inner.clone(), Scale::EndingsOnly, until.clone()));
    // Told to stop rather than dropped: a claim whose answer is dropped stays claimed until its lease ends.
    if let Either::Right(((), running)) = select(running, pin!(tokio::time::sleep(timeout))).await {
        until.cancel();
        running.await;
    }
}
