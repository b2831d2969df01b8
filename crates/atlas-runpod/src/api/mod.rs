//! RunPod's APIs, as they are: one file for each resource, one function for each endpoint, no judgement.
//!
//! Invariants. The key travels in a header, put there by the HTTP stack; no address ever holds it. REST v1 is not called
//! at all. What stands in a path was checked first. No error that leaves here quotes the key or a secret of the request.

pub(crate) mod billing;
pub(crate) mod catalog;
pub(crate) mod endpoints;
pub(crate) mod graphql;
pub(crate) mod logs;
mod pages;
pub(crate) mod pods;
pub(crate) mod registries;
pub(crate) mod runtime;
pub(crate) mod templates;
pub(crate) mod volumes;

use std::sync::Arc;

use atlas_auth::{Clock, Entropy, Secret};
use atlas_core::error::excerpt;
use atlas_core::http::{HttpClient, Request, Response, Transport};
use atlas_core::{CallContext, Error, ProviderId, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::{error, limits};

/// The operation that looks for what was rented: its listings go before those that somebody only reads.
pub(crate) const LIST_RENTED: &str = "list_rented";

/// Where the APIs are.
#[derive(Debug, Clone)]
pub(crate) struct Addresses {
    pub(crate) management: Url,
    pub(crate) runtime: Url,
    pub(crate) graphql: Url,
}

/// One account's way to all of them.
#[derive(Debug)]
pub(crate) struct Api {
    provider: ProviderId,
    at: Addresses,
    key: Option<Secret>,
    management: HttpClient,
    runtime: HttpClient,
    graphql: HttpClient,
}

/// What an account's APIs are reached with.
#[derive(Debug)]
pub(crate) struct Means {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) key: Option<Secret>,
    pub(crate) key_variable: &'static str,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl Api {
    pub(crate) fn new(provider: &ProviderId, at: Addresses, means: Means) -> Self {
        let client = |name| {
            HttpClient::builder(provider, name, means.transport.clone())
                .key(means.key.clone())
                .key_variable(means.key_variable)
                .clock(means.clock.clone())
                .entropy(means.entropy.clone())
        };
        Self {
            management: client("rest").errors(error::management).limits(limits::learned).build(),
            runtime: client("runtime").errors(error::runtime).quotas(limits::quotas).limits(limits::learned).build(),
            graphql: client("graphql").errors(error::management).limits(limits::learned).build(),
            provider: provider.clone(),
            at,
            key: means.key,
        }
    }

    pub(crate) fn at(&self) -> &Addresses {
        &self.at
    }

    /// The key under which a call acts: its own, else the account's.
    pub(crate) fn key<'a>(&'a self, context: &'a CallContext) -> Option<&'a Secret> {
        context.key().or(self.key.as_ref()).filter(|key| !key.is_empty())
    }

    /// Sends to the management API. `secrets` are those that the request holds.
    async fn manage(&self, context: &CallContext, request: Request, secrets: &[&Secret]) -> Result<Response> {
        let answer = self.management.send(context, request).await;
        answer.map_err(|error| self.clean(error, context, secrets))
    }

    /// Sends to the management API, and reads an object.
    async fn object(&self, context: &CallContext, request: Request, secrets: &[&Secret]) -> Result<Value> {
        let (operation, path) = (request.operation(), request.url().path().to_owned());
        let answer = self.manage(context, request, secrets).await?;
        self.read_object(&answer, operation, &path)
    }

    /// Sends to the serverless runtime, and reads the JSON that comes.
    async fn run<T: DeserializeOwned>(
        &self,
        context: &CallContext,
        request: Request,
        secrets: &[&Secret],
    ) -> Result<T> {
        let answer = self.runtime.json(context, request).await;
        answer.map_err(|error| self.clean(error, context, secrets))
    }

    fn read_object(&self, answer: &Response, operation: &'static str, path: &str) -> Result<Value> {
        let read = answer.json().and_then(|value: Value| {
            if value.is_object() { Ok(value) } else { Err(error::no_object(path.rsplit('/').next().unwrap_or(path))) }
        });
        read.map_err(|error| error.with_provider(&self.provider).with_operation(operation))
    }

    fn clean(&self, error: Error, context: &CallContext, secrets: &[&Secret]) -> Error {
        let keys = self.key.iter().chain(context.key());
        error::without(error, keys.chain(secrets.iter().copied()))
    }
}

/// `base` and these segments of a path, each written so that it cannot lead elsewhere.
fn address(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// An id that may stand in a path: nothing in it leads elsewhere.
pub(crate) fn checked<'a>(what: &str, id: &'a str) -> Result<&'a str> {
    let good = !id.is_empty()
        && id.len() <= 200
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        && id.bytes().any(|byte| byte != b'.');
    if good { Ok(id) } else { Err(Error::validation(format!("\"{}\" is no {what} id of RunPod", excerpt(id)))) }
}

#[cfg(test)]
mod tests {
    //! Addresses that lead where they should.

    use super::*;

    #[test]
    fn no_id_leads_elsewhere() {
        for good in ["k3v9x1c7zq2m8p", "5b1f0c1e-7a51-4a39-9f0e-2f9a1d0c7b11-u1", "cm_2.x"] {
            assert_eq!(checked("pod", good).unwrap(), good);
        }
        for bad in ["", ".", "..", "a/b", "a?b", "a b", "ä", "a#b", "%2e", &"x".repeat(201)] {
            assert!(checked("pod", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_path_is_put_behind_the_base() {
        let base = Url::parse("https://api.runpod.io/v2").unwrap();
        assert_eq!(address(&base, &["catalog", "gpus", "NVIDIA L4"]).path(), "/v2/catalog/gpus/NVIDIA%20L4");
        let bare = Url::parse("http://127.0.0.1:4010").unwrap();
        assert_eq!(address(&bare, &["ep", "run"]).path(), "/ep/run");
    }
}
