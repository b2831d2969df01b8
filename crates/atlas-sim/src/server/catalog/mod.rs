//! What the simulated RunPod offers: GPUs, CPU flavours and data centres, with prices as they were in 2026.
//!
//! Ids are RunPod's own (docs.runpod.io, references/gpu-types); prices are near what was asked, not kept in step.

mod cpus;
mod gpus;
mod places;

use atlas_core::{CloudType, Money};

use crate::model::{Catalog, CatalogCpu, CatalogGpu, CatalogOffer, DataCentre};

pub(super) use cpus::{Flavour, flavour, flavours};
pub(super) use gpus::{Gpu, gpu, gpus};
pub(super) use places::{DataCenter, data_center, data_centers, with_volumes};

/// The catalog, as the model has it.
pub(super) fn model() -> Catalog {
    let mut catalog = Catalog::new();
    for place in data_centers() {
        let one = DataCentre::new(place.id).located(place.region, place.country);
        catalog = catalog.data_centre(if place.volumes.is_empty() { one.without_volumes() } else { one });
    }
    for gpu in gpus() {
        let mut one = CatalogGpu::new(gpu.id, gpu.memory).display(gpu.name).manufacturer(gpu.manufacturer());
        if let Some(pool) = gpu.pool {
            one = one.serverless(pool, Some(Money::from_micros(gpu.serverless * 1000)));
        }
        for cloud in ["SECURE", "COMMUNITY"] {
            if let Some(price) = gpu.price(cloud) {
                one = one.offer(CatalogOffer::new(cloud_type(cloud), Some(Money::from_micros(price))));
            }
        }
        catalog = catalog.gpu(one);
    }
    for flavour in flavours() {
        let price = Money::from_micros(flavour.price);
        catalog = catalog.cpu(CatalogCpu::new(flavour.id, flavour.ram_per_vcpu, price).display(flavour.name));
    }
    catalog
}

/// RunPod's word for a part of the cloud.
pub(super) const fn cloud_word(cloud: CloudType) -> &'static str {
    if matches!(cloud, CloudType::Community) { "COMMUNITY" } else { "SECURE" }
}

/// And back.
pub(super) fn cloud_type(word: &str) -> CloudType {
    match word {
        "SECURE" => CloudType::Secure,
        "COMMUNITY" => CloudType::Community,
        _ => CloudType::Any,
    }
}

/// What a gigabyte costs a month, in millionths of a dollar: of a running pod's disks, of a stopped one's, of a network
/// volume.
pub(super) const DISK_MONTH: i64 = 100_000;
pub(super) const STOPPED_DISK_MONTH: i64 = 200_000;
pub(super) const VOLUME_MONTH: i64 = 70_000;

/// Dollars of so many millionths.
pub(super) fn dollars(micros: i64) -> f64 {
    // Through text, which no cast can get wrong; a sum that large is nobody's bill.
    Money::from_micros(micros).to_string().parse().unwrap_or(f64::MAX)
}
