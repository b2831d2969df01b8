//! What must *not* come to be seen: of an order that nobody answered, more machines than it may have made.
//!
//! Absence is proven only when a create can no longer stay invisible. Where time is free that is waited for within the
//! case. At a real cloud it takes minutes: there such orders are kept, what each cleaning sees of them is remembered, and
//! they are judged once, at the end of the run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use atlas_auth::Timestamp;
use atlas_core::{Compute, ComputeId, SpawnToken};

use crate::bench::{Bench, Broken, ensure, mark_of};

/// An order of which nobody knows what comes of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lingering {
    token: SpawnToken,
    /// So many machines may come of it.
    most: usize,
    /// The order, in words.
    what: &'static str,
}

/// What a run remembers of such orders.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Those of the case that runs.
    orders: Mutex<Vec<Lingering>>,
    /// The machines that a listing has shown, by their tokens: they are ended as soon as they are seen.
    sighted: Mutex<BTreeMap<SpawnToken, BTreeSet<ComputeId>>>,
    /// Machines that were answered and that nothing has shown yet, and since when.
    unseen: Mutex<BTreeMap<ComputeId, Timestamp>>,
    /// When something was last done of which more may come than was answered.
    doubted: Mutex<Option<Timestamp>>,
}

impl Memory {
    /// Remembers a machine that a create answered: nothing may show it for a while, and then nothing can end it.
    pub(crate) fn expects(&self, id: &ComputeId, now: Timestamp) {
        self.unseen.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), now);
    }

    /// Remembers a machine that a read or a listing shows.
    pub(crate) fn sees(&self, compute: &Compute) {
        self.unseen.lock().unwrap_or_else(PoisonError::into_inner).remove(&compute.id);
        if let Some(mark) = mark_of(compute) {
            let mut sighted = self.sighted.lock().unwrap_or_else(PoisonError::into_inner);
            sighted.entry(mark.token).or_default().insert(compute.id.clone());
        }
    }

    fn sighted(&self, token: SpawnToken) -> BTreeSet<ComputeId> {
        self.sighted.lock().unwrap_or_else(PoisonError::into_inner).get(&token).cloned().unwrap_or_default()
    }

    /// Remembers that more may come of what was done now than was answered.
    pub(crate) fn doubts(&self, now: Timestamp) {
        *self.doubted.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// Since when something may be there that nothing shows.
    fn in_the_dark_since(&self) -> Option<Timestamp> {
        let doubted = *self.doubted.lock().unwrap_or_else(PoisonError::into_inner);
        let unseen = self.unseen.lock().unwrap_or_else(PoisonError::into_inner).values().max().copied();
        doubted.max(unseen)
    }
}

impl Bench<'_> {
    /// Proves that of an order at most so many machines come to be; where that takes time, at the end of the run.
    pub async fn makes_at_most(&self, most: usize, token: SpawnToken, what: &'static str) -> Result<(), Broken> {
        self.memory().doubts(self.now());
        let order = Lingering { token, most, what };
        if self.harness().time_is_free() {
            self.settle().await;
            return self.judge(&order).await;
        }
        self.memory().orders.lock().unwrap_or_else(PoisonError::into_inner).push(order);
        Ok(())
    }

    /// The orders of the case that ran just now.
    pub(crate) fn take_lingering(&self) -> Vec<Lingering> {
        std::mem::take(&mut *self.memory().orders.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether no more came of it than may.
    pub(crate) async fn judge(&self, order: &Lingering) -> Result<(), Broken> {
        let Lingering { token, most, what } = *order;
        let found = self.provider().find_spawned(&self.context(), token).await?;
        ensure!(found.complete, "{what}: the search did not look everywhere");
        let mut machines = self.memory().sighted(token);
        machines.extend(found.matches.into_iter().map(|compute| compute.id));
        ensure!(machines.len() <= most, "{what} made {} machines: {machines:?}", machines.len());
        Ok(())
    }

    /// Waits until nothing invisible can be left of what was done.
    pub(crate) async fn outlast_doubt(&self) {
        if self.harness().time_is_free() {
            return self.settle().await;
        }
        let Some(since) = self.memory().in_the_dark_since() else { return };
        let waited = self.now().since(since);
        let window = self.settled_at().since(self.now());
        self.harness().pass(window.saturating_sub(waited)).await;
    }
}
