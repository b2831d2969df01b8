//! What will happen when: everything that was sent and has not landed, and everything that happens by itself.
//!
//! Invariant: what is due comes out by time, and of the same moment in the order in which it was put in. Looking costs
//! nothing when nothing is due.

use std::collections::BTreeMap;

use atlas_auth::Timestamp;

/// The place of one entry.
pub(super) type Key = (Timestamp, u64);

/// A list of events by time.
#[derive(Debug)]
pub(super) struct Agenda<E> {
    entries: BTreeMap<Key, (Option<usize>, E)>,
    of_calls: BTreeMap<usize, Vec<Key>>,
    order: u64,
}

impl<E> Agenda<E> {
    pub(super) const fn new() -> Self {
        Self { entries: BTreeMap::new(), of_calls: BTreeMap::new(), order: 0 }
    }

    /// Puts in an event, and for which call it happens, so that the call can bring it about early.
    pub(super) fn add(&mut self, at: Timestamp, call: Option<usize>, event: E) -> Key {
        self.order += 1;
        let key = (at, self.order);
        self.entries.insert(key, (call, event));
        if let Some(call) = call {
            self.of_calls.entry(call).or_default().push(key);
        }
        key
    }

    /// Sets an alarm: the one before is off, whether or not it rang.
    pub(super) fn set(&mut self, alarm: &mut Option<Key>, at: Option<Timestamp>, event: E) {
        if let Some(key) = alarm.take() {
            self.entries.remove(&key);
        }
        *alarm = at.map(|at| self.add(at, None, event));
    }

    /// Takes out the next event that is due.
    pub(super) fn pop_due(&mut self, now: Timestamp) -> Option<(Timestamp, E)> {
        let first = self.entries.first_entry().filter(|entry| entry.key().0 <= now)?;
        let (key, (call, event)) = first.remove_entry();
        if let Some(call) = call
            && let Some(keys) = self.of_calls.get_mut(&call)
        {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.of_calls.remove(&call);
            }
        }
        Some((key.0, event))
    }

    /// Takes out what is still to happen for one call, in order.
    pub(super) fn take_of(&mut self, call: usize) -> Vec<(Timestamp, E)> {
        let mut keys = self.of_calls.remove(&call).unwrap_or_default();
        keys.sort_unstable();
        keys.into_iter().filter_map(|key| Some((key.0, self.entries.remove(&key)?.1))).collect()
    }

    /// When the next event is due.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.entries.first_key_value().map(|(key, _)| key.0)
    }
}
