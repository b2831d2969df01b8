//! One account's way to one API of its cloud: the whole stack, built once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use atlas_auth::{Clock, Entropy, Secret, SystemClock, SystemEntropy};
use serde::de::DeserializeOwned;

use super::attempt::{Attempt, millis};
use super::auth::Auth;
use super::deadline::Deadline;
use super::limit::{Limit, LimitReader, Quota, Quotas};
use super::retry::{RETRIES, Retry};
use super::timeout::Timeout;
use super::{ErrorReader, Request, Response, Transport, plain_error};
use crate::{CallContext, ProviderId, Result};

/// Bounds a whole call unless it says otherwise: long enough for a slow cloud to be asked again.
const CALL: Duration = Duration::from_mins(2);

/// Bounds one try unless the request says otherwise.
const TRY: Duration = Duration::from_secs(30);

/// One account's way to one API of its cloud. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HttpClient {
    provider: ProviderId,
    api: &'static str,
    clock: Arc<dyn Clock>,
    stack: Arc<dyn Transport>,
}

/// Gathers what a client needs.
#[derive(Debug)]
#[must_use]
pub struct HttpClientBuilder {
    provider: ProviderId,
    api: &'static str,
    bottom: Arc<dyn Transport>,
    key: Option<Secret>,
    key_variable: Option<&'static str>,
    read_error: ErrorReader,
    quotas: Quotas,
    read_limits: Option<LimitReader>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl HttpClient {
    /// Begins with the account's name, the API's (as it stands in `tracing` events) and the connection at the bottom.
    pub fn builder(provider: &ProviderId, api: &'static str, bottom: Arc<dyn Transport>) -> HttpClientBuilder {
        HttpClientBuilder {
            provider: provider.clone(),
            api,
            bottom,
            key: None,
            key_variable: None,
            read_error: plain_error,
            quotas: |_| &[],
            read_limits: None,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
        }
    }

    /// Sends through the whole stack. An answer that is no success is an error in the cloud's own terms.
    pub async fn send(&self, context: &CallContext, request: Request) -> Result<Response> {
        let request = request.under(context);
        let (operation, id) = (request.operation(), request.terms.id.clone());
        let began = self.clock.monotonic();
        let answer = self.stack.send(request).await;
        tracing::debug!(
            target: "atlas::http",
            provider = self.provider.as_str(),
            api = self.api,
            operation,
            id,
            elapsed_ms = millis(self.clock.monotonic().saturating_sub(began)),
            error = answer.as_ref().err().map(|error| error.kind().name()),
            "call"
        );
        answer.map_err(|error| error.with_provider(&self.provider).with_operation(operation))
    }

    /// Sends, and reads the answer as JSON.
    ///
    /// An answer that cannot be read is `decode`, and its effect is unknown: the cloud did act.
    pub async fn json<T: DeserializeOwned>(&self, context: &CallContext, request: Request) -> Result<T> {
        let operation = request.operation();
        let answer = self.send(context, request).await?;
        answer.json().map_err(|error| error.with_provider(&self.provider).with_operation(operation))
    }

    /// Sends, and reads nothing of the answer but that it is a success.
    pub async fn done(&self, context: &CallContext, request: Request) -> Result<()> {
        self.send(context, request).await.map(drop)
    }
}

impl HttpClientBuilder {
    /// The account's key.
    pub fn key(mut self, key: Option<Secret>) -> Self {
        self.key = key;
        self
    }

    /// The cloud's own variable for it, named where there is none.
    pub fn key_variable(mut self, name: &'static str) -> Self {
        self.key_variable = Some(name);
        self
    }

    /// What the cloud's refusals mean.
    pub fn errors(mut self, read: ErrorReader) -> Self {
        self.read_error = read;
        self
    }

    /// The documented limits of each bucket.
    pub fn quotas(mut self, quotas: fn(&str) -> &'static [Quota]) -> Self {
        self.quotas = quotas;
        self
    }

    /// What the cloud's headers say of its limits.
    pub fn limits(mut self, read: LimitReader) -> Self {
        self.read_limits = Some(read);
        self
    }

    /// Takes time from `clock`.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Takes randomness from `entropy`.
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    /// Builds the stack. Opens no connection.
    pub fn build(self) -> HttpClient {
        let bottom = Arc::new(Bottom { account: self.bottom });
        let attempt = Arc::new(Attempt {
            inner: bottom,
            provider: self.provider.clone(),
            api: self.api,
            clock: self.clock.clone(),
            read_error: self.read_error,
        });
        let auth = Arc::new(Auth { inner: attempt, key: self.key, key_variable: self.key_variable });
        let timeout = Arc::new(Timeout { inner: auth, default: TRY });
        let limit = Arc::new(Limit {
            inner: timeout,
            provider: self.provider.clone(),
            clock: self.clock.clone(),
            quotas: self.quotas,
            read: self.read_limits,
            buckets: Mutex::default(),
        });
        let retry = Arc::new(Retry {
            inner: limit,
            default: RETRIES,
            provider: self.provider.clone(),
            clock: self.clock.clone(),
            entropy: self.entropy,
        });
        let stack = Arc::new(Deadline { inner: retry, clock: self.clock.clone(), default: CALL });
        HttpClient { provider: self.provider, api: self.api, clock: self.clock, stack }
    }
}

/// The account's connection, or the call's own.
#[derive(Debug)]
struct Bottom {
    account: Arc<dyn Transport>,
}

#[async_trait]
impl Transport for Bottom {
    async fn send(&self, request: Request) -> Result<Response> {
        let chosen = request.terms.transport.clone();
        chosen.as_ref().unwrap_or(&self.account).send(request).await
    }
}
