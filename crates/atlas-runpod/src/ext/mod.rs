//! What RunPod has and the common contract has no word for: methods of [`RunPod`](crate::RunPod), and their types.

mod account;
mod billing;
mod endpoint;
mod endpoint_change;
mod endpoints;
mod jobs;
mod pods;
mod registries;
mod templates;

pub use account::RunPodAccount;
pub use billing::{Balance, Billed, BillingHistory, BillingQuery, BillingRecord, Bucket};
pub use endpoint::{Endpoint, EndpointKind, EndpointOrder, EndpointRequest, FlashBoot, Scaling, Workers};
pub use endpoint_change::EndpointChange;
pub use endpoints::{Worker, WorkerStatus};
pub use jobs::Health;
pub use pods::PodOptions;
pub use registries::Registry;
pub use templates::{Template, TemplateRequest};
