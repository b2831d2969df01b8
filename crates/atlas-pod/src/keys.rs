//! A machine's keys, as its environment holds them, and the guard that they ask for.

use std::sync::Arc;

use atlas_auth::{
    Clock, DEFAULT_KEY_ID, GuardLayer, PRESHARED_KEY_ENV, SIGNING_KEY_ENV, Secret, SystemClock, TokenHash, UrlVerifier,
};

/// The keys of a machine; there is at least one.
#[derive(Debug, Clone)]
pub struct PodKeys {
    bearer: Option<Secret>,
    signing: Option<Secret>,
}

impl PodKeys {
    /// The keys in an environment, asked by name; none, if it holds none.
    pub fn of(environment: impl Fn(&str) -> Option<Secret>) -> Option<Self> {
        let key = |name| environment(name).filter(|key| !key.is_empty());
        let keys = Self { bearer: key(PRESHARED_KEY_ENV), signing: key(SIGNING_KEY_ENV) };
        (keys.bearer.is_some() || keys.signing.is_some()).then_some(keys)
    }

    /// The guard that stands before the machine's http ports, which the world knows by this origin. An error says which
    /// key is of no use.
    pub fn guard(&self, public_origin: &str) -> Result<GuardLayer, String> {
        self.guard_by(public_origin, Arc::new(SystemClock))
    }

    /// The same, where signed URLs expire by another clock than the system's.
    pub fn guard_by(&self, public_origin: &str, clock: Arc<dyn Clock>) -> Result<GuardLayer, String> {
        // The command sees the credential, as it would on a cloud where nobody stands before it; it has the key anyway.
        let mut builder = GuardLayer::builder()
            .public_origin(public_origin)
            .allow_any_origin()
            .forward_credentials(true)
            .clock(clock);
        if let Some(bearer) = &self.bearer {
            builder = builder.bearer(TokenHash::of(bearer.expose()));
        }
        if let Some(signing) = &self.signing {
            let verifier = UrlVerifier::new(DEFAULT_KEY_ID, signing.clone())
                .map_err(|error| format!("{SIGNING_KEY_ENV} is of no use: {error}"))?;
            builder = builder.signed_urls(verifier);
        }
        builder.build().map_err(|error| format!("the ports cannot be guarded: {error}"))
    }
}
