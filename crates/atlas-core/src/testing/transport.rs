//! A cloud by script: answers that stand ready, and a record of what was sent.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::http::{Request, Response, Transport};
use crate::{Effect, Error, Result};

/// One answer that stands ready.
#[derive(Debug, Clone)]
#[must_use]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    pieces: Option<Vec<Result<String>>>,
    after: Duration,
    error: Option<Error>,
}

impl Reply {
    /// This status and this body, at once.
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), pieces: None, after: Duration::ZERO, error: None }
    }

    /// A body that comes in pieces; an `Err` breaks it off.
    pub fn in_pieces(status: u16, pieces: Vec<Result<String>>) -> Self {
        Self { pieces: Some(pieces), ..Self::new(status, "") }
    }

    /// The request arrives, and its answer is lost.
    pub fn lost() -> Self {
        Self { error: Some(Error::transport("the connection to the cloud broke: by script")), ..Self::new(0, "") }
    }

    /// The request never arrives.
    pub fn unreachable() -> Self {
        let error = Error::transport("cannot connect to the cloud: by script").with_effect(Effect::NotSent);
        Self { error: Some(error), ..Self::new(0, "") }
    }

    /// The request arrives, and nobody ever answers.
    pub fn never() -> Self {
        Self { after: Duration::MAX, ..Self::new(0, "") }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Answers only after so long.
    pub fn after(mut self, span: Duration) -> Self {
        self.after = span;
        self
    }

    async fn answer(self) -> Result<Response> {
        if self.after == Duration::MAX {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(self.after).await;
        if let Some(error) = self.error {
            return Err(error);
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.insert(
                name.parse::<HeaderName>().expect("a header's name"),
                HeaderValue::from_str(value).expect("a value"),
            );
        }
        let status = StatusCode::from_u16(self.status).expect("a status");
        Ok(match self.pieces {
            None => Response::new(status, headers, self.body),
            Some(pieces) => {
                let pieces = pieces.into_iter().map(|piece| piece.map(bytes::Bytes::from));
                Response::in_pieces(status, headers, Box::pin(futures_util::stream::iter(pieces)))
            }
        })
    }
}

/// A cloud by script. Cheap to clone; clones share the script and the record.
#[derive(Debug, Clone, Default)]
pub struct ScriptedTransport(Arc<Mutex<Script>>);

#[derive(Debug, Default)]
struct Script {
    replies: VecDeque<Reply>,
    sent: Vec<Request>,
}

impl ScriptedTransport {
    /// One that has no answer ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts an answer behind those that stand ready.
    #[must_use]
    pub fn then(self, reply: Reply) -> Self {
        self.lock().replies.push_back(reply);
        self
    }

    /// Puts an answer with this status and body behind those that stand ready.
    #[must_use]
    pub fn reply(self, status: u16, body: impl Into<String>) -> Self {
        self.then(Reply::new(status, body))
    }

    /// How many requests were sent.
    pub fn count(&self) -> usize {
        self.lock().sent.len()
    }

    /// How many answers still stand ready.
    pub fn left(&self) -> usize {
        self.lock().replies.len()
    }

    /// Everything that was sent.
    pub fn sent(&self) -> Vec<Request> {
        self.lock().sent.clone()
    }

    /// Everything that was sent, for a snapshot: method, path and query, and the body if there is one. No headers.
    pub fn transcript(&self) -> String {
        let mut text = String::new();
        for request in &self.lock().sent {
            let query = request.url().query().map(|query| format!("?{query}")).unwrap_or_default();
            writeln!(text, "{} {}{query}", request.method(), request.url().path()).expect("a string takes all");
            if !request.body().is_empty() {
                writeln!(text, "{}", String::from_utf8_lossy(request.body())).expect("a string takes all");
            }
        }
        text
    }

    fn lock(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Transport for ScriptedTransport {
    async fn send(&self, request: Request) -> Result<Response> {
        let line = format!("{request:?}");
        let reply = {
            let mut script = self.lock();
            script.sent.push(request);
            script.replies.pop_front()
        };
        match reply {
            Some(reply) => reply.answer().await,
            None => panic!("the script has no answer to {line}"),
        }
    }
}
