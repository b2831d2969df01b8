//! Pods: restarting one, and what a request may ask of RunPod alone.

use atlas_core::http::Repeat;
use atlas_core::{CallContext, Compute, ComputeId, ComputeRequest, Result};
use serde_json::{Value, json};

use crate::account::RunPod;
use crate::translate::options::{self, SYMMETRIC_PORTS};

impl RunPod {
    /// Restarts a running pod: its container begins anew, its container disk is wiped. Bills on. Never sent twice on a guess.
    ///
    /// Its tcp ports get other numbers, and the first read afterwards may still show the old ones.
    pub async fn restart(&self, context: &CallContext, id: &ComputeId) -> Result<Compute> {
        let pod = self.api().act_on_pod(context, "restart", id.as_str(), Repeat::Unsafe).await;
        pod.and_then(|pod| self.describe(pod)).map_err(|error| self.named(error, "restart"))
    }
}

/// What a [`ComputeRequest`] may ask of RunPod alone. Each is one of the request's options, merged last into what is sent;
/// another cloud refuses them.
pub trait PodOptions: Sized {
    /// So many tcp ports (1 to 10) that have the same number outside as inside. RunPod chooses the numbers: inside the pod
    /// they stand in `RUNPOD_TCP_PORT_70000` and so on, in the [`Compute`] among its ports.
    #[must_use]
    fn symmetric_ports(self, count: u32) -> Self;

    /// A private network with the account's other pods that have it, in whatever data centre: `{id}.runpod.internal`. Only
    /// for NVIDIA GPUs and some data centres.
    #[must_use]
    fn global_networking(self) -> Self;

    /// Only hosts whose driver has this CUDA version or a later one, such as `12.8`.
    #[must_use]
    fn min_cuda(self, version: &str) -> Self;

    /// Only hosts whose driver has one of these CUDA versions. Contradicts [`min_cuda`](Self::min_cuda).
    #[must_use]
    fn cuda_versions(self, versions: &[&str]) -> Self;

    /// Puts the account's SSH keys into the pod. Needs port `22/tcp`.
    #[must_use]
    fn ssh(self) -> Self;
}

impl PodOptions for ComputeRequest {
    fn symmetric_ports(self, count: u32) -> Self {
        self.option(SYMMETRIC_PORTS, json!(count))
    }

    fn global_networking(self) -> Self {
        self.option("globalNetworking", json!(true))
    }

    fn min_cuda(self, version: &str) -> Self {
        merged(self, "gpu", &json!({"minCudaVersion": version}))
    }

    fn cuda_versions(self, versions: &[&str]) -> Self {
        merged(self, "gpu", &json!({"allowedCudaVersions": versions}))
    }

    fn ssh(self) -> Self {
        self.option("startSsh", json!(true))
    }
}

/// One more option beneath a name that may have some already.
fn merged(request: ComputeRequest, name: &str, value: &Value) -> ComputeRequest {
    let mut option = request.provider_opts.get(name).cloned().unwrap_or_else(|| json!({}));
    options::merge(&mut option, value);
    request.option(name, option)
}
