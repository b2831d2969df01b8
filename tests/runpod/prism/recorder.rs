//! What was called, and what Prism had to say about it: a transport that notes both.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use atlas_core::Result;
use atlas_core::http::{Request, ReqwestTransport, Response, Transport};
use serde::Deserialize;

/// Every kind of call that Atlas makes of REST v2. `{}` stands for one piece of a path.
pub(super) const ROUTES: &[(&str, &str)] = &[
    ("GET", "/pods"),
    ("POST", "/pods"),
    ("GET", "/pods/{}"),
    ("DELETE", "/pods/{}"),
    ("POST", "/pods/{}/action"),
    ("GET", "/pods/{}/logs"),
    ("GET", "/serverless"),
    ("POST", "/serverless"),
    ("GET", "/serverless/{}"),
    ("PATCH", "/serverless/{}"),
    ("DELETE", "/serverless/{}"),
    ("GET", "/serverless/{}/workers"),
    ("GET", "/templates"),
    ("POST", "/templates"),
    ("GET", "/templates/{}"),
    ("PATCH", "/templates/{}"),
    ("DELETE", "/templates/{}"),
    ("GET", "/registries"),
    ("POST", "/registries"),
    ("DELETE", "/registries/{}"),
    ("GET", "/network-volumes"),
    ("POST", "/network-volumes"),
    ("GET", "/network-volumes/{}"),
    ("PATCH", "/network-volumes/{}"),
    ("DELETE", "/network-volumes/{}"),
    ("GET", "/catalog/gpus"),
    ("GET", "/catalog/cpus"),
    ("GET", "/catalog/datacenters"),
    ("GET", "/billing/pods"),
    ("GET", "/billing/serverless"),
    ("GET", "/billing/network-volumes"),
];

/// One way in which a request or an answer breaks the description.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Violation {
    location: Vec<serde_json::Value>,
    message: String,
}

impl Violation {
    /// Such as `response.body.pods.0.cost`.
    pub(super) fn place(&self) -> String {
        let piece = |piece: &serde_json::Value| piece.as_str().map_or_else(|| piece.to_string(), str::to_owned);
        self.location.iter().map(piece).collect::<Vec<_>>().join(".")
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place(), self.message)
    }
}

/// One call that was answered.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: String,
    /// Without the part that all addresses begin with.
    pub(super) path: String,
    pub(super) violations: Vec<Violation>,
}

impl Call {
    /// Which kind it is.
    pub(super) fn route(&self) -> Option<String> {
        let pieces = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
        let called = pieces(&self.path);
        let fits = |known: &str| {
            let known = pieces(known);
            known.len() == called.len()
                && known.iter().zip(&called).all(|(known, piece)| known == "{}" || known == piece)
        };
        let (method, path) = ROUTES.iter().find(|(method, path)| *method == self.method && fits(path))?;
        Some(format!("{method} {path}"))
    }
}

/// Real connections, and a note of each answer.
#[derive(Debug)]
pub(super) struct Recorder {
    connections: ReqwestTransport,
    calls: Mutex<Vec<Call>>,
}

impl Recorder {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { connections: ReqwestTransport::new().unwrap(), calls: Mutex::default() })
    }

    /// Those so far.
    pub(super) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Transport for Recorder {
    async fn send(&self, request: Request) -> Result<Response> {
        let method = request.method().to_string();
        let path = request.url().path().trim_start_matches("/v2").to_owned();
        let response = self.connections.send(request).await?;
        let violations = match response.header("sl-violations") {
            // What cannot be read must not pass for nothing.
            Some(text) => serde_json::from_str(text).unwrap(),
            None => Vec::new(),
        };
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(Call { method, path, violations });
        Ok(response)
    }
}
