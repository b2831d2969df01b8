//! What RunPod's refusals mean: a status and a body become an [`Error`] with a kind and an effect. Pure.
//!
//! Invariants. A refusal counts as the cloud's own only if its body looks like one: what a proxy on the way says is neither
//! a bad key nor a machine that is gone. A create may be tried elsewhere only after a refusal that says, in the cloud's
//! own words, that there was no machine.

use std::time::Duration;

use atlas_auth::Secret;
use atlas_core::error::excerpt;
use atlas_core::http::Response;
use atlas_core::{Effect, Error, ErrorKind};
use serde_json::Value;

use crate::limits;

mod quote;

/// How RunPod says that no machine is free, in lower case. There is no code for it: a 400 means this or a bad request.
const NO_CAPACITY: &[&str] = &[
    "no longer any instances",
    "no instances available",
    "does not have the resources",
    "not enough free gpus",
    "enough disk space",
];

/// The delete of a network volume: RunPod refuses it while something uses the volume.
pub(crate) const DELETE_VOLUME: &str = "delete_volume";

/// What a refusal of the management API means.
pub(crate) fn management(operation: &'static str, response: &Response) -> Error {
    let status = response.status.as_u16();
    let Some(said) = Said::of(response) else {
        return match status {
            // Whoever counts calls, whatever it says, has not passed this one on.
            429 => limited(response, "too many calls"),
            408 | 504 => slow(),
            500..=599 => own_failure(),
            _ => stranger(),
        };
    };
    let says = |what: &str| said.after(what);
    let refused = |kind, what: &str| Error::new(kind, says(what)).with_effect(Effect::Rejected);
    match status {
        400 | 409 if makes(operation) && said.is_no_capacity() => Error::no_capacity(says("no such machine is free")),
        // It has no body that could be wrong, whatever words say what is in its way.
        400 | 409 if operation == DELETE_VOLUME => refused(ErrorKind::Conflict, "the cloud refuses to delete it now"),
        400 => refused(ErrorKind::Validation, "the cloud refused what was asked"),
        401 => unknown_key(&says("the cloud does not know this key")),
        402 => refused(ErrorKind::Quota, "the account's balance is too low: it must hold one hour of the price"),
        403 => forbidden(operation, &said),
        404 => refused(ErrorKind::NotFound, "the cloud does not know it under this key"),
        409 => refused(ErrorKind::Conflict, "what was asked contradicts what is"),
        // Never a machine that is gone: it is the whole API.
        410 => refused(ErrorKind::Provider, "this API has been switched off; Atlas speaks https://api.runpod.io/v2"),
        413 => refused(ErrorKind::Validation, "the request is larger than the cloud takes (102400 bytes)"),
        422 => refused(ErrorKind::Validation, "the cloud does not understand what was asked"),
        429 => limited(response, &says("too many calls")),
        408 | 504 => slow(),
        500..=599 => Error::new(ErrorKind::Provider, says("the cloud reports a failure of its own")),
        _ => Error::new(ErrorKind::Unknown, says("the cloud answered something unexpected")),
    }
}

/// What a refusal of the serverless runtime means. Its bodies are not documented, so only HTML is a stranger's.
pub(crate) fn runtime(_: &'static str, response: &Response) -> Error {
    if is_html(response) && !matches!(response.status.as_u16(), 408 | 429 | 500..=599) {
        return stranger();
    }
    let said = Said::of(response).unwrap_or_default();
    let says = |what: &str| said.after(what);
    let refused = |kind, what: &str| Error::new(kind, says(what)).with_effect(Effect::Rejected);
    match response.status.as_u16() {
        400 | 413 | 422 => refused(ErrorKind::Validation, "the endpoint refused what was asked"),
        // Told alike: a key that is unknown, and one that may not do this.
        401 => unknown_key(&says("the cloud does not know this key, or the key may not use this endpoint")),
        402 => refused(ErrorKind::Quota, "the account's balance is too low"),
        403 => refused(ErrorKind::Forbidden, "this key may not use this endpoint"),
        404 => refused(ErrorKind::NotFound, "the cloud does not know it under this key"),
        409 => refused(ErrorKind::Conflict, "what was asked contradicts what is"),
        429 => limited(response, &says("too many calls to this endpoint")),
        408 | 504 => slow(),
        500..=599 => Error::new(ErrorKind::Provider, says("the cloud reports a failure of its own")),
        _ => Error::new(ErrorKind::Unknown, says("the cloud answered something unexpected")),
    }
}

/// The error that stands in an answer of GraphQL, which says 200 whatever happened; none if there is none.
pub(crate) fn in_graphql(answer: &Value) -> Option<Error> {
    let first = answer.get("errors")?.as_array()?.first()?;
    let message = first.get("message").and_then(Value::as_str).unwrap_or_default();
    let code = first.pointer("/extensions/code").and_then(Value::as_str).unwrap_or_default();
    let said = Said { detail: message.to_owned(), errors: Vec::new() };
    let told = |kind, what: &str| Error::new(kind, said.after(what)).with_effect(Effect::Rejected);
    Some(match (code, message.to_ascii_lowercase()) {
        (_, text) if text.contains("unauthorized") => told(ErrorKind::Forbidden, "this key may not do that"),
        ("INTERNAL_SERVER_ERROR", _) => told(ErrorKind::Provider, "the cloud reports a failure of its own"),
        _ => told(ErrorKind::Provider, "the cloud refused the query"),
    })
}

/// The error with the name of what was asked for before it, where the cloud does not know that.
pub(crate) fn missing(error: Error, what: impl std::fmt::Display) -> Error {
    if error.is_not_found() { error.context(what) } else { error }
}

/// An answer that is no object says nothing: it was seen while a pod was being torn down, and is no proof of anything.
pub(crate) fn no_object(what: &str) -> Error {
    Error::new(ErrorKind::Provider, format!("the cloud answered nothing for {what}: it may be there or not"))
}

/// The error without any of `secrets`: an error that quotes one, or a part of one, loses its words, and keeps everything
/// else.
pub(crate) fn without<'a>(error: Error, secrets: impl IntoIterator<Item = &'a Secret>) -> Error {
    let quoted = quote::any(&error, secrets);
    if !quoted {
        return error;
    }
    let mut clean =
        Error::new(error.kind(), "the cloud refused what was asked, and quoted a secret, which is not shown")
            .with_effect(error.effect());
    if let Some(provider) = error.provider() {
        clean = clean.with_provider(provider);
    }
    if let Some(operation) = error.operation() {
        clean = clean.with_operation(operation);
    }
    if let Some(status) = error.status() {
        clean = clean.with_status(status);
    }
    if let Some(id) = error.request_id() {
        clean = clean.with_request_id(id);
    }
    if let Some(wait) = error.retry_after() {
        clean = clean.with_retry_after(wait);
    }
    if let Some(job) = error.job() {
        clean = clean.with_job(job.clone());
    }
    error.leftovers().iter().cloned().fold(clean, Error::with_leftover)
}

/// A key that is wrong or was revoked: the same call fails until another one is given.
pub(crate) fn unknown_key(what: &str) -> Error {
    let message = format!(
        "{what}; RunPod's console shows its keys and what each may do: one that may goes into api_key, or RUNPOD_API_KEY"
    );
    Error::new(ErrorKind::Unauthorized, message).with_effect(Effect::Rejected)
}

/// A key that is known and may not do this. Of a create it is told alike of an account that may not use a pool.
fn forbidden(operation: &str, said: &Said) -> Error {
    let message = match operation {
        "spawn" => {
            let what = said.after("this key may not rent, or this account may not use that pool");
            format!("{what}; renting needs a key that may write to RunPod's REST API")
        }
        _ => format!(
            "{}; give it the right in RunPod's console, or use another key",
            said.after("this key may not do that")
        ),
    };
    Error::new(ErrorKind::Forbidden, message).with_effect(Effect::Rejected)
}

/// The operations that a want of machines can refuse.
fn makes(operation: &str) -> bool {
    matches!(operation, "spawn" | "start" | "create_endpoint")
}

fn is_html(response: &Response) -> bool {
    response.header("content-type").is_some_and(|kind| kind.trim_start().starts_with("text/html"))
}

fn limited(response: &Response, message: &str) -> Error {
    let asked = response.header("retry-after").and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    // Retry-After has been seen shorter than the window that is used up.
    let window = limits::learned(&response.headers).map(|learned| learned.exhausted_for);
    let error = Error::new(ErrorKind::RateLimited, message).with_effect(Effect::Rejected);
    match asked.max(window) {
        Some(wait) => error.with_retry_after(wait),
        None => error,
    }
}

fn slow() -> Error {
    Error::timeout("the cloud took too long")
}

fn own_failure() -> Error {
    Error::new(ErrorKind::Provider, "the cloud reports a failure of its own")
}

/// Somebody before the cloud answered: Cloudflare, a proxy of the user's.
fn stranger() -> Error {
    Error::new(
        ErrorKind::Provider,
        "somebody before the cloud answered in its place; this says nothing of the key or of what was asked",
    )
}

/// What a refusal says in words.
#[derive(Debug, Default)]
struct Said {
    detail: String,
    errors: Vec<String>,
}

impl Said {
    /// The words of a body that looks like RunPod's own: problem+json, or an object with a message.
    fn of(response: &Response) -> Option<Self> {
        if is_html(response) {
            return None;
        }
        let body: Value = serde_json::from_slice(response.bytes()).ok()?;
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        // GraphQL keeps its words in a list of objects, REST its details in a list of texts.
        let first = || body.pointer("/errors/0/message").and_then(Value::as_str).map(str::to_owned);
        let detail = ["detail", "error", "message", "title"].into_iter().find_map(text).or_else(first)?;
        let errors = body.get("errors").and_then(Value::as_array).into_iter().flatten();
        Some(Self { detail, errors: errors.filter_map(Value::as_str).map(str::to_owned).collect() })
    }

    fn is_no_capacity(&self) -> bool {
        let text = self.detail.to_ascii_lowercase();
        NO_CAPACITY.iter().any(|words| text.contains(words))
    }

    /// These words, and what the cloud said, in one line.
    fn after(&self, what: &str) -> String {
        let said = std::iter::once(&self.detail).chain(&self.errors).map(|text| harmless(text));
        let said: Vec<_> = said.map(|text| text.trim_end_matches('.').to_owned()).collect();
        let said = said.iter().filter(|text| !text.is_empty()).map(String::as_str).collect::<Vec<_>>().join("; ");
        if said.is_empty() { what.to_owned() } else { format!("{what}: {said}") }
    }
}

/// A complaint about the environment or a password may quote its value: only the place of it is kept.
fn harmless(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let about_secrets = ["env", "password", "secret", "webhook"].iter().any(|word| lower.contains(word));
    let kept = if about_secrets { text.split([':', '\'', '"', '=']).next().unwrap_or_default() } else { text };
    excerpt(kept.trim())
}

#[cfg(test)]
mod tests;
