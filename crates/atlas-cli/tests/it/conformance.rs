//! `atlas conformance` against a simulated RunPod over sockets: as a person runs it, with no means to make the cloud fail.

use std::time::Duration;

use atlas::mock::RentKind;
use atlas::mock::server::{Running, Server, Timing};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::home::Home;

/// What nobody can prove from outside: the cloud would have to fail, or somebody to ask the machine itself.
const NEEDS_TROUBLE: [&str; 24] = [
    "life/start-same-keys",
    "life/logs-hold",
    "listing/several-pages",
    "listing/whole-or-error",
    "rented/whole-or-error",
    "mark/found-after-lost-answer",
    "mark/lost-answer-not-repeated",
    "mark/found-all",
    "mark/found-or-error",
    "capability/symmetric-ports-work",
    "capability/global-networking-works",
    "trouble/never-arrived",
    "trouble/no-capacity",
    "trouble/leftover",
    "trouble/altered-mark",
    "trouble/key-unknown",
    "trouble/unknown-status",
    "patience/timeout",
    "volume/lost-answer",
    "job/lost-answer",
    "job/stream-survives",
    "job/webhook",
    "volume/whole-or-error",
    "rented/endpoint-ends",
];

/// What is proven where the command is told of a volume, a job and options.
const NEEDS_WORDS: [&str; 16] = [
    "rented/volume-ends",
    "refusal/forbidden-options",
    "refusal/options-reach-the-cloud",
    "volume/life",
    "volume/found",
    "volume/not-after",
    "volume/nonsense",
    "volume/grows",
    "volume/delete-repeats",
    "job/ends",
    "job/sync",
    "job/sync-timeout",
    "job/cancel",
    "job/stream",
    "job/cancel-over",
    "job/unknown",
];

/// The cases of a report with this outcome.
fn with<'a>(report: &'a Value, outcome: &str) -> Vec<&'a str> {
    let rows = report["rows"].as_array().expect("the report has rows");
    let those = rows.iter().filter(|row| row["outcome"] == outcome);
    those.filter_map(|row| row["case"].as_str()).collect()
}

/// The same as a set.
fn sorted<'a>(cases: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut cases: Vec<_> = cases.into_iter().collect();
    cases.sort_unstable();
    cases
}

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
    let unproven = sorted(NEEDS_TROUBLE.into_iter().chain(NEEDS_WORDS));
    assert_eq!(sorted(with(&report, "not_provable")), unproven, "{ran:?}");
    assert_eq!(with(&report, "too_dear"), Vec::<&str>::new(), "{ran:?}");
    assert!(with(&report, "passed").len() > 35, "{ran:?}");
    let ledger = cloud.ledger();
    assert!(ledger.rents.len() > 20, "pods were rented: {ledger:?}");
    assert_eq!(ledger.open().count(), 0, "something is left: {ledger:?}");
    runtime.block_on(cloud.shutdown());
}

/// Jobs, volumes and options: what is not provable then is what only a cloud that fails could show.
#[test]
fn told_of_an_endpoint_a_region_and_options_it_proves_all_that_needs_no_trouble() {
    let (runtime, cloud, home) = ground();
    let endpoint = cloud.endpoint_id();
    std::fs::write(home.path().join("job.json"), r#"{"seconds":2,"chunks":3}"#).expect("it can be written");
    let means = ["--endpoint", &endpoint, "--input", "@job.json", "--volume-region", "EU-RO-1"];
    let options = ["--gpu", "l4", "--opt", r#"gpu={"count":2}"#, "--opt-shown", "/gpu"];
    let forbidden = ["--forbidden-opt", r#"name="another""#, "--forbidden-opt", r#"env={"ATLAS_MARK":"x"}"#];
    let mut proven = Vec::new();
    for only in ["job/", "volume/", "refusal/", "rented/"] {
        let words = ["conformance", "--provider", "runpod", "--only", only, "--json"];
        let report = home.good(&[&words[..], &means, &options, &forbidden].concat()).json();
        assert_eq!(report["left"], Value::Array(Vec::new()), "{report}");
        assert!(with(&report, "not_provable").iter().all(|case| NEEDS_TROUBLE.contains(case)), "{report}");
        proven.extend(with(&report, "passed").into_iter().map(str::to_owned));
    }
    for case in NEEDS_WORDS {
        assert!(proven.iter().any(|proven| proven == case), "{case} was not proven: {proven:?}");
    }
    assert_eq!(cloud.jobs().len(), 6, "each case about jobs had its own");
    // The worker that they had goes by itself.
    cloud.advance(Duration::from_mins(1));
    let ledger = cloud.ledger();
    let volumes = ledger.rents.iter().filter(|rent| rent.kind == RentKind::Volume).count();
    assert_eq!((volumes, ledger.open().count()), (5, 0), "{ledger:?}");
    runtime.block_on(cloud.shutdown());
}

/// The promise is held, not believed: one that is broken is told, and is exit 1.
#[test]
fn an_option_that_does_not_arrive_is_a_broken_promise() {
    let (runtime, cloud, home) = ground();
    let options = ["--gpu", "l4", "--opt", r#"gpu={"count":2}"#, "--opt-shown", "/no/such/place"];
    let words = ["conformance", "--provider", "runpod", "--only", "refusal/options-reach"];
    let ran = home.run(&[&words[..], &options].concat());
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.complaint().ends_with("1 promises are broken: refusal/options-reach-the-cloud"), "{ran:?}");
    assert_eq!(cloud.ledger().open().count(), 0);
    runtime.block_on(cloud.shutdown());
}

/// Nobody pays for a run that proves less than was asked for.
#[test]
fn means_that_cannot_be_right_are_refused_before_anything_is_rented() {
    let (runtime, cloud, home) = ground();
    let rows: [(&str, &[&str], i32, &str); 10] = [
        ("runpod", &["--endpoint", "e"], 2, "--input"),
        ("runpod", &["--input", "{}"], 2, "--endpoint"),
        ("runpod", &["--endpoint", "e", "--input", "{"], 2, "--input is no JSON"),
        ("runpod", &["--endpoint", "a b", "--input", "{}"], 2, "no endpoint id"),
        ("runpod", &["--volume-region", "EU-RO-1", "--volume-size-gb", "5"], 2, "10"),
        ("runpod", &["--opt", "gpu=1"], 2, "--opt-shown"),
        ("runpod", &["--opt", "gpu=1", "--opt-shown", "gpu"], 2, "no JSON pointer"),
        ("runpod", &["--forbidden-opt", "name=x"], 2, "--forbidden-opt name: what follows"),
        ("local", &["--volume-region", "here"], 5, "does not support network_volumes"),
        ("local", &["--endpoint", "e", "--input", "{}"], 5, "does not support serverless"),
    ];
    for (provider, more, code, says) in rows {
        let ran = home.run(&[&["conformance", "--provider", provider], more].concat());
        assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{more:?}: {ran:?}");
        assert!(ran.complaint().contains(says), "{more:?}: {ran:?}");
    }
    assert_eq!(cloud.ledger().rents.len(), 0);
    home.assert_nothing_spent();
    runtime.block_on(cloud.shutdown());
}
