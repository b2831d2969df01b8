//! Between the words of Atlas and those of RunPod: all the judgement, and nothing that waits.

pub(crate) mod candidates;
pub(crate) mod catalog;
pub(crate) mod check;
pub(crate) mod create;
pub(crate) mod endpoint;
pub(crate) mod job;
pub(crate) mod mark;
pub(crate) mod money;
pub(crate) mod options;
pub(crate) mod places;
pub(crate) mod pod;
pub(crate) mod raw;
pub(crate) mod rented;
pub(crate) mod volume;

use std::time::Duration;

use atlas_core::{Billing, Capability, GoneRule, ProxySigns, Traits};

/// The provider's kind.
pub(crate) const KIND: &str = "runpod";

/// Everything that Atlas has a word for, but spot.
const CAPABILITIES: &[Capability] = &[
    Capability::Serverless,
    Capability::NetworkVolumes,
    Capability::HttpProxy,
    Capability::RawTcp,
    Capability::SymmetricPorts,
    Capability::Webhooks,
    Capability::GlobalNetworking,
    Capability::StopResume,
    Capability::Logs,
    Capability::Cpu,
    Capability::Gpu,
    Capability::Images,
    Capability::Commands,
    Capability::Catalog,
];

/// What RunPod is like.
pub(crate) fn traits() -> Traits {
    let mut traits = Traits::new(KIND, CAPABILITIES.iter().copied().collect());
    // How long a create or a delete stays invisible is not documented; others who rent there allow for some seconds of
    // lag in listings and poll for a 404 after a delete. Two minutes is many times what was seen.
    traits.settle_window = Duration::from_mins(2);
    // "Need not be unique", in RunPod's own description, and nothing else deduplicates a create.
    traits.unique_names = false;
    // A read answered 200 with `null` while a pod was torn down, and listings lag: one not-found is not enough.
    traits.gone = GoneRule::TwoNotFounds { apart: Duration::from_secs(10) };
    // The disk of a stopped pod bills, at twice its price, while the pod itself reads `cost: 0` (price list, 2026).
    traits.stopped_bills = Billing::Billed;
    // No limit of creates is documented; the account's rate limit is obeyed from its headers.
    traits.launch_pace = None;
    // RunPod's own pod migration gives a pod a new id (docs.runpod.io, troubleshooting, pod migration).
    traits.migrates = true;
    // REST v1 documented 191; v2 names none. A mark with the longest name of a user has 101.
    traits.name_limit = 191;
    // 502 while nothing listens at the port, 524 after 100 s (docs.runpod.io, expose ports). Every answer carries
    // Cloudflare's headers, the machine's own too, so no header tells them apart.
    traits.proxy = ProxySigns::new(&[502, 524], &[]);
    traits
}
