//! Runs one command as a machine of its own: a *pod*.
//!
//! A pod supervises one command, guards its http ports with the machine's key, keeps its log within a cap and its exit
//! status on disk, and when it ends gets rid of everything that the command started. It outlives whoever started it.
//!
//! ```text
//!   owner ── launch ──► launcher ── run ──► keeper ── supervise ──► supervisor ── exec ──► command ──► descendants
//!     │      (spec on stdin)  (gone soon)     │ lock                    │ lock, pod.json, log, exit.json
//!     └── inspect, end, read_log ──► DIR ◄────┴─────────────────────────┘ public port ──► guard ──► inner port
//! ```
//!
//! A pod is its directory; [`Pod`] is the owner's view of it. The invariants:
//!
//! - **A pod lives as long as its lock is held**, by a supervisor and its keeper, who keep it open until their processes
//!   end. No process number is ever believed by itself, so neither its reuse nor kill -9 deceives anybody.
//! - **Nothing starts that was ended before it came to it.** A supervisor that finds its directory removed, or its run
//!   not permitted, exits without starting anything.
//! - **No process is left behind, and no stranger is hit**: as subreaper the supervisor inherits every orphan; where it
//!   is itself killed, the command dies with it and its keeper inherits the rest, and ends it before the lock becomes
//!   free. Signals go through process descriptors whose start time was compared.
//! - **No secret is on disk or on a command line**: a spec travels over a pipe, and the environment of the command is
//!   where its secrets end.
//!
//! What it is not: a container. The command runs as the owner's user and sees its files; its inner ports are open to
//! every process of this machine.
//!
//! What stays uncovered: where keeper *and* supervisor are killed with signal 9, descent says nothing any more. Then a
//! process is known by its output, by a marker in its environment, by descent from such a one, or by being in the pod's
//! session together with such a one. One that has shed all four, its output redirected, its environment cleared, its
//! parent gone, alone in its session or in one of its own, is lost sight of, and the pod is taken for ended.
//!
//! ```no_run
//! use std::time::Duration;
//! use atlas_pod::{LaunchSpec, Pod, PodProgram, PortSpec, launch};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pod = Pod::new("/var/lib/atlas/pods/one");
//! pod.prepare(1)?;
//! let spec = LaunchSpec::new(PodProgram::new("/usr/bin/atlas-pod"), pod.path(), 1)
//!     .env("ATLAS_PRESHARED_KEY", "its key")
//!     .port(PortSpec::http(8000));
//! let report = launch(&spec).await?;
//! println!("http://127.0.0.1:{}", report.ports[0].public);
//!
//! let ended = pod.end(Duration::from_secs(5)).await?;
//! println!("{:?}", ended.exit());
//! # Ok(())
//! # }
//! ```

#[cfg(not(target_os = "linux"))]
compile_error!("a pod is supervised by means that only Linux has: /proc, process descriptors, subreapers");

mod directory;
mod exec;
mod files;
mod http;
mod keys;
mod launch;
mod log;
mod pod;
mod process;
mod program;
mod report;
mod service;
mod spec;
mod supervisor;
mod surroundings;
mod sweep;

pub use crate::http::body::AnswerBody;
pub use crate::http::proxy::{PROXY_BROKEN, PROXY_HEADER, PROXY_REFUSED, PROXY_STARTING};
pub use keys::PodKeys;
pub use launch::{LaunchError, launch};
pub use log::reader::LogReader;
pub use pod::{Ended, Pod, PodError};
pub use program::main_with_args;
pub use report::{BoundPort, ExitReport, Inode, Outcome, PodReport, PodState, ProcessId};
pub use service::BuiltIn;
pub use spec::{
    DEFAULT_GRACE, DEFAULT_LAUNCH_TIMEOUT, DEFAULT_LOG_CAP, LaunchSpec, Limits, PodProgram, PortKind, PortSpec,
};
pub use sweep::MARKER_VARIABLE;
