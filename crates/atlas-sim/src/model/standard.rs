//! Two catalogs ready for use: one in which everything is alike, and one that looks like a real cloud's.

use atlas_core::{CloudType, Money, gpu};

use super::catalog::{Catalog, CatalogCpu, CatalogGpu, CatalogOffer, DataCentre};

/// The dozen of [`Catalog::standard`]: name, serverless pool, thousandths of a dollar an hour (secure, community; 0 for
/// not offered; serverless), how many of them in each data centre.
const DOZEN: [(&str, &str, [u32; 3], [u32; 3]); 12] = [
    ("b200", "blackwell_180", [5_980, 0, 8_640], [4, 0, 0]),
    ("h200", "hopper_141", [3_990, 0, 5_580], [16, 8, 0]),
    ("h100", "ada_80_pro", [2_990, 2_690, 4_180], [32, 16, 8]),
    ("a100_80g", "ampere_80", [1_640, 1_190, 2_720], [32, 24, 16]),
    ("l40s", "ada_48_pro", [860, 790, 1_900], [16, 12, 8]),
    ("rtx_6000_ada", "ada_48_pro", [770, 740, 1_900], [8, 8, 4]),
    ("a40", "ampere_48", [400, 0, 1_220], [48, 0, 24]),
    ("a6000", "ampere_48", [490, 330, 1_220], [16, 16, 8]),
    ("rtx_5090", "ada_32_pro", [940, 690, 1_580], [8, 6, 2]),
    ("rtx_4090", "ada_24", [690, 340, 1_100], [64, 32, 32]),
    ("l4", "ampere_24", [440, 0, 690], [12, 12, 12]),
    ("rtx_3090", "ampere_24", [460, 220, 690], [3, 16, 1]),
];

/// Its CPU flavours: name, gigabytes for each virtual CPU, ten-thousandths of a dollar an hour for each.
const FLAVOURS: [(&str, u32, u32); 3] = [("compute", 2, 300), ("general", 4, 400), ("memory", 8, 550)];

impl Catalog {
    /// Every model that Atlas has a name for, at the cloud's general price and never short, in `mock-east` and
    /// `mock-west`: what a [`Mock`](crate::Mock) has that is told nothing else.
    pub fn flat() -> Self {
        let mut catalog = Self::new();
        for model in gpu::all() {
            let offer = CatalogOffer { max_count: 64, ..CatalogOffer::new(CloudType::Secure, None) };
            catalog = catalog.gpu(described(model.name).offer(offer));
        }
        catalog.data_centre(DataCentre::new("mock-east")).data_centre(DataCentre::new("mock-west"))
    }

    /// A dozen models with prices as they were in 2026, of which there are only so many, in three data centres, one of
    /// them without network volumes.
    pub fn standard() -> Self {
        let mut catalog = Self::new()
            .data_centre(DataCentre::new("mock-east").located("North America", "US"))
            .data_centre(DataCentre::new("mock-west").located("North America", "US"))
            .data_centre(DataCentre::new("mock-north").located("Europe", "NO").without_volumes());
        let places: Vec<_> = catalog.data_centre_names().into_iter().map(str::to_owned).collect();
        for (name, pool, [secure, community, serverless], counts) in DOZEN {
            let mut gpu = described(name).serverless(pool, Some(thousandths(serverless)));
            for (cloud_type, price) in [(CloudType::Secure, secure), (CloudType::Community, community)] {
                if price > 0 {
                    gpu = gpu.offer(CatalogOffer::new(cloud_type, Some(thousandths(price))));
                }
            }
            for (place, count) in places.iter().zip(counts).filter(|(_, count)| *count > 0) {
                gpu = gpu.data_centre(place.as_str());
                catalog.set_capacity(name, CloudType::Any, Some(place), count);
            }
            catalog = catalog.gpu(gpu);
        }
        for (name, memory, price) in FLAVOURS {
            catalog = catalog.cpu(CatalogCpu::new(name, memory, Money::from_micros(i64::from(price) * 100)));
        }
        catalog
    }
}

/// A model under its canonical name, which is this cloud's own name for it.
fn described(name: &str) -> CatalogGpu {
    let Some(model) = gpu::find(name) else { return CatalogGpu::new(name, 0) };
    let manufacturer = if name.starts_with("mi") { "AMD" } else { "NVIDIA" };
    CatalogGpu::new(name, model.memory_gb.0).display(model.display).manufacturer(manufacturer)
}

fn thousandths(amount: u32) -> Money {
    Money::from_micros(i64::from(amount) * 1000)
}
