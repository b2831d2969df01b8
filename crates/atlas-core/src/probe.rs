//! Readiness (rule P12): what a machine's port answers, and what that means.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use atlas_auth::{Clock, Secret};

use crate::{Compute, Credentials, Error, ProxySigns, Result};

#[cfg(test)]
mod tests;

/// One question to a machine's port.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProbeRequest {
    /// The address; it may hold a signature.
    pub url: Secret,
    /// The bearer token, if the machine knows its user by one.
    pub bearer: Option<Secret>,
    /// How long to wait for an answer.
    pub timeout: Duration,
}

impl ProbeRequest {
    /// Asks this address, as anybody could.
    pub fn new(url: impl Into<Secret>) -> Self {
        Self { url: url.into(), bearer: None, timeout: TIMEOUT }
    }

    /// Asks with this bearer token, or without one.
    #[must_use]
    pub fn bearer(mut self, token: Option<Secret>) -> Self {
        self.bearer = token;
        self
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProbeAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The names of its headers, in lower case.
    pub headers: Vec<String>,
}

impl ProbeAnswer {
    /// An answer with this status and no headers.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new() }
    }

    /// Adds a header's name.
    #[must_use]
    pub fn with_header(mut self, name: &str) -> Self {
        self.headers.push(name.to_ascii_lowercase());
        self
    }
}

/// Asks a machine's port. Follows no redirect. An error means that no answer came.
#[async_trait]
pub trait Probe: Send + Sync + fmt::Debug + 'static {
    /// Asks once.
    async fn ask(&self, request: &ProbeRequest) -> Result<ProbeAnswer>;
}

/// How long one question may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long a signature for a question holds.
const SIGNATURE: Duration = Duration::from_mins(1);

/// The question to ask `compute`, on its first http port or at `ready_path` there; `None` while it has no address.
pub fn question(
    compute: &Compute,
    ready_path: Option<&str>,
    credentials: &Credentials,
    clock: &dyn Clock,
) -> Result<Option<ProbeRequest>> {
    let Some(base) = compute.first_http().and_then(|port| port.url.as_deref()) else { return Ok(None) };
    let base = url::Url::parse(base).map_err(|_| {
        Error::new(crate::ErrorKind::Decode, format!("machine {} has an address that is none", compute.id))
    })?;
    let url = match ready_path {
        None => base,
        Some(path) => below(&base, path)
            .ok_or_else(|| Error::validation("ready_path must be a path on the machine, such as /health"))?,
    };
    let url = credentials.sign("GET", url.as_str(), clock.now().plus(SIGNATURE))?;
    let bearer = credentials.bearer().map(Secret::from);
    Ok(Some(ProbeRequest { url, bearer, timeout: TIMEOUT }))
}

/// `path` on the machine, which may itself be reached below a path of its cloud's proxy.
fn below(base: &url::Url, path: &str) -> Option<url::Url> {
    let whole = match path.strip_prefix('/') {
        Some(rest) if !rest.starts_with('/') => format!("{}{path}", base.path().trim_end_matches('/')),
        _ => path.to_owned(),
    };
    base.join(&whole).ok().filter(|joined| joined.origin() == base.origin())
}

/// Whether `answer` shows that the machine is ready: below 500 and not the proxy's own; with a ready path, 2xx.
///
/// A refusal of the machine's own key is no readiness: then somebody else answers at that address.
pub fn is_ready(answer: &ProbeAnswer, signs: &ProxySigns, has_ready_path: bool, has_key: bool) -> bool {
    let from_proxy = signs.statuses.contains(&answer.status)
        || answer.headers.iter().any(|name| signs.headers.contains(&name.as_str()));
    let refused = has_key && matches!(answer.status, 401 | 403);
    let good = if has_ready_path { (200..300).contains(&answer.status) } else { answer.status < 500 };
    good && !from_proxy && !refused
}

/// The first http port of `compute` over which a key would travel in the open (rule C12). Loopback never leaves the
/// machine.
pub fn open_line(compute: &Compute) -> Option<u16> {
    compute
        .ports
        .iter()
        .find(|port| {
            port.protocol == crate::Protocol::Http && !port.tls && port.url.as_deref().is_some_and(leaves_machine)
        })
        .map(|port| port.container_port)
}

fn leaves_machine(url: &str) -> bool {
    match url::Url::parse(url).as_ref().map(url::Url::host) {
        Ok(Some(url::Host::Ipv4(address))) => !address.is_loopback(),
        Ok(Some(url::Host::Ipv6(address))) => !address.is_loopback(),
        Ok(Some(url::Host::Domain(name))) => name != "localhost",
        Ok(None) | Err(_) => true,
    }
}
