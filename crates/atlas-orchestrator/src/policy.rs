//! How patient the orchestrator is. Every number has its reason here.

use std::time::Duration;

use atlas_core::ProviderId;
use atlas_core::config::{AlienPolicy, OrchestratorSettings};

/// How patient the orchestrator is. The configuration sets the first seven; the others are for tests and special clouds.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Policy {
    /// Ends a session after so long without a touch, unless its request says otherwise.
    pub idle_ttl: Duration,
    /// Ends a session this long after it was made, unless its request says otherwise.
    pub max_lifetime: Option<Duration>,
    /// Gives a session up that is not ready after so long. Large images take minutes to pull.
    pub start_timeout: Duration,
    /// How often each account is listed and compared with the store.
    pub reap_interval: Duration,
    /// How long after its first sighting a machine without a holder is ended at the second.
    pub reap_grace: Duration,
    /// Which accounts are searched for aliens; `None` for all.
    pub reap_providers: Option<Vec<ProviderId>>,
    /// What becomes of aliens.
    pub aliens: AlienPolicy,
    /// How long a machine must be missing before it is called lost. Clouds lie for minutes.
    pub lost_after: Duration,
    /// How long each read must say that a machine in use is over before that is believed. Clouds lie for a minute.
    pub over_after: Duration,
    /// The same of a machine that was never handed out: nobody uses it, so a lie costs a start and no user, and whoever
    /// waits for the page need not wait for more.
    pub broken_after: Duration,
    /// How often a machine in use is read.
    pub watch_interval: Duration,
    /// How often a machine that is starting is read.
    pub start_interval: Duration,
    /// How long before an end a warning is given; a fifth of the idle time-out at most.
    pub warn_before: Duration,
    /// How long a create may take to be answered.
    pub create_timeout: Duration,
    /// How long any other call may take.
    pub call_timeout: Duration,
    /// How long after its intent a create may still be sent.
    pub may_send_for: Duration,
    /// The first pause after a failure; it doubles up to [`longest_pause`](Self::longest_pause).
    pub first_pause: Duration,
    /// The longest pause after failures.
    pub longest_pause: Duration,
    /// How often stored activity is brought up to date.
    pub beat_interval: Duration,
    /// How many creates of one account run at once.
    pub creates_at_once: usize,
    /// How many endings of one account run at once.
    pub releases_at_once: usize,
    /// How many reads of one account run at once.
    pub reads_at_once: usize,
    /// How many sessions are judged at once. Each waits for one commit, which the store groups.
    pub judged_at_once: usize,
    /// For how long what has ended is remembered. A day at least: closed tokens are watched (rule O4).
    pub remember: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            idle_ttl: Duration::from_mins(30),
            max_lifetime: Some(Duration::from_hours(24)),
            start_timeout: Duration::from_mins(20),
            reap_interval: Duration::from_mins(1),
            reap_grace: Duration::from_mins(2),
            reap_providers: None,
            aliens: AlienPolicy::Report,
            lost_after: Duration::from_mins(15),
            over_after: Duration::from_secs(75),
            broken_after: Duration::from_secs(5),
            watch_interval: Duration::from_secs(30),
            start_interval: Duration::from_millis(500),
            warn_before: Duration::from_mins(1),
            create_timeout: Duration::from_mins(2),
            call_timeout: Duration::from_secs(30),
            may_send_for: Duration::from_mins(1),
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_mins(1),
            beat_interval: Duration::from_secs(1),
            creates_at_once: 16,
            releases_at_once: 32,
            reads_at_once: 16,
            judged_at_once: 256,
            remember: Duration::from_hours(48),
        }
    }
}

impl Policy {
    /// The policy that the configuration describes.
    pub fn from_settings(settings: &OrchestratorSettings) -> Self {
        Self {
            idle_ttl: settings.idle_ttl,
            max_lifetime: settings.max_lifetime.limit(),
            start_timeout: settings.start_timeout,
            reap_interval: settings.reap_interval,
            reap_grace: settings.reap_grace,
            reap_providers: settings.reap_providers.clone(),
            aliens: settings.aliens,
            ..Self::default()
        }
    }

    /// How long before its end a session is warned.
    pub(crate) fn warning(&self, ttl: Duration) -> Duration {
        self.warn_before.min(ttl / 5)
    }

    /// The pause after this many failures in a row.
    pub(crate) fn pause(&self, failures: u32) -> Duration {
        self.first_pause.saturating_mul(1 << failures.min(16)).min(self.longest_pause)
    }

    /// How long a claim holds: longer than the longest call that a drive makes, with its commit.
    pub(crate) fn lease(&self) -> Duration {
        (self.create_timeout + self.call_timeout) * 2
    }
}
