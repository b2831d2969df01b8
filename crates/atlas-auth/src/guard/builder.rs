//! Putting a guard together.

use std::sync::Arc;

use url::Url;

use super::origins::Origins;
use super::{GuardLayer, Policy};
use crate::{Clock, SystemClock, TokenHash, UrlVerifier};

/// Why a guard cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GuardError {
    /// There is nothing to admit anybody by.
    #[error("the guard has no credential to check: give it a bearer token's hash or a verifier of signed urls")]
    NoCredential,
    /// An origin is not one.
    #[error("\"{0}\" is not an origin: write scheme, host and port alone, such as https://app.example:8443")]
    Origin(String),
}

/// Collects what a guard goes by; see [`GuardLayer`](super::GuardLayer).
#[derive(Debug, Clone)]
#[must_use]
pub struct GuardBuilder {
    hashes: Vec<TokenHash>,
    verifier: Option<UrlVerifier>,
    public_origin: Option<String>,
    trust_forwarded: bool,
    forward_credentials: bool,
    allowed: Vec<String>,
    allow_any: bool,
    clock: Arc<dyn Clock>,
}

impl GuardBuilder {
    pub(super) fn new() -> Self {
        Self {
            hashes: Vec::new(),
            verifier: None,
            public_origin: None,
            trust_forwarded: false,
            forward_credentials: false,
            allowed: Vec::new(),
            allow_any: false,
            clock: Arc::new(SystemClock),
        }
    }

    /// Admits the token with this hash. May be called several times, as while a token is rotated.
    pub fn bearer(mut self, hash: TokenHash) -> Self {
        self.hashes.push(hash);
        self
    }

    /// Admits signed URLs. A second call replaces the first: a verifier holds several keys by itself.
    pub fn signed_urls(mut self, verifier: UrlVerifier) -> Self {
        self.verifier = Some(verifier);
        self
    }

    /// How the world reaches this service, such as `https://gpu.example:8443`. Signed URLs must have been signed for
    /// this host. Without it the request's own `Host` is believed, which suffices where nobody else's name leads here.
    pub fn public_origin(mut self, origin: impl Into<String>) -> Self {
        self.public_origin = Some(origin.into());
        self
    }

    /// Whether `Forwarded` and `X-Forwarded-Host` say the external host, where no public origin is given. Only behind a
    /// proxy that sets or removes both itself.
    pub const fn trust_forwarded(mut self, trust: bool) -> Self {
        self.trust_forwarded = trust;
        self
    }

    /// Lets pages of this origin, such as `https://app.example`, read the answers. May be called several times.
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.allowed.push(origin.into());
        self
    }

    /// Lets pages of every origin read the answers. They still need a credential.
    pub const fn allow_any_origin(mut self) -> Self {
        self.allow_any = true;
        self
    }

    /// Whether the service sees the credential that admitted a request. By default it does not, so that none comes
    /// into its logs.
    pub const fn forward_credentials(mut self, forward: bool) -> Self {
        self.forward_credentials = forward;
        self
    }

    /// Where the hour comes from, by which signed URLs expire. The system's clock by default.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The guard; an error if it could admit nobody, or if an origin is not one.
    pub fn build(self) -> Result<GuardLayer, GuardError> {
        if self.hashes.is_empty() && self.verifier.is_none() {
            return Err(GuardError::NoCredential);
        }
        let mut listed = Vec::with_capacity(self.allowed.len());
        for origin in self.allowed {
            listed.push(parse_origin(&origin)?.origin().ascii_serialization());
        }
        let public_host = match self.public_origin {
            Some(origin) => Some(host_and_port(&parse_origin(&origin)?)),
            None => None,
        };
        let policy = Policy {
            hashes: self.hashes,
            verifier: self.verifier,
            public_host,
            trust_forwarded: self.trust_forwarded,
            forward_credentials: self.forward_credentials,
            origins: if self.allow_any { Origins::Any } else { Origins::Listed(listed) },
            clock: self.clock,
        };
        Ok(GuardLayer { policy: Arc::new(policy) })
    }
}

/// An http or https URL with nothing behind its host and port but at most a slash.
fn parse_origin(text: &str) -> Result<Url, GuardError> {
    let refused = || GuardError::Origin(shown(text));
    let url = Url::parse(text).map_err(|_| refused())?;
    let bare = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if bare && matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err(refused()) }
}

fn host_and_port(url: &Url) -> String {
    let host = url.host_str().expect("an http or https URL has a host");
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The text without what may be a password.
fn shown(text: &str) -> String {
    text.rsplit_once('@').map_or_else(|| text.to_owned(), |(_, host)| format!("…@{host}"))
}
