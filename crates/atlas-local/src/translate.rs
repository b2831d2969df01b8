//! Between the words of Atlas and those of a pod. Pure: all the judgement about what can be honoured is here.

use std::time::Duration;

use atlas_core::{
    Capabilities, Capability, Compute, ComputeId, ComputeRequest, ComputeStatus, Error, Field, GoneRule, Money, Port,
    PortSpec, PrivateParts, Protocol, ProviderId, ProxySigns, Result, Traits,
};
use atlas_pod::{LaunchSpec, PodProgram, PodState};
use serde_json::{Value, json};

use crate::limits::MachineLimits;
use crate::machine::Machine;
use crate::status::{Process, status};

/// The provider's kind, and the name of the account that needs no configuration.
pub(crate) const KIND: &str = "local";

/// The only region there is.
const REGION: &str = "local";

/// Where all ports are.
const ADDRESS: &str = "127.0.0.1";

/// The built-in service's port, where none is asked for.
const SERVICE_PORT: PortSpec = PortSpec::http(8000);

/// A file name bears 255 bytes and a mark has at most 101, so no name is ever cut.
const NAME_LIMIT: usize = 128;

/// What is understood; anything else that is asked for is refused.
const UNDERSTOOD: [Field; 6] =
    [Field::Command, Field::RegionHints, Field::Ports, Field::Env, Field::Name, Field::ProviderOpts];

/// What this provider is like.
pub(crate) fn traits() -> Traits {
    let capabilities = [
        Capability::Cpu,
        Capability::Commands,
        Capability::StopResume,
        Capability::Logs,
        // On loopback, which is as public as this machine's machines get.
        Capability::RawTcp,
    ];
    let mut traits = Traits::new(KIND, Capabilities::from_iter(capabilities));
    traits.settle_window = Duration::ZERO;
    traits.gone = GoneRule::NotFound;
    traits.stopped_bills = atlas_core::Billing::Free;
    traits.name_limit = NAME_LIMIT;
    traits.proxy = ProxySigns::new(&[], &[atlas_pod::PROXY_HEADER]);
    traits
}

/// Refuses what cannot be honoured, by name (rule C6).
pub(crate) fn check(request: &ComputeRequest, limits: &MachineLimits) -> Result<()> {
    request.validate()?;
    let refused: Vec<Field> = request.set_fields().into_iter().filter(|field| !UNDERSTOOD.contains(field)).collect();
    if !refused.is_empty() {
        let parts: Vec<String> = refused
            .chunk_by(|one, next| reason(*one) == reason(*next))
            .map(|fields| {
                let names: Vec<&str> = fields.iter().map(|field| field.name()).collect();
                format!("{} ({})", names.join(", "), reason(fields[0]))
            })
            .collect();
        return Err(Error::unsupported(format!("{KIND} does not support {}", parts.join("; "))));
    }
    if let Some(region) = request.region_hints.iter().find(|region| *region != REGION) {
        return Err(Error::validation(format!("{KIND} has no region \"{region}\"; its only one is \"{REGION}\"")));
    }
    limits.narrowed(&request.provider_opts)?;
    let is_http = ports(request).iter().any(|port| port.protocol == Protocol::Http);
    if let Some(name) = request.env.keys().find(|name| is_pods_own(name, is_http)) {
        return Err(Error::validation(format!(
            "the variable {name} is {KIND}'s own to set, and tells the command where it is: leave it out of env"
        )));
    }
    if request.command.is_empty()
        && let Some(port) = request.ports.iter().find(|port| port.protocol == Protocol::Tcp)
    {
        return Err(Error::validation(format!(
            "nothing would listen on port {port}: without a command the built-in service runs, which speaks http only"
        )));
    }
    Ok(())
}

/// Whether the pod sets this variable of every command, so that a value asked for would be dropped.
fn is_pods_own(name: &str, is_http: bool) -> bool {
    name.starts_with("ATLAS_PORT_")
        || matches!(name, "ATLAS_COMPUTE_ID" | atlas_pod::MARKER_VARIABLE)
        || (is_http && name == "PORT")
}

fn reason(field: Field) -> &'static str {
    match field {
        Field::Gpu | Field::GpuCount => "it has no GPU to rent",
        Field::Image | Field::RegistryAuth => "it runs commands of this machine, not images",
        Field::Cpus | Field::MemoryMb => "its machines share this one, and it cannot give or limit a part of it",
        Field::VolumeGb | Field::ContainerDiskGb => {
            "its machines share this one's disk, and it cannot give or limit a part of it"
        }
        Field::Spot | Field::CloudType => "it has only one kind of machine",
        _ => "it has no such thing",
    }
}

/// The ports that a machine has: those asked for, or one for the built-in service.
pub(crate) fn ports(request: &ComputeRequest) -> Vec<PortSpec> {
    if request.ports.is_empty() && request.command.is_empty() { vec![SERVICE_PORT] } else { request.ports.clone() }
}

/// What to launch for the latest run of a machine.
pub(crate) fn launch_spec(
    machine: &Machine,
    private: PrivateParts,
    program: PodProgram,
    directory: &std::path::Path,
    grace: Duration,
) -> LaunchSpec {
    let mut spec = LaunchSpec::new(program, directory, machine.run)
        .compute_id(machine.id.as_str())
        .command(machine.request.command.clone())
        .limits(machine.limits.of_processes())
        .log_cap(machine.limits.log_cap())
        .grace(grace);
    for (name, value) in private.env {
        spec = spec.env(name, value);
    }
    for port in &machine.ports {
        spec = spec.port(match port.protocol {
            Protocol::Http => atlas_pod::PortSpec::http(port.port),
            Protocol::Tcp => atlas_pod::PortSpec::tcp(port.port),
        });
    }
    spec
}

/// A machine as the world sees it. `held` says that somebody is at work on it.
pub(crate) fn compute(provider: &ProviderId, machine: &Machine, state: &PodState, held: bool) -> Compute {
    let (status, exit_code) = status(machine.wanted, Process::of(state, machine.run), held);
    let exit = if let PodState::Exited(_, exit) = state { Some(exit) } else { None };
    let mut compute = Compute::new(provider, KIND, machine.id.clone(), status).with_name(&machine.name);
    compute.mark = Some(machine.mark.clone());
    compute.region = Some(REGION.to_owned());
    compute.cost_per_hour =
        Some(if compute.status == ComputeStatus::Stopped { Money::ZERO } else { machine.price_per_hour });
    compute.public_ip = Some(ADDRESS.to_owned());
    compute.ports = machine.ports.iter().map(|port| reached(*port, state, &compute.status)).collect();
    compute.created_at = Some(machine.created_at);
    compute.exit_code = exit_code;
    compute.raw = json!({ "machine": machine.public(), "pod": shown(state), "exit": exit });
    compute
}

/// A machine of whose record nothing is known but that it is there: it bears no mark that could be read, and whatever runs
/// of it is neither reached nor started again.
pub(crate) fn unreadable(provider: &ProviderId, id: &ComputeId, state: &PodState, why: &Error) -> Compute {
    let mut compute = Compute::new(provider, KIND, id.clone(), ComputeStatus::Failed);
    compute.region = Some(REGION.to_owned());
    compute.raw = json!({ "pod": shown(state) });
    with_problem(compute, why)
}

/// What may be shown of a pod: not the ports behind its guard, which ask for no key.
fn shown(state: &PodState) -> Value {
    let mut pod = json!(state.report());
    for port in pod["ports"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        port.remove("inner");
    }
    pod
}

/// Says what could not be read of it.
pub(crate) fn with_problem(mut compute: Compute, why: &Error) -> Compute {
    compute.raw["problem"] = why.message().into();
    compute
}

/// Where a port is reached; nowhere unless the machine runs, since afterwards the number may be a stranger's.
fn reached(spec: PortSpec, state: &PodState, status: &ComputeStatus) -> Port {
    let port = Port::new(spec);
    let bound = match state {
        PodState::Running(report) if *status == ComputeStatus::Running => {
            report.ports.iter().find(|bound| bound.container == spec.port)
        }
        _ => None,
    };
    match bound {
        None => port,
        Some(bound) if spec.protocol == Protocol::Http => {
            port.with_public_port(bound.public).with_url(format!("http://{ADDRESS}:{}/", bound.public))
        }
        Some(bound) => port.with_public_port(bound.public),
    }
}

#[cfg(test)]
mod tests;
