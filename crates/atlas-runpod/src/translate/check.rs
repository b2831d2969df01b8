//! What is refused before anything is recorded or sent (rule C6).

use std::collections::BTreeMap;

use atlas_auth::Secret;
use atlas_core::{CloudType, ComputeRequest, Error, Field, MARK_ENV, Result, Traits};

use super::candidates::{self, Candidate, Hardware};
use super::create::Plan;
use crate::api::checked;

/// What a request may ask of RunPod.
const UNDERSTOOD: &[Field] = &[
    Field::Gpu,
    Field::GpuCount,
    Field::Cpus,
    Field::MemoryMb,
    Field::Image,
    Field::Command,
    Field::CloudType,
    Field::RegionHints,
    Field::Ports,
    Field::Env,
    Field::VolumeGb,
    Field::ContainerDiskGb,
    Field::NetworkVolumeId,
    Field::RegistryAuth,
    Field::Name,
    Field::TemplateId,
    Field::ProviderOpts,
];

/// A name as long as the longest that a mark makes, so that what is checked is not shorter than what is sent.
const LONGEST_NAME: &str = concat!(
    "atlas-deployment-of-twenty-abcdef-abcdefghijklmnopqrstuvwxyz",
    "-a-name-of-forty-characters-of-the-user--"
);

/// Refuses what RunPod cannot honour.
pub(crate) fn request(request: &ComputeRequest, traits: &Traits) -> Result<()> {
    fields(request, traits)?;
    body(request)
}

/// The same, but for what only the body shows: for where that is made and looked at next, before anything is asked.
pub(crate) fn fields(request: &ComputeRequest, traits: &Traits) -> Result<()> {
    request.validate()?;
    if request.spot {
        return Err(Error::unsupported(
            "RunPod no longer sells spot machines: its REST v2 has no word for them; ask without spot",
        ));
    }
    request.only(UNDERSTOOD)?;
    request.needs(traits)?;
    if request.gpu.is_empty() {
        cpu(request)?;
    } else {
        gpu(request)?;
    }
    if request.volume_gb.is_some() && request.network_volume_id.is_some() {
        return Err(Error::validation("volume_gb and network_volume_id are both set; RunPod mounts one of them"));
    }
    if let Some(volume) = &request.network_volume_id {
        checked("network volume", volume)?;
        if request.cloud_type == CloudType::Community {
            return Err(Error::validation("a network volume can be mounted only in the secure cloud"));
        }
    }
    if let Some(template) = &request.template_id {
        checked("template", template)?;
    }
    if let Some(registry) = &request.registry_auth
        && checked("registry", registry.expose()).is_err()
    {
        // The text may be a password: it is not quoted.
        return Err(Error::validation(
            "registry_auth must be the id of registry credentials kept at RunPod: make them once with create_registry",
        ));
    }
    Ok(())
}

fn gpu(request: &ComputeRequest) -> Result<()> {
    candidates::natives(request)?;
    match request.volume_gb {
        Some(size) if size < 10 => {
            Err(Error::validation(format!("volume_gb is {size}; RunPod's disks have at least 10 gigabytes")))
        }
        _ => Ok(()),
    }
}

fn cpu(request: &ComputeRequest) -> Result<()> {
    match request.cpus {
        Some(cpus) if cpus < 2 || !cpus.is_power_of_two() => {
            return Err(Error::validation(format!("cpus is {cpus}; RunPod has 2, 4, 8, 16 and so on")));
        }
        _ => {}
    }
    if request.cloud_type == CloudType::Community {
        return Err(Error::validation("RunPod's community cloud has no machines without a GPU"));
    }
    if request.volume_gb.is_some() {
        return Err(Error::validation(
            "volume_gb needs a GPU at RunPod; a machine without one can mount a network volume",
        ));
    }
    Ok(())
}

/// The body as it would be sent, but for what only an order knows.
fn body(request: &ComputeRequest) -> Result<()> {
    let mut env: BTreeMap<String, Secret> = request.env.clone();
    env.insert(MARK_ENV.to_owned(), Secret::new(LONGEST_NAME));
    let hardware = match request.gpu.first() {
        Some(name) => Hardware::Gpu(name.clone()),
        None => Hardware::Cpu("cpu3c".to_owned()),
    };
    let cloud = candidates::clouds(request).first().copied().unwrap_or(candidates::Cloud::Secure);
    let candidate = Candidate { hardware, cloud, data_centers: request.region_hints.clone() };
    let plan = Plan { request, name: LONGEST_NAME, env: &env, protected: &[] };
    plan.body(&candidate).map(drop)
}
