//! When absence is proven (rules P2, P4, P15): unknown is not absent, and 200 is not done.
//!
//! Pure: evidence goes in with its time, a verdict comes out. The orchestrator and the one-off spawn judge alike.

use std::time::Duration;

use atlas_auth::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{GoneRule, RentalKind, Scope, Traits};

#[cfg(test)]
mod tests;

/// How far apart two complete listings must be to count as two: one repeated answer is one.
pub const LISTINGS_APART: Duration = Duration::from_secs(1);

/// What has been seen of a machine that should be gone. Seeing it again wipes it clean.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Absence {
    /// The first not-found under the rental's scope.
    first_missing: Option<Timestamp>,
    /// The last one.
    last_missing: Option<Timestamp>,
    /// The last complete listing without it.
    unlisted: Option<Timestamp>,
    /// The complete listing without it before which there was none.
    first_unlisted: Option<Timestamp>,
}

impl Absence {
    /// Nothing seen.
    pub const fn new() -> Self {
        Self { first_missing: None, last_missing: None, unlisted: None, first_unlisted: None }
    }

    /// A read by id answered not-found. It counts only under the rental's own scope (O3).
    pub fn missing(&mut self, at: Timestamp, asked: &Scope, rental: &Scope) {
        if asked == rental {
            // A first look that lies ahead was made by another process, before the hour was set back: counted anew.
            self.first_missing = Some(self.first_missing.map_or(at, |first| first.min(at)));
            self.last_missing = Some(at);
        }
    }

    /// A complete listing, or a complete search for the token, did not show it. It counts only under the rental's scope.
    pub fn unlisted(&mut self, at: Timestamp, asked: &Scope, rental: &Scope) {
        if asked == rental {
            self.first_unlisted = Some(self.first_unlisted.map_or(at, |first| first.min(at)));
            self.unlisted = Some(at);
        }
    }

    /// It was seen: whatever spoke for its absence is void.
    pub fn seen(&mut self) {
        *self = Self::new();
    }

    /// Since when it is missing.
    pub fn since(&self) -> Option<Timestamp> {
        self.first_missing
    }

    /// Whether a machine that was read before is proven gone by the rule of its cloud (P4). A read status of
    /// `terminated` proves it without any of this.
    ///
    /// `made_at` is when its create was answered: within the settle window of a machine never read back, nothing proves.
    /// The same holds for a volume or an endpoint.
    pub fn proves_gone(&self, traits: &Traits, kind: RentalKind, made_at: Timestamp, was_read: bool) -> bool {
        let (Some(first), Some(last)) = (self.first_missing, self.last_missing) else { return false };
        if !was_read && last < made_at.plus(traits.settle_window) {
            return false;
        }
        match traits.gone_rule(kind) {
            GoneRule::NotFound => true,
            GoneRule::TwoNotFounds { apart } => {
                last.since(first) >= apart && self.unlisted.is_some_and(|listing| listing >= first)
            }
            GoneRule::StatusOnly => false,
        }
    }

    /// Whether a create without an answer is proven never to have landed (P2): after `settled_at`, which is its
    /// `not_after` and the settle window on top, two complete listings without it.
    pub fn proves_absent(&self, settled_at: Timestamp) -> bool {
        match (self.first_unlisted, self.unlisted) {
            (Some(first), Some(last)) => first >= settled_at && last.since(first) >= LISTINGS_APART,
            _ => false,
        }
    }

    /// Forgets listings that were made before `settled_at`: they prove nothing about a create that may land until then.
    pub fn forget_before(&mut self, settled_at: Timestamp) {
        if self.first_unlisted.is_some_and(|first| first < settled_at) {
            self.first_unlisted = None;
            self.unlisted = None;
        }
    }
}

/// From when on listings prove that a create never landed: past `not_after` nothing is sent any more, and the settle
/// window later whatever was sent is visible.
pub fn settled_at(traits: &Traits, not_after: Timestamp) -> Timestamp {
    not_after.plus(traits.settle_window)
}
