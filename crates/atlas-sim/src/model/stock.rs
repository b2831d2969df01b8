//! What is free: every machine and every serverless worker takes its place from the catalog's limits.

use std::collections::HashMap;

use atlas_auth::Timestamp;
use atlas_core::{CloudType, Stock};

use super::catalog::{CPU, Catalog, Place};
use super::{Cloud, Refusal};

/// What somebody wants a place for. Lists are in order of preference; an empty one means that anything will do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish<'a> {
    pub(super) gpus: &'a [String],
    pub(super) gpu_count: u32,
    pub(super) cpu_flavors: &'a [String],
    pub(super) cloud_type: CloudType,
    pub(super) regions: &'a [String],
}

impl Wish<'_> {
    /// Every place that will do, best first: what it is counts for more than where it stands.
    pub(super) fn places<'a>(&'a self, catalog: &'a Catalog) -> impl Iterator<Item = Place> + 'a {
        let plain = [CPU.to_owned()];
        let whats = match (self.gpus, self.cpu_flavors) {
            ([], []) => plain.to_vec(),
            ([], flavors) => flavors.to_vec(),
            (gpus, _) => gpus.to_vec(),
        };
        let regions: Vec<_> = if self.regions.is_empty() {
            catalog.data_centre_names().into_iter().map(str::to_owned).collect()
        } else {
            self.regions.to_vec()
        };
        whats.into_iter().flat_map(move |what| {
            let (regions, offers) = (regions.clone(), self.offers(&what, catalog));
            regions.into_iter().flat_map(move |region| {
                let stands = catalog.find_gpu(&what).is_none_or(|gpu| gpu.stands_in(&region));
                let offers = if stands { offers.clone() } else { Vec::new() };
                let what = what.clone();
                offers.into_iter().map(move |cloud_type| Place {
                    what: what.clone(),
                    cloud_type,
                    region: region.clone(),
                })
            })
        })
    }

    /// In which parts of the cloud it can be had. Machines without a GPU are all the cloud's own.
    fn offers(&self, what: &str, catalog: &Catalog) -> Vec<CloudType> {
        let fits = |cloud_type| self.cloud_type == CloudType::Any || self.cloud_type == cloud_type;
        if self.gpus.is_empty() {
            return if fits(CloudType::Secure) { vec![CloudType::Secure] } else { Vec::new() };
        }
        let offers = catalog.find_gpu(what).map_or(&[][..], |gpu| &gpu.offers);
        let enough = offers.iter().filter(|offer| offer.max_count >= self.gpu_count);
        enough.map(|offer| offer.cloud_type).filter(|cloud_type| fits(*cloud_type)).collect()
    }
}

/// How much of what is taken where, at one moment.
#[derive(Debug)]
pub(crate) struct Usage<'a> {
    catalog: &'a Catalog,
    taken: HashMap<&'a Place, u32>,
}

impl Usage<'_> {
    /// How many are free at one place; `None` where there is no limit.
    pub(crate) fn free(&self, place: &Place) -> Option<u32> {
        let limits = self.catalog.limits.iter().filter(|limit| limit.bounds(place));
        let free = limits.map(|limit| {
            let taken = self.taken.iter().filter(|(place, _)| limit.bounds(place)).map(|(_, count)| *count);
            limit.count.saturating_sub(taken.sum())
        });
        free.min()
    }

    /// How well off somebody is who wants machines with so many at one place.
    pub(crate) fn stock(&self, place: &Place, count: u32) -> Stock {
        match self.free(place).map(|free| free / count.max(1)) {
            Some(0) => Stock::None,
            Some(1..=3) => Stock::Low,
            Some(4..=9) => Stock::Medium,
            Some(_) | None => Stock::High,
        }
    }

    fn has_room(&self, place: &Place, count: u32) -> bool {
        self.free(place).is_none_or(|free| free >= count)
    }
}

impl Cloud {
    /// What is taken now. Costs one look at everything that lives; nothing at a cloud without limits.
    pub(crate) fn usage(&self, now: Timestamp) -> Usage<'_> {
        let catalog = &self.settings.catalog;
        let mut taken = HashMap::new();
        if !catalog.limits.is_empty() {
            let standing = self.standing.iter().filter_map(|serial| self.machines.get(serial));
            let standing = standing.filter(|machine| machine.life.at(now).occupies());
            for machine in standing.chain(self.coming.values()) {
                *taken.entry(&machine.place).or_default() += machine.blueprint.gpu_count.max(1);
            }
            for worker in self.serverless.workers.values() {
                *taken.entry(&worker.place).or_default() += worker.gpu_count.max(1);
            }
        }
        Usage { catalog, taken }
    }

    /// The first place that will do and is free.
    pub(super) fn choose(&self, wish: &Wish<'_>, now: Timestamp) -> Result<Place, Refusal> {
        let usage = self.usage(now);
        let free = wish.places(&self.settings.catalog).find(|place| usage.has_room(place, wish.gpu_count.max(1)));
        free.ok_or_else(|| {
            let asked = if wish.gpus.is_empty() { wish.cpu_flavors } else { wish.gpus };
            Refusal::NoCapacity(if asked.is_empty() { CPU.to_owned() } else { asked.join(", ") })
        })
    }

    pub(super) fn has_room(&self, place: &Place, count: u32, now: Timestamp) -> bool {
        self.usage(now).has_room(place, count)
    }
}
