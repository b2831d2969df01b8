//! Puts the key where it belongs: into a header, never into the address.

use std::sync::Arc;

use async_trait::async_trait;
use atlas_auth::Secret;
use http::header::AUTHORIZATION;

use super::{Request, Response, Transport};
use crate::{Effect, Error, ErrorKind, Result};

/// Puts `Authorization: Bearer KEY` into the request: the call's own key, else the account's.
#[derive(Debug)]
pub(crate) struct Auth {
    pub(crate) inner: Arc<dyn Transport>,
    pub(crate) key: Option<Secret>,
    /// Where a key may come from, for the error that says that there is none.
    pub(crate) key_variable: Option<&'static str>,
}

#[async_trait]
impl Transport for Auth {
    async fn send(&self, request: Request) -> Result<Response> {
        let Some(key) = request.terms.key.as_ref().or(self.key.as_ref()).filter(|key| !key.is_empty()) else {
            let variable = self.key_variable.map(|name| format!(", or the variable {name}")).unwrap_or_default();
            let message = format!("no key is configured: set api_key{variable}");
            return Err(Error::new(ErrorKind::Unauthorized, message).with_effect(Effect::NotSent));
        };
        let value = Secret::new(format!("Bearer {}", key.expose()));
        let request = request
            .secret_header(AUTHORIZATION, &value)
            .map_err(|_| Error::validation("the key holds characters that no header can carry"))?;
        self.inner.send(request).await
    }
}
