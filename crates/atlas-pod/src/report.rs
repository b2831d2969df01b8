//! What a pod writes about itself into its directory.

use std::io;
use std::os::fd::AsFd;

use atlas_auth::Timestamp;
use serde::{Deserialize, Serialize};

use crate::spec::PortKind;

/// `pod.json`: who supervises, and where the machine is reached. It is on disk before the command starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PodReport {
    /// Which run of the pod this is, as its owner counts them.
    pub run: u64,
    /// The compute that the pod is, as its owner named it.
    pub compute_id: String,
    /// The supervisor's process number.
    pub pid: i32,
    /// The supervisor's start, in clock ticks since boot: with `pid` and `boot_id` it names one process for ever.
    pub started_ticks: u64,
    /// The kernel's name of the boot in which that process lives.
    pub boot_id: String,
    /// The session that supervisor and command are in.
    pub session: i32,
    /// The process that clears up after the supervisor; `None` where none was left when this was written.
    #[serde(default)]
    pub keeper: Option<ProcessId>,
    /// The pipe that the command says everything into.
    #[serde(default)]
    pub output: Option<Inode>,
    /// What stands in `ATLAS_POD_RUN` of everything that this run started: random, and no secret.
    pub marker: String,
    /// The ports, in the order they were asked for.
    pub ports: Vec<BoundPort>,
    /// When the pod was up.
    pub started_at: Timestamp,
}

/// One process of one boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProcessId {
    /// Its number.
    pub pid: i32,
    /// Its start, in clock ticks since boot.
    pub started_ticks: u64,
}

/// An open file, as the kernel names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Inode {
    /// The device that it is on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
}

impl Inode {
    pub(crate) fn of(file: impl AsFd) -> io::Result<Self> {
        let status = rustix::fs::fstat(file)?;
        Ok(Self { device: status.st_dev, inode: status.st_ino })
    }
}

/// A port as it is reached on this machine's loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BoundPort {
    /// The port that was asked for.
    pub container: u16,
    /// How it is served.
    pub kind: PortKind,
    /// The port on 127.0.0.1 to talk to.
    pub public: u16,
    /// The port that the command listens on; the public one itself for [`PortKind::Tcp`].
    pub inner: u16,
    /// Whether the machine's key is asked for.
    pub guarded: bool,
}

/// `exit.json`: how the command of a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ExitReport {
    /// The run whose command it was.
    pub run: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// When it ended.
    pub at: Timestamp,
    /// Whether the pod had been asked to end before.
    pub asked: bool,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Outcome {
    /// By itself, with this code. 126 and 127 are also the pod's own: the command could not be run, was not found.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// What a pod's directory shows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PodState {
    /// Nothing was ever started in it.
    NeverStarted,
    /// Somebody holds the pod: a supervisor that is just starting, or an owner that is ending it.
    Busy,
    /// The supervisor lives, or its keeper is still clearing up after it.
    Running(PodReport),
    /// The command ended, and the supervisor after it.
    Exited(PodReport, ExitReport),
    /// The supervisor is gone without having said how the command ended: it was killed, or the machine was restarted.
    Dead(PodReport),
}

impl PodState {
    /// What the latest run wrote about itself; `None` before the first and while that is not known.
    pub fn report(&self) -> Option<&PodReport> {
        match self {
            Self::NeverStarted | Self::Busy => None,
            Self::Running(report) | Self::Exited(report, _) | Self::Dead(report) => Some(report),
        }
    }
}
