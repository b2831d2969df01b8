//! Pods: `/v2/pods`.

use std::time::Duration;

use atlas_auth::{Clock, Secret};
use atlas_core::http::{Lane, Repeat, Request};
use atlas_core::{CallContext, Result};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::pages::Listing;
use super::{Api, address, checked};
use crate::error::missing;

/// How long one try of a create may take: longer than a read, for it is never sent a second time on a guess.
const CREATE: Duration = Duration::from_mins(1);

/// The body of a create. Not every field that RunPod knows: the others come through a request's options.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreatePod<'a> {
    pub(crate) name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) image: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) template_id: Option<&'a str>,
    pub(crate) cloud: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gpu: Option<CreateGpu<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpu: Option<CreateCpu<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) disk: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mounts: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ports: Option<Vec<String>>,
    pub(crate) env: std::collections::BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cmd: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) registry: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(crate) data_center_ids: &'a [String],
}

/// Which GPU: one type, however many a request will do with.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateGpu<'a> {
    pub(crate) id: &'a str,
    pub(crate) count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) min_ram_per_gpu: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) min_vcpu_count_per_gpu: Option<u32>,
}

/// Which CPUs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateCpu<'a> {
    pub(crate) id: &'a str,
    pub(crate) vcpu_count: u32,
}

/// A pod as it is read. Nothing but the id is insisted on: what has a form that nobody expects is left out, alone.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pod<'a> {
    pub(crate) id: &'a str,
    #[serde(borrow, default, deserialize_with = "if_readable")]
    pub(crate) name: Option<&'a str>,
    #[serde(borrow, default, deserialize_with = "if_readable")]
    pub(crate) status: Option<&'a str>,
    #[serde(borrow, default, deserialize_with = "if_readable")]
    pub(crate) image: Option<&'a str>,
    #[serde(default, deserialize_with = "if_readable")]
    pub(crate) cost: Option<f64>,
    #[serde(borrow, default, deserialize_with = "if_readable")]
    pub(crate) gpu: Option<PodGpu<'a>>,
    #[serde(borrow, default, deserialize_with = "if_readable")]
    pub(crate) ports: Option<Vec<Readable<&'a str>>>,
    #[serde(default, deserialize_with = "if_readable")]
    pub(crate) mounts: Option<PodMounts>,
    #[serde(borrow, default, deserialize_with = "if_readable")]
    pub(crate) data_center_id: Option<&'a str>,
    #[serde(borrow, default, deserialize_with = "if_readable")]
    pub(crate) created_at: Option<&'a str>,
    #[serde(borrow, default, deserialize_with = "if_readable")]
    pub(crate) runtime: Option<PodRuntime<'a>>,
}

/// Its GPUs.
#[derive(Debug, Deserialize)]
pub(crate) struct PodGpu<'a> {
    #[serde(borrow, default, deserialize_with = "if_readable")]
    pub(crate) id: Option<&'a str>,
    #[serde(default, deserialize_with = "if_readable")]
    pub(crate) count: Option<u32>,
}

/// What is mounted in it.
#[derive(Debug, Deserialize)]
pub(crate) struct PodMounts {
    pub(crate) persistent: Option<serde::de::IgnoredAny>,
}

/// What runs in it, once it runs.
#[derive(Debug, Deserialize)]
pub(crate) struct PodRuntime<'a> {
    #[serde(borrow, default, deserialize_with = "if_readable")]
    pub(crate) ports: Option<Vec<Readable<PodPort<'a>>>>,
}

/// Where one of its ports is reached.
#[derive(Debug, Deserialize)]
pub(crate) struct PodPort<'a> {
    /// Wider than any port: a symmetric one is asked for by a number that is none.
    #[serde(default, deserialize_with = "if_readable")]
    pub(crate) private: Option<u32>,
    #[serde(default, deserialize_with = "if_readable")]
    pub(crate) public: Option<u32>,
    #[serde(borrow, default, rename = "type", deserialize_with = "if_readable")]
    pub(crate) kind: Option<&'a str>,
    #[serde(borrow, default, deserialize_with = "if_readable")]
    pub(crate) ip: Option<&'a str>,
}

/// A value of the form that is expected, or of any other.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Readable<T> {
    As(T),
    Odd(serde::de::IgnoredAny),
}

impl<T> Readable<T> {
    /// The value, if it has the form that is expected.
    pub(crate) fn known(&self) -> Option<&T> {
        match self {
            Self::As(value) => Some(value),
            Self::Odd(_) => None,
        }
    }
}

fn if_readable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    Ok(match Option::<Readable<T>>::deserialize(from)? {
        Some(Readable::As(value)) => Some(value),
        Some(Readable::Odd(_)) | None => None,
    })
}

impl Api {
    /// Makes one. **Bills.** Never sent twice on a guess.
    pub(crate) async fn create_pod(&self, context: &CallContext, body: Bytes, secrets: &[&Secret]) -> Result<Value> {
        let url = address(&self.at.management, &["pods"]);
        let request = Request::post(url, "spawn").lane(Lane::Create).timeout(CREATE).written_json(body);
        self.object(context, request, secrets).await
    }

    /// Reads one.
    pub(crate) async fn get_pod(&self, context: &CallContext, operation: &'static str, id: &str) -> Result<Value> {
        let url = address(&self.at.management, &["pods", checked("pod", id)?]);
        let pod = self.object(context, Request::get(url, operation), &[]).await;
        pod.map_err(|error| missing(error, format_args!("machine {id}")))
    }

    /// Reads all, whatever their status; filters are not sent, for those that the cloud does not know it ignores.
    pub(crate) async fn list_pods(
        &self,
        clock: &dyn Clock,
        context: &CallContext,
        operation: &'static str,
    ) -> Result<Vec<Value>> {
        let lane = if operation == "list" { Lane::List } else { Lane::Find };
        let url = address(&self.at.management, &["pods"]);
        self.walk(clock, context, &Listing { url, field: "pods", operation, lane }).await
    }

    /// Tells one to start, stop or restart; answers how it is then.
    pub(crate) async fn act_on_pod(
        &self,
        context: &CallContext,
        operation: &'static str,
        id: &str,
        repeat: Repeat,
    ) -> Result<Value> {
        let url = address(&self.at.management, &["pods", checked("pod", id)?, "action"]);
        let body = serde_json::json!({"action": operation});
        let pod = self.object(context, Request::post(url, operation).repeat(repeat).json(&body)?, &[]).await;
        pod.map_err(|error| missing(error, format_args!("machine {id}")))
    }

    /// Destroys one. The answer has no body that could be read.
    pub(crate) async fn delete_pod(&self, context: &CallContext, id: &str) -> Result<()> {
        let url = address(&self.at.management, &["pods", checked("pod", id)?]);
        self.manage(context, Request::delete(url, "terminate"), &[]).await.map(drop)
    }
}
