//! What the demo and its orchestrator say to each other: one JSON object a line, each question with its number.

use atlas::Money;
use serde::{Deserialize, Serialize};

/// A question.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Question {
    pub(super) number: u64,
    #[serde(flatten)]
    pub(super) ask: Ask,
}

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(super) enum Ask {
    /// The one session of this user.
    Ensure { user: String, idle_seconds: u64 },
    /// Where the session is reached, once it is ready.
    Endpoint { session: String },
    /// It is in use.
    Touch { session: String },
    /// How it stands.
    View { session: String },
    /// End it, and wait until its machine is proven gone.
    End { session: String },
    /// Wait until it has ended by itself.
    Ended { session: String },
    /// All that live.
    Sessions,
    /// What bills and nobody vouches for.
    Exposure,
}

/// An answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) number: u64,
    #[serde(flatten)]
    pub(super) say: Say,
}

/// What is answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub(super) enum Say {
    Done,
    Session(View),
    Sessions {
        sessions: Vec<View>,
    },
    /// The key travels from process to process only; it is never written down.
    Endpoint {
        url: String,
        key: Handed,
        generation: u64,
        machine: String,
    },
    Exposure {
        items: Vec<String>,
    },
    Failed {
        why: String,
    },
}

/// A machine's key on its way from the orchestrator to the demo. `Debug` does not show it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Handed(pub(super) String);

impl std::fmt::Debug for Handed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("[redacted]")
    }
}

/// A session, as far as a demo cares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct View {
    pub(super) session: String,
    pub(super) user: String,
    pub(super) phase: String,
    pub(super) machine: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) cost: Money,
}
