//! The orders for creates (rule C4). Only a recorded intent makes one: rule O1, by type.

use std::collections::BTreeMap;
use std::sync::Arc;

use atlas_auth::{Secret, Timestamp};

use crate::intents::Sending;
use crate::{ComputeRequest, Credentials, Intent, Intents, MARK_ENV, Mark, Result, SpawnToken, Traits};

/// What a provider needs to make one machine: the request, the marked name, the final environment, the token.
///
/// While an order or a clone of it is held somewhere, its create counts as being sent.
#[derive(Debug, Clone)]
pub struct SpawnOrder {
    request: ComputeRequest,
    name: String,
    mark: Mark,
    env: BTreeMap<String, Secret>,
    protected: Vec<String>,
    not_after: Timestamp,
    _sending: Option<Arc<Sending>>,
}

impl SpawnOrder {
    /// Records `intent`, and makes the order for it. An error means that nothing may be sent.
    ///
    /// The machine's environment is the request's, the credentials' and the mark.
    pub async fn record(
        intents: &dyn Intents,
        intent: &Intent,
        request: ComputeRequest,
        credentials: &Credentials,
        traits: &Traits,
    ) -> Result<Self> {
        let name = intent.mark.machine_name(traits.name_limit)?;
        let mut env = request.env.clone();
        let mut protected = vec![MARK_ENV.to_owned()];
        env.insert(MARK_ENV.to_owned(), Secret::new(intent.mark.to_string()));
        if let Some((variable, key)) = credentials.env() {
            env.insert(variable.to_owned(), key);
            protected.push(variable.to_owned());
        }
        intents.open(intent).await?;
        let (mark, not_after) = (intent.mark.clone(), intent.not_after);
        Ok(Self { request, name, mark, env, protected, not_after, _sending: None })
    }

    /// Holds on to `sending` until nobody has the order any more.
    pub(crate) fn holding(self, sending: Sending) -> Self {
        Self { _sending: Some(Arc::new(sending)), ..self }
    }

    /// What is asked.
    pub fn request(&self) -> &ComputeRequest {
        &self.request
    }

    /// The machine's name: the mark, cut to the cloud's limit.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole mark.
    pub fn mark(&self) -> &Mark {
        &self.mark
    }

    /// The token that names this create.
    pub fn token(&self) -> SpawnToken {
        self.mark.token
    }

    /// The final environment. It holds the machine's key.
    pub fn env(&self) -> &BTreeMap<String, Secret> {
        &self.env
    }

    /// The variables that no option may change: the mark and the key (rule C5).
    pub fn protected_env(&self) -> &[String] {
        &self.protected
    }

    /// Nothing is created past this moment (rule P2): it is looked at again before each try.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }
}

/// The order for one create of something that bills and is no machine: a network volume, a serverless endpoint.
///
/// While an order or a clone of it is held somewhere, its create counts as being sent.
#[derive(Debug, Clone)]
pub struct RentalOrder<R> {
    request: R,
    name: String,
    mark: Mark,
    not_after: Timestamp,
    _sending: Option<Arc<Sending>>,
}

impl<R> RentalOrder<R> {
    /// Records `intent`, and makes the order for it. An error means that nothing may be sent.
    pub async fn record(intents: &dyn Intents, intent: &Intent, request: R, name_limit: usize) -> Result<Self> {
        let name = intent.mark.machine_name(name_limit)?;
        intents.open(intent).await?;
        Ok(Self { request, name, mark: intent.mark.clone(), not_after: intent.not_after, _sending: None })
    }

    /// Holds on to `sending` until nobody has the order any more.
    pub(crate) fn holding(self, sending: Arc<Sending>) -> Self {
        Self { _sending: Some(sending), ..self }
    }

    /// What is asked.
    pub fn request(&self) -> &R {
        &self.request
    }

    /// Its name: the mark, cut to the cloud's limit.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole mark.
    pub fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Nothing is created past this moment (rule P2).
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }
}
