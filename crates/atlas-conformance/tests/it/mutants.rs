//! The proof that the suite bites: for each broken provider, exactly the cases of its promise fail.

use std::sync::Arc;
use std::time::Duration;

use atlas_conformance::{Options, run};
use atlas_core::{Capability, Money};
use atlas_sim::Mock;

use crate::broken::{Broken, Defect, remembering};
use crate::mock::{MockHarness, NoMeans};

/// Each defect, and the cases that must fail for it.
const TABLE: &[(Defect, &[&str])] = &[
    (Defect::AnswersWithoutMark, &["life/spawn"]),
    (Defect::LosesMarkOnRead, &["life/stop", "life/start", "listing/same-as-get", "mark/kept", "mark/long-name"]),
    (Defect::ForbidsUnknown, &["life/get-unknown"]),
    (Defect::HidesWhichAccount, &["life/get-unknown"]),
    (Defect::FailsToEndUnknown, &["life/terminate-unknown"]),
    (Defect::FailsToEndGone, &["life/terminate-repeats"]),
    (Defect::SaysNoPrice, &["life/price"]),
    (Defect::SaysNoPlace, &["life/price"]),
    (Defect::KeepsNoRaw, &["life/raw", "refusal/options-reach-the-cloud"]),
    (Defect::ListsTwice, &["listing/complete", "listing/several-pages"]),
    (Defect::ListsWithoutStopped, &["listing/stopped"]),
    (Defect::ListsOtherwise, &["listing/same-as-get"]),
    (Defect::IgnoresNameFilter, &["listing/filters"]),
    (Defect::FindsOnlyOne, &["mark/found-all"]),
    (Defect::FindsNoStopped, &["mark/found-stopped"]),
    (Defect::FindsGone, &["mark/gone-not-found"]),
    (
        Defect::NeverLooksEverywhere,
        &[
            "mark/found",
            "mark/found-none",
            "mark/found-stopped",
            "mark/found-after-lost-answer",
            "mark/lost-answer-not-repeated",
            "mark/found-all",
            "mark/gone-not-found",
            "mark/not-after",
            "trouble/never-arrived",
            "trouble/no-capacity",
            "patience/dropped",
        ],
    ),
    (Defect::SendsAgain, &["mark/lost-answer-not-repeated"]),
    (Defect::CallsLostRejected, &["mark/found-after-lost-answer", "mark/lost-answer-not-repeated"]),
    (Defect::SendsExpired, &["mark/not-after"]),
    (Defect::SendsWhatItRefuses, &["mark/not-after"]),
    (Defect::ScopeIgnoresKey, &["mark/scope"]),
    (Defect::ScopeHoldsKey, &["mark/scope"]),
    (Defect::StopsUndeclared, &["capability/stop"]),
    (Defect::StopsOnlyOnce, &["life/stop-repeats"]),
    (Defect::StartsOnlyStopped, &["life/start-repeats"]),
    (Defect::LacksDeclaredLogs, &["life/logs"]),
    (Defect::TakesSpotForOrdinary, &["capability/spot"]),
    (Defect::ChecksNothing, &["refusal/nonsense"]),
    (Defect::DropsOptions, &["refusal/options-reach-the-cloud"]),
    (Defect::TakesForbiddenOptions, &["refusal/forbidden-options"]),
    (Defect::ShowsEnvironment, &["secrecy/environment"]),
    (Defect::ShowsKey, &["secrecy/errors"]),
    (Defect::IgnoresTimeout, &["patience/timeout"]),
    (Defect::RefusesUnknownStatus, &["trouble/unknown-status"]),
    (Defect::ForgetsLeftover, &["trouble/leftover"]),
    (Defect::CallsCapacityFailure, &["trouble/no-capacity"]),
    (Defect::CallsKeyNotFound, &["trouble/key-unknown"]),
    (Defect::DoubtsNotSent, &["trouble/never-arrived"]),
    (Defect::PricesNothing, &["catalog/prices"]),
    (Defect::MisnamesGpus, &["catalog/canonical"]),
    (Defect::RentsUnlisted, &["listing/rented"]),
    (Defect::ListsUndeclared, &["capability/serverless"]),
    (Defect::ListsNoEndpoints, &["capability/endpoints-listed"]),
    (Defect::FindsNoVolumes, &["volume/found", "volume/lost-answer"]),
    (Defect::ListsVolumesWithoutMark, &["volume/found", "volume/lost-answer"]),
    (Defect::CallsLostVolumeRejected, &["volume/lost-answer"]),
    (Defect::SendsVolumeAgain, &["volume/lost-answer"]),
    (Defect::SendsExpiredVolume, &["volume/not-after"]),
    (Defect::DeletesVolumesOnce, &["volume/delete-repeats"]),
    (Defect::StreamsTwice, &["job/stream"]),
    (Defect::ForgetsWhichJob, &["job/sync-timeout"]),
    (Defect::SendsJobAgain, &["job/lost-answer"]),
    (Defect::CallsLostJobRejected, &["job/lost-answer"]),
    (Defect::TakesWebhooks, &["capability/webhooks"]),
    (Defect::CancelsOnce, &["job/cancel"]),
    (Defect::DoubtsForgottenJobs, &["job/unknown"]),
];

#[tokio::test(start_paused = true)]
async fn exactly_the_broken_promise_is_found() {
    let mut wrong = Vec::new();
    for (defect, wanted) in TABLE {
        let mut builder = remembering();
        builder = match defect {
            Defect::StopsUndeclared => builder.without(Capability::StopResume),
            Defect::TakesSpotForOrdinary => builder.without(Capability::Spot),
            Defect::TakesWebhooks => builder.without(Capability::Webhooks),
            Defect::ListsUndeclared => builder.without(Capability::Serverless),
            _ => builder,
        };
        let mut harness = MockHarness::new(builder.key("the account's"));
        harness.provider = Arc::new(Broken { inner: harness.cloud.clone(), defect: *defect });
        let report = run(&harness, &Options::default().spend_limit(Money::parse("1000").unwrap())).await;
        if report.failed() != *wanted {
            wrong.push(format!("{defect:?}: wanted {wanted:?}, found {:?}\n{report}", report.failed()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_ended_is_told() {
    let mut harness = MockHarness::new(Mock::builder().key("k"));
    harness.provider = Arc::new(Broken { inner: harness.cloud.clone(), defect: Defect::EndsNothing });
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
        let defect = Defect::SendsWhatItRefuses;
        harness.provider = Arc::new(Broken { inner: harness.cloud.clone(), defect });
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
    harness.provider = Arc::new(Broken { inner: harness.cloud.clone(), defect: Defect::SendsExpired });
    let report = run(&NoMeans(&harness), &Options::default().only("mark/not-after")).await;
    assert_eq!(report.failed(), ["mark/not-after"], "{report}");
    assert!(report.left.is_empty() && harness.cloud.live().is_empty(), "{report}");
}
