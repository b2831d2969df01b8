//! What a job does is said by its input: `{"seconds": 2, "chunks": 3, "echo": "hello", "fail": "text", "crash": 1}`, each
//! of them optional. An input that says nothing of this is given back as the output, at once.

use std::time::Duration;

use serde_json::{Value, json};

/// What one job does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Work {
    /// `seconds`: how long it takes.
    pub(crate) takes: Duration,
    /// `chunks`: how many pieces it gives while it runs, evenly spread, the last at its end.
    pub(crate) chunks: u32,
    /// `echo`: what it gives back.
    echo: Option<Value>,
    /// `fail`: with which text it fails at its end.
    pub(crate) fail: Option<String>,
    /// `crash`: in how many of its tries its worker crashes halfway.
    pub(crate) crashes: u32,
}

impl Work {
    pub(crate) fn of(input: &Value) -> Self {
        let seconds = input.get("seconds").and_then(Value::as_f64).unwrap_or_default();
        let number =
            |name| input.get(name).and_then(Value::as_u64).map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        Self {
            takes: Duration::try_from_secs_f64(seconds).unwrap_or_default(),
            chunks: number("chunks").unwrap_or_default(),
            echo: input.get("echo").cloned(),
            fail: input.get("fail").and_then(Value::as_str).map(str::to_owned),
            crashes: number("crash").unwrap_or_default(),
        }
    }

    /// One of the pieces.
    pub(crate) fn chunk(&self, index: u32) -> Value {
        match &self.echo {
            Some(echo) => json!({ "index": index, "echo": echo }),
            None => json!({ "index": index }),
        }
    }

    /// What it gives in the end: all its pieces, or its echo, or what it was given.
    pub(crate) fn output(&self, input: &Value) -> Value {
        match (self.chunks, &self.echo) {
            (0, Some(echo)) => echo.clone(),
            (0, None) => input.clone(),
            (chunks, _) => (0..chunks).map(|index| self.chunk(index)).collect(),
        }
    }

    /// How many pieces it has given after having run for so long.
    pub(super) fn chunks_after(&self, ran: Duration) -> u32 {
        if ran >= self.takes {
            return self.chunks;
        }
        let given = ran.as_nanos() * u128::from(self.chunks) / self.takes.as_nanos().max(1);
        u32::try_from(given).unwrap_or(self.chunks)
    }
}
