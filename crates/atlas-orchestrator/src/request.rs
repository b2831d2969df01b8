//! What is asked for a user: a machine, and on which terms it is kept.

use std::collections::BTreeMap;
use std::time::Duration;

use atlas_core::{Auth, ComputeRequest, ProviderId};

use crate::{Error, Result};

/// How long something may last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// What the orchestrator's policy says.
    Default,
    /// This long.
    Span(Duration),
    /// For ever. It must be said: nothing is unlimited by default.
    Unlimited,
}

impl Limit {
    pub(crate) fn or(self, default: Option<Duration>) -> Option<Duration> {
        match self {
            Self::Default => default,
            Self::Span(span) => Some(span),
            Self::Unlimited => None,
        }
    }
}

/// What becomes of a session whose machine is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLoss {
    /// It ends: what was on the machine is gone, and its user should know.
    #[default]
    End,
    /// It gets another machine, with other keys.
    Replace,
}

/// What is asked for a user: a machine, and on which terms it is kept. Made by its builder methods.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SessionRequest {
    pub(crate) compute: ComputeRequest,
    pub(crate) provider: Option<ProviderId>,
    pub(crate) user: Option<String>,
    pub(crate) auth: Auth,
    pub(crate) idle_ttl: Limit,
    pub(crate) max_lifetime: Limit,
    pub(crate) start_timeout: Option<Duration>,
    pub(crate) ready_path: Option<String>,
    pub(crate) on_loss: OnLoss,
    pub(crate) labels: BTreeMap<String, String>,
}

impl SessionRequest {
    /// A session on a machine such as `compute` asks for, on the orchestrator's terms, open to whoever has the address.
    pub fn new(compute: ComputeRequest) -> Self {
        Self {
            compute,
            provider: None,
            user: None,
            auth: Auth::None,
            idle_ttl: Limit::Default,
            max_lifetime: Limit::Default,
            start_timeout: None,
            ready_path: None,
            on_loss: OnLoss::End,
            labels: BTreeMap::new(),
        }
    }

    /// The account to rent from; without it the default one.
    #[must_use]
    pub fn provider(mut self, provider: ProviderId) -> Self {
        self.provider = Some(provider);
        self
    }

    /// Whose session it is. The key that `ensure` is given, if nothing else is said.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// How the machine shall know its user.
    #[must_use]
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// Ends the session after so long without a touch. Counted from ready on.
    #[must_use]
    pub fn idle_ttl(mut self, ttl: Duration) -> Self {
        self.idle_ttl = Limit::Span(ttl);
        self
    }

    /// Never ends the session for want of touches.
    #[must_use]
    pub fn never_idle(mut self) -> Self {
        self.idle_ttl = Limit::Unlimited;
        self
    }

    /// Ends the session this long after it was made, used or not.
    #[must_use]
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = Limit::Span(lifetime);
        self
    }

    /// Lets the session live for ever.
    #[must_use]
    pub fn unlimited_lifetime(mut self) -> Self {
        self.max_lifetime = Limit::Unlimited;
        self
    }

    /// Ends the session if it is not ready after so long.
    #[must_use]
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = Some(timeout);
        self
    }

    /// Asks this path for readiness, and takes only 2xx for it. Without it any answer below 500 at `/` will do.
    #[must_use]
    pub fn ready_path(mut self, path: impl Into<String>) -> Self {
        self.ready_path = Some(path.into());
        self
    }

    /// What becomes of the session when its machine is lost.
    #[must_use]
    pub fn on_loss(mut self, on_loss: OnLoss) -> Self {
        self.on_loss = on_loss;
        self
    }

    /// A label for one's own use.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// Refuses what cannot be right, before anything is written or spent.
    pub(crate) fn validate(&self) -> Result<()> {
        self.compute.validate()?;
        for (what, text) in [("user", self.user.as_deref()), ("ready path", self.ready_path.as_deref())] {
            let wrong = |text: &str| text.is_empty() || text.len() > 256 || text.chars().any(char::is_control);
            if text.is_some_and(wrong) {
                return Err(Error::validation(format!("the {what} is empty, too long or has control characters")));
            }
        }
        if let Some(path) = &self.ready_path {
            if !path.starts_with('/') || path.starts_with("//") {
                return Err(Error::validation("the ready path must begin with one `/`"));
            }
            if self.compute.ports.iter().all(|port| port.protocol != atlas_core::Protocol::Http) {
                return Err(Error::validation("a ready path needs an http port"));
            }
        }
        let spans = [
            ("idle_ttl", self.idle_ttl.or(None)),
            ("max_lifetime", self.max_lifetime.or(None)),
            ("start_timeout", self.start_timeout),
        ];
        for (what, span) in spans {
            if span.is_some_and(|span| span < Duration::from_secs(1) || span > Duration::from_hours(8784)) {
                return Err(Error::validation(format!("{what} must be from one second to a year")));
            }
        }
        Ok(())
    }
}
