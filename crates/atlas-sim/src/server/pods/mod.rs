//! Pods: what RunPod knows of a machine beside the model, and what a read of it shows.

mod view;

use atlas_auth::Timestamp;
use atlas_core::{ComputeStatus, PortSpec};
use serde::{Deserialize, Serialize};

use crate::model::{Machine, Phase};

pub(super) use view::{PodView, env_of, runtime_ports};

/// What a pod runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hardware {
    Gpu { id: String, count: u32, vcpus: u32, memory: u32 },
    Cpu { id: String, vcpus: u32, memory: u32 },
}

impl Hardware {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Gpu { id, .. } | Self::Cpu { id, .. } => id,
        }
    }

    pub(super) const fn count(&self) -> u32 {
        match self {
            Self::Gpu { count, .. } => *count,
            Self::Cpu { .. } => 1,
        }
    }

    pub(super) const fn host(&self) -> (u32, u32) {
        match self {
            Self::Gpu { vcpus, memory, .. } | Self::Cpu { vcpus, memory, .. } => (*vcpus, *memory),
        }
    }
}

/// A disk that stays with the pod, or a network volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mounts {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) persistent: Option<PersistentMount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) network: Option<Vec<NetworkMount>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PersistentMount {
    pub(super) size: u32,
    pub(super) path: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NetworkMount {
    pub(super) volume_id: String,
    pub(super) path: String,
}

/// A container's command: a text, or the words of it. Both say the same; both are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Command {
    #[serde(default)]
    pub(super) args: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cmd: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) entrypoint: Option<Vec<String>>,
}

impl Command {
    /// Brings both forms together; an error if they say different things.
    pub(super) fn unite(
        args: Option<String>,
        cmd: Option<Vec<String>>,
        entrypoint: Option<Vec<String>>,
    ) -> Result<Self, String> {
        #[derive(Serialize, Deserialize, PartialEq)]
        struct Words {
            #[serde(default, skip_serializing_if = "Option::is_none")]
            entrypoint: Option<Vec<String>>,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            cmd: Option<Vec<String>>,
        }
        let full = |words: Option<Vec<String>>| words.filter(|words| !words.is_empty());
        let (words, args) = (Words { entrypoint: full(entrypoint), cmd: full(cmd) }, args.unwrap_or_default());
        let in_args = serde_json::from_str::<Words>(&args).ok();
        let has_words = words.cmd.is_some() || words.entrypoint.is_some();
        match (has_words, args.is_empty(), in_args) {
            (false, _, None) => Ok(Self { args, cmd: None, entrypoint: None }),
            (false, _, Some(Words { entrypoint, cmd })) => Ok(Self { args, cmd, entrypoint }),
            (true, true, _) => {
                let text = serde_json::to_string(&words).unwrap_or_default();
                Ok(Self { args: text, cmd: words.cmd, entrypoint: words.entrypoint })
            }
            (true, false, Some(same)) if same == words => {
                Ok(Self { args, cmd: words.cmd, entrypoint: words.entrypoint })
            }
            (true, false, _) => Err("args and cmd/entrypoint are both set and do not mean the same".to_owned()),
        }
    }
}

/// One pod, as far as the model does not know it.
#[derive(Debug, Clone)]
pub(super) struct Pod {
    pub(super) command: Command,
    pub(super) disk: u32,
    pub(super) mounts: Mounts,
    /// As they were asked for, symmetric ones beyond 65535 included.
    pub(super) ports: Vec<String>,
    pub(super) registry: Option<String>,
    pub(super) cuda: Option<String>,
    pub(super) hardware: Hardware,
    pub(super) locked: bool,
    pub(super) networking: bool,
    /// What follows the id in the name for ssh.
    pub(super) ssh_tail: String,
    /// When its container began anew by itself.
    pub(super) restarted_at: Option<Timestamp>,
    /// How long its application takes for an answer.
    pub(super) thinks_for: std::time::Duration,
    /// Whether a start finds no free GPU any more.
    pub(super) host_full: bool,
    /// Since when it has none of its GPUs: it was started on a host that had none free.
    pub(super) bare_since: Option<Timestamp>,
}

impl Pod {
    /// How many GPUs it has now.
    pub(super) fn gpus(&self, now: Timestamp) -> u32 {
        match &self.hardware {
            Hardware::Gpu { .. } if self.bare_since.is_some_and(|since| since <= now) => 0,
            Hardware::Gpu { count, .. } => *count,
            Hardware::Cpu { .. } => 0,
        }
    }
}

/// A port as it is asked for: `8000/http`, `22/tcp`, `70000/tcp`.
pub(super) fn port(text: &str) -> Option<(u32, &str)> {
    let (number, protocol) = text.split_once('/')?;
    let number = number.parse().ok().filter(|number| (1..=99_999).contains(number))?;
    matches!(protocol, "http" | "tcp").then_some((number, protocol))
}

/// The same, for the model; none for a symmetric port, which has no number inside of its own.
pub(super) fn model_port(text: &str) -> Option<PortSpec> {
    let (number, protocol) = port(text)?;
    let number = u16::try_from(number).ok()?;
    Some(if protocol == "http" { PortSpec::http(number) } else { PortSpec::tcp(number) })
}

/// A pod's status, as RunPod says it. One that is gone is still shown as it was.
pub(super) fn status(machine: &Machine, provisioning: std::time::Duration, now: Timestamp) -> &'static str {
    let life = &machine.life;
    match life.before_end(now) {
        Phase::Starting => {
            let since = life.since(now);
            let is_new = since == machine.created_at;
            if is_new && now < since.plus(provisioning) { "PROVISIONING" } else { "STARTING" }
        }
        // A container whose command ended is started again by the cloud: nothing of it shows in the status.
        Phase::Running | Phase::Exited(_) | Phase::Stopping => "RUNNING",
        Phase::Stopped => "EXITED",
        Phase::Failed => "ERROR",
        Phase::Terminating | Phase::Terminated => "TERMINATED",
    }
}

/// What may be done to a pod in this status.
pub(super) fn actions(status: &str) -> &'static [&'static str] {
    match status {
        "RUNNING" => &["stop", "restart", "terminate"],
        "EXITED" | "ERROR" => &["start", "terminate"],
        "PROVISIONING" | "STARTING" => &["stop", "terminate"],
        _ => &[],
    }
}

/// RunPod's word for a status of Atlas: what the fault that lies about it shows.
pub(super) fn word(status: &ComputeStatus) -> String {
    match status {
        ComputeStatus::Starting => "STARTING".to_owned(),
        ComputeStatus::Stopped | ComputeStatus::Exited => "EXITED".to_owned(),
        ComputeStatus::Failed => "ERROR".to_owned(),
        ComputeStatus::Terminating | ComputeStatus::Terminated => "TERMINATED".to_owned(),
        ComputeStatus::Other(word) => word.clone(),
        _ => "RUNNING".to_owned(),
    }
}
