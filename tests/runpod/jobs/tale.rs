//! What the client tells of its jobs, one line each.

use serde_json::{Value, json};

/// How a job is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Sent, and looked at until it is over.
    Polled,
    /// Sent, and waited for.
    Waited,
    /// Sent, and its pieces read.
    Streamed,
    /// Sent, and cancelled in mid-run.
    Cancelled,
    /// Sent, failed, and sent again under its id.
    Retried,
}

impl Mode {
    const ALL: [Self; 5] = [Self::Polled, Self::Waited, Self::Streamed, Self::Cancelled, Self::Retried];

    pub(crate) fn of(number: u64) -> Self {
        Self::ALL[usize::try_from(number % 5).unwrap()]
    }

    /// What the job is asked to do.
    pub(crate) fn input(self, number: u64) -> Value {
        match self {
            Self::Polled | Self::Waited => {
                json!({ "echo": number, "seconds": 0.02, "crash": self.crashes(number) })
            }
            Self::Streamed => {
                json!({ "echo": number, "seconds": 0.06, "chunks": PIECES, "crash": self.crashes(number) })
            }
            Self::Cancelled => json!({ "echo": number, "seconds": 600 }),
            Self::Retried => json!({ "echo": number, "fail": "not today" }),
        }
    }

    /// How many workers are lost while they are at it: each is begun again by another, once.
    pub(crate) fn crashes(self, number: u64) -> u32 {
        let may = matches!(self, Self::Polled | Self::Waited | Self::Streamed);
        u32::from(may && (number / 5).is_multiple_of(3))
    }

    /// What it gives if all goes well.
    pub(crate) fn output(self, number: u64) -> Value {
        match self {
            Self::Polled | Self::Waited => json!(number),
            Self::Streamed => (0..PIECES).map(|index| json!({ "index": index, "echo": number })).collect(),
            Self::Cancelled | Self::Retried => Value::Null,
        }
    }
}

/// How many pieces a streamed job gives.
const PIECES: u64 = 7;

/// How a job ended, as its user was told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    Well { output: Value },
    Error { step: String, may_have_acted: bool, names_job: bool, message: String },
}

/// One job, as its user was told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tale {
    pub(crate) number: u64,
    pub(crate) mode: Mode,
    pub(crate) end: End,
}

/// One line of the client's.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Line {
    Job(Tale),
    /// How many bytes of memory it has.
    Resident(u64),
}

impl Line {
    pub(crate) fn write(&self) -> String {
        let line = match self {
            Self::Resident(bytes) => json!({ "resident": bytes }),
            Self::Job(Tale { number, end: End::Well { output }, .. }) => json!({ "job": number, "output": output }),
            Self::Job(Tale { number, end: End::Error { step, may_have_acted, names_job, message }, .. }) => json!({
                "job": number, "step": step, "may_have_acted": may_have_acted, "names_job": names_job, "message": message,
            }),
        };
        line.to_string()
    }

    /// None for what is no line of the client's.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let line: Value = serde_json::from_str(text).ok()?;
        if let Some(bytes) = line.get("resident") {
            return bytes.as_u64().map(Self::Resident);
        }
        let number = line.get("job")?.as_u64()?;
        let end = match line.get("output") {
            Some(output) => End::Well { output: output.clone() },
            None => End::Error {
                step: line["step"].as_str()?.to_owned(),
                may_have_acted: line["may_have_acted"].as_bool()?,
                names_job: line["names_job"].as_bool()?,
                message: line["message"].as_str()?.to_owned(),
            },
        };
        Some(Self::Job(Tale { number, mode: Mode::of(number), end }))
    }
}
