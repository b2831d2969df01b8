//! Following events: the present state first, then everything that happens, or how much was missed.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_core::Stream;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::Event;
use crate::books::Books;
use crate::inner::Inner;
use crate::store::{Cursor, Range};
use crate::{Result, SessionId, SessionView};

/// How many events are read at once.
const PAGE: usize = 256;

/// One item of an [`EventStream`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum StreamItem {
    /// All living sessions as they are now: always the first item.
    State(Vec<SessionView>),
    /// Something happened, under this number; a heartbeat has none.
    Event {
        /// Its number: rising, without gaps but for what is told as lagged.
        number: Option<u64>,
        /// What happened.
        event: Event,
    },
    /// This follower was too slow: so many events are no longer kept. Ask for the state again.
    Lagged(u64),
}

/// Follows events. Drop it to stop.
pub struct EventStream {
    inner: std::pin::Pin<Box<dyn Stream<Item = Result<StreamItem>> + Send>>,
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("EventStream")
    }
}

impl Stream for EventStream {
    type Item = Result<StreamItem>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.inner.as_mut().poll_next(context)
    }
}

/// Where a follower stands.
struct Follower {
    books: Arc<Books>,
    closing: CancellationToken,
    only: Option<SessionId>,
    seen: u64,
    told: watch::Receiver<u64>,
    heartbeats: broadcast::Receiver<Event>,
    waiting: VecDeque<StreamItem>,
    failed: bool,
}

impl EventStream {
    /// Begins with `state`, which was read when `seen` was the last number.
    pub(crate) fn new(inner: &Inner, only: Option<SessionId>, seen: u64, state: Vec<SessionView>) -> Self {
        let books = inner.books.clone();
        let told = books.told();
        let heartbeats = books.heartbeats();
        let follower = Follower {
            books,
            closing: inner.closing.clone(),
            only,
            seen,
            told,
            heartbeats,
            waiting: VecDeque::from([StreamItem::State(state)]),
            failed: false,
        };
        let inner = futures_util::stream::unfold(follower, |mut follower| async move {
            let item = follower.next().await?;
            Some((item, follower))
        });
        Self { inner: Box::pin(inner) }
    }
}

impl Follower {
    async fn next(&mut self) -> Option<Result<StreamItem>> {
        loop {
            if self.failed {
                return None;
            }
            if let Some(item) = self.waiting.pop_front() {
                return Some(Ok(item));
            }
            // Marked as seen before the store is read: what comes in between wakes again.
            self.told.mark_unchanged();
            match self.read().await {
                Ok(true) => continue,
                Ok(false) => {}
                // Closed: all that could be told has been.
                Err(_) if self.closing.is_cancelled() => return None,
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
            if self.closing.is_cancelled() {
                return None;
            }
            tokio::select! {
                () = self.closing.cancelled() => {}
                changed = self.told.changed() => if changed.is_err() { return None },
                beat = self.heartbeats.recv() => match beat {
                    Ok(event) => return Some(Ok(StreamItem::Event { number: None, event })),
                    // Heartbeats are coalesced anyway: a missed one is the next one.
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
            }
        }
    }

    /// Reads the next page; whether there was anything in it.
    async fn read(&mut self) -> Result<bool> {
        let page = self.books.store().scan(Range::Events { after: self.seen }, Cursor::START, PAGE).await?;
        let missed = page.missed(self.seen);
        if missed > 0 {
            self.waiting.push_back(StreamItem::Lagged(missed));
        }
        let events = page.into_events();
        let any = !events.is_empty() || missed > 0;
        for stored in events {
            self.seen = stored.number;
            let Ok(event) = serde_json::from_slice::<Event>(&stored.body) else {
                // Written by a newer version: its number is told as missed rather than its meaning guessed.
                self.waiting.push_back(StreamItem::Lagged(1));
                continue;
            };
            if self.only.is_none() || self.only == event.session {
                self.waiting.push_back(StreamItem::Event { number: Some(stored.number), event });
            }
        }
        Ok(any)
    }
}
