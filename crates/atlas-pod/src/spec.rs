//! What an owner asks of a pod.
//!
//! Invariant: the environment holds secrets, so a spec travels over a pipe only. It has no serialised form but
//! [`Wire`], which never leaves memory and pipes.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use atlas_auth::Secret;
use serde::{Deserialize, Serialize};

/// How much a pod's log may take in all, unless told otherwise: 8 MiB.
pub const DEFAULT_LOG_CAP: u64 = 8 * 1024 * 1024;

/// How long a command may take to end after it was asked to, unless told otherwise.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(5);

/// How long a pod may take to come up: reading its spec, taking the lock and binding the ports are all on this
/// machine.
pub const DEFAULT_LAUNCH_TIMEOUT: Duration = Duration::from_secs(15);

/// A program that carries the pod's subcommands.
///
/// Either this crate's own `atlas-pod`, or any program that hands the arguments behind its own `prefix` to
/// [`main_with_args`](crate::main_with_args).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodProgram {
    pub(crate) path: PathBuf,
    pub(crate) prefix: Vec<String>,
}

impl PodProgram {
    /// The program at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), prefix: Vec::new() }
    }

    /// The arguments that come before the pod's own, such as `["__pod"]`.
    #[must_use]
    pub fn prefix<A: Into<String>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.prefix = arguments.into_iter().map(Into::into).collect();
        self
    }

    /// Where the program is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// How a port is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PortKind {
    /// The pod listens, asks for the machine's key, and passes requests on to the command.
    Http,
    /// The command itself listens: the pod only chooses the number, and guards nothing.
    Tcp,
}

/// A port that the command serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PortSpec {
    /// The port as the owner's user knows it: it names the port, and need not be free on this machine.
    pub container: u16,
    /// How it is served.
    pub kind: PortKind,
    /// The port wanted on 127.0.0.1; `None` lets the pod choose.
    pub public: Option<u16>,
}

impl PortSpec {
    /// An HTTP port on a number of the pod's choice.
    pub const fn http(container: u16) -> Self {
        Self { container, kind: PortKind::Http, public: None }
    }

    /// A raw port on a number of the pod's choice.
    pub const fn tcp(container: u16) -> Self {
        Self { container, kind: PortKind::Tcp, public: None }
    }

    /// Asks for a certain number on 127.0.0.1. A pod that cannot have it does not start.
    #[must_use]
    pub const fn public(mut self, port: u16) -> Self {
        self.public = Some(port);
        self
    }
}

/// What the kernel can hold a command and its descendants to.
///
/// All are per process, not for all descendants together: they stop accidents, not malice. Core dumps are always off.
/// What cannot be limited this way: the number of processors, a GPU, disk space, the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Limits {
    /// Files that a process may have open at once.
    pub open_files: Option<u64>,
    /// Bytes of address space, which is more than the memory in use: many language runtimes reserve a lot.
    pub address_space: Option<u64>,
    /// Seconds of processor time, after which the kernel kills the process.
    pub processor_seconds: Option<u64>,
}

impl Limits {
    /// No limit but the owner's own.
    pub const fn none() -> Self {
        Self { open_files: None, address_space: None, processor_seconds: None }
    }

    /// Limits the files that a process may have open at once.
    #[must_use]
    pub const fn open_files(mut self, count: u64) -> Self {
        self.open_files = Some(count);
        self
    }

    /// Limits the address space of a process, in bytes.
    #[must_use]
    pub const fn address_space(mut self, bytes: u64) -> Self {
        self.address_space = Some(bytes);
        self
    }

    /// Limits the processor time of a process, in seconds.
    #[must_use]
    pub const fn processor_seconds(mut self, seconds: u64) -> Self {
        self.processor_seconds = Some(seconds);
        self
    }
}

/// One run of a pod: what [`launch`](crate::launch) starts.
#[derive(Clone)]
#[must_use]
pub struct LaunchSpec {
    pub(crate) program: PodProgram,
    pub(crate) directory: PathBuf,
    pub(crate) run: u64,
    pub(crate) compute_id: String,
    pub(crate) command: Vec<String>,
    pub(crate) environment: BTreeMap<String, Secret>,
    pub(crate) ports: Vec<PortSpec>,
    pub(crate) limits: Limits,
    pub(crate) log_cap: u64,
    pub(crate) grace: Duration,
    pub(crate) guarded: bool,
    pub(crate) timeout: Duration,
}

impl LaunchSpec {
    /// Run number `run` in `directory`, which [`Pod::prepare`](crate::Pod::prepare) has made and permitted it. Without
    /// a [`command`](Self::command) it is the built-in service.
    pub fn new(program: PodProgram, directory: impl Into<PathBuf>, run: u64) -> Self {
        Self {
            program,
            directory: directory.into(),
            run,
            compute_id: String::new(),
            command: Vec::new(),
            environment: BTreeMap::new(),
            ports: Vec::new(),
            limits: Limits::none(),
            log_cap: DEFAULT_LOG_CAP,
            grace: DEFAULT_GRACE,
            guarded: true,
            timeout: DEFAULT_LAUNCH_TIMEOUT,
        }
    }

    /// What the command finds in `ATLAS_COMPUTE_ID`.
    pub fn compute_id(mut self, id: impl Into<String>) -> Self {
        self.compute_id = id.into();
        self
    }

    /// The command and its arguments; no shell is in between. An empty one is the built-in service.
    pub fn command<A: Into<String>>(mut self, words: impl IntoIterator<Item = A>) -> Self {
        self.command = words.into_iter().map(Into::into).collect();
        self
    }

    /// Adds to the command's environment. `PORT`, `ATLAS_PORT_*`, `ATLAS_COMPUTE_ID` and `ATLAS_POD_RUN` are the
    /// pod's: where it sets them, its values win. An `ATLAS_PRESHARED_KEY` or `ATLAS_SIGNING_KEY` guards the http
    /// ports.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Adds a port.
    pub fn port(mut self, port: PortSpec) -> Self {
        self.ports.push(port);
        self
    }

    /// Limits what the command may take.
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How many bytes the log may take in all; less than 8 KiB counts as 8 KiB.
    pub const fn log_cap(mut self, bytes: u64) -> Self {
        self.log_cap = bytes;
        self
    }

    /// How long the command may take to end after it was asked to.
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Whether keys in the environment guard the http ports: they do, unless this says `false`.
    pub const fn guarded(mut self, guarded: bool) -> Self {
        self.guarded = guarded;
        self
    }

    /// How long the pod may take to come up.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// What cannot be honoured, said before anything is started.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.command.first().is_some_and(String::is_empty) {
            return Err("the command's first word is empty: name a program".to_owned());
        }
        if self.command.iter().any(|word| word.contains('\0')) {
            return Err("the command holds a zero byte, which no program can be given".to_owned());
        }
        for (name, value) in &self.environment {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(format!("{name:?} is no name of an environment variable: leave out \"=\" and zero bytes"));
            }
            if value.expose().contains('\0') {
                return Err(format!("the value of the environment variable {name} holds a zero byte: remove it"));
            }
        }
        for (index, port) in self.ports.iter().enumerate() {
            if port.container == 0 || port.public == Some(0) {
                return Err("0 is no port number: give one from 1 to 65535".to_owned());
            }
            if self.ports[..index].iter().any(|earlier| earlier.container == port.container) {
                return Err(format!("port {} is asked for twice", port.container));
            }
        }
        Ok(())
    }

    pub(crate) fn wire(&self) -> Wire {
        Wire {
            program: self.program.path.clone(),
            prefix: self.program.prefix.clone(),
            run: self.run,
            compute_id: self.compute_id.clone(),
            command: self.command.clone(),
            environment: self.environment.iter().map(|(name, value)| (name.clone(), Revealed(value.clone()))).collect(),
            ports: self.ports.clone(),
            limits: self.limits,
            log_cap: self.log_cap,
            grace_millis: u64::try_from(self.grace.as_millis()).unwrap_or(u64::MAX),
            guarded: self.guarded,
        }
    }
}

impl fmt::Debug for LaunchSpec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LaunchSpec")
            .field("directory", &self.directory)
            .field("run", &self.run)
            .field("compute_id", &self.compute_id)
            .field("command", &self.command)
            .field("environment", &self.environment.keys())
            .field("ports", &self.ports)
            .finish_non_exhaustive()
    }
}

/// The spec as it goes over the pipe.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wire {
    pub(crate) program: PathBuf,
    pub(crate) prefix: Vec<String>,
    pub(crate) run: u64,
    pub(crate) compute_id: String,
    pub(crate) command: Vec<String>,
    pub(crate) environment: BTreeMap<String, Revealed>,
    pub(crate) ports: Vec<PortSpec>,
    pub(crate) limits: Limits,
    pub(crate) log_cap: u64,
    pub(crate) grace_millis: u64,
    pub(crate) guarded: bool,
}

/// A secret that shows itself when serialised: for the pipe and nothing else.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Revealed(pub(crate) Secret);

impl Serialize for Revealed {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

#[cfg(test)]
mod tests;
