//! The contract between Atlas and the clouds, and the words that both sides use.
//!
//! A cloud is a [`Provider`]: six required methods, everything else defaulted. What a user asks is a
//! [`ComputeRequest`], what a cloud answers a [`Compute`], what goes wrong an [`Error`]. Every create is recorded before
//! it is sent ([`Intents`]), and every machine bears a [`Mark`] by which Atlas knows it again.
//!
//! [`Atlas`] is the way in: it builds the configured accounts, and hands out an [`Account`] by name.
//!
//! This crate knows no cloud, opens no socket (but for the feature `http`) and runs nothing in the background.

mod account;
mod atlas;
mod capability;
mod catalog;
pub mod config;
mod context;
mod credentials;
pub mod duration;
pub mod error;
mod ext;
mod factory;
pub mod files;
pub mod gpu;
#[cfg(feature = "http")]
pub mod http;
mod id;
mod intents;
mod job;
mod logs;
pub mod mark;
mod money;
mod order;
pub mod probe;
pub mod proof;
mod provider;
mod rented;
mod spec;
mod state;
#[cfg(feature = "testing")]
pub mod testing;
mod traits;
mod volume;

pub use account::{Account, Permission, Settled};
pub use atlas::{Atlas, AtlasBuilder};
pub use capability::{Capabilities, Capability};
#[cfg(feature = "http")]
pub use catalog::CatalogCache;
pub use catalog::{GpuOffer, GpuType, Stock};
pub use context::CallContext;
pub use credentials::{Auth, Credentials, Spawned};
pub use error::{Effect, Error, ErrorKind, Result};
pub use ext::ProviderExt;
pub use factory::{BuildContext, ProviderFactory, Settings};
#[cfg(feature = "http")]
pub use http::HttpProbe;
pub use id::{ComputeId, OperationId, ProviderId, Scope};
pub use intents::{
    FileIntents, Intent, IntentPhase, IntentRecord, Intents, Proof, RecordKey, RentalKind, SeenAs, Sighting,
    UnreadableIntent,
};
pub use job::{EndpointId, Job, JobChunk, JobId, JobMode, JobPolicy, JobRequest, JobStatus, JobStream};
pub use logs::{BoxStream, LogOptions, LogStream};
pub use mark::{Deployment, Installation, MARK_ENV, Mark, SpawnToken, TokenKind};
pub use money::Money;
pub use order::{RentalOrder, SpawnOrder};
pub use probe::{Probe, ProbeAnswer, ProbeRequest};
pub use provider::{Found, Provider};
pub use rented::{Rentable, Rented};
pub use spec::{
    CloudType, Compute, ComputeFilter, ComputeRequest, ComputeStatus, Field, Port, PortSpec, PrivateParts, Protocol,
};
pub use state::StateDir;
pub use traits::{Billing, GoneRule, Pace, ProxySigns, Traits};
pub use volume::{Volume, VolumeId, VolumeOrder, VolumeRequest};
