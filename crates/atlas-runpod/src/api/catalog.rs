//! The catalog: `/v2/catalog/gpus`, `/cpus`, `/datacenters`.

use atlas_core::http::{Lane, Request};
use atlas_core::{CallContext, Result};
use serde::Deserialize;

use super::{Api, address};

/// One GPU type, in one of RunPod's two clouds.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Gpu {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    /// Under which serverless pool it stands.
    pub(crate) pool: Option<String>,
    pub(crate) memory: Option<u32>,
    #[serde(default)]
    pub(crate) secure: bool,
    #[serde(default)]
    pub(crate) community: bool,
    #[serde(default)]
    pub(crate) price: Prices,
    #[serde(default)]
    pub(crate) max_count: Counts,
    pub(crate) availability: Option<String>,
    #[serde(default)]
    pub(crate) data_centers: Vec<Stocked>,
}

/// Dollars an hour for one GPU.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Prices {
    pub(crate) secure: Option<f64>,
    pub(crate) community: Option<f64>,
}

/// How many GPUs one pod can have.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Counts {
    pub(crate) secure: Option<u32>,
    pub(crate) community: Option<u32>,
}

/// How much a data centre has.
#[derive(Debug, Deserialize)]
pub(crate) struct Stocked {
    pub(crate) id: String,
    pub(crate) availability: Option<String>,
}

/// One flavour of CPU pods.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cpu {
    pub(crate) id: String,
    pub(crate) vcpu: Vcpus,
    pub(crate) ram_gb_per_vcpu: Option<f64>,
    #[serde(default)]
    pub(crate) price: CpuPrices,
    pub(crate) availability: Option<String>,
}

/// How many virtual CPUs a flavour gives.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Vcpus {
    pub(crate) min: u32,
    pub(crate) max: u32,
}

/// Dollars an hour for one virtual CPU.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CpuPrices {
    pub(crate) secure_per_vcpu: Option<f64>,
}

/// One data centre.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DataCenter {
    pub(crate) id: String,
    pub(crate) region: Option<String>,
    #[serde(default)]
    pub(crate) network_volume_types: Vec<String>,
}

#[derive(Deserialize)]
struct Gpus {
    gpus: Vec<Gpu>,
}

#[derive(Deserialize)]
struct Cpus {
    cpus: Vec<Cpu>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DataCenters {
    data_centers: Vec<DataCenter>,
}

impl Api {
    /// The GPUs of one cloud, with stock for pods of `count` GPUs; `country` (two capitals) for only those there.
    pub(crate) async fn gpus(
        &self,
        context: &CallContext,
        cloud: &'static str,
        count: u32,
        country: Option<&str>,
    ) -> Result<Vec<Gpu>> {
        let mut url = address(&self.at.management, &["catalog", "gpus"]);
        // Stock is told only together with what it is for, and for one cloud at a time.
        url.query_pairs_mut()
            .append_pair("include", "AVAILABILITY")
            .append_pair("product", "POD")
            .append_pair("count", &count.to_string())
            .append_pair("cloud", cloud);
        if let Some(country) = country {
            url.query_pairs_mut().append_pair("countryCodes", country);
        }
        self.read::<Gpus>(context, Request::get(url, "list_gpu_types")).await.map(|answer| answer.gpus)
    }

    /// The flavours of CPU pods, with stock for so many virtual CPUs.
    pub(crate) async fn cpus(&self, context: &CallContext, vcpus: u32) -> Result<Vec<Cpu>> {
        let mut url = address(&self.at.management, &["catalog", "cpus"]);
        url.query_pairs_mut()
            .append_pair("include", "AVAILABILITY")
            .append_pair("product", "POD")
            .append_pair("vcpuCount", &vcpus.to_string());
        self.read::<Cpus>(context, Request::get(url, "list_cpu_types")).await.map(|answer| answer.cpus)
    }

    /// The data centres.
    pub(crate) async fn data_centers(&self, context: &CallContext) -> Result<Vec<DataCenter>> {
        let url = address(&self.at.management, &["catalog", "datacenters"]);
        let answer = self.read::<DataCenters>(context, Request::get(url, "list_data_centers")).await?;
        Ok(answer.data_centers)
    }

    /// Sends to the management API, and reads a whole answer as `T`.
    pub(super) async fn read<T: serde::de::DeserializeOwned>(
        &self,
        context: &CallContext,
        request: Request,
    ) -> Result<T> {
        let operation = request.operation();
        let answer = self.manage(context, request.lane(Lane::List), &[]).await?;
        answer.json().map_err(|error| error.with_provider(&self.provider).with_operation(operation))
    }
}
