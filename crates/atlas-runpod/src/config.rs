//! Settings, and how an account comes of them.
//!
//! | setting | meaning |
//! |---|---|
//! | `api_key` | the key; `RUNPOD_API_KEY` unless set |
//! | `base_url` | the management API, `https://api.runpod.io/v2` unless set |
//! | `runtime_url` | the serverless runtime, `https://api.runpod.ai/v2` unless set |
//! | `graphql_url` | for the account's balance only, `https://api.runpod.io/graphql` unless set |
//! | `proxy_url` | where a pod's http port is reached, `https://{id}-{port}.proxy.runpod.net` unless set |
//! | `settle_window` | how long a create or a delete may stay invisible, `2m` unless set; less than that only at a simulated cloud |

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use atlas_auth::{Clock, Entropy, Secret, SystemClock, SystemEntropy};
use atlas_core::error::excerpt;
use atlas_core::http::{ReqwestTransport, Transport, base_url};
use atlas_core::{BuildContext, Error, Provider, ProviderFactory, ProviderId, Result, Settings, duration};
use url::{Host, Url};

use crate::account::RunPod;
use crate::api::{Addresses, Api, Means};
use crate::translate::{self, KIND};

/// The settings that an account understands.
const SETTINGS: &[&str] = &["api_key", "base_url", "runtime_url", "graphql_url", "proxy_url", "settle_window"];

/// RunPod's own variable for the key.
const KEY_VARIABLE: &str = "RUNPOD_API_KEY";

const BASE_URL: &str = "https://api.runpod.io/v2";
const RUNTIME_URL: &str = "https://api.runpod.ai/v2";
const GRAPHQL_URL: &str = "https://api.runpod.io/graphql";
const PROXY_URL: &str = "https://{id}-{port}.proxy.runpod.net";

/// The factory of `runpod` accounts.
pub fn factory() -> impl ProviderFactory {
    RunPodFactory
}

#[derive(Debug)]
struct RunPodFactory;

impl ProviderFactory for RunPodFactory {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn settings(&self) -> &'static [&'static str] {
        SETTINGS
    }

    fn key_variable(&self) -> Option<&'static str> {
        Some(KEY_VARIABLE)
    }

    fn build(&self, id: &ProviderId, settings: &Settings, context: &BuildContext) -> Result<Arc<dyn Provider>> {
        settings.only(KIND, SETTINGS)?;
        let mut builder = RunPod::builder()
            .id(id.clone())
            .transport(context.transport()?)
            .clock(Arc::clone(&context.clock))
            .entropy(Arc::clone(&context.entropy));
        if let Some(key) = settings.secret("api_key") {
            builder = builder.api_key(key.clone());
        }
        if let Some(url) = settings.text("base_url") {
            builder = builder.base_url(url);
        }
        if let Some(url) = settings.text("runtime_url") {
            builder = builder.runtime_url(url);
        }
        if let Some(url) = settings.text("graphql_url") {
            builder = builder.graphql_url(url);
        }
        if let Some(url) = settings.text("proxy_url") {
            builder = builder.proxy_url(url);
        }
        if let Some(text) = settings.text("settle_window") {
            let window = duration::parse(text).map_err(|error| error.context("settle_window"))?;
            builder = builder.settle_window(window);
        }
        Ok(Arc::new(builder.build()?))
    }
}

/// Gathers what an account of [`RunPod`] needs.
#[derive(Debug)]
#[must_use]
pub struct RunPodBuilder {
    id: Option<ProviderId>,
    api_key: Option<Secret>,
    base_url: String,
    runtime_url: String,
    graphql_url: String,
    proxy_url: String,
    settle_window: Option<Duration>,
    transport: Option<Arc<dyn Transport>>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl RunPodBuilder {
    pub(crate) fn new() -> Self {
        Self {
            id: None,
            api_key: None,
            base_url: BASE_URL.to_owned(),
            runtime_url: RUNTIME_URL.to_owned(),
            graphql_url: GRAPHQL_URL.to_owned(),
            proxy_url: PROXY_URL.to_owned(),
            settle_window: None,
            transport: None,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
        }
    }

    /// The account's name; `runpod` unless set.
    pub fn id(mut self, id: ProviderId) -> Self {
        self.id = Some(id);
        self
    }

    /// The key. Without one only calls that bring their own are sent.
    pub fn api_key(mut self, key: impl Into<Secret>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// The management API, with its version: `https://api.runpod.io/v2` unless set.
    pub fn base_url(mut self, url: &str) -> Self {
        url.clone_into(&mut self.base_url);
        self
    }

    /// The serverless runtime: `https://api.runpod.ai/v2` unless set.
    pub fn runtime_url(mut self, url: &str) -> Self {
        url.clone_into(&mut self.runtime_url);
        self
    }

    /// GraphQL, for the balance only: `https://api.runpod.io/graphql` unless set.
    pub fn graphql_url(mut self, url: &str) -> Self {
        url.clone_into(&mut self.graphql_url);
        self
    }

    /// Where a pod's http port is reached, with `{id}` and `{port}` in it: `https://{id}-{port}.proxy.runpod.net` unless
    /// set.
    pub fn proxy_url(mut self, url: &str) -> Self {
        url.clone_into(&mut self.proxy_url);
        self
    }

    /// How long a create or a delete may stay invisible: before that, no absence proves anything. Two minutes unless set;
    /// less is refused unless the management API is one on this machine, which is a simulated cloud.
    pub fn settle_window(mut self, window: Duration) -> Self {
        self.settle_window = Some(window);
        self
    }

    /// Through what RunPod is asked; connections of its own unless set.
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
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

    /// Builds it. Sends nothing; an address that cannot be right is a `validation` error that names its setting.
    pub fn build(self) -> Result<RunPod> {
        let id = match self.id {
            Some(id) => id,
            None => ProviderId::parse(KIND)?,
        };
        let at = Addresses {
            management: management(&self.base_url)?,
            runtime: base_url("runtime_url", &self.runtime_url)?,
            graphql: base_url("graphql_url", &self.graphql_url)?,
        };
        let proxy = ProxyUrl::parse(&self.proxy_url)?;
        let mut traits = translate::traits();
        if let Some(window) = self.settle_window {
            traits.settle_window = window_at(&at.management, window, traits.settle_window)?;
        }
        let transport = match self.transport {
            Some(transport) => transport,
            None => Arc::new(ReqwestTransport::new()?),
        };
        let means = Means {
            transport,
            key: self.api_key,
            key_variable: KEY_VARIABLE,
            clock: Arc::clone(&self.clock),
            entropy: self.entropy,
        };
        let api = Api::new(&id, at, means);
        Ok(RunPod::new(id, traits, api, proxy, self.clock))
    }
}

/// REST v1 was to go on 2026-11-15, and does not speak what Atlas speaks.
fn management(text: &str) -> Result<Url> {
    let url = base_url("base_url", text)?;
    let old = url.host_str() == Some("rest.runpod.io") || url.path().trim_end_matches('/').ends_with("/v1");
    if old {
        return Err(Error::validation(format!(
            "base_url: \"{}\" is RunPod's REST v1, which has ended; Atlas speaks {BASE_URL}",
            excerpt(text)
        )));
    }
    Ok(url)
}

/// The window that was set, where it may be: too short a one at the real cloud would take a late pod for absent, and rent
/// another.
fn window_at(management: &Url, window: Duration, usual: Duration) -> Result<Duration> {
    let is_here = match management.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    };
    if window >= usual || is_here {
        return Ok(window);
    }
    Err(Error::validation(format!(
        "settle_window: {} is less than {}, and only a simulated cloud on this machine may be given less",
        duration::format(window),
        duration::format(usual)
    )))
}

/// Where a pod's http port is reached: a text with `{id}` and `{port}` in it.
#[derive(Debug, Clone)]
pub(crate) struct ProxyUrl(String);

impl ProxyUrl {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let text = text.trim_end_matches('/');
        let template = Self(text.to_owned());
        let sample = Url::parse(&template.url("k3v9x1c7zq2m8p", 8000));
        let good = text.contains("{id}")
            && text.contains("{port}")
            && sample.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if good {
            return Ok(template);
        }
        Err(Error::validation(format!(
            "proxy_url: \"{}\" is no address with {{id}} and {{port}} in it, such as {PROXY_URL}",
            excerpt(text)
        )))
    }

    /// The address of one port of one pod.
    pub(crate) fn url(&self, id: &str, port: u16) -> String {
        self.0.replace("{id}", id).replace("{port}", &port.to_string())
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
