//! Renting a pod: what may be asked for, where it will stand, what it costs. Judgement alone; the model does the rest.

use std::collections::BTreeMap;

use atlas_core::{CloudType, VolumeId};
use http::StatusCode;
use serde::Deserialize;

use super::super::app::World;
use super::super::catalog::{self, dollars};
use super::super::pods::{self, Command, Hardware, Mounts, Pod};
use super::super::reply::{NO_CAPACITY, Problem};
use super::super::shape::{Field, Shape, at_least, many, may, must};
use super::super::visit::Visit;
use super::gate::{MOST_BYTES, too_large};
use super::templates::Template;
use crate::faults::Fault;
use crate::model::{Blueprint, Machine, Refusal};

/// A pod's environment has at most so many entries.
const MOST_ENV: usize = 50;
/// And so many HTTP ports.
const MOST_HTTP: usize = 10;

const VERSION: Shape = Shape::Version { clears: false };

pub(super) static PERSISTENT: [Field; 2] = [must("size", at_least(10)), must("path", Shape::Text(0))];
static NETWORK: [Field; 2] = [must("volumeId", Shape::Text(0)), must("path", Shape::Text(0))];
pub(super) static MOUNTS: [Field; 2] =
    [may("persistent", Shape::Object(&PERSISTENT)), may("network", Shape::List(&Shape::Object(&NETWORK), 0, 1))];
static GPU: [Field; 6] = [
    must("id", Shape::Text(0)),
    may("count", at_least(1)),
    may("allowedCudaVersions", many(&VERSION)),
    may("minCudaVersion", VERSION),
    may("minRamPerGpu", at_least(1)),
    may("minVcpuCountPerGpu", at_least(1)),
];
pub(super) static CPU: [Field; 2] = [must("id", Shape::Text(1)), must("vcpuCount", at_least(2))];

/// The body of `POST /v2/pods`.
pub(super) static CREATE: [Field; 18] = [
    may("args", Shape::Text(0)),
    may("disk", at_least(1)),
    may("env", Shape::Texts),
    may("image", Shape::Text(0)),
    may("ports", many(&Shape::Text(0))),
    may("cmd", many(&Shape::Text(0))),
    may("entrypoint", many(&Shape::Text(0))),
    may("registry", Shape::TextOrNull),
    must("name", Shape::Text(1)),
    may("cloud", Shape::Word(&["SECURE", "COMMUNITY"])),
    may("cpu", Shape::Object(&CPU)),
    may("dataCenterIds", many(&Shape::Text(0))),
    may("globalNetworking", Shape::Flag),
    may("gpu", Shape::Object(&GPU)),
    may("mounts", Shape::Object(&MOUNTS)),
    may("startJupyter", Shape::Flag),
    may("startSsh", Shape::Flag),
    may("templateId", Shape::Text(1)),
];

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::server) struct GpuWish {
    pub(in crate::server) id: String,
    pub(in crate::server) count: Option<u32>,
    pub(in crate::server) allowed_cuda_versions: Vec<String>,
    pub(in crate::server) min_cuda_version: Option<String>,
    pub(in crate::server) min_ram_per_gpu: Option<u32>,
    pub(in crate::server) min_vcpu_count_per_gpu: Option<u32>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::server) struct CpuWish {
    pub(in crate::server) id: String,
    pub(in crate::server) vcpu_count: u32,
}

/// What is asked for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::server) struct Draft {
    pub(in crate::server) args: Option<String>,
    pub(in crate::server) disk: Option<u32>,
    pub(in crate::server) env: BTreeMap<String, String>,
    pub(in crate::server) image: Option<String>,
    pub(in crate::server) ports: Option<Vec<String>>,
    pub(in crate::server) cmd: Option<Vec<String>>,
    pub(in crate::server) entrypoint: Option<Vec<String>>,
    pub(in crate::server) registry: Option<String>,
    pub(in crate::server) name: String,
    pub(in crate::server) cloud: Option<String>,
    pub(in crate::server) cpu: Option<CpuWish>,
    pub(in crate::server) data_center_ids: Vec<String>,
    pub(in crate::server) global_networking: bool,
    pub(in crate::server) gpu: Option<GpuWish>,
    pub(in crate::server) mounts: Mounts,
    pub(in crate::server) template_id: Option<String>,
    pub(in crate::server) start_ssh: bool,
}

impl Draft {
    /// Takes over what a template says and the body does not; environments are merged, the body's entries win.
    pub(in crate::server) fn under(mut self, template: &Template) -> Result<Self, Problem> {
        let ours = |text: &Option<Vec<String>>| text.as_ref().is_some_and(|words| !words.is_empty());
        let has_command = self.args.is_some() || ours(&self.cmd) || ours(&self.entrypoint);
        if !has_command {
            self.args = Some(template.command.args.clone());
        }
        self.disk = self.disk.or(Some(template.disk));
        self.image = self.image.or_else(|| Some(template.image.clone()));
        self.ports = self.ports.or_else(|| Some(template.ports.clone()));
        self.registry = self.registry.or_else(|| template.registry.clone());
        if self.mounts == Mounts::default() {
            self.mounts = template.mounts.clone();
        }
        for (name, value) in &template.env {
            self.env.entry(name.clone()).or_insert_with(|| value.clone());
        }
        let size: usize = self.env.iter().map(|(name, value)| name.len() + value.len()).sum();
        if size > MOST_BYTES { Err(too_large()) } else { Ok(self) }
    }

    fn cloud(&self) -> &str {
        self.cloud.as_deref().unwrap_or("SECURE")
    }
}

/// What stands in the way of a pod that is asked for, beside the schema.
fn judge(draft: &Draft, disk_is_needed: bool) -> Result<(), Problem> {
    let wrong = |text: &str| Err(Problem::bad_request(text));
    match (&draft.gpu, &draft.cpu) {
        (Some(_), Some(_)) | (None, None) => return wrong("exactly one of gpu or cpu must be set"),
        (Some(gpu), None) => {
            if !gpu.allowed_cuda_versions.is_empty() && gpu.min_cuda_version.is_some() {
                return wrong("allowedCudaVersions and minCudaVersion are mutually exclusive");
            }
        }
        (None, Some(_)) if draft.mounts.persistent.is_some() => {
            return wrong("mounts.persistent is only supported on GPU pods");
        }
        (None, Some(_)) => {}
    }
    let network = draft.mounts.network.as_deref().unwrap_or_default();
    if draft.mounts.persistent.is_some() && !network.is_empty() {
        return wrong("mounts.persistent and mounts.network are mutually exclusive");
    }
    if !network.is_empty() && draft.cloud() != "SECURE" {
        return wrong("mounts.network requires cloud SECURE");
    }
    if draft.image.as_deref().unwrap_or_default().is_empty() {
        return wrong("image is required unless templateId is set");
    }
    if draft.disk.is_none() && disk_is_needed {
        return wrong("disk is required unless templateId is set");
    }
    if draft.env.len() > MOST_ENV {
        return wrong("env must not have more than 50 entries");
    }
    check_ports(draft.ports.as_deref().unwrap_or_default())
}

/// What is wrong with a list of ports.
pub(super) fn check_ports(ports: &[String]) -> Result<(), Problem> {
    let mut http = 0;
    for text in ports {
        match pods::port(text) {
            None => {
                let detail = format!("invalid port '{text}': expected <number>/http or <number>/tcp");
                return Err(Problem::bad_request(detail));
            }
            Some((_, "http")) => http += 1,
            Some(_) => {}
        }
    }
    if http > MOST_HTTP { Err(Problem::bad_request("a pod must not expose more than 10 HTTP ports")) } else { Ok(()) }
}

/// What it shall run on.
fn hardware(draft: &Draft) -> Result<Hardware, Problem> {
    for id in &draft.data_center_ids {
        if catalog::data_center(id).is_none() {
            return Err(Problem::bad_request(format!("data center '{id}' not found")));
        }
    }
    if let Some(wish) = &draft.cpu {
        let unknown = || Problem::bad_request(format!("cpu flavor '{}' not found", wish.id));
        let flavour = catalog::flavour(&wish.id).ok_or_else(unknown)?;
        let vcpus = wish.vcpu_count;
        if !vcpus.is_power_of_two() || !(flavour.least..=flavour.most).contains(&vcpus) {
            let (least, most) = (flavour.least, flavour.most);
            let detail = format!("cpu.vcpuCount must be a power of two from {least} to {most} for {}", flavour.id);
            return Err(Problem::bad_request(detail));
        }
        let memory = vcpus.saturating_mul(flavour.ram_per_vcpu);
        return Ok(Hardware::Cpu { id: wish.id.clone(), vcpus, memory });
    }
    let wish = draft.gpu.as_ref().ok_or_else(|| Problem::bad_request("exactly one of gpu or cpu must be set"))?;
    let unknown = || Problem::bad_request(format!("gpu type '{}' not found", wish.id));
    let gpu = catalog::gpu(&wish.id).ok_or_else(unknown)?;
    let (count, (vcpus, memory)) = (wish.count.unwrap_or(1), gpu.host);
    let too_narrow = wish.min_ram_per_gpu.is_some_and(|least| least > memory)
        || wish.min_vcpu_count_per_gpu.is_some_and(|least| least > vcpus)
        || !has_cuda(wish);
    // A filter that nothing fits is told with the same words as a shortage.
    if too_narrow {
        return Err(Problem::bad_request(NO_CAPACITY));
    }
    let (vcpus, memory) = (vcpus.saturating_mul(count), memory.saturating_mul(count));
    Ok(Hardware::Gpu { id: wish.id.clone(), count, vcpus, memory })
}

/// The CUDA versions of every host.
pub(super) const CUDA: [&str; 4] = ["12.4", "12.6", "12.8", "13.0"];

fn has_cuda(wish: &GpuWish) -> bool {
    let exact = &wish.allowed_cuda_versions;
    let number = |text: &str| {
        let (major, minor) = text.split_once('.')?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    };
    let floor = wish.min_cuda_version.as_deref().and_then(number);
    CUDA.iter().any(|version| {
        (exact.is_empty() || exact.iter().any(|asked| asked == version))
            && floor.is_none_or(|floor| number(version).is_some_and(|version| version >= floor))
    })
}

/// Whether the account can pay for an hour more.
fn afford(world: &World, visit: &Visit, blueprint: &Blueprint) -> Result<(), Problem> {
    let account = world.account(&visit.account);
    if account.spend_limit.is_none() && account.balance.is_none() {
        return Ok(());
    }
    let (settings, place) = (&world.cloud.settings, world.cloud.best_place(blueprint));
    let price = settings.price_of(&place, blueprint.gpu_count, blueprint.cpus, blueprint.spot);
    let (price, poor) = (dollars(price.as_micros()), |detail| Err(Problem::new(StatusCode::PAYMENT_REQUIRED, detail)));
    if account.spend_limit.is_some_and(|limit| world.spending(&visit.account, visit.now) + price > limit) {
        return poor("This pod would exceed your account's spend limit.");
    }
    if account.balance.is_some() && world.balance(&visit.account, visit.now) < price {
        return poor("Your account balance is too low to rent this. Add funds and try again.");
    }
    Ok(())
}

/// Rents a pod.
pub(in crate::server) fn rent(
    world: &mut World,
    visit: &Visit,
    draft: Draft,
    disk_is_needed: bool,
) -> Result<Machine, Problem> {
    judge(&draft, disk_is_needed)?;
    if let Some(registry) = &draft.registry
        && world.shelf.registries.get(&visit.account, registry).is_none()
    {
        return Err(Problem::not_found("registry"));
    }
    let hardware = hardware(&draft)?;
    let cloud_type = draft.cloud.as_deref().map_or(CloudType::Secure, catalog::cloud_type);
    let command = Command::unite(draft.args, draft.cmd, draft.entrypoint).map_err(Problem::bad_request)?;
    let ports = draft.ports.unwrap_or_default();
    let disk = draft.disk.unwrap_or(20);
    let mut env = draft.env;
    let keys = world.account(&visit.account).ssh_keys;
    if draft.start_ssh && !keys.is_empty() {
        env.entry("PUBLIC_KEY".to_owned()).or_insert_with(|| keys.join("\n"));
    }
    let (vcpus, memory) = hardware.host();
    let is_gpu = matches!(hardware, Hardware::Gpu { .. });
    let what = vec![hardware.id().to_owned()];
    let (gpus, cpu_flavors) = if is_gpu { (what, Vec::new()) } else { (Vec::new(), what) };
    let blueprint = Blueprint {
        name: draft.name,
        account: visit.account.clone(),
        gpus,
        gpu_count: if is_gpu { hardware.count() } else { 0 },
        cpu_flavors,
        cloud_type,
        cpus: Some(vcpus),
        memory_mb: Some(u64::from(memory) * 1024),
        volume_gb: draft.mounts.persistent.as_ref().map(|mount| mount.size),
        container_disk_gb: Some(disk),
        regions: draft.data_center_ids,
        volumes: draft.mounts.network.iter().flatten().map(|mount| VolumeId::new(&mount.volume_id)).collect(),
        image: draft.image,
        ports: ports.iter().filter_map(|port| pods::model_port(port)).collect(),
        env: env.into_iter().map(|(name, value)| (name, value.into())).collect(),
        ..Blueprint::default()
    };
    afford(world, visit, &blueprint)?;
    let pod = Pod {
        command,
        disk,
        mounts: draft.mounts,
        ports,
        registry: draft.registry,
        cuda: is_gpu.then(|| "12.8".to_owned()),
        hardware,
        locked: false,
        networking: draft.global_networking,
        ssh_tail: format!("644{}", world.new_id(5)),
        restarted_at: None,
        thinks_for: std::time::Duration::ZERO,
        host_full: false,
        bare_since: None,
    };
    make(world, visit, blueprint, pod)
}

/// Makes the machine, with the faults that strike the call.
fn make(world: &mut World, visit: &Visit, mut blueprint: Blueprint, pod: Pod) -> Result<Machine, Problem> {
    for fault in visit.faults() {
        match fault {
            Fault::CutsName(limit) => blueprint.name = blueprint.name.chars().take(*limit).collect(),
            Fault::AltersName => blueprint.name = blueprint.name.replace('-', "_"),
            _ => {}
        }
    }
    let machine = if visit.is_struck_by(&Fault::Ignores) {
        let place = world.cloud.best_place(&blueprint);
        world.cloud.draft(blueprint, place, visit.now)
    } else {
        let twin = visit.is_struck_by(&Fault::Duplicates).then(|| blueprint.clone());
        let made = world.cloud.create(blueprint, visit.landing, visit.now).map_err(refused)?;
        if let Some(twin) = twin {
            let id = world.cloud.place(twin, made.place.clone(), visit.now);
            if let Some(serial) = world.cloud.machine(&id).map(|machine| machine.serial) {
                world.pods.insert(serial, pod.clone());
            }
        }
        made
    };
    world.pods.insert(machine.serial, pod);
    Ok(machine)
}

/// What the model refuses, as RunPod says it.
pub(in crate::server) fn refused(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::NotFound => Problem::not_found("pod"),
        Refusal::NoCapacity(_) => Problem::bad_request(NO_CAPACITY),
        Refusal::TooMany { retry_after } => Problem::too_many("minute", super::super::reply::seconds(retry_after)),
        Refusal::NoVolume(_) => Problem::not_found("network volume"),
        Refusal::VolumeElsewhere { volume, region } => {
            Problem::bad_request(format!("network volume {volume} is in data center {region}, not in dataCenterIds"))
        }
        Refusal::NoPlace(place) => Problem::bad_request(format!(
            "data center '{place}' does not support network volumes; supported: {}",
            catalog::with_volumes().join(", ")
        )),
        Refusal::TooSmall { size_gb } => Problem::bad_request(format!("size can only grow; it is {size_gb} GB now")),
        Refusal::InUse(_) => Problem::bad_request("it is in use"),
        Refusal::NameTaken(_) | Refusal::Busy(_) | Refusal::NotRetriable(_) => {
            Problem::new(StatusCode::CONFLICT, "the pod's state does not allow this")
        }
    }
}
