//! What every provider promises, as a table of cases to hold one against.
//!
//! [`CASES`] is the table: each row names a promise of `Provider`'s documentation, what it needs, what it costs and the
//! proof. A provider's author supplies a [`Harness`] (the provider, the cheapest machine, and whatever means there are to
//! make its cloud fail), and [`run`] gives a [`Report`]. A row whose means are lacking is *not provable*, never passed.
//!
//! ```no_run
//! # async fn shown(harness: &dyn atlas_conformance::Harness) {
//! let report = atlas_conformance::run(harness, &atlas_conformance::Options::default()).await;
//! assert!(report.holds(), "{report}");
//! # }
//! ```
//!
//! Every machine bears the mark of the deployment `conformance` and of this one run; what bears it is ended after each
//! case, whatever became of it, and looked for once more at the end. What an earlier run left more than an hour ago is ended
//! too. Nothing else is ever touched. The suite may gain
//! cases in minor releases.

mod bench;
mod case;
pub mod cases;
mod cleaning;
mod dated;
mod harness;
#[cfg(feature = "libtest")]
mod libtest;
mod lingering;
mod listener;
mod orders;
#[cfg(feature = "http")]
mod recorder;
mod report;
mod suite;

pub use bench::{Bench, Broken};
pub use case::{Case, Cost, Needs, Proof, Verdict};
pub use cases::CASES;
pub use harness::{Harness, Trouble};
#[cfg(feature = "libtest")]
pub use libtest::main;
#[cfg(feature = "http")]
pub use recorder::Recorder;
pub use report::{Outcome, Report, Row};
pub use suite::{Options, run};
