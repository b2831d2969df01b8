//! Each case as a test of its own, in the form that `cargo test` shows.

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::harness::Harness;
use crate::report::Outcome;
use crate::{CASES, Options};

/// The `main` of a test target with `harness = false`: `make` gives a harness of its own to each case.
///
/// What is not provable, not applicable or too dear is shown as ignored, with the reason, and never as passed.
pub fn main<H: Harness + 'static>(make: impl Fn() -> H + Send + Sync + 'static) -> ExitCode {
    let arguments = Arguments::from_args();
    let make = Arc::new(make);
    let capabilities = make().provider().traits().capabilities;
    let trials = CASES.iter().map(|case| {
        let (make, name) = (make.clone(), case.name);
        let trial = Trial::ignorable_test(name, move || prove(&make(), &Options::default().exactly(name)));
        trial.with_ignored_flag(!case.needs.met_by(capabilities))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// Proves the one case that the options name.
fn prove(harness: &dyn Harness, options: &Options) -> Result<Completion, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(crate::run(harness, options));
    if !report.holds() {
        return Err(report.to_string().into());
    }
    match report.rows.as_slice() {
        [row] => Ok(match &row.outcome {
            Outcome::Passed => Completion::Completed,
            Outcome::NotProvable(why) => Completion::ignored_with(format!("not provable: {why}")),
            Outcome::NotApplicable => Completion::ignored_with("not applicable"),
            Outcome::TooDear => Completion::ignored_with("it would cost more than may be spent"),
            Outcome::Failed(why) => return Err(why.into()),
        }),
        rows => Err(format!("one case was to be proven, and {} were", rows.len()).into()),
    }
}

#[cfg(test)]
mod tests {
    //! Only what was proven is shown as passed.

    use std::time::Duration;

    use async_trait::async_trait;
    use atlas_auth::Clock;
    use atlas_core::{Capability, ComputeRequest, Money, Provider};
    use atlas_sim::{Mock, MockBuilder};

    use super::*;

    /// The simulated cloud, without any means to make it fail.
    struct NoMeans(Mock);

    #[async_trait]
    impl Harness for NoMeans {
        fn provider(&self) -> Arc<dyn Provider> {
            Arc::new(self.0.clone())
        }

        fn machine(&self) -> ComputeRequest {
            ComputeRequest::gpu("rtx_4090").image("service:1").http_port(8000)
        }

        async fn pass(&self, span: Duration) {
            self.0.advance(span);
            tokio::task::yield_now().await;
        }

        fn time_is_free(&self) -> bool {
            true
        }

        fn clock(&self) -> Arc<dyn Clock> {
            self.0.clock()
        }
    }

    fn reason(builder: MockBuilder, options: &Options) -> Option<String> {
        match prove(&NoMeans(builder.key("k").build()), options) {
            Ok(Completion::Completed) => None,
            Ok(Completion::Ignored { reason }) => Some(reason.unwrap_or_default()),
            Err(failed) => panic!("{:?}", failed.message()),
        }
    }

    #[test]
    fn what_was_not_proven_is_ignored_and_says_why() {
        assert_eq!(reason(Mock::builder(), &Options::default().exactly("life/spawn")), None);
        let not_provable = reason(Mock::builder(), &Options::default().exactly("trouble/never-arrived")).unwrap();
        assert!(not_provable.contains("not provable: the harness cannot make the cloud fail so"), "{not_provable}");
        let without = Mock::builder().without(Capability::StopResume);
        assert_eq!(reason(without, &Options::default().exactly("life/stop")).unwrap(), "not applicable");
        let broke = Options::default().exactly("life/spawn").spend_limit(Money::from_micros(-1));
        assert_eq!(reason(Mock::builder(), &broke).unwrap(), "it would cost more than may be spent");
    }

    #[test]
    fn a_name_that_others_begin_with_selects_its_own_case_alone() {
        assert_eq!(reason(Mock::builder(), &Options::default().exactly("life/get")), None);
        let harness = NoMeans(Mock::builder().key("k").build());
        let failed = prove(&harness, &Options::default().only("life/get")).err().unwrap();
        assert_eq!(failed.message(), Some("one case was to be proven, and 3 were"));
    }
}
