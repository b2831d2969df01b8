//! The breaker of creates (rule P10, history 19): starts that fail again and again are not tried for ever.
//!
//! One breaker a key and one a deployment, each a row, so that a restart does not begin the storm anew.

use std::time::Duration;

use atlas_auth::Timestamp;
use serde::{Deserialize, Serialize};

use crate::books::{Expect, forget_queue, small_row};
use crate::inner::Inner;
use crate::session::SessionRecord;
use crate::store::{CommitError, Key, Kind, RowKey};
use crate::{Error, Result};

/// The pause after a key's first failure; it doubles.
const FIRST: Duration = Duration::from_secs(2);

/// The longest pause.
const LONGEST: Duration = Duration::from_mins(5);

/// How many failures in a row, of any key, hold up the whole deployment: a wrong image fails everybody's starts, while
/// one user's mistake must not hold up the others.
const DEPLOYMENT_FAILURES: u32 = 20;

/// How often a breaker is written against others before its failure goes uncounted.
const TRIES: u32 = 5;

/// Failures in a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Breaker {
    failures: u32,
    until: Timestamp,
    last: String,
}

/// The pause after so many starts in a row that failed. Of the machines that do not last no more than eleven are therefore
/// rented for one user in twenty minutes, and twelve in each hour after that.
pub(crate) fn pause(failures: u32) -> Duration {
    match failures.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => FIRST.saturating_mul(1 << doublings.min(16)).min(LONGEST),
    }
}

/// Until when nothing is tried after this many failures.
fn until(failures: u32, free: u32, now: Timestamp) -> Timestamp {
    now.plus(pause(failures.saturating_sub(free)))
}

/// A name for the breaker of a key, which may be as long as its maker likes.
fn key_row(session_key: &str) -> RowKey {
    RowKey::new(Kind::BREAKER, format!("key/{session_key}"))
}

fn deployment_row() -> RowKey {
    RowKey::new(Kind::BREAKER, "deployment")
}

impl Inner {
    /// Refuses a new session while its breaker is open.
    pub(crate) async fn check_breakers(&self, key: Option<&str>) -> Result<()> {
        let of_key = key.map(|key| (format!("key {key}"), key_row(key)));
        for (what, row) in of_key.into_iter().chain([("this deployment".to_owned(), deployment_row())]) {
            if let Some((breaker, _)) = self.breaker(&row).await?
                && breaker.until > self.now()
            {
                return Err(Error::BackingOff {
                    what,
                    failures: breaker.failures,
                    until: breaker.until,
                    last: breaker.last,
                });
            }
        }
        Ok(())
    }

    /// A start failed. One for which no create was ever sent says nothing about the next: it waited, or was refused here.
    pub(crate) async fn note_failure(&self, session: &SessionRecord, why: &str) -> Result<()> {
        if session.attempt == 0 {
            return Ok(());
        }
        let key = session.key.as_deref().unwrap_or(&session.user);
        self.count_failure(&key_row(key), 0, why).await?;
        self.count_failure(&deployment_row(), DEPLOYMENT_FAILURES - 1, why).await
    }

    /// A start succeeded, for its machine has stayed ready: both breakers close.
    pub(crate) async fn note_success(&self, session: &SessionRecord) -> Result<()> {
        let key = session.key.as_deref().unwrap_or(&session.user);
        for row in [key_row(key), deployment_row()] {
            for _ in 0..TRIES {
                let Some((_, version)) = self.breaker(&row).await? else { break };
                match self.books.change().delete(row.clone(), version).commit().await {
                    Err(CommitError::Conflict { .. }) => {}
                    done => {
                        done?;
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    async fn count_failure(&self, row: &RowKey, free: u32, why: &str) -> Result<()> {
        for _ in 0..TRIES {
            let known = self.breaker(row).await?;
            let failures = known.as_ref().map_or(0, |(breaker, _)| breaker.failures).saturating_add(1);
            let now = self.now();
            let breaker =
                Breaker { failures, until: until(failures, free, now), last: atlas_core::error::excerpt(why) };
            let expect = known.map_or(Expect::New, |(_, version)| Expect::At(version));
            let forget_at = breaker.until.plus(self.policy.remember);
            let row = small_row(row.kind, &row.id, &breaker).due(forget_queue(), forget_at);
            match self.books.change().put(row, expect).commit().await {
                Err(CommitError::Conflict { .. }) => {}
                done => return Ok(done.map(|_| ())?),
            }
        }
        Ok(())
    }

    async fn breaker(&self, key: &RowKey) -> Result<Option<(Breaker, u64)>> {
        let Some(row) = self.books.store().get(Key::Row(key.clone())).await? else { return Ok(None) };
        // A breaker of a later version holds nobody up.
        Ok(serde_json::from_slice(&row.body).ok().map(|breaker| (breaker, row.version)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p10_history_19_each_failure_doubles_the_pause_up_to_a_bound() {
        let now = Timestamp::from_seconds(1000);
        let pauses: Vec<_> = (1..=9).map(|failures| until(failures, 0, now).since(now).as_secs()).collect();
        assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 300]);
    }

    #[test]
    fn p10_history_19_no_more_than_eleven_machines_fail_in_twenty_minutes() {
        let mut spent = Duration::ZERO;
        let failed = (1..).take_while(|failures| {
            spent += pause(*failures);
            spent <= Duration::from_mins(20)
        });
        assert_eq!(failed.count() + 1, 11, "one before each pause, and one after the last");
    }

    #[test]
    fn p10_one_users_failures_do_not_hold_up_the_deployment() {
        let now = Timestamp::from_seconds(1000);
        assert_eq!(until(DEPLOYMENT_FAILURES - 1, DEPLOYMENT_FAILURES - 1, now), now);
        assert!(until(DEPLOYMENT_FAILURES, DEPLOYMENT_FAILURES - 1, now) > now);
    }
}
