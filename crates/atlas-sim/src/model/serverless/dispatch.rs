//! Who gets the next job, and when another worker comes.

use std::time::Duration;

use atlas_auth::Timestamp;

use crate::model::{Cloud, Event, Serial};

use super::Scaling;

/// How often it is tried again to start a worker for which there was no room.
const STARVED: Duration = Duration::from_secs(10);

impl Cloud {
    /// Gives jobs to workers and workers to the queue, as far as it can be done now; sees to it that it is looked again
    /// when more can be.
    pub(in crate::model) fn dispatch(&mut self, serial: Serial, at: Timestamp) {
        let Some(endpoint) = self.serverless.endpoints.get_mut(&serial) else { return };
        endpoint.is_starved = false;
        if let Some((_, until)) = endpoint.held.filter(|(_, until)| at < *until) {
            return self.alarm_endpoint(serial, Some(until));
        }
        self.stop_surplus(serial, at);
        self.assign(serial, at);
        let again = self.scale(serial, at);
        // A worker that starts at once is there already.
        self.assign(serial, at);
        self.alarm_endpoint(serial, again);
    }

    /// Ends idle workers beyond the most that there may be.
    fn stop_surplus(&mut self, serial: Serial, at: Timestamp) {
        while let Some(endpoint) = self.serverless.endpoints.get(&serial)
            && endpoint.worker_count() > endpoint.plan.workers_max
            && let Some(surplus) = endpoint.idle.last().copied()
        {
            self.stop_worker(surplus, at);
        }
    }

    fn assign(&mut self, serial: Serial, at: Timestamp) {
        while let Some(endpoint) = self.serverless.endpoints.get_mut(&serial)
            && !endpoint.queue.is_empty()
            && let Some(worker) = endpoint.idle.pop_first()
            && let Some((_, job)) = endpoint.queue.pop_first()
        {
            self.job_starts(job, worker, at);
        }
    }

    /// Starts the workers that are wanted now; says when to look again.
    fn scale(&mut self, serial: Serial, at: Timestamp) -> Option<Timestamp> {
        let endpoint = self.serverless.endpoints.get(&serial)?;
        let (least, most) = (endpoint.plan.workers_min.min(endpoint.plan.workers_max), endpoint.plan.workers_max);
        let (there, queued) = (endpoint.worker_count(), endpoint.queued());
        let (wanted, again) = match endpoint.plan.scaling {
            _ if queued == 0 => (least, None),
            Scaling::RequestCount(each) => ((queued + endpoint.running).div_ceil(each.max(1)), None),
            Scaling::QueueDelay(_) if there == 0 => (1, None),
            Scaling::QueueDelay(delay) => {
                let first = endpoint.queue.first().and_then(|(_, job)| self.serverless.jobs.get(job));
                let waits_since = first.map_or(at, |job| job.queued_at);
                let due = endpoint.scaled_at.map_or(waits_since, |scaled| scaled.max(waits_since)).plus(delay);
                if due <= at { (there + 1, None) } else { (there, Some(due)) }
            }
        };
        let wanted = wanted.clamp(least, most);
        for _ in there..wanted {
            if !self.start_worker(serial, at) {
                self.serverless.endpoints.get_mut(&serial)?.is_starved = true;
                return Some(at.plus(STARVED));
            }
            self.serverless.endpoints.get_mut(&serial)?.scaled_at = Some(at);
        }
        match self.serverless.endpoints.get(&serial)?.plan.scaling {
            // Somebody may still wait when the delay is over once more.
            Scaling::QueueDelay(delay) if again.is_none() && queued > 0 && wanted < most => {
                Some(at.plus(delay.max(Duration::from_millis(1))))
            }
            _ => again.filter(|_| wanted < most),
        }
    }

    pub(super) fn alarm_endpoint(&mut self, serial: Serial, at: Option<Timestamp>) {
        if let Some(endpoint) = self.serverless.endpoints.get_mut(&serial) {
            self.agenda.set(&mut endpoint.alarm, at, Event::EndpointWakes(serial));
        }
    }
}
