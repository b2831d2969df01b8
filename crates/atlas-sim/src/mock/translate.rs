//! Between the words of Atlas and those of the model: all the judgement, and nothing that waits.

use atlas_auth::Timestamp;
use atlas_core::error::excerpt;
use atlas_core::{
    Capability, CloudType, Compute, ComputeRequest, ComputeStatus, Error, Field, Mark, Port, PortSpec, Protocol,
    ProviderId, Result, SpawnOrder, Traits, VolumeId,
};
use serde_json::{Map, Value, json};

use crate::model::{Blueprint, Catalog, CatalogGpu, Cloud, Machine, Phase, Settings, public_ip, public_port};

/// What a request may ask of this cloud.
const UNDERSTOOD: &[Field] = &[
    Field::Gpu,
    Field::GpuCount,
    Field::Cpus,
    Field::MemoryMb,
    Field::Image,
    Field::Command,
    Field::CloudType,
    Field::Spot,
    Field::RegionHints,
    Field::Ports,
    Field::Env,
    Field::VolumeGb,
    Field::ContainerDiskGb,
    Field::NetworkVolumeId,
    Field::Name,
    Field::ProviderOpts,
];

/// Refuses what this cloud cannot honour.
pub(super) fn check(request: &ComputeRequest, traits: &Traits, settings: &Settings) -> Result<()> {
    request.validate()?;
    request.only(UNDERSTOOD)?;
    request.needs(traits)?;
    if let Some(port) = request.ports.iter().find(|port| port.protocol == Protocol::Tcp)
        && !traits.has(Capability::RawTcp)
    {
        return Err(Error::unsupported(format!("port {port} is asked for and this mock does not support raw_tcp")));
    }
    let catalog = &settings.catalog;
    for name in &request.gpu {
        offered(request, native(name, catalog)?)?;
    }
    if let Some(region) = request.region_hints.iter().find(|region| catalog.find_data_centre(region).is_none()) {
        return Err(Error::validation(format!(
            "\"{}\" is no region of this mock; it has {}",
            excerpt(region),
            catalog.data_centre_names().join(", ")
        )));
    }
    options(&request.provider_opts).map(drop)
}

/// The cloud's own name of a GPU, in whatever case it is asked for.
fn native<'a>(name: &str, catalog: &'a Catalog) -> Result<&'a CatalogGpu> {
    catalog.gpus.iter().find(|gpu| gpu.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
        let known: Vec<_> = catalog.gpus.iter().map(|gpu| gpu.name.as_str()).collect();
        Error::validation(format!("\"{}\" is no GPU of this mock; it has {}", excerpt(name), known.join(", ")))
    })
}

/// Refuses what no offer of this GPU can ever give.
fn offered(request: &ComputeRequest, gpu: &CatalogGpu) -> Result<()> {
    let fits = |cloud_type| request.cloud_type == CloudType::Any || request.cloud_type == cloud_type;
    let offers = gpu.offers.iter().filter(|offer| fits(offer.cloud_type));
    let Some(most) = offers.map(|offer| offer.max_count).max() else {
        return Err(Error::validation(format!("this mock has {} in another part of the cloud only", gpu.name)));
    };
    let count = request.gpu_count.unwrap_or(1);
    if count <= most {
        return Ok(());
    }
    Err(Error::validation(format!(
        "gpu_count is {count}; one machine of this mock has {most} {} at the most",
        gpu.name
    )))
}

/// The options that this cloud knows.
#[derive(Debug, Default)]
struct Options {
    env: Vec<(String, String)>,
    labels: Vec<(String, String)>,
}

/// Reads the provider's own options; one that would change the mark or a key is refused (rule C5).
fn options(given: &Map<String, Value>) -> Result<Options> {
    let mut options = Options::default();
    for (name, value) in given {
        match name.as_str() {
            "env" => options.env = texts("env", value)?,
            "labels" => options.labels = texts("labels", value)?,
            "name" => {
                return Err(Error::validation(
                    "the option \"name\" would change the machine's mark; use the name field",
                ));
            }
            other => {
                return Err(Error::validation(format!(
                    "\"{}\" is no option of mock; it knows env and labels",
                    excerpt(other)
                )));
            }
        }
    }
    match options.env.iter().find(|(name, _)| name.starts_with("ATLAS_")) {
        None => Ok(options),
        Some((name, _)) => {
            Err(Error::validation(format!("the option \"env\" sets {}, which is Atlas's own to set", excerpt(name))))
        }
    }
}

fn texts(option: &str, value: &Value) -> Result<Vec<(String, String)>> {
    let wrong = || Error::validation(format!("the option \"{option}\" must be an object of texts"));
    let pairs = value.as_object().ok_or_else(wrong)?;
    pairs.iter().map(|(name, text)| Ok((name.clone(), text.as_str().ok_or_else(wrong)?.to_owned()))).collect()
}

/// What the model shall make of an order.
pub(super) fn blueprint(order: &SpawnOrder, settings: &Settings) -> Result<Blueprint> {
    let request = order.request();
    let options = options(&request.provider_opts)?;
    let mut env = order.env().clone();
    // Whatever an order protects is Atlas's own, which no option may set.
    env.extend(options.env.into_iter().map(|(name, value)| (name, value.into())));
    let gpus = request
        .gpu
        .iter()
        .map(|name| native(name, &settings.catalog).map(|gpu| gpu.name.clone()))
        .collect::<Result<_>>()?;
    Ok(Blueprint {
        name: order.name().to_owned(),
        account: String::new(),
        gpus,
        gpu_count: if request.gpu.is_empty() { 0 } else { request.gpu_count.unwrap_or(1) },
        cpus: request.cpus,
        memory_mb: request.memory_mb,
        volume_gb: request.volume_gb,
        container_disk_gb: request.container_disk_gb,
        regions: request.region_hints.clone(),
        volumes: request.network_volume_id.iter().map(VolumeId::new).collect(),
        image: request.image.clone(),
        command: request.command.clone(),
        spot: request.spot,
        ports: request.ports.clone(),
        env,
        labels: options.labels.into_iter().collect(),
        cloud_type: request.cloud_type,
        ..Blueprint::default()
    })
}

/// The status of a phase.
pub(super) fn status(phase: Phase) -> ComputeStatus {
    match phase {
        Phase::Starting => ComputeStatus::Starting,
        Phase::Running => ComputeStatus::Running,
        Phase::Stopping => ComputeStatus::Stopping,
        Phase::Stopped => ComputeStatus::Stopped,
        Phase::Exited(_) => ComputeStatus::Exited,
        Phase::Failed => ComputeStatus::Failed,
        Phase::Terminating => ComputeStatus::Terminating,
        Phase::Terminated => ComputeStatus::Terminated,
    }
}

/// A machine of the model as a read shows it.
pub(super) fn describe(cloud: &Cloud, machine: &Machine, provider: &ProviderId, kind: &str, now: Timestamp) -> Compute {
    let plan = &machine.blueprint;
    let phase = machine.life.at(now);
    let ports: Vec<_> = plan.ports.iter().map(|spec| port(cloud, machine, *spec, now)).collect();
    let mut compute = Compute::new(provider, kind, machine.id.clone(), status(phase)).with_name(plan.name.as_str());
    compute.region = Some(machine.place.region.clone());
    compute.image.clone_from(&plan.image);
    compute.gpu_type = machine.gpu().map(str::to_owned);
    compute.gpu_count = plan.gpu_count;
    compute.cost_per_hour = Some(machine.rate(now));
    compute.public_ip = machine.is_running(now).then(|| public_ip(machine));
    compute.created_at = Some(machine.created_at);
    if let Phase::Exited(code) = phase {
        compute.exit_code = Some(code);
    }
    compute.raw = json!({
        "id": machine.id,
        "name": plan.name,
        "state": status(phase),
        "reason": machine.reason,
        "region": machine.place.region,
        "cloud_type": machine.place.cloud_type,
        "network_volumes": plan.volumes,
        "image": plan.image,
        "command": plan.command,
        "gpu": machine.gpu(),
        "gpu_count": plan.gpu_count,
        "cpus": plan.cpus,
        "memory_mb": plan.memory_mb,
        "volume_gb": plan.volume_gb,
        "container_disk_gb": plan.container_disk_gb,
        "spot": plan.spot,
        "price_per_hour": machine.price,
        "labels": plan.labels,
        "created_at": machine.created_at,
    });
    compute.ports = ports;
    compute
}

fn port(cloud: &Cloud, machine: &Machine, spec: PortSpec, now: Timestamp) -> Port {
    let mut port = Port::new(spec);
    if !machine.is_running(now) {
        return port;
    }
    if let Some(public) = public_port(machine, spec) {
        port = port.with_public_port(public);
    }
    match cloud.url(machine, spec, now) {
        Some(url) => port.with_url(url),
        None => port,
    }
}

/// Whether the cloud kept the mark that the order gave (rule O2).
pub(super) fn keeps_mark(name: &str, mark: &Mark) -> bool {
    Mark::read(name).is_some_and(|read| {
        read.token == mark.token && read.deployment == mark.deployment && read.installation == mark.installation
    })
}
