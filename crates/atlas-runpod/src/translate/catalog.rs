//! The live catalog in Atlas's words: one entry for a GPU, one offer for each cloud and each data centre.

use std::collections::BTreeMap;

use atlas_core::{GpuOffer, GpuType, Money, Stock, gpu};

use super::KIND;
use super::candidates::Cloud;
use super::money::dollars;
use crate::api::catalog::Gpu;

/// What both clouds offer, in the order in which they list it. What neither offers is left out: one such entry, called
/// `unknown`, is always there.
pub(crate) fn gpu_types(clouds: &[(Cloud, Vec<Gpu>)]) -> Vec<GpuType> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut types: Vec<GpuType> = Vec::new();
    for (cloud, listed) in clouds {
        for gpu in listed.iter().filter(|gpu| is_offered(gpu, *cloud)) {
            let place = *places.entry(&gpu.id).or_insert_with(|| {
                types.push(named(gpu));
                types.len() - 1
            });
            types[place].offers.extend(offers(gpu, *cloud));
        }
    }
    types
}

fn named(gpu: &Gpu) -> GpuType {
    let mut named = GpuType::new(gpu.id.as_str(), gpu.memory.unwrap_or(0));
    named.display = gpu.name.clone().unwrap_or_else(|| gpu.id.clone());
    named.canonical = gpu::canonical_of(KIND, &gpu.id, None).map(|model| model.name.to_owned());
    named
}

fn is_offered(gpu: &Gpu, cloud: Cloud) -> bool {
    match cloud {
        Cloud::Secure => gpu.secure,
        Cloud::Community => gpu.community,
    }
}

/// The offer of the whole cloud, and that of each data centre.
fn offers(gpu: &Gpu, cloud: Cloud) -> impl Iterator<Item = GpuOffer> {
    let (price, most) = match cloud {
        Cloud::Secure => (gpu.price.secure, gpu.max_count.secure),
        Cloud::Community => (gpu.price.community, gpu.max_count.community),
    };
    // Nothing is given away: no price is meant.
    let price = price.and_then(dollars).filter(|price| *price > Money::ZERO);
    let stock = |word: &Option<String>| word.as_deref().map(Stock::from_word);
    let offer = move || GpuOffer::new(cloud.kind(), price).max_count(most.filter(|most| *most > 0));
    let local =
        gpu.data_centers.iter().map(move |center| offer().region(&*center.id).stock(stock(&center.availability)));
    std::iter::once(offer().stock(stock(&gpu.availability))).chain(local)
}
