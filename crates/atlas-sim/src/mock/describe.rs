//! What is no machine, in the words of Atlas: jobs, network volumes, the catalog.

use atlas_auth::Timestamp;
use atlas_core::error::excerpt;
use atlas_core::{
    CloudType, Error, GpuOffer, GpuType, Job, JobStatus, Money, ProviderId, RentalKind, Rented, Result, Volume,
    VolumeRequest, gpu,
};
use serde_json::json;

use crate::model::{self, Cloud, JobPhase, NetworkVolume, Place, Settings};

/// Refuses a network volume that this cloud cannot make.
pub(super) fn check_volume(request: &VolumeRequest, settings: &Settings) -> Result<()> {
    request.validate()?;
    if let Some(option) = request.provider_opts.keys().next() {
        let option = excerpt(option);
        return Err(Error::validation(format!("\"{option}\" is no option of a network volume of mock; it knows none")));
    }
    let good =
        || settings.catalog.data_centres.iter().filter(|place| place.has_volumes).map(|place| place.name.as_str());
    if good().any(|name| name == request.region) {
        return Ok(());
    }
    Err(Error::validation(format!(
        "\"{}\" is no region of this mock with network volumes; those are {}",
        excerpt(&request.region),
        good().collect::<Vec<_>>().join(", ")
    )))
}

/// A network volume of the model as a read shows it.
pub(super) fn volume(volume: &NetworkVolume, provider: &ProviderId, settings: &Settings) -> Volume {
    let (plan, rate) = (&volume.plan, volume.rate(settings));
    let mut shown = Volume::new(provider, volume.id.clone(), plan.size_gb);
    shown.name = Some(plan.name.clone());
    shown.region = Some(plan.region.clone());
    shown.cost_per_hour = Some(rate);
    shown.created_at = Some(volume.created_at);
    shown.raw = json!({
        "id": volume.id,
        "name": plan.name,
        "size_gb": plan.size_gb,
        "region": plan.region,
        "price_per_hour": rate,
        "created_at": volume.created_at,
    });
    shown
}

/// An endpoint of the model as a listing shows it.
pub(super) fn endpoint(endpoint: &model::Endpoint) -> Rented {
    let mut shown = Rented::new(RentalKind::Endpoint, endpoint.id.as_str());
    shown.name = Some(endpoint.plan.name.clone());
    shown.created_at = Some(endpoint.created_at);
    shown
}

/// The status of a phase.
pub(super) fn job_status(phase: JobPhase) -> JobStatus {
    match phase {
        JobPhase::Queued => JobStatus::Queued,
        JobPhase::Running => JobStatus::Running,
        JobPhase::Completed => JobStatus::Completed,
        JobPhase::Failed => JobStatus::Failed,
        JobPhase::Cancelled => JobStatus::Cancelled,
        JobPhase::TimedOut => JobStatus::TimedOut,
    }
}

/// A job of the model as a read shows it.
pub(super) fn job(job: &model::Job, provider: &ProviderId, now: Timestamp) -> Job {
    let millis = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let mut shown = Job::new(provider, &job.endpoint, job.id.clone(), job_status(job.phase));
    shown.output = job.output();
    shown.error = job.error.as_deref().map(Into::into);
    shown.delay_ms = Some(millis(job.delay(now)));
    shown.execution_ms = job.ran(now).map(millis);
    shown.worker = job.worker.as_ref().map(ToString::to_string);
    shown.raw = json!({
        "id": job.id,
        "status": shown.status,
        "retries": job.retries,
        "delay_ms": shown.delay_ms,
        "execution_ms": shown.execution_ms,
        "worker": shown.worker,
    });
    shown
}

/// The catalog with the prices and the stock of this moment.
pub(super) fn gpu_types(cloud: &Cloud, spot: bool, now: Timestamp) -> Vec<GpuType> {
    let (settings, usage) = (&cloud.settings, cloud.usage(now));
    let describe = |gpu: &model::CatalogGpu| {
        let mut shown = GpuType::new(gpu.name.as_str(), gpu.memory_gb);
        shown.display.clone_from(&gpu.display);
        shown.canonical = gpu::find(&gpu.name).map(|model| model.name.to_owned());
        for offer in &gpu.offers {
            for region in settings.catalog.data_centres.iter().filter(|region| gpu.stands_in(&region.name)) {
                let place = Place { what: gpu.name.clone(), cloud_type: offer.cloud_type, region: region.name.clone() };
                let stock = usage.stock(&place, 1);
                let offered = |is_spot| {
                    let price: Money = settings.price_of(&place, 1, None, is_spot);
                    let cloud_type: CloudType = offer.cloud_type;
                    let shown = GpuOffer::new(cloud_type, Some(price)).region(region.name.as_str()).spot(is_spot);
                    shown.stock(Some(stock.clone())).max_count(Some(offer.max_count))
                };
                shown.offers.push(offered(false));
                if spot {
                    shown.offers.push(offered(true));
                }
            }
        }
        shown
    };
    settings.catalog.gpus.iter().map(describe).collect()
}
