//! What is told of each try and each call: which, how it went, how long it took; and nothing that opens a door.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Metadata, Subscriber};

use super::stack::{CANARY, client, create, read};
use crate::testing::{Reply, ScriptedTransport};
use crate::{CallContext, OperationId};

/// The fields of one event, as text.
type Fields = BTreeMap<&'static str, String>;

/// Keeps every event of one target. Clones are the same.
#[derive(Debug, Clone, Default)]
struct Listener(Arc<Mutex<Vec<Fields>>>);

impl Listener {
    /// Listens on this thread, as long as the guard lives.
    fn listen() -> (Self, DefaultGuard) {
        let listener = Self::default();
        (listener.clone(), tracing::subscriber::set_default(listener))
    }

    fn heard(&self) -> Vec<Fields> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "atlas::http"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Reading(Fields::new());
        event.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Reading(Fields);

impl Visit for Reading {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

/// Whether an event has exactly these fields, and how long it took.
#[track_caller]
fn assert_event(heard: &Fields, wanted: &[(&str, &str)]) {
    let mut rest = heard.clone();
    let took = rest.remove("elapsed_ms").expect("it says how long it took");
    took.parse::<u64>().expect("in whole milliseconds");
    let rest: Vec<_> = rest.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut wanted = wanted.to_vec();
    wanted.sort_unstable();
    assert_eq!(rest, wanted);
}

#[tokio::test(start_paused = true)]
async fn each_try_and_each_call_is_one_event_with_neither_key_nor_query() {
    let (listener, _guard) = Listener::listen();
    let cloud = ScriptedTransport::new().reply(503, CANARY).reply(200, CANARY);
    let context = CallContext::new().with_operation(OperationId::new("request-9"));
    client(&cloud).send(&context, read()).await.unwrap();
    assert!(cloud.transcript().contains(CANARY), "the query went to the cloud, so that it could have been told");
    let heard = listener.heard();
    let [first, second, call] = heard.as_slice() else { panic!("two tries and a call are three events: {heard:#?}") };
    let of_a_try = [
        ("message", "try"),
        ("provider", "cloud"),
        ("api", "test"),
        ("operation", "get"),
        ("method", "GET"),
        ("path", "/machines/1"),
    ];
    assert_event(first, &[&of_a_try[..], &[("status", "503"), ("attempt", "1"), ("error", "provider")]].concat());
    assert_event(second, &[&of_a_try[..], &[("status", "200"), ("attempt", "2")]].concat());
    let of_a_call = [("message", "call"), ("provider", "cloud"), ("api", "test"), ("operation", "get")];
    assert_event(call, &[&of_a_call[..], &[("id", "request-9")]].concat());
    for event in &heard {
        let text = format!("{event:?}");
        assert!(!text.contains(CANARY) && !text.contains("token="), "a key or a query is told: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_failed_says_how_and_shows_no_body() {
    let (listener, _guard) = Listener::listen();
    let cloud = ScriptedTransport::new().reply(401, CANARY);
    client(&cloud).send(&CallContext::new(), create()).await.unwrap_err();
    let heard = listener.heard();
    let [tried, call] = heard.as_slice() else { panic!("a try and a call are two events: {heard:#?}") };
    let of = |name| (tried.get(name).map(String::as_str), call.get(name).map(String::as_str));
    assert_eq!(of("error"), (Some("unauthorized"), Some("unauthorized")));
    assert_eq!(of("operation"), (Some("spawn"), Some("spawn")));
    assert_eq!(of("status"), (Some("401"), None));
    assert!(!format!("{heard:?}").contains(CANARY), "the key or the body is told: {heard:#?}");
}

/// A person may be watching, and would think that it hangs.
#[tokio::test(start_paused = true)]
async fn a_long_wait_is_told_and_a_short_one_is_not() {
    for (seconds, told) in [(60, true), (5, true), (4, false)] {
        let (listener, _guard) = Listener::listen();
        let refusal = Reply::new(429, "").header("retry-after", &seconds.to_string());
        let cloud = ScriptedTransport::new().then(refusal).reply(200, "{}");
        client(&cloud).send(&CallContext::new(), read()).await.unwrap();
        let mut waits = listener.heard();
        waits.retain(|event| event.contains_key("seconds"));
        let waits: Vec<_> = waits.iter().map(|event| (event["message"].as_str(), event["seconds"].as_str())).collect();
        let seconds = seconds.to_string();
        let wanted = [("waiting for the cloud to take calls again", seconds.as_str())];
        assert_eq!(waits, if told { &wanted[..] } else { &[] }, "for {seconds} seconds");
    }
}
