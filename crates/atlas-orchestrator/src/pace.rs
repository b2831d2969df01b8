//! How fast machines are asked for at one account: not faster than its cloud allows (rule C13), in the order of asking, and
//! without keeping anything else there waiting. Pure.
//!
//! It is one process's memory: right after a restart, creates may meet those that the last process sent. Then the cloud
//! refuses, and nothing was made.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Duration;

use atlas_auth::Timestamp;
use atlas_core::Pace;

use crate::SessionId;

/// For how long a turn is kept for whoever does not come for it.
const KEPT: Duration = Duration::from_hours(1);

/// The turns of one account.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// The last turns that were given out, at most as many as may be taken at once.
    given: VecDeque<Timestamp>,
    /// When the last creates were sent, as many.
    sent: VecDeque<Timestamp>,
    /// Whose turn comes when.
    waiting: BTreeMap<SessionId, Timestamp>,
    /// Turns that were given back, the earliest first: the next who ask have them.
    free: BinaryHeap<Reverse<Timestamp>>,
}

impl Turns {
    /// Takes the turn of this session, or says when to come again. What is taken counts as sent.
    pub(crate) fn take(&mut self, session: SessionId, pace: Pace, now: Timestamp) -> Result<(), Timestamp> {
        self.waiting.retain(|_, turn| turn.plus(KEPT) > now);
        let turn = match self.waiting.remove(&session) {
            Some(turn) => turn,
            None => self.next(pace, now),
        };
        // Whoever came late for its turn moves those behind it.
        let turn = turn.max(free(&self.sent, pace, now));
        if turn > now {
            self.waiting.insert(session, turn);
            return Err(turn);
        }
        keep(&mut self.sent, pace, now);
        Ok(())
    }

    /// Gives back the turn of a session that needs none any more.
    pub(crate) fn give_back(&mut self, session: SessionId) {
        if let Some(turn) = self.waiting.remove(&session) {
            self.free.push(Reverse(turn));
        }
    }

    fn next(&mut self, pace: Pace, now: Timestamp) -> Timestamp {
        while let Some(Reverse(turn)) = self.free.pop() {
            // One that is over brings nothing.
            if turn >= now {
                return turn;
            }
        }
        let turn = free(&self.given, pace, now);
        keep(&mut self.given, pace, turn);
        turn
    }
}

/// When one more is free beside `taken`.
fn free(taken: &VecDeque<Timestamp>, pace: Pace, now: Timestamp) -> Timestamp {
    match taken.front() {
        Some(first) if taken.len() >= at_once(pace) => first.plus(pace.within).max(now),
        _ => now,
    }
}

fn keep(taken: &mut VecDeque<Timestamp>, pace: Pace, at: Timestamp) {
    taken.push_back(at);
    while taken.len() > at_once(pace) {
        taken.pop_front();
    }
}

/// A pace of none at all would be no cloud.
fn at_once(pace: Pace) -> usize {
    usize::try_from(pace.creates.max(1)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use atlas_auth::SeededEntropy;

    use super::*;

    const T0: Timestamp = Timestamp::from_seconds(1_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    fn sessions(count: usize) -> Vec<SessionId> {
        let entropy = SeededEntropy::new(7);
        (0..count).map(|_| SessionId::generate(&entropy)).collect()
    }

    #[test]
    fn c13_turns_come_in_the_order_of_asking_and_never_faster_than_the_pace() {
        let pace = Pace::new(2, SECOND * 10);
        let mut turns = Turns::default();
        let told: Vec<_> = sessions(6).into_iter().map(|id| turns.take(id, pace, T0)).collect();
        let later = |seconds: u32| Err(T0.plus(SECOND * seconds));
        assert_eq!(told, [Ok(()), Ok(()), later(10), later(10), later(20), later(20)]);
    }

    #[test]
    fn c13_whoever_comes_late_moves_those_behind_and_whoever_stays_away_nobody() {
        let pace = Pace::new(1, SECOND * 10);
        let mut turns = Turns::default();
        let ids = sessions(4);
        for id in &ids {
            let _ = turns.take(*id, pace, T0);
        }
        // The second comes four seconds late; the third never does.
        assert_eq!(turns.take(ids[1], pace, T0.plus(SECOND * 14)), Ok(()));
        assert_eq!(turns.take(ids[3], pace, T0.plus(SECOND * 30)), Ok(()));
        assert_eq!(turns.take(ids[2], pace, T0.plus(SECOND * 31)), Err(T0.plus(SECOND * 40)));
    }

    #[test]
    fn c13_a_turn_that_is_given_back_is_the_next_ones() {
        let pace = Pace::new(1, SECOND * 10);
        let mut turns = Turns::default();
        let ids = sessions(8);
        for id in &ids[..6] {
            let _ = turns.take(*id, pace, T0);
        }
        // Those of 20 and 40 seconds go away.
        turns.give_back(ids[2]);
        turns.give_back(ids[4]);
        turns.give_back(ids[4]);
        let now = T0.plus(SECOND * 21);
        assert_eq!(turns.take(ids[6], pace, now), Err(T0.plus(SECOND * 40)), "the other one is over");
        assert_eq!(turns.take(ids[7], pace, now), Err(T0.plus(SECOND * 60)));
    }

    #[test]
    fn c13_nobody_is_remembered_for_ever() {
        let pace = Pace::new(1, SECOND);
        let mut turns = Turns::default();
        for (second, id) in (0..).zip(sessions(5000)) {
            let _ = turns.take(id, pace, T0.plus(SECOND * second));
            let _ = turns.take(id, pace, T0.plus(SECOND * second));
        }
        assert!(turns.waiting.len() <= 3601 && turns.given.len() <= 1 && turns.sent.len() <= 1);
    }
}
