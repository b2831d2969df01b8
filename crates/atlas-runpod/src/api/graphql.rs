//! The account's balance, the one thing that only GraphQL tells. It ends in early 2027: then this file goes, and `balance`
//! with it.

use atlas_core::http::{Repeat, Request};
use atlas_core::{CallContext, Effect, Error, ErrorKind, Result};
use serde::Deserialize;
use serde_json::Value;

use super::Api;
use crate::error;

/// What the account has and spends.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Myself {
    pub(crate) id: Option<String>,
    pub(crate) client_balance: f64,
    pub(crate) current_spend_per_hr: Option<f64>,
}

impl Api {
    /// Asks what the account has and spends.
    pub(crate) async fn myself(&self, context: &CallContext) -> Result<Myself> {
        let body = serde_json::json!({"query": "query { myself { id clientBalance currentSpendPerHr } }"});
        let request = Request::post(self.at.graphql.clone(), "balance").repeat(Repeat::Safe).json(&body)?;
        let answer: Result<Value> = self.graphql.json(context, request).await;
        let named =
            |error: Error| self.clean(error.with_provider(&self.provider).with_operation("balance"), context, &[]);
        let mut answer = answer.map_err(named)?;
        if let Some(error) = error::in_graphql(&answer) {
            return Err(named(error));
        }
        match answer.pointer_mut("/data/myself").map(Value::take) {
            Some(myself @ Value::Object(_)) => serde_json::from_value(myself).map_err(|_| {
                named(Error::new(ErrorKind::Decode, "the balance cannot be read").with_effect(Effect::Rejected))
            }),
            _ if !answer.is_object() => Err(named(error::no_object("the balance"))),
            // Without a key the cloud answers 200 and nothing.
            _ => Err(named(error::unknown_key("the cloud does not know this key"))),
        }
    }
}
