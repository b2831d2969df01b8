//! Hears whatever is told by `tracing`, at every level, and remembers where a secret stood in it.

use std::fmt::{Debug, Display, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// What listens. Clones are the same.
#[derive(Clone)]
pub(crate) struct Listener(Arc<Ear>);

struct Ear {
    secrets: Vec<String>,
    spans: AtomicU64,
    /// Where a secret was told, never what it was.
    told: Mutex<Vec<String>>,
}

impl Listener {
    /// Listens for these.
    pub(crate) fn new(secrets: Vec<String>) -> Self {
        Self(Arc::new(Ear { secrets, spans: AtomicU64::new(1), told: Mutex::default() }))
    }

    /// Where a secret was told.
    pub(crate) fn told(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.told.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn judge(&self, place: &dyn Display, record: impl FnOnce(&mut dyn Visit)) {
        let mut said = Said(String::new());
        record(&mut said);
        if self.0.secrets.iter().any(|secret| said.0.contains(secret)) {
            self.0.told.lock().unwrap_or_else(PoisonError::into_inner).push(place.to_string());
        }
    }
}

impl Subscriber for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        self.judge(&place(attributes.metadata()), |visit| attributes.record(visit));
        Id::from_u64(self.0.spans.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _: &Id, record: &Record<'_>) {
        self.judge(&"a field of a span", |visit| record.record(visit));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.judge(&place(event.metadata()), |visit| event.record(visit));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn place(metadata: &Metadata<'_>) -> String {
    format!("{} {} ({})", metadata.target(), metadata.name(), metadata.level())
}

/// All fields of one event as text.
struct Said(String);

impl Visit for Said {
    fn record_str(&mut self, _: &Field, value: &str) {
        self.0.push_str(value);
        self.0.push(' ');
    }

    fn record_debug(&mut self, _: &Field, value: &dyn Debug) {
        let _ = write!(self.0, "{value:?} ");
    }
}

#[cfg(test)]
mod tests {
    //! A secret is heard wherever it stands, and is not repeated.

    use super::*;

    /// Tells something to whoever listens.
    type Tells = Box<dyn FnOnce()>;

    fn told(what: impl FnOnce()) -> Vec<String> {
        let listener = Listener::new(vec!["s3cret".to_owned()]);
        tracing::subscriber::with_default(listener.clone(), what);
        listener.told()
    }

    #[test]
    fn a_secret_is_heard_in_messages_fields_spans_and_errors_at_every_level() {
        let error = std::io::Error::other("the key s3cret is wrong");
        let places: [(&str, Tells); 6] = [
            ("a message", Box::new(|| tracing::trace!("the key is s3cret"))),
            ("a text", Box::new(|| tracing::info!(key = "s3cret", "asked"))),
            ("a debug", Box::new(|| tracing::debug!(key = ?Some("s3cret"), "asked"))),
            ("an error", Box::new(move || tracing::warn!(error = &error as &dyn std::error::Error, "failed"))),
            ("a span", Box::new(|| drop(tracing::trace_span!("call", url = "https://me/?key=s3cret")))),
            (
                "a field that comes later",
                Box::new(|| {
                    tracing::trace_span!("call", key = tracing::field::Empty).record("key", "s3cret");
                }),
            ),
        ];
        for (what, tell) in places {
            let told = told(tell);
            assert_eq!(told.len(), 1, "{what} is heard");
            assert!(!told[0].contains("s3cret"), "what was heard is not told on");
        }
        assert_eq!(told(|| tracing::error!(key = "secret", "nothing of it")), [] as [String; 0]);
    }
}
