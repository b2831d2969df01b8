//! The guard: a tower layer in front of an HTTP service, that admits requests by bearer token or by signed URL.
//!
//! Invariant: the service never sees a request that was not admitted, and a guard without a credential to check cannot
//! be built. The bodies of refusals tell nothing of why.

mod admission;
mod builder;
mod host;
mod origins;
mod service;

use std::sync::Arc;

pub use builder::{GuardBuilder, GuardError};
pub use service::{Guard, GuardFuture};

use crate::{Clock, TokenHash, UrlVerifier};
use origins::Origins;

/// Puts a [`Guard`] before a service.
///
/// ```text
/// OPTIONS of a browser that asks first  ─► 204 with what it may do, or 403             (no key needed)
/// two hosts at once                     ─► 403
/// a known bearer token                  ─► the service, without the token
/// a signed URL, good and in time        ─► the service, without the signature
/// a signed URL, anything else           ─► 403
/// no credential, or a wrong one         ─► 401
/// ```
///
/// Every answer to a configured origin, refusals too, carries the CORS headers, since without them a browser shows its
/// page nothing, not even the status.
///
/// The service's response body must be made from a `&'static str`, as axum's, `String` and `Full<Bytes>` are.
///
/// ```
/// use atlas_auth::{BearerToken, GuardLayer, SystemEntropy};
/// use tower::{Layer, ServiceExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let token = BearerToken::mint(&SystemEntropy);
/// let guard = GuardLayer::builder().bearer(token.hash()).allow_origin("https://app.example").build()?;
/// let service = guard.layer(tower::service_fn(async |_: http::Request<()>| {
///     Ok::<_, std::convert::Infallible>(http::Response::new("hello".to_owned()))
/// }));
///
/// let refused = service.clone().oneshot(http::Request::get("/").body(())?).await?;
/// assert_eq!(refused.status(), 401);
///
/// let request = http::Request::get("/").header("authorization", token.header_value().expose());
/// assert_eq!(service.oneshot(request.body(())?).await?.body(), "hello");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct GuardLayer {
    policy: Arc<Policy>,
}

impl GuardLayer {
    /// A guard that admits nobody yet; it needs [`bearer`](GuardBuilder::bearer) or
    /// [`signed_urls`](GuardBuilder::signed_urls).
    pub fn builder() -> GuardBuilder {
        GuardBuilder::new()
    }
}

impl<S> tower_layer::Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard::new(inner, Arc::clone(&self.policy))
    }
}

/// What a guard goes by.
#[derive(Debug)]
struct Policy {
    hashes: Vec<TokenHash>,
    verifier: Option<UrlVerifier>,
    /// The host of the public origin, with its port where that is not the scheme's own.
    public_host: Option<String>,
    trust_forwarded: bool,
    forward_credentials: bool,
    origins: Origins,
    clock: Arc<dyn Clock>,
}
