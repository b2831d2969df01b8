//! What is asked of a cloud: one machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use atlas_auth::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::port::PortSpec;
use super::private::PrivateParts;
use crate::error::excerpt;
use crate::{Capability, Error, Result, Traits, mark};

/// Which part of a cloud's offer may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CloudType {
    /// Either.
    #[default]
    Any,
    /// Only machines in the cloud's own data centres.
    Secure,
    /// Only machines of the cloud's partners.
    Community,
}

impl std::str::FromStr for CloudType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "any" => Ok(Self::Any),
            "secure" => Ok(Self::Secure),
            "community" => Ok(Self::Community),
            other => {
                Err(Error::validation(format!("\"{}\" is no cloud type: any, secure or community", excerpt(other))))
            }
        }
    }
}

macro_rules! fields {
    ($($variant:ident => $name:literal,)*) => {
        /// One field of a [`ComputeRequest`]. A provider names those that it understands; any other that is set is
        /// refused (rule C6), so that nothing asked for is dropped.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Field {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl Field {
            /// The name in requests and errors.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

fields! {
    Gpu => "gpu",
    GpuCount => "gpu_count",
    Cpus => "cpus",
    MemoryMb => "memory_mb",
    Image => "image",
    Command => "command",
    CloudType => "cloud_type",
    Spot => "spot",
    RegionHints => "region_hints",
    Ports => "ports",
    Env => "env",
    VolumeGb => "volume_gb",
    ContainerDiskGb => "container_disk_gb",
    NetworkVolumeId => "network_volume_id",
    RegistryAuth => "registry_auth",
    Name => "name",
    TemplateId => "template_id",
    ProviderOpts => "provider_opts",
}

impl fmt::Display for Field {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What is asked of a cloud: one machine. Made by its builder methods; checked before anything is spent.
///
/// Serialising it leaves out environment, options and registry credentials: those are stored sealed, as
/// [`PrivateParts`]. `Debug` shows what is serialised, and of the rest only the names.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ComputeRequest {
    /// GPUs in order of preference, by canonical or native name; empty for a machine without one.
    pub gpu: Vec<String>,
    /// How many GPUs; `None` means one where a GPU is asked for.
    pub gpu_count: Option<u32>,
    /// How many virtual CPUs at least.
    pub cpus: Option<u32>,
    /// How much memory at least, in mebibytes.
    pub memory_mb: Option<u64>,
    /// The container image.
    pub image: Option<String>,
    /// The command to run, program first; empty for the image's own.
    pub command: Vec<String>,
    /// Which part of the cloud's offer.
    pub cloud_type: CloudType,
    /// Whether an interruptible machine will do.
    pub spot: bool,
    /// Regions, data centres or countries in the cloud's own words, best first; empty for any.
    pub region_hints: Vec<String>,
    /// The ports to open.
    pub ports: Vec<PortSpec>,
    /// The environment. Values are secrets: a key may be among them.
    #[serde(skip)]
    pub env: BTreeMap<String, Secret>,
    /// A disk that outlives a stop, in gigabytes.
    pub volume_gb: Option<u32>,
    /// The disk of the container itself, in gigabytes.
    pub container_disk_gb: Option<u32>,
    /// A network volume to attach.
    pub network_volume_id: Option<String>,
    /// Credentials of the image's registry, or the cloud's own id of them.
    #[serde(skip)]
    pub registry_auth: Option<Secret>,
    /// The user's name for the machine; it comes last in the marked name.
    pub name: Option<String>,
    /// A template of the cloud.
    pub template_id: Option<String>,
    /// The provider's own options, merged last into what is sent.
    #[serde(skip)]
    pub provider_opts: Map<String, Value>,
    /// Whether a key may travel over plain http where the cloud offers nothing better (rule C12).
    pub allow_plain_http: bool,
}

impl ComputeRequest {
    /// A machine with this GPU.
    pub fn gpu(name: impl Into<String>) -> Self {
        Self { gpu: vec![name.into()], ..Self::default() }
    }

    /// A machine without a GPU.
    pub fn cpu() -> Self {
        Self::default()
    }

    /// Another GPU that will do, after those named before.
    #[must_use]
    pub fn or(mut self, name: impl Into<String>) -> Self {
        self.gpu.push(name.into());
        self
    }

    /// How many GPUs.
    #[must_use]
    pub fn gpu_count(mut self, count: u32) -> Self {
        self.gpu_count = Some(count);
        self
    }

    /// How many virtual CPUs at least.
    #[must_use]
    pub fn cpus(mut self, count: u32) -> Self {
        self.cpus = Some(count);
        self
    }

    /// How much memory at least, in mebibytes.
    #[must_use]
    pub fn memory_mb(mut self, mebibytes: u64) -> Self {
        self.memory_mb = Some(mebibytes);
        self
    }

    /// The container image.
    #[must_use]
    pub fn image(mut self, image: impl Into<String>) -> Self {
        self.image = Some(image.into());
        self
    }

    /// The command to run, program first.
    #[must_use]
    pub fn command<I: IntoIterator<Item: Into<String>>>(mut self, command: I) -> Self {
        self.command = command.into_iter().map(Into::into).collect();
        self
    }

    /// Which part of the cloud's offer.
    #[must_use]
    pub fn cloud_type(mut self, cloud_type: CloudType) -> Self {
        self.cloud_type = cloud_type;
        self
    }

    /// An interruptible machine will do.
    #[must_use]
    pub fn spot(mut self, spot: bool) -> Self {
        self.spot = spot;
        self
    }

    /// A region that will do, after those named before.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region_hints.push(region.into());
        self
    }

    /// Opens an http port.
    #[must_use]
    pub fn http_port(self, port: u16) -> Self {
        self.port(PortSpec::http(port))
    }

    /// Opens a port.
    #[must_use]
    pub fn port(mut self, port: PortSpec) -> Self {
        self.ports.push(port);
        self
    }

    /// Sets one variable of the environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// A disk that outlives a stop, in gigabytes.
    #[must_use]
    pub fn volume_gb(mut self, gigabytes: u32) -> Self {
        self.volume_gb = Some(gigabytes);
        self
    }

    /// The disk of the container itself, in gigabytes.
    #[must_use]
    pub fn container_disk_gb(mut self, gigabytes: u32) -> Self {
        self.container_disk_gb = Some(gigabytes);
        self
    }

    /// A network volume to attach.
    #[must_use]
    pub fn network_volume(mut self, id: impl Into<String>) -> Self {
        self.network_volume_id = Some(id.into());
        self
    }

    /// Credentials of the image's registry.
    #[must_use]
    pub fn registry_auth(mut self, credentials: impl Into<Secret>) -> Self {
        self.registry_auth = Some(credentials.into());
        self
    }

    /// The user's name for the machine.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// A template of the cloud.
    #[must_use]
    pub fn template(mut self, id: impl Into<String>) -> Self {
        self.template_id = Some(id.into());
        self
    }

    /// One of the provider's own options.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: Value) -> Self {
        self.provider_opts.insert(name.into(), value);
        self
    }

    /// Lets a key travel over plain http where the cloud offers nothing better.
    #[must_use]
    pub fn allow_plain_http(mut self, allow: bool) -> Self {
        self.allow_plain_http = allow;
        self
    }

    /// The fields that ask for something.
    pub fn set_fields(&self) -> Vec<Field> {
        let asked = [
            (Field::Gpu, !self.gpu.is_empty()),
            (Field::GpuCount, self.gpu_count.is_some()),
            (Field::Cpus, self.cpus.is_some()),
            (Field::MemoryMb, self.memory_mb.is_some()),
            (Field::Image, self.image.is_some()),
            (Field::Command, !self.command.is_empty()),
            (Field::CloudType, self.cloud_type != CloudType::Any),
            (Field::Spot, self.spot),
            (Field::RegionHints, !self.region_hints.is_empty()),
            (Field::Ports, !self.ports.is_empty()),
            (Field::Env, !self.env.is_empty()),
            (Field::VolumeGb, self.volume_gb.is_some()),
            (Field::ContainerDiskGb, self.container_disk_gb.is_some()),
            (Field::NetworkVolumeId, self.network_volume_id.is_some()),
            (Field::RegistryAuth, self.registry_auth.is_some()),
            (Field::Name, self.name.is_some()),
            (Field::TemplateId, self.template_id.is_some()),
            (Field::ProviderOpts, !self.provider_opts.is_empty()),
        ];
        asked.into_iter().filter_map(|(field, set)| set.then_some(field)).collect()
    }

    /// Refuses, as `unsupported` and by name, every field that asks for something and is not among `understood`.
    pub fn only(&self, understood: &[Field]) -> Result<()> {
        let refused: Vec<_> =
            self.set_fields().into_iter().filter(|field| !understood.contains(field)).map(Field::name).collect();
        if refused.is_empty() {
            Ok(())
        } else {
            Err(Error::unsupported(format!("this provider does not support {}", refused.join(", "))))
        }
    }

    /// Refuses what needs a capability that the cloud does not declare.
    pub fn needs(&self, traits: &Traits) -> Result<()> {
        let wanted = [
            (Capability::Gpu, !self.gpu.is_empty()),
            (Capability::Cpu, self.gpu.is_empty()),
            (Capability::Spot, self.spot),
            (Capability::NetworkVolumes, self.network_volume_id.is_some()),
            (Capability::Images, self.image.is_some()),
            (Capability::Commands, !self.command.is_empty()),
        ];
        match wanted.into_iter().find(|(capability, wanted)| *wanted && !traits.has(*capability)) {
            None => Ok(()),
            Some((Capability::Cpu, _)) => {
                Err(Error::unsupported(format!("{} rents no machine without a GPU; name one with gpu", traits.kind)))
            }
            Some((capability, _)) => Err(Error::unsupported(format!("{} does not support {capability}", traits.kind))),
        }
    }

    /// Checks what can be wrong on any cloud. Nothing is sent.
    pub fn validate(&self) -> Result<()> {
        if let Some(name) = &self.name {
            mark::check_name(name)?;
        }
        within("gpu_count", self.gpu_count.map(u64::from), 1, 64)?;
        within("cpus", self.cpus.map(u64::from), 1, 1024)?;
        within("memory_mb", self.memory_mb, 1, 64 * 1024 * 1024)?;
        within("volume_gb", self.volume_gb.map(u64::from), 1, 1_000_000)?;
        within("container_disk_gb", self.container_disk_gb.map(u64::from), 1, 1_000_000)?;
        if self.gpu_count.is_some() && self.gpu.is_empty() {
            return Err(Error::validation("gpu_count is set and no gpu is named"));
        }
        let mut seen = BTreeSet::new();
        for spec in &self.ports {
            if spec.port == 0 {
                return Err(Error::validation("port 0 is none: use 1 to 65535"));
            }
            if !seen.insert(spec.port) {
                return Err(Error::validation(format!("port {} is asked for twice", spec.port)));
            }
        }
        for (what, texts) in [("gpu", &self.gpu), ("region", &self.region_hints)] {
            for text in texts {
                if text.trim().is_empty() || text.len() > 100 || text.chars().any(char::is_control) {
                    return Err(Error::validation(format!("\"{}\" is no {what} name", excerpt(text))));
                }
            }
        }
        if self.image.as_deref().is_some_and(|image| image.is_empty() || image.chars().any(char::is_whitespace)) {
            return Err(Error::validation("the image's name is empty or has blanks in it"));
        }
        if self.command.iter().any(|part| part.contains('\0')) || self.command.first().is_some_and(String::is_empty) {
            return Err(Error::validation("the command's program is empty, or an argument has a NUL in it"));
        }
        for (name, value) in &self.env {
            check_variable(name, value)?;
        }
        Ok(())
    }

    /// Takes out what may hold secrets.
    pub fn take_private(&mut self) -> PrivateParts {
        PrivateParts {
            env: std::mem::take(&mut self.env),
            provider_opts: std::mem::take(&mut self.provider_opts),
            registry_auth: self.registry_auth.take(),
        }
    }

    /// Puts back what [`take_private`](Self::take_private) took out.
    #[must_use]
    pub fn with_private(mut self, parts: PrivateParts) -> Self {
        self.env = parts.env;
        self.provider_opts = parts.provider_opts;
        self.registry_auth = parts.registry_auth;
        self
    }
}

impl fmt::Debug for ComputeRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stored = serde_json::to_string(self).map_err(|_| fmt::Error)?;
        formatter
            .debug_struct("ComputeRequest")
            .field("stored", &format_args!("{stored}"))
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .field("provider_opts", &self.provider_opts.keys().collect::<Vec<_>>())
            .field("registry_auth", &self.registry_auth)
            .finish_non_exhaustive()
    }
}

fn within(what: &str, value: Option<u64>, least: u64, most: u64) -> Result<()> {
    match value {
        Some(value) if value < least || value > most => {
            Err(Error::validation(format!("{what} is {value}; it must be from {least} to {most}")))
        }
        _ => Ok(()),
    }
}

/// The environment's names that Atlas itself sets in every machine.
fn check_variable(name: &str, value: &Secret) -> Result<()> {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if !first || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(Error::validation(format!(
            "\"{}\" is no variable name: letters, digits and `_`, not beginning with a digit",
            excerpt(name)
        )));
    }
    if name.starts_with("ATLAS_") {
        return Err(Error::validation(format!("{name} is Atlas's own to set: names that begin with ATLAS_ are kept")));
    }
    if value.expose().contains('\0') {
        return Err(Error::validation(format!("the value of {name} has a NUL in it")));
    }
    Ok(())
}
