//! Atlas rents a machine (GPU or CPU) for one user at a time, hands that user's browser a key to talk to it directly, and
//! gives the machine back the moment it is no longer needed.
//!
//! This crate is the way in. It holds no logic of its own: it re-exports the crates of the workspace, each under one path,
//! and knows which kinds of cloud were compiled in ([`builtin`]).
//!
//! # A machine per user
//!
//! ```no_run
//! # #[cfg(all(feature = "config", feature = "orchestrator", feature = "redb", feature = "http"))]
//! # mod example {
//! use std::time::Duration;
//! use atlas::orchestrator::{Orchestrator, SessionRequest};
//! use atlas::{Auth, ComputeRequest};
//!
//! # async fn run(user: &str) -> atlas::orchestrator::Result<()> {
//! // Recovers what was; nothing runs before this line.
//! let atlas = Orchestrator::open(atlas::from_env()?).await?;
//!
//! // Any number of tabs, retries and restarts: one machine.
//! let machine = ComputeRequest::gpu("h100").or("a100_80g").image("ghcr.io/me/app:1").http_port(8000);
//! let request = SessionRequest::new(machine).auth(Auth::Bearer).idle_ttl(Duration::from_secs(1800));
//! let session = atlas.ensure(user, request).await?;
//!
//! // Asked for each time, never kept: address and key belong together.
//! let at = session.ready().await?;
//! println!("{} opens with {}", at.url(8000)?, at.credentials.expose());
//!
//! // A heartbeat: no await, no disk.
//! atlas.touch(session.id())?;
//!
//! // Returns when the ending is durable.
//! atlas.end(session.id()).await?;
//! # Ok(())
//! # }
//! # }
//! ```
//!
//! The example `gpu_per_user` is a whole backend around these lines.
//!
//! # One machine
//!
//! ```no_run
//! # #[cfg(all(feature = "local", feature = "config", feature = "http"))]
//! # mod example {
//! use std::time::Duration;
//! use atlas::{Auth, ComputeRequest};
//!
//! # async fn run() -> atlas::Result<()> {
//! let cloud = atlas::from_env()?.provider("local")?;
//!
//! // Recorded on disk before the cloud hears of it, so that no crash forgets it.
//! let request = ComputeRequest::cpu().name("try-out").http_port(8000);
//! let spawned = cloud.spawn(request, Auth::Bearer).await?;
//!
//! // Ready means that it answers to its own key.
//! let compute = cloud.wait_ready(&spawned, Duration::from_secs(600)).await?;
//! let url = compute.first_http().and_then(|port| port.url.as_deref());
//! println!("{url:?} opens with {}", spawned.credentials.expose());
//!
//! // Returns when it is proven gone.
//! cloud.terminate(&compute).await?;
//! # Ok(())
//! # }
//! # }
//! ```
//!
//! # Features
//!
//! Nothing is on by default: no provider is common to all users.
//!
//! | feature | adds |
//! |---|---|
//! | `local` | machines on this machine, each a supervised process: [`local`] |
//! | `mock` | a cloud in memory, for tests of your own code: [`mock`] |
//! | `runpod` | RunPod: pods, serverless jobs, endpoints, network volumes: [`runpod`] |
//! | `sim` | the simulated clouds as servers, for clients of any language: `mock::server` |
//! | `auth` | the guard layer in [`auth`], for the server inside the machine |
//! | `config` | configuration from `atlas.yaml`: [`from_env`] |
//! | `http` | the HTTP stack of every cloud ([`http`]), and readiness asked over HTTP |
//! | `orchestrator` | sessions and rentals, with the store in memory: [`orchestrator`] |
//! | `redb` | the durable store in one file |
//! | `conformance` | what every provider promises, to hold one of your own against: [`conformance`] |
//! | `full` | all of these |

#![cfg_attr(not(feature = "full"), allow(rustdoc::broken_intra_doc_links, reason = "links lead to what features add"))]

use std::sync::Arc;

/// Secrets, tokens, signed URLs, key derivation; with the feature `auth` also the guard layer for servers.
pub use atlas_auth as auth;

/// What every provider promises, as a table of cases to hold one against.
#[cfg(feature = "conformance")]
pub use atlas_conformance as conformance;

/// Machines on this machine.
#[cfg(feature = "local")]
pub use atlas_local as local;

/// A cloud in memory.
#[cfg(feature = "mock")]
pub use atlas_sim as mock;

/// RunPod.
#[cfg(feature = "runpod")]
pub use atlas_runpod as runpod;

/// Sessions and rentals: a machine per user, kept while used, ended when idle, never forgotten.
#[cfg(feature = "orchestrator")]
pub use atlas_orchestrator as orchestrator;

pub use atlas_core::{
    Account, Atlas, AtlasBuilder, Auth, Billing, BoxStream, BuildContext, CallContext, Capabilities, Capability,
    CloudType, Compute, ComputeFilter, ComputeId, ComputeRequest, ComputeStatus, Credentials, Deployment, Effect,
    EndpointId, Error, ErrorKind, Field, FileIntents, Found, GoneRule, GpuOffer, GpuType, Installation, Intent,
    IntentPhase, IntentRecord, Intents, Job, JobChunk, JobId, JobMode, JobPolicy, JobRequest, JobStatus, JobStream,
    LogOptions, LogStream, MARK_ENV, Mark, Money, OperationId, Pace, Permission, Port, PortSpec, PrivateParts, Probe,
    ProbeAnswer, ProbeRequest, Proof, Protocol, Provider, ProviderExt, ProviderFactory, ProviderId, ProxySigns,
    RecordKey, Rentable, RentalKind, RentalOrder, Rented, Result, Scope, SeenAs, Settings, Settled, Sighting,
    SpawnOrder, SpawnToken, Spawned, StateDir, Stock, TokenKind, Traits, UnreadableIntent, Volume, VolumeId,
    VolumeOrder, VolumeRequest,
};
#[cfg(feature = "http")]
pub use atlas_core::{CatalogCache, HttpProbe, http};
pub use atlas_core::{config, duration, error, files, gpu, mark, probe, proof};

/// The kinds of cloud that were compiled in. A user's own is registered beside them, with
/// [`AtlasBuilder::factory`], and is then as good as built in.
pub fn builtin() -> Vec<Arc<dyn ProviderFactory>> {
    let kinds: &[Arc<dyn ProviderFactory>] = &[
        #[cfg(feature = "local")]
        Arc::new(local::factory()),
        #[cfg(feature = "mock")]
        Arc::new(mock::factory()),
        #[cfg(feature = "runpod")]
        Arc::new(runpod::factory()),
    ];
    kinds.to_vec()
}

/// The way in with this configuration and everything that was compiled in. Nothing runs, nothing is sent.
pub fn with_config(config: config::Config) -> Atlas {
    builtin().into_iter().fold(Atlas::builder(config), AtlasBuilder::factory).build()
}

/// The way in as the process's environment and the `atlas.yaml` found upwards from the working directory configure it.
///
/// A mistake there is a `validation` error that names file, line and column, or the variable.
#[cfg(feature = "config")]
pub fn from_env() -> Result<Atlas> {
    config::Config::load().map(with_config)
}
