//! What went wrong, in words for people, as JSON for machines, and as an exit code.
//!
//! | exit | meaning | exit | meaning |
//! |---|---|---|---|
//! | 0 | done | 6 | no capacity |
//! | 1 | failed | 7 | timeout |
//! | 2 | usage, configuration or validation error | 8 | rate limited |
//! | 3 | not found | 9 | refused by a budget or a quota |
//! | 4 | unauthorized or forbidden | 10 | the store is held by another process |
//! | 5 | unsupported by this provider | 130 | interrupted |

use std::io;
use std::process::ExitCode;

use atlas::{Effect, Error, ErrorKind};
use serde_json::{Value, json};

use crate::output::Output;

/// The kind of a failure: the library's, or one of the command's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The library's.
    Library(ErrorKind),
    /// The configuration cannot be right.
    Config,
    /// Another process holds the store.
    StoreHeld,
    /// Somebody pressed Ctrl-C, or sent SIGTERM.
    Interrupted,
    /// Nobody reads what we write any more: no failure of ours.
    NobodyReads,
}

impl Kind {
    /// The word for it in `--json`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Library(kind) => kind.name(),
            Self::Config => "config",
            Self::StoreHeld => "store_held",
            Self::Interrupted => "interrupted",
            Self::NobodyReads => "nobody_reads",
        }
    }

    /// The exit code.
    pub(crate) const fn exit(self) -> u8 {
        match self {
            Self::NobodyReads => 0,
            Self::Library(ErrorKind::Validation) | Self::Config => 2,
            Self::Library(ErrorKind::NotFound) => 3,
            Self::Library(ErrorKind::Unauthorized | ErrorKind::Forbidden) => 4,
            Self::Library(ErrorKind::Unsupported) => 5,
            Self::Library(ErrorKind::NoCapacity) => 6,
            Self::Library(ErrorKind::Timeout) => 7,
            Self::Library(ErrorKind::RateLimited) => 8,
            Self::Library(ErrorKind::Quota) => 9,
            // A provider's own trouble, and kinds that a later version may know.
            Self::Library(_) => 1,
            Self::StoreHeld => 10,
            Self::Interrupted => 130,
        }
    }
}

/// What went wrong.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    kind: Kind,
    error: Error,
    hint: Option<String>,
}

impl Failure {
    /// What was asked cannot be right.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::from(Error::validation(message))
    }

    /// The configuration cannot be right.
    pub(crate) fn config(error: Error) -> Self {
        Self { kind: Kind::Config, error, hint: None }
    }

    /// Another process holds what this one needs.
    pub(crate) fn held(message: impl Into<String>) -> Self {
        let error = Error::conflict(message).with_effect(Effect::NotSent);
        Self { kind: Kind::StoreHeld, error, hint: None }
    }

    /// Somebody asked to stop, and nothing is left.
    pub(crate) fn interrupted(message: impl Into<String>) -> Self {
        Self::from_interrupt(Error::unknown(message).with_effect(Effect::NotSent))
    }

    /// Somebody asked to stop, and this may be left.
    pub(crate) fn interrupted_leaving(message: impl Into<String>) -> Self {
        Self::from_interrupt(Error::unknown(message))
    }

    /// The same, with what is known of what was begun.
    pub(crate) fn from_interrupt(error: Error) -> Self {
        Self { kind: Kind::Interrupted, error, hint: None }
    }

    /// Adds what to do about it.
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What is wrong.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// The error behind it.
    pub(crate) fn error(&self) -> &Error {
        &self.error
    }

    /// A result that nobody reads is no failure of a command that only shows something. It is one of a command whose
    /// result bills.
    pub(crate) fn of_what_bills(self) -> Self {
        match self.kind {
            Kind::NobodyReads => Self::from(self.error),
            _ => self,
        }
    }

    /// The same failure with another error behind it.
    pub(crate) fn map(mut self, change: impl FnOnce(Error) -> Error) -> Self {
        self.error = change(self.error);
        self
    }

    /// Says it, in the form that was asked for. Where nobody reads there is nothing to say.
    pub(crate) fn say(&self, output: Output) {
        if self.kind == Kind::NobodyReads {
            return;
        }
        if output.is_json() {
            output.complain(&self.to_json().to_string());
        } else {
            output.complain_in_words(&self.error.to_string(), self.hint.as_deref());
        }
    }

    /// Says it, and gives its exit code.
    pub(crate) fn report(&self, output: Output) -> ExitCode {
        self.say(output);
        ExitCode::from(self.kind.exit())
    }

    /// The form of `--json`: the library's error, with the command's own kinds where they say more.
    fn to_json(&self) -> Value {
        let mut error = serde_json::to_value(&self.error).unwrap_or_else(|_| json!({}));
        if let Some(fields) = error.as_object_mut() {
            fields.insert("kind".to_owned(), Value::from(self.kind.name()));
            // A field of its own would be none of the contract's.
            if let Some(hint) = &self.hint {
                let message = format!("{}; {hint}", self.error.message());
                fields.insert("message".to_owned(), Value::from(message));
            }
        }
        json!({ "error": error })
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { kind: Kind::Library(error.kind()), error, hint: None }
    }
}

/// What went wrong above the provider line.
impl From<atlas::orchestrator::Error> for Failure {
    fn from(error: atlas::orchestrator::Error) -> Self {
        use atlas::orchestrator::Error as Orchestrated;
        use atlas::orchestrator::store::StoreError;
        match error {
            Orchestrated::Core(error) => Self::from(error),
            Orchestrated::Store(held @ StoreError::Held { .. }) => Self::held(held.to_string()),
            other => Self::from(Error::new(other.kind(), other.to_string())),
        }
    }
}

/// A result that could not be written.
impl From<io::Error> for Failure {
    fn from(cause: io::Error) -> Self {
        let message = format!("the result could not be written: {cause}");
        let kind = match cause.kind() {
            io::ErrorKind::BrokenPipe => Kind::NobodyReads,
            _ => Kind::Library(ErrorKind::Unknown),
        };
        Self { kind, error: Error::unknown(message).with_effect(Effect::NotSent), hint: None }
    }
}

#[cfg(test)]
mod tests {
    //! Every kind has its exit code, and the JSON form is the one that scripts rely on.

    use super::*;

    #[test]
    fn every_kind_has_the_exit_code_of_the_contract() {
        let codes: Vec<_> = ErrorKind::ALL.iter().map(|kind| (kind.name(), Kind::Library(*kind).exit())).collect();
        let wanted = [
            ("unauthorized", 4),
            ("forbidden", 4),
            ("not_found", 3),
            ("rate_limited", 8),
            ("timeout", 7),
            ("unsupported", 5),
            ("validation", 2),
            ("provider", 1),
            ("transport", 1),
            ("unknown", 1),
            ("conflict", 1),
            ("no_capacity", 6),
            ("decode", 1),
            ("quota", 9),
        ];
        assert_eq!(codes, wanted);
        assert_eq!(Kind::Config.exit(), 2);
        assert_eq!(Kind::Interrupted.exit(), 130);
    }

    #[test]
    fn the_json_form_has_every_field_of_the_contract() {
        let failure = Failure::from(Error::not_found("machine x is not there").with_operation("get").with_status(404));
        insta::assert_json_snapshot!(failure.to_json(), @r#"
        {
          "error": {
            "effect": "rejected",
            "job": null,
            "kind": "not_found",
            "leftovers": [],
            "message": "machine x is not there",
            "operation": "get",
            "provider": null,
            "request_id": null,
            "retry_after": null,
            "status": 404
          }
        }
        "#);
    }

    #[test]
    fn a_hint_is_no_field_of_its_own() {
        let plain = Failure::usage("no provider is named");
        let error = plain.clone().with_hint("name one with --provider").to_json()["error"].clone();
        assert_eq!(error["message"], "no provider is named; name one with --provider");
        let fields = |error: &Value| error.as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>());
        assert_eq!(fields(&error), fields(&plain.to_json()["error"]));
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).kind().exit(), 0);
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::StorageFull)).kind().exit(), 1);
    }
}
