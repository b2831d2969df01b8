//! Who is in use (rules P7, P8): one small cell for each living session, found without a lock.
//!
//! A touch is a look-up and an atomic maximum: not async, no task woken, no disk. An ending swaps the cell from the very
//! value that it judged, so that a touch in time always wins and a late one is told.

use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::SessionId;

/// The value of a cell whose session is ending.
const ENDING: u64 = u64::MAX;

/// By how much stored activity is rounded up, in milliseconds of idle time: so much less is written.
const ROUND_UP: u64 = 5_000;

/// The activity of one session, as it stands in the map itself: a touch follows no further pointer.
#[derive(Debug)]
struct Slot {
    /// Idle time of the last touch, or [`ENDING`].
    last: AtomicU64,
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
    /// The session is ending: too late.
    TooLate,
    /// No living session of that id.
    Unknown,
}

impl Slot {
    fn new(last: u64, stored: u64) -> Self {
        Self { last: AtomicU64::new(last), stored: AtomicU64::new(stored), changed: Arc::default() }
    }

    fn touch(&self, stamp: u64) -> Touched {
        // Fast path: most touches of a busy session fall into the same tick.
        let last = self.last.load(Ordering::Acquire);
        if last == ENDING {
            return Touched::TooLate;
        }
        if last >= stamp || self.last.fetch_max(stamp, Ordering::AcqRel) != ENDING {
            return Touched::Counted;
        }
        Touched::TooLate
    }
}

impl Cell {
    fn with<T>(&self, look: impl FnOnce(&AtomicU64) -> Option<T>) -> Option<T> {
        self.slots.pin().get(&self.session).and_then(|slot| look(&slot.last))
    }

    /// The last touch; `None` if the session is ending.
    pub(crate) fn last(&self) -> Option<u64> {
        self.with(|last| Some(last.load(Ordering::Acquire))).filter(|last| *last != ENDING)
    }

    /// Begins the ending, if nobody has touched the session since `judged`.
    pub(crate) fn begin_ending(&self, judged: u64) -> bool {
        self.with(|last| last.compare_exchange(judged, ENDING, Ordering::AcqRel, Ordering::Acquire).ok()).is_some()
    }

    /// Begins the ending whatever was touched: somebody asked for it.
    pub(crate) fn force_ending(&self) -> Option<u64> {
        self.with(|last| Some(last.swap(ENDING, Ordering::AcqRel))).filter(|last| *last != ENDING)
    }

    /// Takes back an ending that could not be written.
    pub(crate) fn take_back(&self, to: u64) {
        let _ = self.with(|last| last.compare_exchange(ENDING, to, Ordering::AcqRel, Ordering::Acquire).ok());
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
}

impl Activity {
    /// Makes room for this many sessions at once.
    pub(crate) fn with_capacity(sessions: usize) -> Self {
        Self { slots: Arc::new(papaya::HashMap::with_capacity_and_hasher(sessions, BuildHasherDefault::default())) }
    }

    /// Touches a session.
    pub(crate) fn touch(&self, session: &SessionId, stamp: u64) -> Touched {
        self.slots.pin().get(session).map_or(Touched::Unknown, |slot| slot.touch(stamp))
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

    /// A session that has begun to end: later touches are told.
    pub(crate) fn enter_ending(&self, session: SessionId) {
        self.slots.pin().insert(session, Slot::new(ENDING, ENDING));
    }

    /// Forgets a session that has ended.
    pub(crate) fn leave(&self, session: &SessionId) {
        self.slots.pin().remove(session);
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

    /// What must be stored: each session that was touched beyond what is stored, with its activity rounded up.
    pub(crate) fn unstored(&self) -> Vec<(SessionId, u64)> {
        let mut unstored = Vec::new();
        for (session, slot) in &self.slots.pin() {
            let last = slot.last.load(Ordering::Acquire);
            if last != ENDING && last > slot.stored.load(Ordering::Relaxed) {
                unstored.push((*session, last + ROUND_UP));
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> (Activity, SessionId, Cell) {
        let activity = Activity::default();
        let session = SessionId::generate(&atlas_auth::SeededEntropy::new(1));
        let cell = activity.enter(session, 100, 100);
        (activity, session, cell)
    }

    #[test]
    fn p7_history_08_a_touch_in_time_wins_and_a_late_one_is_told() {
        let (activity, session, cell) = one();
        assert_eq!(activity.touch(&session, 200), Touched::Counted);
        assert!(!cell.begin_ending(100), "the value that was judged is no longer the one that stands");
        assert!(cell.begin_ending(200));
        assert_eq!(activity.touch(&session, 300), Touched::TooLate);
        cell.take_back(200);
        assert_eq!(activity.touch(&session, 300), Touched::Counted);
        assert_eq!(cell.last(), Some(300));
    }

    #[test]
    fn p7_a_touch_never_goes_back() {
        let (activity, session, cell) = one();
        activity.touch(&session, 500);
        activity.touch(&session, 400);
        assert_eq!(cell.last(), Some(500));
    }

    #[test]
    fn p7_stored_activity_is_rounded_up_and_written_once() {
        let (activity, session, _cell) = one();
        assert!(activity.unstored().is_empty());
        activity.touch(&session, 101);
        let touches = activity.unstored();
        assert_eq!(touches, [(session, 101 + ROUND_UP)]);
        activity.stored(&touches);
        activity.touch(&session, 102);
        assert!(activity.unstored().is_empty(), "what is stored already covers it");
    }

    #[test]
    fn an_unknown_session_is_told_apart() {
        let (activity, session, _cell) = one();
        activity.leave(&session);
        assert_eq!(activity.touch(&session, 1), Touched::Unknown);
    }
}
