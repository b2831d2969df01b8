//! The live catalog, asked once for many callers, and what follows from it: in which order to try, and where.

use std::sync::Arc;
use std::time::Duration;

use atlas_core::{CallContext, CatalogCache, ComputeRequest, GpuType, Result, Scope};

use crate::account::RunPod;
use crate::api::catalog::{Cpu, DataCenter};
use crate::translate::candidates::{self, Candidate, Cloud};
use crate::translate::places::{self, Hint};
use crate::translate::{catalog, create};

/// How long what is asked beside the GPUs is kept. Flavours change in stock, data centres hardly ever.
const FLAVOURS: Duration = Duration::from_secs(30);
const PLACES: Duration = Duration::from_mins(10);

/// How long a create waits for the order of its candidates: without it they stand in the user's.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is kept of the catalog beside the GPUs.
#[derive(Debug)]
pub(crate) struct Kept {
    flavours: CatalogCache<Vec<Cpu>>,
    centers: CatalogCache<Vec<DataCenter>>,
    countries: CatalogCache<Vec<String>>,
}

impl Kept {
    pub(crate) fn new() -> Self {
        Self {
            flavours: CatalogCache::keeping(FLAVOURS),
            centers: CatalogCache::keeping(PLACES),
            countries: CatalogCache::keeping(PLACES),
        }
    }
}

/// What comes soon enough, and well.
async fn soon<T>(ask: impl Future<Output = Result<T>>) -> Option<T> {
    tokio::time::timeout(PATIENCE, ask).await.ok()?.ok()
}

/// Whether something must be read before it is known what to try for a request.
pub(crate) fn asks(request: &ComputeRequest) -> bool {
    let placed = !request.region_hints.is_empty() || request.network_volume_id.is_some();
    let known = || candidates::natives(request).is_ok_and(|all| !candidates::need_catalog(request, &all));
    placed || request.gpu.is_empty() || !known()
}

impl RunPod {
    /// The GPUs of both clouds, with stock for pods of so many of them.
    pub(crate) async fn gpu_types(&self, context: &CallContext, count: u32) -> Result<Arc<Vec<GpuType>>> {
        let ask = async {
            let secure = self.api().gpus(context, Cloud::Secure.native(), count, None).await?;
            let community = self.api().gpus(context, Cloud::Community.native(), count, None).await?;
            Ok(catalog::gpu_types(&[(Cloud::Secure, secure), (Cloud::Community, community)]))
        };
        Box::pin(self.gpus().get(self.part(context, &count.to_string()), ask)).await
    }

    /// What to try for a request, in which order. A catalog that cannot be read costs the order, not the machine.
    pub(crate) async fn candidates(&self, context: &CallContext, request: &ComputeRequest) -> Result<Vec<Candidate>> {
        let places = self.places(context, request).await?;
        if request.gpu.is_empty() {
            let flavours = soon(self.flavours(context, create::vcpus(request))).await;
            return candidates::cpus(request, flavours.as_deref().map(Vec::as_slice), &places);
        }
        let natives = candidates::natives(request)?;
        let catalog = if candidates::need_catalog(request, &natives) {
            soon(self.gpu_types(context, request.gpu_count.unwrap_or(1))).await
        } else {
            None
        };
        candidates::gpus(request, &natives, catalog.as_deref().map(Vec::as_slice), &places)
    }

    /// The data centres that the hints and the network volume of a request leave; empty for any.
    async fn places(&self, context: &CallContext, request: &ComputeRequest) -> Result<Vec<String>> {
        let mut found: Vec<String> = Vec::new();
        for hint in &request.region_hints {
            let named = match places::hint(hint) {
                Hint::DataCenter(id) => {
                    let known = self.centers(context).await.ok();
                    vec![places::data_center(&id, known.as_deref().map(Vec::as_slice))?]
                }
                Hint::Region(region) => places::in_region(&region, &self.centers(context).await?)?,
                Hint::Country(country) => self.country(context, &country).await?.to_vec(),
            };
            for center in named {
                if !found.contains(&center) {
                    found.push(center);
                }
            }
        }
        let Some(volume) = &request.network_volume_id else { return Ok(found) };
        let answer = self.api().get_volume(context, "spawn", volume).await?;
        let center = answer.get("dataCenter").and_then(serde_json::Value::as_str).map(str::to_ascii_uppercase);
        places::with_volume(volume, center, found)
    }

    async fn flavours(&self, context: &CallContext, vcpus: u32) -> Result<Arc<Vec<Cpu>>> {
        let scope = self.part(context, &vcpus.to_string());
        // On the heap, as below: the cache's futures are large, and would make every create's so.
        Box::pin(self.kept().flavours.get(scope, self.api().cpus(context, vcpus))).await
    }

    pub(crate) async fn centers(&self, context: &CallContext) -> Result<Arc<Vec<DataCenter>>> {
        let scope = self.part(context, "centers");
        Box::pin(self.kept().centers.get(scope, self.api().data_centers(context))).await
    }

    async fn country(&self, context: &CallContext, country: &str) -> Result<Arc<Vec<String>>> {
        let ask = async {
            let shown = self.api().gpus(context, Cloud::Secure.native(), 1, Some(country)).await?;
            places::in_country(country, &shown)
        };
        Box::pin(self.kept().countries.get(self.part(context, country), ask)).await
    }

    /// One part of what an account sees: prices are the account's own.
    fn part(&self, context: &CallContext, part: &str) -> Scope {
        Scope::new(format!("{}#{part}", self.place(context)))
    }
}
