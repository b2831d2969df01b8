//! Each case as a test of its own, in the form that `cargo test` shows.

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::harness::Harness;
use crate::report::Outcome;
use crate::{CASES, Options};

/// The `main` of a test target with `harness = false`: `make` gives a harness of its own to each case.
///
/// What is not provable, not applicable or too dear is shown as ignored.
pub fn main<H: Harness + 'static>(make: impl Fn() -> H + Send + Sync + 'static) -> ExitCode {
    let arguments = Arguments::from_args();
    let make = Arc::new(make);
    let capabilities = make().provider().traits().capabilities;
    let trials = CASES.iter().map(|case| {
        let (make, name) = (make.clone(), case.name);
        let trial = Trial::test(name, move || prove(&make(), name));
        trial.with_ignored_flag(!case.needs.met_by(capabilities))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

#[expect(clippy::print_stdout, reason = "the form of tests: what they say is shown with their result")]
fn prove(harness: &dyn Harness, name: &str) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(crate::run(harness, &Options::default().only(name)));
    if let Some(row) = report.rows.iter().find(|row| row.case == name)
        && let Outcome::NotProvable(why) = &row.outcome
    {
        println!("{name}: not provable: {why}");
    }
    if report.holds() { Ok(()) } else { Err(report.to_string().into()) }
}
