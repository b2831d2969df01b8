//! One account of RunPod: what all its operations share.

use std::sync::Arc;
use std::time::Duration;

use atlas_auth::{Clock, Timestamp, TokenHash};
use atlas_core::{CallContext, CatalogCache, Compute, Effect, Error, ProviderId, Result, Scope, Traits};
use serde_json::Value;

use crate::api::Api;
use crate::catalog::Kept;
use crate::config::{ProxyUrl, RunPodBuilder};
use crate::deadline::Deadline;
use crate::translate;

/// How much of a key's hash names its account: enough that no two keys share it.
const FINGERPRINT: usize = 16;

/// How long one create may take where the call sets no bound: waiting for the rate limit included.
const CREATE: Duration = Duration::from_mins(2);

/// One account of RunPod. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RunPod {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    id: ProviderId,
    traits: Traits,
    api: Api,
    proxy: ProxyUrl,
    clock: Arc<dyn Clock>,
    gpus: CatalogCache,
    kept: Kept,
}

impl RunPod {
    /// Begins an account named `runpod`.
    pub fn builder() -> RunPodBuilder {
        RunPodBuilder::new()
    }

    pub(crate) fn new(id: ProviderId, traits: Traits, api: Api, proxy: ProxyUrl, clock: Arc<dyn Clock>) -> Self {
        let (gpus, kept) = (CatalogCache::new(), Kept::new());
        Self { shared: Arc::new(Shared { id, traits, api, proxy, clock, gpus, kept }) }
    }

    pub(crate) fn name(&self) -> &ProviderId {
        &self.shared.id
    }

    pub(crate) fn nature(&self) -> &Traits {
        &self.shared.traits
    }

    pub(crate) fn api(&self) -> &Api {
        &self.shared.api
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.shared.clock
    }

    pub(crate) fn gpus(&self) -> &CatalogCache {
        &self.shared.gpus
    }

    pub(crate) fn kept(&self) -> &Kept {
        &self.shared.kept
    }

    /// Host and fingerprint of the key: RunPod's REST tells no account id, and the same host under another key may be
    /// another account.
    pub(crate) fn place(&self, context: &CallContext) -> Scope {
        let base = &self.shared.api.at().management;
        let host = base.host_str().unwrap_or_default();
        let port = base.port().map(|port| format!(":{port}")).unwrap_or_default();
        let account = self.shared.api.key(context).map_or_else(
            || "none".to_owned(),
            |key| TokenHash::of(key.expose()).to_string().chars().take(FINGERPRINT).collect(),
        );
        Scope::new(format!("{host}{port}/{account}"))
    }

    /// A pod that was read.
    pub(crate) fn describe(&self, answer: Value) -> Result<Compute> {
        translate::pod::describe(&self.shared.id, &self.shared.proxy, answer)
    }

    /// The error with the account's name and the operation's.
    pub(crate) fn named(&self, error: Error, operation: &'static str) -> Error {
        error.with_provider(&self.shared.id).with_operation(operation)
    }

    /// Nothing is created past the moment that an order names: its sender may have slept (rule P2).
    pub(crate) fn refuse_expired(&self, not_after: Timestamp) -> Result<()> {
        if self.shared.clock.now() <= not_after {
            return Ok(());
        }
        let message = format!("the order was to be sent by {not_after}, and was not");
        Err(Error::timeout(message).with_effect(Effect::NotSent))
    }

    /// The context of the call that makes what an order asks for. The stack may hold a create back, for its rate limit or
    /// because the cloud says when to come back: never past the moment that the order names (rule P2).
    pub(crate) fn creating(&self, deadline: &Deadline<'_>, not_after: Timestamp) -> Result<CallContext> {
        self.refuse_expired(not_after)?;
        let context = deadline.context()?;
        let until_expiry = not_after.since(self.clock().now());
        let bound = context.timeout().unwrap_or(CREATE).min(until_expiry.max(Duration::from_millis(1)));
        Ok(context.with_timeout(bound))
    }
}
