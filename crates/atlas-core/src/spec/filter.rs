//! Which machines a listing shall show.

use super::compute::{Compute, ComputeStatus};
use crate::gpu;

/// Which machines a listing shall show. The default shows all of them: stopped ones and those of others too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ComputeFilter {
    /// Only these statuses; empty for any.
    pub statuses: Vec<ComputeStatus>,
    /// Only names that contain this.
    pub name: Option<String>,
    /// Only this region.
    pub region: Option<String>,
    /// Only this GPU, by canonical or native name.
    pub gpu: Option<String>,
    /// Only those that bear a mark of Atlas.
    pub marked: bool,
}

impl ComputeFilter {
    /// All machines.
    pub fn all() -> Self {
        Self::default()
    }

    /// Whether `compute` passes. A provider may filter at its cloud where that is cheaper; the answer must be the same.
    pub fn admits(&self, compute: &Compute) -> bool {
        let contains = |wanted: &Option<String>, found: Option<&String>| {
            wanted.as_ref().is_none_or(|wanted| found.is_some_and(|found| found.contains(wanted.as_str())))
        };
        let equals = |wanted: &Option<String>, found: Option<&String>| {
            wanted.as_ref().is_none_or(|wanted| found.is_some_and(|found| found.eq_ignore_ascii_case(wanted)))
        };
        (self.statuses.is_empty() || self.statuses.contains(&compute.status))
            && contains(&self.name, compute.name.as_ref())
            && equals(&self.region, compute.region.as_ref())
            && self.gpu.as_ref().is_none_or(|wanted| has_gpu(compute, wanted))
            && (!self.marked || compute.mark().is_some())
    }
}

/// Whether this is what the machine's GPU is called, by Atlas or by its cloud.
fn has_gpu(compute: &Compute, wanted: &str) -> bool {
    let Some(found) = &compute.gpu_type else { return false };
    let natives = gpu::find(found).map_or(&[][..], |model| model.natives(&compute.kind));
    found.eq_ignore_ascii_case(wanted) || natives.iter().any(|native| native.eq_ignore_ascii_case(wanted))
}
