//! Sessions and rentals: a machine for each user, kept while it is used, ended when it is idle, never forgotten.
//!
//! ```text
//! rental    Open ─► Held ─► Releasing ─► Closed(proof)
//! session   Waiting ─► Served ─► Ending(reason) ─► Ended(reason)
//! ```
//!
//! A **rental** is one create that may have happened; it is on disk before the cloud hears of it, and is closed only by
//! proof. A **session** is one user's use of a machine. One loop takes what is due and drives it; a restart is that loop
//! starting again. [`Orchestrator::open`] starts it, and nothing runs before.
//!
//! What decides is pure: `session::step`, `rental::step`, the verdict on a silence, the judgement of a listing. What acts
//! is `drive`, one file for each state, and every change of what is known is one commit ([`store`]).

mod activity;
mod books;
mod breaker;
mod builder;
mod closing;
mod drive;
mod ending;
mod endpoint;
mod engine;
mod error;
mod events;
mod exposure;
mod handle;
mod id;
mod inner;
mod leaving;
mod operator;
mod orchestrator;
mod pace;
mod policy;
mod reaper;
mod recovery;
mod rental;
mod request;
mod scope;
mod session;
pub mod store;
mod time;
mod view;

pub use builder::OrchestratorBuilder;
pub use endpoint::{Endpoint, NoEndpoint, Unready};
pub use error::{Error, Result};
pub use events::{Event, EventStream, StreamItem, What};
pub use exposure::{Exposed, Exposure, Why};
pub use handle::Session;
pub use id::{RentalId, SessionId};
pub use operator::Adopted;
pub use orchestrator::Orchestrator;
pub use policy::Policy;
pub use reaper::{Finding, FindingKind, ReapOptions, ReapReport};
pub use request::{Limit, OnLoss, SessionRequest};
pub use session::{Reason, Receipt};
pub use time::SteadyClock;
pub use view::{Address, Phase, SessionView};
