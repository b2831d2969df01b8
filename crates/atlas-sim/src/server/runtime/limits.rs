//! How often each operation of an endpoint may be called: the documented base figures, within ten seconds.

use std::collections::BTreeMap;
use std::time::Duration;

use atlas_auth::Timestamp;

const WINDOW: Duration = Duration::from_secs(10);

/// What each endpoint used of its operations in the window that it is in.
#[derive(Debug, Clone, Default)]
pub(in crate::server) struct Turnstile {
    used: BTreeMap<(String, &'static str), (Timestamp, u32)>,
}

/// An operation and how often it may be called; what is not here has no documented limit.
fn quota(operation: &str) -> Option<(&'static str, u32)> {
    const QUOTAS: [(&str, u32); 7] = [
        ("runsync", 2000),
        ("run", 1000),
        ("status", 2000),
        ("stream", 2000),
        ("cancel", 100),
        ("purge-queue", 2),
        ("requests", 10),
    ];
    QUOTAS.into_iter().find(|(name, _)| *name == operation)
}

impl Turnstile {
    /// Counts one call; whether it is allowed.
    pub(super) fn passes(&mut self, endpoint: &str, operation: &str, now: Timestamp) -> bool {
        let Some((operation, quota)) = quota(operation) else { return true };
        let (begun, used) = self.used.entry((endpoint.to_owned(), operation)).or_insert((now, 0));
        if now.since(*begun) >= WINDOW {
            (*begun, *used) = (now, 0);
        }
        *used = used.saturating_add(1);
        *used <= quota
    }
}
