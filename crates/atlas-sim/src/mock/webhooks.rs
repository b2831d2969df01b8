//! Calls back without HTTP: each try is written down, and handed to the test's own function if it gave one.

use std::fmt;
use std::sync::Arc;

use atlas_auth::{Secret, Timestamp};
use serde_json::Value;

use super::{Mock, describe};

/// One try to tell somebody that a job is over.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct WebhookDelivery {
    /// When it was due.
    pub at: Timestamp,
    /// To whom. May hold a secret.
    pub url: Secret,
    /// Which try, from 1.
    pub attempt: u32,
    /// The job, as `get_job` would have shown it when it ended.
    pub body: Value,
    /// Whether it was accepted.
    pub accepted: bool,
}

/// Hears of a delivery, and says whether it accepts it.
type Listener = dyn Fn(&WebhookDelivery) -> bool + Send + Sync;

/// What a test does with a delivery; without it, each is accepted.
#[derive(Clone, Default)]
pub(crate) struct Hook(pub(crate) Option<Arc<Listener>>);

impl fmt::Debug for Hook {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_some() { "Hook(set)" } else { "Hook(none)" })
    }
}

impl Mock {
    /// Every try to call back by now, in the order in which they were due.
    pub fn deliveries(&self) -> Vec<WebhookDelivery> {
        self.call_back();
        self.lock().deliveries.clone()
    }

    /// Makes all deliveries that are due. The hook runs without the lock: it may ask this very cloud.
    pub(super) fn call_back(&self) {
        loop {
            let due = {
                let mut state = self.lock();
                let now = self.now_in(&state);
                state.cloud.take_deliveries(now)
            };
            if due.is_empty() {
                return;
            }
            for delivery in due {
                let job = describe::job(&delivery.job, self.id_of(), delivery.due_at);
                let mut told = WebhookDelivery {
                    at: delivery.due_at,
                    url: delivery.url.clone(),
                    attempt: delivery.attempt,
                    body: serde_json::to_value(job).unwrap_or_default(),
                    accepted: true,
                };
                if let Some(hook) = &self.inner().hook.0 {
                    told.accepted = hook(&told);
                }
                let mut state = self.lock();
                state.cloud.delivered(delivery, told.accepted);
                state.deliveries.push(told);
            }
        }
    }
}
