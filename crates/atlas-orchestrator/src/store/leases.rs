//! Who drives which row: leases, kept in memory only, since a store has one process and opening it voids them all.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use atlas_auth::{Clock, Timestamp};

use super::commit::Fence;
use super::page::{Claim, Claimed};
use super::row::{Row, RowKey};

/// How soon to look again at a row that was just being written.
const WRITTEN_SOON: Duration = Duration::from_millis(5);

#[derive(Debug)]
struct Lease {
    fence: Fence,
    until: Duration,
}

/// The two clocks that matter here, read once for a whole step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) now: Timestamp,
    /// Counts the machine's sleep and stands apart from changes of the hour: leases are judged by it.
    pub(super) boot: Duration,
}

impl Moment {
    pub(super) fn read(clock: &dyn Clock) -> Self {
        Self { now: clock.now(), boot: clock.boot() }
    }
}

/// All leases of one opening.
#[derive(Debug)]
pub(super) struct Leases {
    held: HashMap<RowKey, Lease>,
    /// Rows in a commit that is being written: what a claim would read of them is about to be old.
    written: HashSet<RowKey>,
    next_fence: u64,
}

impl Leases {
    /// No leases. The number of the opening keeps fences of an earlier one from ever meeting one of this.
    pub(super) fn new(opening: u64) -> Self {
        Self { held: HashMap::new(), written: HashSet::new(), next_fence: opening << 40 }
    }

    pub(super) fn holds(&self, key: &RowKey, fence: Fence, boot: Duration) -> bool {
        self.held.get(key).is_some_and(|lease| lease.fence == fence && lease.until > boot)
    }

    pub(super) fn end(&mut self, key: &RowKey) {
        self.held.remove(key);
    }

    pub(super) fn release(&mut self, key: &RowKey, fence: Fence) {
        if self.held.get(key).is_some_and(|lease| lease.fence == fence) {
            self.held.remove(key);
        }
    }

    /// Keeps these rows from being claimed until [`written`](Self::written).
    #[cfg(feature = "redb")]
    pub(super) fn writing(&mut self, keys: impl IntoIterator<Item = RowKey>) {
        self.written.extend(keys);
    }

    /// The rows that were being written have been, or have not: they can be claimed again.
    #[cfg(feature = "redb")]
    pub(super) fn written(&mut self) {
        self.written.clear();
    }

    /// Claims from `due`, which gives a queue's rows in order. Looks at no more than what is due and one row beyond,
    /// plus what is leased.
    pub(super) fn claim<E>(
        &mut self,
        due: impl Iterator<Item = Result<(Timestamp, RowKey), E>>,
        limit: usize,
        lease: Duration,
        at: Moment,
        mut read: impl FnMut(&RowKey) -> Result<Option<Row>, E>,
    ) -> Result<Claimed, E> {
        let mut claimed = Claimed::default();
        let mut earliest: Option<Timestamp> = None;
        let mut wake = |moment: Timestamp| earliest = Some(earliest.map_or(moment, |known| known.min(moment)));
        for entry in due {
            let (due_at, key) = entry?;
            match self.held.get(&key) {
                Some(held) if held.until > at.boot => {
                    wake(due_at.max(at.now.plus(held.until.saturating_sub(at.boot))));
                    continue;
                }
                Some(_) => self.end(&key),
                None => {}
            }
            if due_at > at.now || claimed.claims.len() >= limit {
                wake(due_at);
                break;
            }
            if self.written.contains(&key) {
                wake(at.now.plus(WRITTEN_SOON));
                continue;
            }
            // An entry without its row is left over from one that could not be read when it was deleted.
            let Some(row) = read(&key)?.filter(|row| row.due_at == Some(due_at)) else { continue };
            let fence = Fence::new(self.next_fence);
            self.next_fence = self.next_fence.saturating_add(1);
            self.held.insert(key, Lease { fence, until: at.boot.saturating_add(lease) });
            claimed.claims.push(Claim { row, fence });
        }
        claimed.next_due = earliest;
        Ok(claimed)
    }
}
