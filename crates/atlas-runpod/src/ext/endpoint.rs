//! A serverless endpoint: what is asked of one, and how RunPod describes it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use atlas_auth::{Secret, Timestamp};
use atlas_core::{EndpointId, Mark, PortSpec, ProviderId, Rentable, RentalKind, RentalOrder, Rented};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// How work reaches an endpoint's workers. Open: a word that Atlas does not know is kept as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum EndpointKind {
    /// As jobs, through a queue.
    #[default]
    Queue,
    /// As HTTP requests, through a load balancer.
    LoadBalancer,
    /// A word that this version does not know.
    Other(String),
}

impl EndpointKind {
    /// RunPod's word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Queue => "QUEUE",
            Self::LoadBalancer => "LOAD_BALANCER",
            Self::Other(word) => word,
        }
    }
}

impl Serialize for EndpointKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// How many workers an endpoint has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Workers {
    /// Always up. **Each of them bills around the clock.**
    pub min: u32,
    /// At the most. RunPod lowers it by itself: to 2 after three days without a request, to 0 after seven.
    pub max: u32,
    /// How long one that has nothing to do stays up, and bills: from 1 s to 1 h.
    #[serde(serialize_with = "atlas_core::duration::serialize")]
    pub idle_timeout: Duration,
}

impl Default for Workers {
    fn default() -> Self {
        Self { min: 0, max: 3, idle_timeout: Duration::from_secs(10) }
    }
}

impl Workers {
    /// From so many to so many, staying up ten seconds without work.
    pub fn new(min: u32, max: u32) -> Self {
        Self { min, max, ..Self::default() }
    }

    /// How long one stays up without work.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }
}

/// When an endpoint gets more workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum Scaling {
    /// When a job has waited so long; half a second at least.
    QueueDelay(Duration),
    /// When each worker has so many requests. The only way for a load balancer.
    RequestCount(u32),
}

/// How fast a worker comes up that was up before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub enum FlashBoot {
    /// As any other: RunPod's API takes this unless told otherwise, its console does not.
    #[default]
    Off,
    /// Faster.
    On,
    /// Faster, and before others.
    Priority,
}

/// What is asked of a serverless endpoint. `Debug` shows the names of the environment and of the options only.
#[derive(Clone)]
#[non_exhaustive]
pub struct EndpointRequest {
    /// The user's name for it; it comes last in the marked name.
    pub name: Option<String>,
    /// How work reaches its workers.
    pub kind: EndpointKind,
    /// The container image; a template may have one instead.
    pub image: Option<String>,
    /// A serverless template.
    pub template_id: Option<String>,
    /// The command, program first; empty for the image's own.
    pub command: Vec<String>,
    /// GPUs that will do, by canonical or native name, or RunPod's pools; empty for workers without one.
    pub gpu: Vec<String>,
    /// How many GPUs a worker has.
    pub gpu_count: u32,
    /// For workers without a GPU: flavours, each with its number of virtual CPUs.
    pub cpu: Vec<(String, u32)>,
    /// How many workers.
    pub workers: Workers,
    /// When there are more of them.
    pub scaling: Scaling,
    /// How long a job may run where it does not say itself. Always sent: left out, RunPod has been seen to take 0.
    pub timeout: Duration,
    /// How fast workers come up.
    pub flash_boot: FlashBoot,
    /// Only these data centres; empty for any.
    pub data_centers: Vec<String>,
    /// Network volumes, one for each data centre at the most.
    pub network_volumes: Vec<String>,
    /// The container's disk, in gigabytes.
    pub disk_gb: Option<u32>,
    /// The ports, for a load balancer.
    pub ports: Vec<PortSpec>,
    /// The environment of each worker.
    pub env: BTreeMap<String, Secret>,
    /// Registry credentials kept at RunPod, by id.
    pub registry: Option<String>,
    /// RunPod's own options, merged last into what is sent.
    pub provider_opts: Map<String, Value>,
}

impl EndpointRequest {
    /// Workers of this image with one of these GPUs, none of them always up.
    pub fn gpu<I: IntoIterator<Item: Into<String>>>(image: impl Into<String>, gpus: I) -> Self {
        Self { gpu: gpus.into_iter().map(Into::into).collect(), ..Self::of(image.into()) }
    }

    /// Workers of this image without a GPU, of this flavour with so many virtual CPUs, none of them always up.
    pub fn cpu(image: impl Into<String>, flavour: impl Into<String>, vcpus: u32) -> Self {
        Self { cpu: vec![(flavour.into(), vcpus)], ..Self::of(image.into()) }
    }

    fn of(image: String) -> Self {
        Self {
            name: None,
            kind: EndpointKind::Queue,
            image: Some(image),
            template_id: None,
            command: Vec::new(),
            gpu: Vec::new(),
            gpu_count: 1,
            cpu: Vec::new(),
            workers: Workers::default(),
            scaling: Scaling::QueueDelay(Duration::from_secs(4)),
            timeout: Duration::from_mins(10),
            flash_boot: FlashBoot::Off,
            data_centers: Vec::new(),
            network_volumes: Vec::new(),
            disk_gb: None,
            ports: Vec::new(),
            env: BTreeMap::new(),
            registry: None,
            provider_opts: Map::new(),
        }
    }

    /// The user's name for it.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// HTTP requests through a load balancer, with more workers when each has so many.
    #[must_use]
    pub fn load_balancer(mut self, requests: u32) -> Self {
        self.kind = EndpointKind::LoadBalancer;
        self.scaling = Scaling::RequestCount(requests);
        self
    }

    /// A serverless template instead of an image.
    #[must_use]
    pub fn template(mut self, id: impl Into<String>) -> Self {
        self.template_id = Some(id.into());
        self.image = None;
        self
    }

    /// How many workers.
    #[must_use]
    pub fn workers(mut self, workers: Workers) -> Self {
        self.workers = workers;
        self
    }

    /// When there are more of them.
    #[must_use]
    pub fn scaling(mut self, scaling: Scaling) -> Self {
        self.scaling = scaling;
        self
    }

    /// How long a job may run where it does not say itself.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How fast workers come up.
    #[must_use]
    pub fn flash_boot(mut self, flash_boot: FlashBoot) -> Self {
        self.flash_boot = flash_boot;
        self
    }

    /// A port behind which its workers answer, beside those named before: a load balancer needs one.
    #[must_use]
    pub fn port(mut self, port: PortSpec) -> Self {
        self.ports.push(port);
        self
    }

    /// How many GPUs a worker has.
    #[must_use]
    pub fn gpu_count(mut self, count: u32) -> Self {
        self.gpu_count = count;
        self
    }

    /// The command, program first.
    #[must_use]
    pub fn command(mut self, command: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.command = command.into_iter().map(Into::into).collect();
        self
    }

    /// The container's disk, in gigabytes.
    #[must_use]
    pub fn disk_gb(mut self, size: u32) -> Self {
        self.disk_gb = Some(size);
        self
    }

    /// A network volume, beside those named before: one for each data centre at the most.
    #[must_use]
    pub fn network_volume(mut self, id: impl Into<String>) -> Self {
        self.network_volumes.push(id.into());
        self
    }

    /// Registry credentials kept at RunPod, by id.
    #[must_use]
    pub fn registry(mut self, id: impl Into<String>) -> Self {
        self.registry = Some(id.into());
        self
    }

    /// A data centre that will do, beside those named before.
    #[must_use]
    pub fn data_center(mut self, id: impl Into<String>) -> Self {
        self.data_centers.push(id.into());
        self
    }

    /// Sets one variable of the environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// One of RunPod's own options.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: Value) -> Self {
        self.provider_opts.insert(name.into(), value);
        self
    }
}

impl fmt::Debug for EndpointRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("EndpointRequest")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("image", &self.image)
            .field("gpu", &self.gpu)
            .field("cpu", &self.cpu)
            .field("workers", &self.workers)
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .field("provider_opts", &self.provider_opts.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// The order for one endpoint: it bills while a worker is up, so it is recorded before it is made (rule O1).
pub type EndpointOrder = RentalOrder<EndpointRequest>;

/// An endpoint, as RunPod describes it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Endpoint {
    /// What RunPod calls it.
    pub id: EndpointId,
    /// Its name, with the mark.
    pub name: Option<String>,
    /// The account.
    pub provider: ProviderId,
    /// How work reaches its workers.
    pub kind: Option<EndpointKind>,
    /// How many workers are always up, and bill.
    pub workers_min: Option<u32>,
    /// How many there are at the most; 0 where RunPod turned it off for want of use.
    pub workers_max: Option<u32>,
    /// Where it is asked: `run`, `status`, and so on; for a load balancer `base` and `health`.
    pub urls: BTreeMap<String, String>,
    /// The data centres that it is held to; empty for any.
    pub data_centers: Vec<String>,
    /// When RunPod made it.
    pub created_at: Option<Timestamp>,
    /// RunPod's own answer, less the environment.
    pub raw: Value,
    /// The mark that it bears.
    #[serde(skip)]
    pub mark: Option<Mark>,
}

impl Rentable for Endpoint {
    const KIND: RentalKind = RentalKind::Endpoint;

    fn rented(&self) -> Rented {
        let mut rented = Rented::new(Self::KIND, self.id.as_str());
        rented.name.clone_from(&self.name);
        rented.created_at = self.created_at;
        rented.mark.clone_from(&self.mark);
        rented
    }
}
