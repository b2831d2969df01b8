//! Machines of RunPod: pods with and without GPUs, serverless jobs and endpoints, network volumes, the live catalog.
//!
//! Management goes through REST v2 alone. REST v1 has ended and is never called; GraphQL, which ends next, is asked for the
//! account's balance and for nothing else. `docs/providers/runpod.md` says what RunPod can and cannot do, which traps it
//! holds, and how each of its facts is known.
//!
//! The invariants:
//!
//! - **A create is sent once.** A pod takes one GPU type and one of two clouds, so a list of preferences is a list of
//!   creates; the next is tried only after RunPod said that it made nothing of the last one. Nothing is created past the
//!   moment that the order names.
//! - **A listing is complete or an error.** It is walked to its last page, whatever the status of what stands there.
//! - **No zero that lies.** A pod that bills and is said to cost nothing has no price rather than a wrong one.
//! - **No secret leaves.** The key travels in a header only; environments, which RunPod echoes in every read, are in no
//!   answer, error or log.
//!
//! ```no_run
//! use atlas_core::{CallContext, ComputeFilter, Provider};
//! use atlas_runpod::RunPod;
//!
//! # async fn example(key: String) -> atlas_core::Result<()> {
//! let runpod = RunPod::builder().api_key(key).build()?;
//! for gpu in runpod.list_gpu_types(&CallContext::new()).await? {
//!     println!("{} {:?}", gpu.display, gpu.lowest_price());
//! }
//! for compute in runpod.list(&CallContext::new(), &ComputeFilter::all()).await? {
//!     println!("{} {} {:?}", compute.id, compute.status, compute.cost_per_hour);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What the common contract has no word for (restarts, endpoints, templates, registry credentials, what was billed) are
//! methods of [`RunPod`] itself. From an account that was built from configuration `native` leads there. What bills among
//! it, an endpoint, is rented and ended through the account instead: [`RunPodAccount`].
//!
//! Jobs can tell that they are over: [`Webhooks`] takes such a call, and believes nothing of it but what RunPod then says
//! when it is asked.

mod account;
mod api;
mod catalog;
mod config;
mod deadline;
mod error;
mod ext;
mod jobs;
mod limits;
mod logs;
mod power;
mod provider;
mod spawn;
mod stream;
mod translate;
mod volumes;
mod webhooks;

pub use account::RunPod;
pub use config::{RunPodBuilder, factory};
pub use ext::{
    Balance, Billed, BillingHistory, BillingQuery, BillingRecord, Bucket, Endpoint, EndpointChange, EndpointKind,
    EndpointOrder, EndpointRequest, FlashBoot, Health, PodOptions, Registry, RunPodAccount, Scaling, Template,
    TemplateRequest, Worker, WorkerStatus, Workers,
};
pub use webhooks::{Webhooks, webhook_url};
