//! How many calls an account may make in a minute, an hour, a day; and how the headers of each answer say so.

use std::collections::BTreeMap;
use std::time::Duration;

use atlas_auth::Timestamp;
use http::HeaderMap;
use serde::{Deserialize, Serialize};

use super::reply::{self, Problem};

/// Calls of management within each window. What RunPod grants differs by account, so that the usual figures here are
/// out of everybody's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RateLimits {
    /// In a minute.
    pub minute: u64,
    /// In an hour.
    pub hour: u64,
    /// In a day.
    pub day: u64,
}

impl RateLimits {
    /// So many in a minute, an hour, a day.
    pub const fn new(minute: u64, hour: u64, day: u64) -> Self {
        Self { minute, hour, day }
    }
}

impl Default for RateLimits {
    fn default() -> Self {
        Self::new(1_000_000, 50_000_000, 1_000_000_000)
    }
}

const WINDOWS: [(&str, Duration); 3] =
    [("minute", Duration::from_mins(1)), ("hour", Duration::from_hours(1)), ("day", Duration::from_hours(24))];

/// What one account used in the windows that it is in.
#[derive(Debug, Clone, Copy, Default)]
struct Used([(Timestamp, u64); 3]);

/// What every account used.
#[derive(Debug, Clone, Default)]
pub(super) struct Meter {
    pub(super) limits: RateLimits,
    used: BTreeMap<String, Used>,
}

/// What the headers say: of each window what is left and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    quotas: [u64; 3],
    windows: [(u64, u64); 3],
}

impl Meter {
    pub(super) fn new(limits: RateLimits) -> Self {
        Self { limits, used: BTreeMap::new() }
    }

    /// Counts one call, or refuses it. Either way says what is left.
    pub(super) fn count(&mut self, account: &str, now: Timestamp) -> (Left, Result<(), Problem>) {
        let quotas = [self.limits.minute, self.limits.hour, self.limits.day];
        if !self.used.contains_key(account) {
            self.used.insert(account.to_owned(), Used([(now, 0); 3]));
        }
        let Some(Used(used)) = self.used.get_mut(account) else { unreachable!("it was put there above") };
        for ((begun, count), (_, width)) in used.iter_mut().zip(WINDOWS) {
            if now.since(*begun) >= width {
                (*begun, *count) = (now, 0);
            }
        }
        let full = used.iter().zip(quotas).position(|((_, count), quota)| *count >= quota);
        if full.is_none() {
            for (_, count) in used.iter_mut() {
                *count += 1;
            }
        }
        let mut windows = [(0, 0); 3];
        for (index, (begun, count)) in used.iter().enumerate() {
            let frees = reply::seconds(WINDOWS[index].1.saturating_sub(now.since(*begun)));
            windows[index] = (quotas[index].saturating_sub(*count), frees);
        }
        let outcome = full.map_or(Ok(()), |index| Err(Problem::too_many(WINDOWS[index].0, windows[index].1)));
        (Left { quotas, windows }, outcome)
    }
}

impl Left {
    /// Writes `RateLimit` and `RateLimit-Policy`.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        let each = |word: &dyn Fn(usize) -> String| (0..3).map(word).collect::<Vec<_>>().join(", ");
        let left = each(&|index| {
            let (left, frees) = self.windows[index];
            format!("\"{}\";r={left};t={frees}", WINDOWS[index].0)
        });
        let policy = each(&|index| {
            let (name, width) = WINDOWS[index];
            format!("\"{name}\";q={};w={}", self.quotas[index], width.as_secs())
        });
        reply::set(headers, "ratelimit", &left);
        reply::set(headers, "ratelimit-policy", &policy);
    }
}
