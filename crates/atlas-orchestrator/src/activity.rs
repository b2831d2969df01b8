//! Who is in use (rules P7, P8): one small cell for each living session, found without a lock.
//!
//! A touch is a look-up and an atomic maximum: not async, no task woken, no disk. An ending swaps the cell from the very
//! value that it judged, so that a touch in time always wins and a late one is told why.
//!
//! Whoever leaves sets the cell to the moment before, and remembers that value beside it: every later touch is worth more,
//! so it shows, however soon it comes.

mod bearers;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use self::bearers::Bearers;
use crate::SessionId;
use crate::session::Reason;

/// From this value on a cell's session is ending; how far beyond says why.
const ENDING: u64 = u64::MAX - 255;

/// By how much stored activity is rounded up, in milliseconds of idle time: so much less is written.
const ROUND_UP: u64 = 5_000;

/// The activity of one session, as it stands in the map itself: a touch follows no further pointer.
#[derive(Debug)]
struct Slot {
    /// Idle time of the last touch, or from [`ENDING`] on why it ends.
    last: AtomicU64,
    /// What `last` was set to when its user left; 0 if nobody did, or somebody came back.
    left: AtomicU64,
    /// What is stored: never less than what was touched when it was written.
    stored: AtomicU64,
    /// Told of each commit about this session.
    changed: Arc<Notify>,
}

type Slots = papaya::HashMap<SessionId, Slot, BuildHasherDefault<RandomKey>>;

/// The activity of one session, for those who do more than touch it. Once the session is forgotten it is as if ending.
#[derive(Debug)]
pub(crate) struct Cell {
    slots: Arc<Slots>,
    session: SessionId,
    changed: Arc<Notify>,
}

/// What came of a touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Touched {
    /// It counts.
    Counted,
    /// The session is ending, for this reason: too late.
    TooLate(Reason),
    /// No living session of that id.
    Unknown,
}

/// What must be stored of who was in use.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Unstored {
    /// Each session that was touched beyond what is stored, with its activity rounded up.
    pub(crate) touches: Vec<(SessionId, u64)>,
    /// Each session that was touched after its user had left, with what it was left with.
    pub(crate) returned: Vec<(SessionId, u64)>,
}

impl Unstored {
    fn look(&mut self, session: SessionId, slot: &Slot) {
        let (last, left) = (slot.last.load(Ordering::Acquire), slot.left.load(Ordering::Acquire));
        if last < ENDING && last > slot.stored.load(Ordering::Relaxed) {
            self.touches.push((session, last + ROUND_UP));
        }
        if last < ENDING && left != 0 && last != left {
            self.returned.push((session, left));
        }
    }
}

impl Slot {
    fn new(last: u64, stored: u64) -> Self {
        let (last, stored) = (AtomicU64::new(last), AtomicU64::new(stored));
        Self { last, left: AtomicU64::new(0), stored, changed: Arc::default() }
    }

    fn touch(&self, stamp: u64) -> Touched {
        // Fast path: most touches of a busy session fall into the same tick.
        let mut last = self.last.load(Ordering::Acquire);
        if last < stamp {
            last = self.last.fetch_max(stamp, Ordering::AcqRel);
        }
        reason(last).map_or(Touched::Counted, Touched::TooLate)
    }

    /// What its user left with, if nobody has touched it since.
    fn left(&self) -> Option<u64> {
        let left = self.left.load(Ordering::Acquire);
        (left != 0 && self.last.load(Ordering::Acquire) == left).then_some(left)
    }
}

/// The value of a cell whose session ends for this reason.
fn ending(reason: Reason) -> u64 {
    ENDING + u64::from(reason.code())
}

/// Why a session ends whose cell has this value; `None` if it lives.
fn reason(last: u64) -> Option<Reason> {
    last.checked_sub(ENDING).and_then(|code| Reason::of_code(u8::try_from(code).ok()?))
}

impl Cell {
    fn with<T>(&self, look: impl FnOnce(&Slot) -> Option<T>) -> Option<T> {
        self.slots.pin().get(&self.session).and_then(look)
    }

    /// Sets the value of a session that lives, or of one that does not. The value before.
    fn set(&self, lives: bool, value: u64) -> Option<u64> {
        let change = |last| ((last < ENDING) == lives).then_some(value);
        self.with(|slot| slot.last.fetch_update(Ordering::AcqRel, Ordering::Acquire, change).ok())
    }

    /// The last touch; `None` if the session is ending.
    pub(crate) fn last(&self) -> Option<u64> {
        self.with(|slot| Some(slot.last.load(Ordering::Acquire))).filter(|last| *last < ENDING)
    }

    /// Begins the ending, if nobody has touched the session since `judged`.
    pub(crate) fn begin_ending(&self, judged: u64, why: Reason) -> bool {
        let swap =
            |slot: &Slot| slot.last.compare_exchange(judged, ending(why), Ordering::AcqRel, Ordering::Acquire).ok();
        self.with(swap).is_some()
    }

    /// Begins the ending whatever was touched: somebody asked for it. The last touch, if it lived until now.
    pub(crate) fn force_ending(&self, why: Reason) -> Option<u64> {
        self.set(true, ending(why))
    }

    /// Says for which reason it does end: the one that is written.
    pub(crate) fn is_ending(&self, why: Reason) {
        let _ = self.with(|slot| {
            slot.last.store(ending(why), Ordering::Release);
            Some(())
        });
    }

    /// Takes back an ending that could not be written.
    pub(crate) fn take_back(&self, to: u64) {
        let _ = self.set(false, to);
    }

    /// Its user leaves, while a touch is worth `stamp`. What it left with, by which a later touch is told from none;
    /// `None` if it is ending.
    pub(crate) fn leave(&self, stamp: u64) -> Option<u64> {
        let left = stamp.saturating_sub(1).max(1);
        self.set(true, left)?;
        self.with(|slot| {
            slot.left.store(left, Ordering::Release);
            Some(left)
        })
    }

    /// What its user left with, if nobody has touched it since.
    pub(crate) fn left(&self) -> Option<u64> {
        self.with(Slot::left)
    }

    /// Forgets that its user left with this.
    pub(crate) fn forget_leave(&self, left: u64) {
        let forget = |slot: &Slot| slot.left.compare_exchange(left, 0, Ordering::AcqRel, Ordering::Acquire).ok();
        let _ = self.with(forget);
    }

    /// Waits for the next commit about this session. Make it before reading the session.
    pub(crate) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }
}

/// Session ids are random numbers already.
#[derive(Debug, Default)]
pub(crate) struct RandomKey(u64);

impl Hasher for RandomKey {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 ^= u64::from_le_bytes(word);
        }
    }

    fn write_u128(&mut self, number: u128) {
        self.0 = u64::try_from(number & u128::from(u64::MAX)).unwrap_or_default();
    }
}

/// The cells of all living sessions.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    slots: Arc<Slots>,
    bearers: Bearers,
}

impl Activity {
    /// Makes room for this many sessions at once.
    pub(crate) fn with_capacity(sessions: usize) -> Self {
        let slots = papaya::HashMap::with_capacity_and_hasher(sessions, BuildHasherDefault::default());
        Self { slots: Arc::new(slots), bearers: Bearers::with_capacity(sessions) }
    }

    /// Touches a session.
    pub(crate) fn touch(&self, session: &SessionId, stamp: u64) -> Touched {
        self.slots.pin().get(session).map_or(Touched::Unknown, |slot| slot.touch(stamp))
    }

    /// The session that bears this key, as far as memory knows: it lives, or is ending and nobody has taken its key yet.
    pub(crate) fn bearer(&self, key: &str) -> Option<SessionId> {
        self.bearers.get(key)
    }

    /// Says that this session bears this key, as is written. Who was told so by a later commit is not overruled.
    pub(crate) fn bears(&self, session: SessionId, key: &str) {
        let slots = self.slots.pin();
        let lives = |other: &SessionId| slots.get(other).is_some_and(|slot| slot.last.load(Ordering::Acquire) < ENDING);
        self.bearers.set(key, session, lives);
        // It may have ended, and been forgotten, between its commit and this call.
        if slots.get(&session).is_none() {
            self.bearers.remove(key, session);
        }
    }

    /// Idle time begins: the session is ready. No user's touch, so who has left is still gone.
    pub(crate) fn begin_idle(&self, session: &SessionId, stamp: u64) {
        if let Some(slot) = self.slots.pin().get(session)
            && slot.left().is_none()
        {
            slot.touch(stamp);
        }
    }

    /// The cell of a living session.
    pub(crate) fn cell(&self, session: &SessionId) -> Option<Cell> {
        let changed = self.slots.pin().get(session)?.changed.clone();
        Some(Cell { slots: self.slots.clone(), session: *session, changed })
    }

    /// The cell of a session, made if there is none.
    pub(crate) fn enter(&self, session: SessionId, last: u64, stored: u64) -> Cell {
        let changed = self.slots.pin().get_or_insert_with(session, || Slot::new(last, stored)).changed.clone();
        Cell { slots: self.slots.clone(), session, changed }
    }

    /// A session that has begun to end: later touches are told why.
    pub(crate) fn enter_ending(&self, session: SessionId, why: Reason) {
        self.slots.pin().insert(session, Slot::new(ending(why), ENDING));
    }

    /// Forgets a session that has ended, with the key that it bore.
    pub(crate) fn forget(&self, session: &SessionId, key: Option<&str>) {
        self.slots.pin().remove(session);
        if let Some(key) = key {
            self.bearers.remove(key, *session);
        }
    }

    /// Wakes whoever waits for a change of this session.
    pub(crate) fn tell(&self, session: &SessionId) {
        if let Some(slot) = self.slots.pin().get(session) {
            slot.changed.notify_waiters();
        }
    }

    /// Wakes all who wait: the orchestrator closes.
    pub(crate) fn tell_all(&self) {
        for (_, slot) in &self.slots.pin() {
            slot.changed.notify_waiters();
        }
    }

    /// How many sessions live.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// What must be stored.
    pub(crate) fn unstored(&self) -> Unstored {
        let mut unstored = Unstored::default();
        for (session, slot) in &self.slots.pin() {
            unstored.look(*session, slot);
        }
        unstored
    }

    /// The same of one session.
    pub(crate) fn unstored_of(&self, session: SessionId) -> Unstored {
        let mut unstored = Unstored::default();
        if let Some(slot) = self.slots.pin().get(&session) {
            unstored.look(session, slot);
        }
        unstored
    }

    /// Says that these are stored now.
    pub(crate) fn stored(&self, touches: &[(SessionId, u64)]) {
        let slots = self.slots.pin();
        for (session, value) in touches {
            if let Some(slot) = slots.get(session) {
                slot.stored.fetch_max(*value, Ordering::Relaxed);
            }
        }
    }
}
