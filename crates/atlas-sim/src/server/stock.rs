//! How much there is of what: by GPU, data centre and cloud. What nobody limited is never short.

use atlas_auth::Timestamp;
use atlas_core::{CloudType, Stock};
use serde::{Deserialize, Serialize};

use super::app::World;
use super::catalog::{self, cloud_type};
use crate::model::{Catalog, Place};

/// So many of a GPU, or of a CPU flavour, there are: in a data centre and a cloud, or in all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Shortage {
    pub(super) gpu: String,
    #[serde(default)]
    pub(super) data_center: Option<String>,
    #[serde(default)]
    pub(super) cloud: Option<String>,
    pub(super) count: u32,
}

impl Shortage {
    /// Writes it into a catalog; what was said before of the same is overwritten.
    pub(super) fn write(&self, into: &mut Catalog) {
        let cloud = self.cloud.as_deref().map_or(CloudType::Any, cloud_type);
        into.set_capacity(&self.gpu, cloud, self.data_center.as_deref(), self.count);
    }

    fn is_about(&self, other: &Self) -> bool {
        (&self.gpu, &self.data_center, &self.cloud) == (&other.gpu, &other.data_center, &other.cloud)
    }
}

impl World {
    /// Says how many there are of something.
    pub(super) fn limit(&mut self, shortage: Shortage) {
        shortage.write(&mut self.cloud.settings.catalog);
        self.stock.retain(|known| !known.is_about(&shortage));
        self.stock.push(shortage);
    }

    /// Nothing is short any more.
    pub(super) fn unlimit(&mut self) {
        self.cloud.settings.catalog = catalog::model();
        self.stock.clear();
    }

    /// How well off somebody is who wants so many: in one data centre, or in the best of all.
    pub(super) fn level(&self, what: &str, at: Option<&str>, cloud: CloudType, count: u32, now: Timestamp) -> Stock {
        let usage = self.cloud.usage(now);
        let in_place = |region: &str| {
            let place = Place { what: what.to_owned(), cloud_type: cloud, region: region.to_owned() };
            usage.stock(&place, count)
        };
        match at {
            Some(region) => in_place(region),
            None => {
                catalog::data_centers().iter().map(|place| in_place(place.id)).max_by_key(rank).unwrap_or(Stock::None)
            }
        }
    }
}

const fn rank(stock: &Stock) -> u8 {
    match stock {
        Stock::High => 3,
        Stock::Medium => 2,
        Stock::Low => 1,
        _ => 0,
    }
}
