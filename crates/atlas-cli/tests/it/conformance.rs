//! `atlas conformance` against a simulated RunPod over sockets: as a person runs it, with no means to make the cloud fail.

use atlas::mock::server::{Running, Server, Timing};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::home::Home;

/// What nobody can prove from outside: the cloud would have to fail, or to be told of a volume, a job or an option.
const NOT_PROVABLE: [&str; 25] = [
    "listing/several-pages",
    "mark/found-after-lost-answer",
    "mark/lost-answer-not-repeated",
    "mark/found-all",
    "refusal/forbidden-options",
    "refusal/options-reach-the-cloud",
    "trouble/never-arrived",
    "trouble/no-capacity",
    "trouble/leftover",
    "trouble/key-unknown",
    "trouble/unknown-status",
    "patience/timeout",
    "volume/life",
    "volume/found",
    "volume/lost-answer",
    "volume/not-after",
    "volume/grows",
    "volume/delete-repeats",
    "job/ends",
    "job/sync",
    "job/sync-timeout",
    "job/lost-answer",
    "job/cancel",
    "job/stream",
    "job/unknown",
];

/// A simulated RunPod, a home in which it is configured, and what the cloud lives on.
fn ground() -> (Runtime, Running, Home) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("the system gives threads");
    let cloud = runtime.block_on(Server::builder().timing(Timing::at_once()).start()).expect("loopback has free ports");
    let (home, config) = (Home::new(), cloud.config());
    home.configure(&format!(
        "providers:\n  runpod:\n    base_url: \"{}\"\n    runtime_url: \"{}\"\n    graphql_url: \"{}\"\n    \
         proxy_url: \"{}\"\n    api_key: \"{}\"\n    settle_window: 1s\n",
        config.base_url, config.runtime_url, config.graphql_url, config.proxy_url, config.api_key
    ));
    (runtime, cloud, home)
}

#[test]
fn only_the_cases_that_are_asked_for_are_held_and_written_as_junit_too() {
    let (runtime, cloud, home) = ground();
    let words = ["conformance", "--provider", "runpod", "--only", "life/terminate-", "--junit", "report.xml", "--json"];
    let report = home.good(&words).json();
    let rows = report["rows"].as_array().expect("the report has rows");
    let cases: Vec<_> = rows.iter().filter_map(|row| Some((row["case"].as_str()?, row["outcome"].as_str()?))).collect();
    assert_eq!(cases, [("life/terminate-repeats", "passed"), ("life/terminate-unknown", "passed")]);
    let xml = std::fs::read_to_string(home.path().join("report.xml")).expect("the report is written");
    let wanted = [
        r#"<testsuite name="conformance of runpod" tests="2" failures="0" skipped="0">"#,
        r#"<testcase name="life/terminate-repeats"/>"#,
        r#"<testcase name="life/terminate-unknown"/>"#,
    ];
    for line in wanted {
        assert!(xml.contains(line), "the report lacks {line}:\n{xml}");
    }
    assert_eq!(cloud.ledger().open().count(), 0, "something is left");
    runtime.block_on(cloud.shutdown());
}

/// What could cost more than may be spent is told as not run, and nothing is rented: not even a first machine to learn
/// its price.
#[test]
fn a_limit_that_is_too_small_spends_nothing() {
    let (runtime, cloud, home) = ground();
    // The catalog's price of the last one forbids what an unknown price would not.
    for (limit, gpu) in [("0", &[][..]), ("0.01", &[]), ("0.20", &["--gpu", "h100"])] {
        let words = ["conformance", "--provider", "runpod", "--spend-limit", limit, "--json"];
        let report = home.good(&[&words, gpu].concat()).json();
        let rows = report["rows"].as_array().expect("the report has rows");
        let outcome = |case: &str| rows.iter().find(|row| row["case"] == case).map(|row| row["outcome"].clone());
        for case in ["life/spawn", "life/many-at-once", "listing/complete", "patience/dropped"] {
            assert_eq!(outcome(case), Some("too_dear".into()), "{case} for {limit}: {report}");
        }
        assert_eq!(outcome("life/get-unknown"), Some("passed".into()), "what rents nothing is held: {report}");
        assert_eq!(report["spent"], "0.000000", "{report}");
    }
    assert_eq!(cloud.ledger().rents.len(), 0, "something was rented");
    // A limit that lets one machine in, and not five at once.
    let words = ["conformance", "--provider", "runpod", "--gpu", "l4", "--spend-limit", "0.20", "--only", "life/"];
    let ran = home.good(&words);
    let told = |case: &str| ran.out.lines().find(|line| line.contains(case)).unwrap_or_default().to_owned();
    assert!(told("life/many-at-once").contains("too dear"), "{ran:?}");
    assert!(told("life/spawn").contains("passed"), "{ran:?}");
    assert!(!cloud.ledger().rents.is_empty() && cloud.ledger().open().count() == 0, "{:?}", cloud.ledger());
    let refused = home.run(&["conformance", "--provider", "runpod", "--spend-limit", "-1"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    runtime.block_on(cloud.shutdown());
}

/// Nobody pays for a report that cannot be written.
#[test]
fn a_report_that_cannot_be_written_is_told_before_anything_is_rented() {
    let (runtime, cloud, home) = ground();
    let words = ["conformance", "--provider", "runpod", "--only", "life/spawn", "--junit", "nowhere/report.xml"];
    let ran = home.run(&words);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:?}");
    assert_eq!(
        ran.complaint(),
        "--junit: cannot write nowhere/report.xml: there is no folder nowhere; nothing was started"
    );
    assert_eq!(cloud.ledger().rents.len(), 0, "something was rented");
    runtime.block_on(cloud.shutdown());
}

#[test]
fn it_holds_a_simulated_runpod_and_leaves_nothing() {
    let (runtime, cloud, home) = ground();
    let ran = home.good(&["conformance", "--provider", "runpod", "--json"]);
    let report = ran.json();
    assert_eq!((&report["provider"], &report["left"]), (&Value::from("runpod"), &Value::Array(Vec::new())), "{ran:?}");
    let rows = report["rows"].as_array().expect("the report has rows");
    let with = |outcome: &str| -> Vec<&str> {
        let those = rows.iter().filter(|row| row["outcome"] == outcome);
        those.filter_map(|row| row["case"].as_str()).collect()
    };
    assert_eq!(with("not_provable"), NOT_PROVABLE, "{ran:?}");
    assert_eq!(with("too_dear"), Vec::<&str>::new(), "{ran:?}");
    assert!(with("passed").len() > 35, "{ran:?}");
    let ledger = cloud.ledger();
    assert!(ledger.rents.len() > 20, "pods were rented: {ledger:?}");
    assert_eq!(ledger.open().count(), 0, "something is left: {ledger:?}");
    runtime.block_on(cloud.shutdown());
}
