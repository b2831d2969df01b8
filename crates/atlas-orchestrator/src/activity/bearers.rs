//! Which session bears which key: the store's unique names of living sessions, for who must not wait for the store.

use papaya::Operation;

use crate::SessionId;

/// Which session bears which key. Keys come from strangers, hence a keyed hash.
#[derive(Debug, Default)]
pub(super) struct Bearers(papaya::HashMap<Box<str>, SessionId>);

impl Bearers {
    /// With room for this many keys at once.
    pub(super) fn with_capacity(keys: usize) -> Self {
        Self(papaya::HashMap::with_capacity(keys))
    }

    pub(super) fn get(&self, key: &str) -> Option<SessionId> {
        self.0.pin().get(key).copied()
    }

    /// Says that `session` bears `key`, unless another one does that lives: the store gives a key to one living session
    /// only, so that one was told later.
    pub(super) fn set(&self, key: &str, session: SessionId, lives: impl Fn(&SessionId) -> bool) {
        self.0.pin().compute(key.into(), |known| match known {
            Some((_, bearer)) if *bearer == session || lives(bearer) => Operation::Abort(()),
            _ => Operation::Insert(session),
        });
    }

    /// Says that `session` bears `key` no longer.
    pub(super) fn remove(&self, key: &str, session: SessionId) {
        // Another bearer keeps it.
        let _ = self.0.pin().remove_if(key, |_, bearer| *bearer == session);
    }
}
