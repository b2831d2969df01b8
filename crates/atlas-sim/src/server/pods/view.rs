//! A pod as REST v2 shows it: borrowed from the world, written at once.

use atlas_auth::{Secret, Timestamp};
use atlas_core::{ComputeStatus, Protocol};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::{Hardware, Pod, actions, port, status, word};
use crate::model::{Machine, Phase, public_ip, public_port};
use crate::server::app::Timing;
use crate::server::catalog::{cloud_word, dollars};

use std::collections::BTreeMap;

/// One pod, as a read shows it.
#[derive(Debug)]
pub(in crate::server) struct PodView<'a> {
    pub(in crate::server) machine: &'a Machine,
    pub(in crate::server) pod: &'a Pod,
    pub(in crate::server) timing: &'a Timing,
    pub(in crate::server) now: Timestamp,
    /// The status that is shown whatever the pod is doing.
    pub(in crate::server) lie: Option<&'a ComputeStatus>,
}

/// The environment as it was given: secrets and all, as RunPod echoes it.
struct Env<'a>(&'a BTreeMap<String, Secret>);

impl Serialize for Env<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value.expose())))
    }
}

/// The environment as GraphQL tells it.
pub(in crate::server) fn env_of(machine: &Machine) -> Vec<String> {
    machine.blueprint.env.iter().map(|(name, value)| format!("{name}={}", value.expose())).collect()
}

#[derive(Serialize)]
struct Ssh {
    proxy: Door,
    direct: Option<Door>,
}

#[derive(Serialize)]
struct Door {
    host: String,
    port: u16,
    username: String,
    command: String,
}

/// A port that the world can reach.
#[derive(Debug, Serialize)]
pub(in crate::server) struct RuntimePort {
    pub(in crate::server) private: u32,
    pub(in crate::server) public: u16,
    #[serde(rename = "type")]
    pub(in crate::server) kind: &'static str,
    pub(in crate::server) ip: String,
}

#[derive(Serialize)]
struct Util {
    util: u8,
}

#[derive(Serialize)]
struct GpuUtil {
    util: u8,
    #[serde(rename = "memoryUtil")]
    memory_util: u8,
}

#[derive(Serialize)]
struct Runtime {
    uptime: u64,
    gpus: Vec<GpuUtil>,
    cpu: Util,
    memory: Util,
    ports: Vec<RuntimePort>,
}

#[derive(Serialize)]
struct GpuView<'a> {
    id: &'a str,
    count: u32,
    #[serde(rename = "vcpuCount")]
    vcpus: u32,
    memory: u32,
}

#[derive(Serialize)]
struct CpuView<'a> {
    id: &'a str,
    #[serde(rename = "vcpuCount")]
    vcpus: u32,
    memory: u32,
}

#[derive(Serialize)]
struct Networking {
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    #[serde(rename = "internalDns", skip_serializing_if = "Option::is_none")]
    internal_dns: Option<String>,
}

/// The TCP ports outside: HTTP ones go through the proxy and are not among them.
pub(in crate::server) fn runtime_ports(machine: &Machine, pod: &Pod) -> Vec<RuntimePort> {
    // A community host may have no address of its own.
    let ip = || public_ip(machine);
    let symmetric = |index: usize| {
        let offset = machine.serial.wrapping_mul(16).wrapping_add(u64::try_from(index).unwrap_or(0)) % 20_000;
        40_000 + u16::try_from(offset).unwrap_or(0)
    };
    let one = |(index, text): (usize, &String)| {
        let (number, protocol) = port(text).filter(|(_, protocol)| *protocol == "tcp")?;
        if number >= 70_000 {
            let outside = symmetric(index);
            return Some(RuntimePort { private: outside.into(), public: outside, kind: "tcp", ip: ip() });
        }
        let spec = machine
            .blueprint
            .ports
            .iter()
            .find(|spec| spec.protocol == Protocol::Tcp && u32::from(spec.port) == number && protocol == "tcp")?;
        Some(RuntimePort { private: number, public: public_port(machine, *spec)?, kind: "tcp", ip: ip() })
    };
    pod.ports.iter().enumerate().filter_map(one).collect()
}

impl PodView<'_> {
    /// Its status.
    pub(in crate::server) fn status(&self) -> std::borrow::Cow<'static, str> {
        match self.lie {
            Some(lie) => word(lie).into(),
            None => status(self.machine, self.timing.provisioning, self.now).into(),
        }
    }

    /// Since when it runs, if it does.
    fn running_since(&self) -> Option<Timestamp> {
        let life = &self.machine.life;
        matches!(life.at(self.now), Phase::Running | Phase::Exited(_)).then(|| life.since(self.now))
    }

    fn runtime(&self) -> Option<Runtime> {
        let since = self.running_since().filter(|since| self.now >= since.plus(self.timing.ports_after))?;
        let begun = self.pod.restarted_at.map_or(since, |restarted| restarted.max(since));
        let gpus = (0..self.pod.gpus(self.now)).map(|_| GpuUtil { util: 0, memory_util: 0 }).collect();
        Some(Runtime {
            uptime: self.now.since(begun).as_secs(),
            gpus,
            cpu: Util { util: 3 },
            memory: Util { util: 5 },
            ports: runtime_ports(self.machine, self.pod),
        })
    }

    fn ssh(&self, runtime: Option<&Runtime>) -> Ssh {
        let username = format!("{}-{}", self.machine.id, self.pod.ssh_tail);
        let command = format!("ssh {username}@ssh.runpod.io");
        let proxy = Door { host: "ssh.runpod.io".to_owned(), port: 22, username, command };
        let direct = runtime.and_then(|runtime| runtime.ports.iter().find(|port| port.private == 22)).map(|port| {
            let command = format!("ssh root@{} -p {}", port.ip, port.public);
            Door { host: port.ip.clone(), port: port.public, username: "root".to_owned(), command }
        });
        Ssh { proxy, direct }
    }

    fn networking(&self) -> Networking {
        let on = self.pod.networking;
        Networking {
            enabled: on,
            ip: on.then(|| format!("10.1.{}.{}", self.machine.serial / 250 % 250, 1 + self.machine.serial % 250)),
            internal_dns: on.then(|| format!("{}.runpod.internal", self.machine.id)),
        }
    }
}

impl Serialize for PodView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (machine, pod, plan) = (self.machine, self.pod, &self.machine.blueprint);
        let status = self.status();
        let runtime = if status == "RUNNING" { self.runtime() } else { None };
        let cost = if matches!(&*status, "EXITED" | "TERMINATED") { 0 } else { machine.price.as_micros() };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", machine.id.as_str())?;
        map.serialize_entry("name", &plan.name)?;
        map.serialize_entry("image", plan.image.as_deref().unwrap_or_default())?;
        map.serialize_entry("args", &pod.command.args)?;
        if let Some(cmd) = &pod.command.cmd {
            map.serialize_entry("cmd", cmd)?;
        }
        if let Some(entrypoint) = &pod.command.entrypoint {
            map.serialize_entry("entrypoint", entrypoint)?;
        }
        map.serialize_entry("disk", &pod.disk)?;
        map.serialize_entry("ports", &pod.ports)?;
        map.serialize_entry("env", &Env(&plan.env))?;
        map.serialize_entry("registry", &pod.registry)?;
        map.serialize_entry("status", &status)?;
        map.serialize_entry("actions", actions(&status))?;
        map.serialize_entry("mounts", &pod.mounts)?;
        match &pod.hardware {
            Hardware::Gpu { id, vcpus, memory, .. } => {
                let count = pod.gpus(self.now);
                map.serialize_entry("gpu", &GpuView { id, count, vcpus: *vcpus, memory: *memory })?;
            }
            Hardware::Cpu { id, vcpus, memory } => {
                map.serialize_entry("cpu", &CpuView { id, vcpus: *vcpus, memory: *memory })?;
            }
        }
        map.serialize_entry("cloud", cloud_word(machine.place.cloud_type))?;
        // Where it will stand is not told before it is decided.
        let placed = (status != "PROVISIONING").then_some(&machine.place.region);
        map.serialize_entry("dataCenterId", &placed)?;
        map.serialize_entry("cudaVersion", &pod.cuda)?;
        map.serialize_entry("ssh", &self.ssh(runtime.as_ref()))?;
        // A template is resolved once, and forgotten.
        map.serialize_entry("template", &None::<&str>)?;
        map.serialize_entry("cost", &dollars(cost))?;
        map.serialize_entry("locked", &pod.locked)?;
        map.serialize_entry("globalNetworking", &self.networking())?;
        map.serialize_entry("runtime", &runtime)?;
        map.serialize_entry("createdAt", &machine.created_at)?;
        map.serialize_entry("startedAt", &self.running_since())?;
        map.end()
    }
}
