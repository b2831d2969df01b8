//! A pod's log as a stream: taken up again where it broke, ended where it ends.
//!
//! Invariant. A line is dropped only after a break, and only as often as it was handed out before: by its id and its words,
//! never by its place in time, for the ids are moments of varying length, which do not order as texts.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use atlas_core::http::sse::Event;
use atlas_core::{BoxStream, CallContext, ComputeId, ComputeStatus, Error, LogOptions, LogStream, Result};
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::account::RunPod;
use crate::api::checked;
use crate::api::logs::Line;

/// RunPod's log has no end of its own: without following it is over when so long nothing comes.
const SILENCE: Duration = Duration::from_secs(3);

/// Between two attempts to open it again.
const PAUSE: Duration = Duration::from_secs(2);

/// So many attempts in a row may fail.
const FAILURES: u32 = 5;

/// So many lines are remembered, to know them again: as many as the cloud repeats at the most.
const REMEMBERED: usize = 5000;

impl RunPod {
    /// What a pod's container writes: its last 5000 lines, and with `follow` what comes until the pod ends.
    pub(crate) fn read_log(&self, context: &CallContext, id: &ComputeId, options: LogOptions) -> Result<LogStream> {
        checked("pod", id.as_str())?;
        let log = Log {
            account: self.clone(),
            context: context.clone(),
            id: id.clone(),
            follow: options.follow,
            events: None,
            last: None,
            shown: VecDeque::new(),
            repeated: HashMap::new(),
            opened: false,
            failures: 0,
        };
        Ok(stream::unfold(Some(log), |log| async move {
            let mut log = log?;
            match log.next().await {
                Ok(Some(piece)) => Some((Ok(piece), Some(log))),
                Ok(None) => None,
                Err(error) => Some((Err(log.account.named(error, "logs")), None)),
            }
        })
        .boxed())
    }
}

struct Log {
    account: RunPod,
    context: CallContext,
    id: ComputeId,
    follow: bool,
    events: Option<BoxStream<'static, Result<Event>>>,
    /// The id of the last event that was handed out: the moment of its line.
    last: Option<String>,
    /// The lines that were handed out, by their fingerprints.
    shown: VecDeque<u64>,
    /// How often each of them may come once more since the log was opened again.
    repeated: HashMap<u64, usize>,
    opened: bool,
    failures: u32,
}

impl Log {
    /// The next line; none where the log ends.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let Some(events) = &mut self.events else {
                if !self.open().await? {
                    return Ok(None);
                }
                continue;
            };
            let event = if self.follow {
                events.next().await
            } else {
                match tokio::time::timeout(SILENCE, events.next()).await {
                    Ok(event) => event,
                    Err(_) => return Ok(None),
                }
            };
            match event {
                Some(Ok(event)) => {
                    if let Some(line) = self.take(event) {
                        return Ok(Some(line));
                    }
                }
                Some(Err(error)) => self.broke(error).await?,
                None if !self.follow || self.is_over().await? => return Ok(None),
                None => {
                    self.events = None;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Opens it where it broke off; false if the pod is gone since.
    async fn open(&mut self) -> Result<bool> {
        match self.account.api().open_log(&self.context, self.id.as_str(), self.last.as_deref()).await {
            Ok(events) => {
                self.events = Some(events);
                self.repeated.clear();
                for line in &self.shown {
                    *self.repeated.entry(*line).or_default() += 1;
                }
                self.opened = true;
                Ok(true)
            }
            // A pod that is gone writes no more: that is the end of its log, not a failure.
            Err(error) if error.is_not_found() && self.opened => Ok(false),
            Err(error) => self.broke(error).await.map(|()| true),
        }
    }

    async fn broke(&mut self, error: Error) -> Result<()> {
        self.failures += 1;
        if !error.is_transient() || self.failures > FAILURES {
            return Err(error);
        }
        self.events = None;
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }

    /// The line of an event, unless it was handed out before the log broke.
    fn take(&mut self, event: Event) -> Option<Bytes> {
        self.failures = 0;
        let line = serde_json::from_str::<Line>(&event.data).map_or(event.data, |line| line.line);
        if let Some(id) = event.id {
            let fingerprint = fingerprint(&id, &line);
            if let Some(left) = self.repeated.get_mut(&fingerprint).filter(|left| **left > 0) {
                *left -= 1;
                return None;
            }
            if self.shown.len() == REMEMBERED {
                self.shown.pop_front();
            }
            self.shown.push_back(fingerprint);
            self.last = Some(id);
        }
        Some(Bytes::from(line.trim_end_matches(['\r', '\n']).to_owned() + "\n"))
    }

    /// Whether nothing more will be written.
    async fn is_over(&mut self) -> Result<bool> {
        let read = self.account.api().get_pod(&self.context, "logs", self.id.as_str()).await;
        match read.and_then(|pod| self.account.describe(pod)) {
            Ok(compute) => Ok(compute.status.is_over() || compute.status == ComputeStatus::Stopped),
            Err(error) if error.is_not_found() => Ok(true),
            Err(error) if error.is_transient() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// By which a line is known again.
fn fingerprint(id: &str, line: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (id, line).hash(&mut hasher);
    hasher.finish()
}
