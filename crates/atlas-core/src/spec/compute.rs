//! One rented machine, as its cloud describes it.

use std::fmt;

use atlas_auth::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::port::{Port, Protocol};
use crate::{ComputeId, Mark, Money, ProviderId};

/// What a machine is doing, as its cloud says. Open: a word that Atlas does not know is kept as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ComputeStatus {
    /// Being made or booted.
    Starting,
    /// Running, as the cloud says: whether its port answers is another question.
    Running,
    /// On its way to stopped.
    Stopping,
    /// Stopped, its disk kept.
    Stopped,
    /// Its command ended by itself; the machine may bill on.
    Exited,
    /// It could not be made, or broke.
    Failed,
    /// On its way to gone.
    Terminating,
    /// Gone, and still remembered by the cloud.
    Terminated,
    /// A word that this version does not know.
    Other(String),
}

impl ComputeStatus {
    /// All that this version has a word for.
    pub const KNOWN: [Self; 8] = [
        Self::Starting,
        Self::Running,
        Self::Stopping,
        Self::Stopped,
        Self::Exited,
        Self::Failed,
        Self::Terminating,
        Self::Terminated,
    ];

    /// The word for it in `--json` and in filters.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Exited => "exited",
            Self::Failed => "failed",
            Self::Terminating => "terminating",
            Self::Terminated => "terminated",
            Self::Other(word) => word,
        }
    }

    /// Whether it will not run again by itself: it ended, broke or is gone.
    pub fn is_over(&self) -> bool {
        match self {
            Self::Exited | Self::Failed | Self::Terminating | Self::Terminated => true,
            Self::Starting | Self::Running | Self::Stopping | Self::Stopped | Self::Other(_) => false,
        }
    }

    /// Reads a word; one that is not known is kept.
    pub fn from_word(word: &str) -> Self {
        Self::KNOWN.into_iter().find(|known| known.as_str() == word).unwrap_or_else(|| Self::Other(word.to_owned()))
    }
}

impl fmt::Display for ComputeStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for ComputeStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ComputeStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|word| Self::from_word(&word))
    }
}

/// One rented machine, as its cloud describes it. Holds no credentials (rule C9).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Compute {
    /// What the cloud calls it.
    pub id: ComputeId,
    /// Its name at the cloud, with the mark.
    pub name: Option<String>,
    /// The account that it is rented with.
    pub provider: ProviderId,
    /// The kind of cloud.
    pub kind: String,
    /// What it is doing.
    pub status: ComputeStatus,
    /// Where it stands, in the cloud's own words.
    pub region: Option<String>,
    /// The image that it runs.
    pub image: Option<String>,
    /// Its GPU, by canonical name where there is one.
    pub gpu_type: Option<String>,
    /// How many GPUs.
    pub gpu_count: u32,
    /// What it costs an hour now, in dollars; `None` where the cloud does not say.
    pub cost_per_hour: Option<Money>,
    /// Its public address.
    pub public_ip: Option<String>,
    /// Its ports.
    pub ports: Vec<Port>,
    /// When the cloud made it.
    pub created_at: Option<Timestamp>,
    /// With which code its command ended, where the cloud says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The cloud's own answer, less secrets and environment.
    pub raw: Value,
    /// The mark that its provider has read from elsewhere than its name. Ask [`mark`](Self::mark()) which one it bears.
    #[serde(skip)]
    pub mark: Option<Mark>,
}

impl Compute {
    /// A machine of which only this much is known.
    pub fn new(provider: &ProviderId, kind: &str, id: ComputeId, status: ComputeStatus) -> Self {
        Self {
            id,
            name: None,
            provider: provider.clone(),
            kind: kind.to_owned(),
            status,
            region: None,
            image: None,
            gpu_type: None,
            gpu_count: 0,
            cost_per_hour: None,
            public_ip: None,
            ports: Vec::new(),
            created_at: None,
            exit_code: None,
            raw: Value::Null,
            mark: None,
        }
    }

    /// Sets its name, and the mark that the name holds.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        if self.mark.is_none() {
            self.mark = Mark::read(&name);
        }
        self.name = Some(name);
        self
    }

    /// The mark that it bears, in its name if nowhere else.
    pub fn mark(&self) -> Option<Mark> {
        self.mark.clone().or_else(|| self.name.as_deref().and_then(Mark::read))
    }

    /// The first http port, on which readiness is asked.
    pub fn first_http(&self) -> Option<&Port> {
        self.ports.iter().find(|port| port.protocol == Protocol::Http)
    }

    /// The port that stands for `container_port` inside.
    pub fn port(&self, container_port: u16) -> Option<&Port> {
        self.ports.iter().find(|port| port.container_port == container_port)
    }
}

impl AsRef<ComputeId> for Compute {
    fn as_ref(&self) -> &ComputeId {
        &self.id
    }
}
