//! Templates: containers described once, named by id in requests. They cost nothing.

use std::collections::BTreeMap;
use std::fmt;

use atlas_auth::Secret;
use atlas_core::{CallContext, Error, ErrorKind, PortSpec, Result};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::account::RunPod;
use crate::translate::{options, raw};

/// What is asked of a template. `Debug` shows the names of the environment only.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct TemplateRequest {
    /// Its name.
    pub name: String,
    /// The container image.
    pub image: String,
    /// The command, program first; empty for the image's own.
    pub command: Vec<String>,
    /// The container's disk, in gigabytes.
    pub disk_gb: Option<u32>,
    /// The ports.
    pub ports: Vec<PortSpec>,
    /// The environment.
    pub env: BTreeMap<String, Secret>,
    /// Registry credentials kept at RunPod, by id.
    pub registry: Option<String>,
    /// Whether it is for serverless workers rather than for pods.
    pub serverless: bool,
    /// RunPod's own options, merged last into what is sent.
    pub provider_opts: Map<String, Value>,
}

impl TemplateRequest {
    /// A template of this name and image.
    pub fn new(name: impl Into<String>, image: impl Into<String>) -> Self {
        Self { name: name.into(), image: image.into(), ..Self::default() }
    }

    /// The command, program first.
    #[must_use]
    pub fn command<I: IntoIterator<Item: Into<String>>>(mut self, command: I) -> Self {
        self.command = command.into_iter().map(Into::into).collect();
        self
    }

    /// The container's disk, in gigabytes.
    #[must_use]
    pub fn disk_gb(mut self, gigabytes: u32) -> Self {
        self.disk_gb = Some(gigabytes);
        self
    }

    /// Opens a port.
    #[must_use]
    pub fn port(mut self, port: PortSpec) -> Self {
        self.ports.push(port);
        self
    }

    /// Sets one variable of the environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// For serverless workers.
    #[must_use]
    pub fn serverless(mut self) -> Self {
        self.serverless = true;
        self
    }

    /// One of RunPod's own options.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: Value) -> Self {
        self.provider_opts.insert(name.into(), value);
        self
    }

    /// The body of a create. The services that RunPod would start unless told otherwise are not started.
    fn body(&self) -> Result<Value> {
        if self.name.is_empty() || self.image.is_empty() {
            return Err(Error::validation("a template needs a name and an image"));
        }
        let env: BTreeMap<_, _> = self.env.iter().map(|(name, value)| (name, value.expose())).collect();
        let ports: Vec<_> = self.ports.iter().map(ToString::to_string).collect();
        let mut body = json!({
            "name": self.name, "image": self.image, "env": env, "ports": ports, "serverless": self.serverless,
            "startSsh": false, "startJupyter": false,
        });
        if !self.command.is_empty() {
            body["cmd"] = json!(self.command);
        }
        if let Some(disk) = self.disk_gb {
            body["disk"] = json!(disk);
        }
        if let Some(registry) = &self.registry {
            body["registry"] = json!(registry);
        }
        options::merge(&mut body, &Value::Object(self.provider_opts.clone()));
        Ok(body)
    }
}

impl fmt::Debug for TemplateRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TemplateRequest")
            .field("name", &self.name)
            .field("image", &self.image)
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .field("provider_opts", &self.provider_opts.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// A template, as RunPod describes it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Template {
    /// What a request's `template_id` names.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The container image.
    pub image: Option<String>,
    /// Whether it is for serverless workers rather than for pods.
    pub serverless: bool,
    /// RunPod's own answer, less the environment.
    pub raw: Value,
}

impl RunPod {
    /// Makes a template. Costs nothing; never sent twice on a guess.
    pub async fn create_template(&self, context: &CallContext, request: &TemplateRequest) -> Result<Template> {
        let body = request.body().map_err(|error| self.named(error, "create_template"))?;
        let options = options::texts(&request.provider_opts);
        let secrets: Vec<_> = request.env.values().chain(&options).collect();
        let answer = self.api().create_template(context, &body, &secrets).await?;
        read(answer).map_err(|error| self.named(error, "create_template"))
    }

    /// Reads one.
    pub async fn get_template(&self, context: &CallContext, id: &str) -> Result<Template> {
        let answer = self.api().get_template(context, id).await;
        answer.and_then(read).map_err(|error| self.named(error, "get_template"))
    }

    /// Reads all of the account's own: the whole answer or an error, never less.
    pub async fn list_templates(&self, context: &CallContext) -> Result<Vec<Template>> {
        let all = self.api().list_templates(self.clock(), context).await?;
        all.into_iter().map(read).collect::<Result<_>>().map_err(|error| self.named(error, "list_templates"))
    }

    /// Replaces one by what is asked: what stood there before, its environment too, goes. Repeats safely.
    pub async fn replace_template(
        &self,
        context: &CallContext,
        id: &str,
        request: &TemplateRequest,
    ) -> Result<Template> {
        let body = request.body().map_err(|error| self.named(error, "update_template"))?;
        let options = options::texts(&request.provider_opts);
        let secrets: Vec<_> = request.env.values().chain(&options).collect();
        let answer = self.api().update_template(context, id, &body, &secrets).await;
        answer.and_then(read).map_err(|error| self.named(error, "update_template"))
    }

    /// Deletes one. Repeats safely: one that is gone already is a success. One in use is refused.
    pub async fn delete_template(&self, context: &CallContext, id: &str) -> Result<()> {
        match self.api().delete_template(context, id).await {
            Err(error) if error.is_not_found() => Ok(()),
            done => done.map_err(|error| self.named(error, "delete_template")),
        }
    }
}

fn read(answer: Value) -> Result<Template> {
    let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
    let Some(id) = text("id") else {
        return Err(Error::new(ErrorKind::Decode, "the cloud described a template without an id"));
    };
    let serverless = answer.get("serverless").and_then(Value::as_bool).unwrap_or(false);
    Ok(Template {
        id,
        name: text("name").unwrap_or_default(),
        image: text("image"),
        serverless,
        raw: raw::redacted(answer),
    })
}
