//! A cloud that exists only in memory, for tests: the same seed and the same calls give the same machines, the same
//! failures and the same bill.
//!
//! [`Mock`] is a whole provider over it. Its clock stands still until [`Mock::advance`] moves it (or it follows a clock
//! of yours), its failures are asked for by name ([`Rule`], [`Fault`]), and its [`Ledger`] says afterwards what was
//! rented from when to when and what it cost: the truth against which code that rents machines is judged, whatever the
//! cloud answered meanwhile.
//!
//! ```
//! use std::time::Duration;
//! use atlas_core::{CallContext, ComputeFilter, ErrorKind, Provider};
//! use atlas_sim::{Fault, Mock, Operation, Rule};
//!
//! # async fn shown() {
//! let cloud = Mock::new();
//! // A machine that somebody else rented in the same account.
//! let theirs = cloud.foreign_machine("database");
//! cloud.advance(Duration::from_hours(1));
//! assert_eq!(cloud.ledger().total().to_string(), "0.360000");
//!
//! // The next listing fails, the one after does not.
//! cloud.inject(Rule::on(Operation::List, Fault::Errs));
//! let context = CallContext::new();
//! assert_eq!(cloud.list(&context, &ComputeFilter::all()).await.unwrap_err().kind(), ErrorKind::Provider);
//! assert_eq!(cloud.list(&context, &ComputeFilter::all()).await.unwrap()[0].id, theirs);
//! # }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(shown());
//! ```
//!
//! It has a [`Catalog`] with prices and stock, network volumes, and serverless endpoints ([`EndpointSpec`]) whose jobs do
//! what their input says. Nothing in the mock opens a socket: webhooks come to a function of yours
//! ([`MockBuilder::on_webhook`]). With the feature `server` the same model stands behind real sockets, as a simulated
//! RunPod for clients of any language: the module `server`.

mod builder;
mod clock;
mod factory;
mod faults;
mod mock;
#[allow(dead_code, unused_imports, reason = "what only a face of a real cloud needs is there without that face too")]
mod model;
mod probe;
#[cfg(feature = "server")]
pub mod server;

pub use builder::MockBuilder;
pub use clock::ManualClock;
pub use factory::factory;
#[cfg(feature = "server")]
pub use faults::WireFault;
pub use faults::{Fault, FaultPlan, Operation, Rule};
pub use mock::{Call, EndpointSpec, Mock, Moment, Outcome, WebhookDelivery};
pub use model::{Catalog, CatalogCpu, CatalogGpu, CatalogOffer, DataCentre, Health, JobCounts, Ledger, Rent, RentKind};
pub use probe::{AnsweredBy, Asked, MockProbe, Presented};
