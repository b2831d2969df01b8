//! Calls back: what is to be told to whom. The model sends nothing; whoever delivers says how it went.

use std::sync::Arc;
use std::time::Duration;

use atlas_auth::{Secret, Timestamp};

use crate::model::Cloud;

use super::{Job, Serverless};

/// How often a delivery is tried.
const TRIES: u32 = 3;
/// How long after a try that failed the next one comes.
const PAUSE: Duration = Duration::from_secs(10);

/// One try to tell somebody that a job is over.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    /// The same for all tries.
    pub(crate) number: u64,
    /// To whom. May hold a secret.
    pub(crate) url: Secret,
    /// Which try, from 1.
    pub(crate) attempt: u32,
    pub(crate) due_at: Timestamp,
    /// The job as it was when it ended.
    pub(crate) job: Arc<Job>,
}

impl Serverless {
    pub(in crate::model) fn next_delivery_at(&self) -> Option<Timestamp> {
        self.deliveries.first_key_value().map(|(key, _)| key.0)
    }
}

impl Cloud {
    pub(super) fn call_back(&mut self, job: &Job, at: Timestamp) {
        if let Some(url) = job.plan.webhook.clone() {
            let number = self.number();
            let delivery = Delivery { number, url, attempt: 1, due_at: at, job: Arc::new(job.clone()) };
            self.serverless.deliveries.insert((at, number), delivery);
        }
    }

    /// Takes out the tries that are due, in order. Each must be answered by [`delivered`](Self::delivered).
    pub(crate) fn take_deliveries(&mut self, now: Timestamp) -> Vec<Delivery> {
        let now = self.settle(now);
        let later = self.serverless.deliveries.split_off(&(now, u64::MAX));
        std::mem::replace(&mut self.serverless.deliveries, later).into_values().collect()
    }

    /// Says how a try went. One that was not accepted comes again, ten seconds after it was due, twice at the most.
    pub(crate) fn delivered(&mut self, delivery: Delivery, is_accepted: bool) {
        if !is_accepted && delivery.attempt < TRIES {
            let due_at = delivery.due_at.plus(PAUSE);
            let next = Delivery { attempt: delivery.attempt + 1, due_at, ..delivery };
            self.serverless.deliveries.insert((due_at, next.number), next);
        }
    }
}
