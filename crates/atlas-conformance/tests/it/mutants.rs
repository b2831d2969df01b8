//! The proof that the suite bites: for each broken provider, exactly the cases of its promise fail.

use std::time::Duration;

use atlas_conformance::{CASES, Needs, Options, run};
use atlas_core::{Capability, Money};
use atlas_sim::Mock;

use crate::broken::{Defect, MUTANTS, Mutant, NEVER_ALONE, remembering};
use crate::mock::{KEY, MockHarness, NoMeans};

#[tokio::test(start_paused = true)]
async fn exactly_the_broken_promise_is_found_in_the_first_third() {
    exactly_the_broken_promise_is_found(0).await;
}

#[tokio::test(start_paused = true)]
async fn exactly_the_broken_promise_is_found_in_the_second_third() {
    exactly_the_broken_promise_is_found(1).await;
}

#[tokio::test(start_paused = true)]
async fn exactly_the_broken_promise_is_found_in_the_last_third() {
    exactly_the_broken_promise_is_found(2).await;
}

async fn exactly_the_broken_promise_is_found(third: usize) {
    let mut wrong = Vec::new();
    let options = Options::default().spend_limit(Money::parse("1000").expect("it is a number"));
    for Mutant { defect, fails, lacks, .. } in
        MUTANTS.chunks(MUTANTS.len().div_ceil(3)).nth(third).expect("one of three")
    {
        let builder = match lacks {
            Some(capability) => remembering().without(*capability),
            None => remembering(),
        };
        let mut harness = MockHarness::new(builder.key(KEY));
        harness.breaks(*defect);
        let report = run(&harness, &options).await;
        if report.failed() != *fails {
            wrong.push(format!("{defect:?}: wanted {fails:?}, found {:?}\n{report}", report.failed()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// A case without a provider that fails it alone may prove nothing: it says here why there can be none.
#[test]
fn for_each_case_there_is_a_provider_that_fails_it_alone() {
    let alone = |case: &str| MUTANTS.iter().any(|mutant| mutant.fails == [case]);
    let excused = |case: &str| NEVER_ALONE.iter().any(|(name, _)| *name == case);
    let lacking: Vec<_> = CASES.iter().map(|case| case.name).filter(|case| !alone(case) && !excused(case)).collect();
    assert!(lacking.is_empty(), "no provider fails these, and no other case: {lacking:?}");
    for (case, _) in NEVER_ALONE {
        assert!(!alone(case), "{case} needs no excuse: a provider fails it alone");
        assert!(MUTANTS.iter().any(|mutant| mutant.fails.contains(case)), "no provider fails {case} at all");
    }
    for mutant in MUTANTS {
        let unknown = mutant.fails.iter().find(|name| !CASES.iter().any(|case| case.name == **name));
        assert_eq!(unknown, None, "{:?} fails what is no case", mutant.defect);
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_ended_is_told() {
    let mut harness = MockHarness::new(Mock::builder().key("k"));
    harness.breaks(Defect::EndsNothing);
    let report = run(&harness, &Options::default().only("life/terminate-repeats")).await;
    assert_eq!(report.failed(), ["life/terminate-repeats"], "{report}");
    assert!(!report.holds() && !report.left.is_empty(), "{report}");
}

/// The same at a cloud whose time nobody can move on, and that shows a machine only after a while: what must not come to
/// be is judged at the end of the run, also where a cleaning has ended it in between.
#[tokio::test(start_paused = true)]
async fn what_comes_late_is_held_against_its_case_at_the_end() {
    for only in ["mark/", "mark/not-after"] {
        let builder = Mock::builder().appears_after(Duration::from_secs(1)).settle_window(Duration::from_secs(30));
        let mut harness = MockHarness::new(builder.key("k"));
        harness.breaks(Defect::SendsWhatItRefuses);
        let options = Options::default().spend_limit(Money::parse("1000").unwrap()).only(only);
        let report = run(&NoMeans(&harness), &options).await;
        assert_eq!(report.failed(), ["mark/not-after"], "{report}");
        assert!(report.to_string().contains("made 1 machines"), "{report}");
        assert!(report.left.is_empty() && harness.cloud.live().is_empty(), "{report}");
    }
}

/// A case that fails at once has looked for nothing: its machine is ended all the same, when it comes to be seen.
#[tokio::test(start_paused = true)]
async fn a_machine_that_is_shown_late_is_not_left_by_a_case_that_failed() {
    let builder = Mock::builder().appears_after(Duration::from_secs(10)).settle_window(Duration::from_secs(30));
    let mut harness = MockHarness::new(builder.key("k"));
    harness.breaks(Defect::SendsExpired);
    let report = run(&NoMeans(&harness), &Options::default().only("mark/not-after")).await;
    assert_eq!(report.failed(), ["mark/not-after"], "{report}");
    assert!(report.left.is_empty() && harness.cloud.live().is_empty(), "{report}");
}

/// Rule C2, for each flag: one case for what declares it, one for what does not.
#[test]
fn each_capability_is_held_both_ways() {
    for capability in Capability::ALL {
        let held = |needs: Needs| CASES.iter().any(|case| case.needs == needs);
        assert!(held(Needs::With(capability)), "no case proves that a declared {capability} works");
        // Without a proxy an http port is no less an http port: there is nothing to refuse.
        let is_refusable = capability != Capability::HttpProxy;
        assert_eq!(held(Needs::Without(capability)), is_refusable, "whether an undeclared {capability} is refused");
    }
}
