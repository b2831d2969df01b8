//! Credentials of image registries, kept at RunPod, so that a request names them by id and no password travels with it.

use atlas_auth::Secret;
use atlas_core::{CallContext, Error, ErrorKind, Result};
use serde::Serialize;
use serde_json::Value;

use crate::account::RunPod;

/// Credentials of an image registry, kept at RunPod. The password is never read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Registry {
    /// What a request's `registry_auth` names.
    pub id: String,
    /// Their name.
    pub name: String,
}

impl RunPod {
    /// Keeps credentials at RunPod. Costs nothing; never sent twice on a guess, for names are not unique.
    pub async fn create_registry(
        &self,
        context: &CallContext,
        name: &str,
        username: &str,
        password: &Secret,
    ) -> Result<Registry> {
        if name.is_empty() || username.is_empty() || password.is_empty() {
            let error = Error::validation("registry credentials need a name, a user name and a password");
            return Err(self.named(error, "create_registry"));
        }
        let answer = self.api().create_registry(context, name, username, password).await?;
        read(&answer).map_err(|error| self.named(error, "create_registry"))
    }

    /// Reads the names of all credentials kept: the whole answer or an error, never less.
    pub async fn list_registries(&self, context: &CallContext) -> Result<Vec<Registry>> {
        let all = self.api().list_registries(self.clock(), context).await?;
        all.iter().map(read).collect::<Result<_>>().map_err(|error| self.named(error, "list_registries"))
    }

    /// Deletes credentials. Repeats safely: those that are gone already are a success. Those that a pod uses are refused.
    pub async fn delete_registry(&self, context: &CallContext, id: &str) -> Result<()> {
        match self.api().delete_registry(context, id).await {
            Err(error) if error.is_not_found() => Ok(()),
            done => done.map_err(|error| self.named(error, "delete_registry")),
        }
    }
}

fn read(answer: &Value) -> Result<Registry> {
    let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
    match (text("id"), text("name")) {
        (Some(id), name) => Ok(Registry { id, name: name.unwrap_or_default() }),
        (None, _) => Err(Error::new(ErrorKind::Decode, "the cloud described registry credentials without an id")),
    }
}
