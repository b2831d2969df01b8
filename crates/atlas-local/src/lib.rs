//! Machines on this machine: the `local` provider.
//!
//! A compute here is a real process under a supervisor of its own ([`atlas_pod`]), so it outlives Atlas. Its first http
//! port is reached through the supervisor, which asks for the machine's key. One can try everything with it that one
//! would do on a cloud, and pay nothing.
//!
//! ```text
//! state_dir/local/<account>/
//!   lock        held for the moment in which a machine's folder appears, or the folders are listed
//!   identity    names this folder among all others: answers from another prove nothing about its machines
//!   <id>/       one machine
//!     machine.json   what was asked, with the environment sealed, and what is wanted of it
//!     machine.lock   held by whoever starts, stops or terminates it
//!     …              the pod's own files, among them the log and the command's working directory
//!   .new-<id>/  being made; without meaning until it is renamed
//!   .gone-<id>/ terminated; whatever is left of it is removed by the next operation
//! ```
//!
//! The invariants:
//!
//! - **A folder with its token comes before the process**, durably and under the account's lock. So a listing is
//!   complete at once, and a machine whose launch was cut off is listed as failed and can be terminated.
//! - **A machine's folder goes after its processes**, in one rename under the pod's lock: not found means gone.
//! - **What was begun is carried to its end**, whether or not the caller stays to hear of it; only the end of the whole
//!   process cuts it off, and then the next operation goes on from the folder.
//! - **Environment and keys are on disk only sealed**, and in no error, log or answer.
//!
//! What it can do: run a command, or without one a small built-in web service; stop and start again under the same keys;
//! logs; http ports behind the machine's key, and raw tcp ports, all on 127.0.0.1 and without TLS; hold each process of a
//! machine to [limits](MachineLimits) of the kernel, and its log to a cap. What it cannot: images, GPUs, and giving a machine
//! a part of this one's processors, memory or disk; asked for, they are refused by name.
//!
//! ```no_run
//! use std::sync::Arc;
//! use atlas_auth::{MasterKey, Sealer, SystemEntropy};
//! use atlas_core::{CallContext, ComputeFilter, Provider};
//! use atlas_local::{Local, PodProgram};
//!
//! # async fn example() -> atlas_core::Result<()> {
//! let master = MasterKey::generate(&SystemEntropy);
//! let local = Local::builder("/var/lib/atlas", Arc::new(Sealer::from_master(&master, "provider/local")))
//!     .pod(PodProgram::new("/usr/bin/atlas-pod"))
//!     .build()?;
//! for compute in local.list(&CallContext::new(), &ComputeFilter::all()).await? {
//!     println!("{} {}", compute.id, compute.status);
//! }
//! # Ok(())
//! # }
//! ```

mod config;
mod error;
mod folder;
mod life;
mod limits;
mod logs;
mod machine;
mod program;
mod provider;
mod status;
mod translate;

pub use atlas_pod::PodProgram;
pub use config::{LocalBuilder, LocalFactory, factory, factory_with};
pub use limits::MachineLimits;
pub use program::pod_main;
pub use provider::Local;
