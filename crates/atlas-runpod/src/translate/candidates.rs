//! What to try, in which order: a pod of RunPod takes one GPU type and one cloud, so a list of preferences becomes a list
//! of creates, of which at most one succeeds.

use std::cmp::Reverse;

use atlas_core::error::excerpt;
use atlas_core::{CloudType, ComputeRequest, Effect, Error, GpuOffer, GpuType, Money, Result, Stock, gpu};

use super::KIND;
use super::create::vcpus;
use super::money::dollars;
use crate::api::catalog::Cpu;

/// One of RunPod's two clouds. Always sent: without it the cloud takes the dearer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cloud {
    Secure,
    Community,
}

impl Cloud {
    /// RunPod's word.
    pub(crate) const fn native(self) -> &'static str {
        match self {
            Self::Secure => "SECURE",
            Self::Community => "COMMUNITY",
        }
    }

    /// Atlas's word.
    pub(crate) const fn kind(self) -> CloudType {
        match self {
            Self::Secure => CloudType::Secure,
            Self::Community => CloudType::Community,
        }
    }
}

/// What a pod runs on, by RunPod's own name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hardware {
    Gpu(String),
    Cpu(String),
}

/// One create to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) hardware: Hardware,
    pub(crate) cloud: Cloud,
    /// Only there; empty for anywhere.
    pub(crate) data_centers: Vec<String>,
}

impl Candidate {
    /// It in a few words, for errors.
    pub(crate) fn told(&self) -> String {
        let (Hardware::Gpu(name) | Hardware::Cpu(name)) = &self.hardware;
        format!("{name} ({})", self.cloud.native().to_ascii_lowercase())
    }
}

/// The clouds that a request will do with.
pub(crate) fn clouds(request: &ComputeRequest) -> &'static [Cloud] {
    // Network volumes, and pods without a GPU, are only in the secure cloud.
    if request.network_volume_id.is_some() || request.gpu.is_empty() {
        return &[Cloud::Secure];
    }
    match request.cloud_type {
        CloudType::Secure => &[Cloud::Secure],
        CloudType::Community => &[Cloud::Community],
        _ => &[Cloud::Secure, Cloud::Community],
    }
}

/// RunPod's names for the GPUs that a request names, best first, each with its place in the user's order.
///
/// A name that Atlas does not know is RunPod's own. A model that RunPod does not have is passed over, unless it is the
/// only one.
pub(crate) fn natives(request: &ComputeRequest) -> Result<Vec<(usize, String)>> {
    let mut natives: Vec<(usize, String)> = Vec::new();
    for (place, name) in request.gpu.iter().enumerate() {
        let names: Vec<&str> =
            gpu::find(name).map_or_else(|| vec![name.as_str()], |model| model.natives(KIND).to_vec());
        for native in names {
            if natives.iter().all(|(_, known)| known != native) {
                natives.push((place, native.to_owned()));
            }
        }
    }
    if natives.is_empty() && !request.gpu.is_empty() {
        let names: Vec<_> = request.gpu.iter().map(|name| excerpt(name)).collect();
        return Err(Error::validation(format!("RunPod has no {}", names.join(", "))));
    }
    Ok(natives)
}

/// Whether the catalog must be asked: to order several candidates, or for a name that only it may know.
pub(crate) fn need_catalog(request: &ComputeRequest, natives: &[(usize, String)]) -> bool {
    natives.len() * clouds(request).len() > 1
        || natives.iter().any(|(_, native)| gpu::canonical_of(KIND, native, None).is_none())
}

/// The candidates of a request for GPUs: those in best stock first, among equals in the user's order, then by price.
///
/// Without a catalog they stand in the user's order, the secure cloud first. The catalog is no reservation: what it says
/// is out of stock is tried last, what it does not offer at all is left out.
pub(crate) fn gpus(
    request: &ComputeRequest,
    natives: &[(usize, String)],
    catalog: Option<&[GpuType]>,
    data_centers: &[String],
) -> Result<Vec<Candidate>> {
    let count = request.gpu_count.unwrap_or(1);
    let mut ranked = Vec::new();
    for (index, (place, native)) in natives.iter().enumerate() {
        let entry = catalog.map(|catalog| catalog.iter().find(|entry| entry.name == *native));
        if entry == Some(None) && gpu::canonical_of(KIND, native, None).is_none() {
            return Err(Error::validation(format!("\"{}\" is no GPU of RunPod; see `atlas gpus`", excerpt(native))));
        }
        for cloud in clouds(request) {
            let standing = match entry.flatten() {
                None => Some(Standing::UNKNOWN),
                Some(entry) => Standing::of(entry, *cloud, count, data_centers),
            };
            let Some(standing) = standing else { continue };
            let hardware = Hardware::Gpu(native.clone());
            let candidate = Candidate { hardware, cloud: *cloud, data_centers: data_centers.to_vec() };
            ranked.push(((Reverse(standing.rank), *place, standing.price, index, *cloud), candidate));
        }
    }
    if ranked.is_empty() {
        let names: Vec<_> = natives.iter().map(|(_, native)| native.as_str()).collect();
        let message = format!(
            "RunPod's catalog has no machine with {count} of {} in the cloud asked for; see `atlas gpus`",
            names.join(" or ")
        );
        return Err(Error::no_capacity(message).with_effect(Effect::NotSent));
    }
    ranked.sort_by_key(|(key, _)| *key);
    Ok(ranked.into_iter().map(|(_, candidate)| candidate).collect())
}

/// The rank of what the cloud says nothing of: as that of a word that is not known, between nothing and little.
const UNKNOWN: u8 = 1;

/// How a GPU stands in a cloud.
struct Standing {
    rank: u8,
    price: Money,
}

impl Standing {
    const DEAREST: Money = Money::from_micros(i64::MAX);
    const UNKNOWN: Self = Self { rank: UNKNOWN, price: Self::DEAREST };

    /// `None` where the cloud does not offer it, or not so many in one pod.
    fn of(entry: &GpuType, cloud: Cloud, count: u32, data_centers: &[String]) -> Option<Self> {
        let here = |offer: &&GpuOffer| offer.cloud_type == cloud.kind();
        let whole = entry.offers.iter().filter(here).find(|offer| offer.region.is_none())?;
        if whole.max_count.is_some_and(|most| most < count) {
            return None;
        }
        let mut local = entry.offers.iter().filter(here).filter(|offer| offer.region.is_some()).peekable();
        // Where the cloud says nothing of its data centres, what it says of the whole has to do.
        let rank = if data_centers.is_empty() || local.peek().is_none() {
            rank(whole)
        } else {
            let asked = |offer: &&GpuOffer| offer.region.as_ref().is_some_and(|region| data_centers.contains(region));
            local.filter(asked).map(rank).max().unwrap_or(0)
        };
        Some(Self { rank, price: whole.price_per_hour.unwrap_or(Self::DEAREST) })
    }
}

fn rank(offer: &GpuOffer) -> u8 {
    offer.stock.as_ref().map_or(UNKNOWN, Stock::rank)
}

/// Flavours of pods without a GPU, best value first, for when the catalog cannot be read. (RunPod's list, 2026.)
const FLAVOURS: &[(&str, u64)] = &[("cpu3c", 2), ("cpu5c", 2), ("cpu3g", 4), ("cpu5g", 4), ("cpu3m", 8), ("cpu5m", 8)];

/// The candidates of a request without a GPU: flavours that have enough memory, in stock first, then by price.
pub(crate) fn cpus(
    request: &ComputeRequest,
    catalog: Option<&[Cpu]>,
    data_centers: &[String],
) -> Result<Vec<Candidate>> {
    let vcpus = vcpus(request);
    let memory = request.memory_mb.unwrap_or(0);
    let candidate = |id: &str| Candidate {
        hardware: Hardware::Cpu(id.to_owned()),
        cloud: Cloud::Secure,
        data_centers: data_centers.to_vec(),
    };
    let candidates: Vec<_> = match catalog {
        None => FLAVOURS
            .iter()
            .filter(|(_, gigabytes)| gigabytes * 1024 * u64::from(vcpus) >= memory)
            .map(|(id, _)| candidate(id))
            .collect(),
        Some(catalog) => {
            let mut fit: Vec<_> = catalog.iter().filter(|flavour| fits(flavour, vcpus, memory)).collect();
            fit.sort_by_key(|flavour| {
                let rank = flavour.availability.as_deref().map_or(UNKNOWN, |word| Stock::from_word(word).rank());
                let price = flavour.price.secure_per_vcpu.and_then(dollars).unwrap_or(Standing::DEAREST);
                (Reverse(rank), price)
            });
            fit.iter().map(|flavour| candidate(&flavour.id)).collect()
        }
    };
    if candidates.is_empty() {
        let message = format!("RunPod has no flavour of {vcpus} virtual CPUs with {memory} MiB of memory");
        return Err(Error::validation(message));
    }
    Ok(candidates)
}

fn fits(flavour: &Cpu, vcpus: u32, memory_mb: u64) -> bool {
    let per_vcpu = flavour.ram_gb_per_vcpu.unwrap_or(0.0);
    let memory = per_vcpu * f64::from(vcpus) * 1024.0;
    let wanted = u32::try_from(memory_mb).map_or(f64::INFINITY, f64::from);
    (flavour.vcpu.min..=flavour.vcpu.max).contains(&vcpus) && memory >= wanted
}

#[cfg(test)]
mod tests;
