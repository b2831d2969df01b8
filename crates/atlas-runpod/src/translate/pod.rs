//! A pod as a read shows it, in Atlas's words: what it is doing, what it costs, where it is reached.

use atlas_auth::Timestamp;
use atlas_core::error::excerpt;
use atlas_core::{
    Compute, ComputeId, ComputeStatus, Effect, Error, ErrorKind, Money, Port, PortSpec, Protocol, ProviderId, Result,
    gpu,
};
use serde::Deserialize;
use serde_json::Value;

use super::money::dollars;
use super::raw::redacted;
use super::{KIND, mark};
use crate::api::pods::{Pod, PodPort, Readable};
use crate::config::ProxyUrl;

/// Describes a pod. One that cannot be read in full is described as far as it can, so that it is never overlooked; one
/// without an id is an error. One that runs without any of its GPUs has failed.
pub(crate) fn describe(provider: &ProviderId, proxy: &ProxyUrl, answer: Value) -> Result<Compute> {
    let id = answer.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
    let Some(id) = id else {
        let error = Error::new(ErrorKind::Decode, "the cloud described a pod without an id");
        return Err(error.with_effect(Effect::Unknown));
    };
    let mut compute = match Pod::deserialize(&answer) {
        Ok(pod) => full(provider, proxy, &pod),
        Err(_) => bare(provider, id, &answer),
    };
    compute.mark = mark::of(&answer);
    compute.raw = redacted(answer);
    Ok(compute)
}

fn full(provider: &ProviderId, proxy: &ProxyUrl, pod: &Pod<'_>) -> Compute {
    let status = match status(pod.status.unwrap_or_default()) {
        // It bills, and is not what was rented: started again on a host that had no GPU left for it.
        ComputeStatus::Running if pod.gpu.as_ref().is_some_and(|card| card.count == Some(0)) => ComputeStatus::Failed,
        status => status,
    };
    let mut compute = Compute::new(provider, KIND, ComputeId::new(pod.id), status);
    compute.name = pod.name.map(str::to_owned);
    compute.region = pod.data_center_id.map(str::to_owned);
    compute.image = pod.image.map(str::to_owned);
    if let Some(card) = &pod.gpu {
        let canonical = |native: &str| gpu::canonical_of(KIND, native, None).map(|model| model.name);
        compute.gpu_type = card.id.map(|native| canonical(native).unwrap_or(native).to_owned());
        compute.gpu_count = card.count.unwrap_or(1);
    }
    compute.cost_per_hour = cost(pod, &compute.status);
    compute.created_at = pod.created_at.and_then(|text| Timestamp::parse(text).ok());
    let mapped: Vec<_> = mapped(pod).collect();
    compute.public_ip = mapped.first().map(|mapped| mapped.ip.to_owned());
    compute.ports = ports(pod, &mapped, proxy, compute.status == ComputeStatus::Running);
    compute
}

/// Only what stands out of all doubt.
fn bare(provider: &ProviderId, id: &str, answer: &Value) -> Compute {
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let mut compute = Compute::new(provider, KIND, ComputeId::new(id), status(text("status").unwrap_or_default()));
    compute.name = text("name").map(str::to_owned);
    compute
}

/// RunPod's word for what a pod is doing. It says nothing of the container: one whose command ended is started again, and
/// the pod goes on running, and billing.
pub(crate) fn status(word: &str) -> ComputeStatus {
    match word {
        "PROVISIONING" | "STARTING" => ComputeStatus::Starting,
        "RUNNING" => ComputeStatus::Running,
        // Stopped by somebody, or for want of credit; its disk is kept.
        "EXITED" => ComputeStatus::Stopped,
        "ERROR" => ComputeStatus::Failed,
        "TERMINATED" => ComputeStatus::Terminated,
        other => ComputeStatus::Other(excerpt(other)),
    }
}

/// What it costs an hour now, where the cloud says the truth about it.
///
/// A zero is believed only where nothing is left to bill: of a pod that is gone, and of a stopped one that has no disk of
/// its own. Everywhere else it would hide a cost.
fn cost(pod: &Pod<'_>, status: &ComputeStatus) -> Option<Money> {
    let cost = dollars(pod.cost?)?;
    let nothing_bills = match status {
        ComputeStatus::Terminated => true,
        ComputeStatus::Stopped => pod.mounts.as_ref().is_some_and(|mounts| mounts.persistent.is_none()),
        _ => false,
    };
    (cost > Money::ZERO || nothing_bills).then_some(cost)
}

/// A port with a number and an address outside.
struct Mapped<'a> {
    private: u16,
    public: u16,
    ip: &'a str,
}

/// The tcp ports that have an address. Entries of http ports show an internal one, and are passed over.
fn mapped<'a>(pod: &'a Pod<'a>) -> impl Iterator<Item = Mapped<'a>> {
    let entries = pod.runtime.iter().flat_map(|runtime| runtime.ports.iter().flatten().filter_map(Readable::known));
    entries.filter(|entry| entry.kind == Some("tcp")).filter_map(|entry: &PodPort<'a>| {
        let ip = entry.ip.filter(|ip| !ip.is_empty())?;
        let public = u16::try_from(entry.public?).ok()?;
        // A number that is no port asks for a symmetric one: inside, it has the number that it has outside.
        let private = u16::try_from(entry.private?).unwrap_or(public);
        Some(Mapped { private, public, ip })
    })
}

/// The ports as they were asked for, with their addresses while the pod runs; then those that RunPod numbered itself,
/// alike inside and outside.
fn ports(pod: &Pod<'_>, mapped: &[Mapped<'_>], proxy: &ProxyUrl, is_running: bool) -> Vec<Port> {
    let asked = pod.ports.iter().flatten().filter_map(Readable::known).filter_map(|text| text.parse::<PortSpec>().ok());
    let mut ports: Vec<Port> = asked
        .map(|spec| match spec.protocol {
            Protocol::Http if is_running => Port::new(spec).with_url(proxy.url(pod.id, spec.port)),
            Protocol::Http => Port::new(spec),
            Protocol::Tcp => match mapped.iter().find(|mapped| mapped.private == spec.port) {
                Some(mapped) => Port::new(spec).with_public_port(mapped.public),
                None => Port::new(spec),
            },
        })
        .collect();
    for mapped in mapped {
        if !ports.iter().any(|port| port.protocol == Protocol::Tcp && port.container_port == mapped.private) {
            ports.push(Port::new(PortSpec::tcp(mapped.private)).with_public_port(mapped.public));
        }
    }
    ports
}

#[cfg(test)]
mod tests;
