//! The GPU catalog (rule C7): one canonical name for each model, and what each cloud calls it.
//!
//! It holds names, memory and form factors, which do not change. Prices and stock do: they come live from the cloud.
//! A name that is not here is handed to the cloud as it is, so the table is never a reason to refuse one.

mod table;
#[cfg(test)]
mod tests;

use table::MODELS;

/// One model of GPU. Variants that a program can tell apart (other memory) are models of their own; those that it cannot
/// (SXM or PCIe) are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct GpuModel {
    /// The canonical name, such as `a100_80g`.
    pub name: &'static str,
    /// The name for people, such as `A100 80 GB`.
    pub display: &'static str,
    /// The least and the most memory of one, in gigabytes as sold.
    pub memory_gb: (u32, u32),
    /// How it is built: `SXM`, `PCIe`, `NVL`, `OAM`.
    pub form_factors: &'static [&'static str],
    /// What each kind of cloud calls it, best first. For `lambda_labs` it is what follows `gpu_<count>x_`.
    pub natives: &'static [(&'static str, &'static [&'static str])],
}

impl GpuModel {
    /// What a kind of cloud calls it, best first; empty where the cloud does not have it.
    pub fn natives(&self, kind: &str) -> &'static [&'static str] {
        self.natives.iter().find(|(owner, _)| *owner == kind).map_or(&[], |(_, names)| names)
    }

    /// Whether a card that reports so much memory, in mebibytes or megabytes, can be this model. Clouds report what is
    /// usable: up to a tenth less than what is sold, or a little more by counting otherwise.
    pub fn admits_memory(&self, megabytes: u64) -> bool {
        let (least, most) = (u64::from(self.memory_gb.0), u64::from(self.memory_gb.1));
        (least * 900..=most * 1100).contains(&megabytes)
    }
}

/// All models, the newest data-centre ones first.
pub fn all() -> &'static [GpuModel] {
    MODELS
}

/// The model with this canonical name, in whatever case.
pub fn find(name: &str) -> Option<&'static GpuModel> {
    MODELS.iter().find(|model| model.name.eq_ignore_ascii_case(name))
}

/// The model that a kind of cloud calls `native`. Where several share the name (Vast.ai calls both A100 alike), the memory
/// of one, in megabytes, decides; without it none is named.
pub fn canonical_of(kind: &str, native: &str, memory_megabytes: Option<u64>) -> Option<&'static GpuModel> {
    let mut named = MODELS.iter().filter(|model| {
        model.natives(kind).contains(&native) && memory_megabytes.is_none_or(|megabytes| model.admits_memory(megabytes))
    });
    let first = named.next()?;
    named.next().is_none().then_some(first)
}
