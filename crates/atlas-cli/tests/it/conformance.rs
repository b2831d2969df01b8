//! `atlas conformance` against a simulated RunPod over sockets: as a person runs it, with no means to make the cloud fail.

use atlas::mock::server::{Server, Timing};
use serde_json::Value;

use crate::home::Home;

/// What nobody can prove from outside: the cloud would have to fail, or to be told of a volume, a job or an option.
const NOT_PROVABLE: [&str; 40] = [
    "life/start-same-keys",
    "life/logs-hold",
    "listing/several-pages",
    "listing/whole-or-error",
    "rented/volume-ends",
    "rented/endpoint-ends",
    "rented/whole-or-error",
    "mark/found-after-lost-answer",
    "mark/lost-answer-not-repeated",
    "mark/found-all",
    "mark/found-or-error",
    "capability/symmetric-ports-work",
    "capability/global-networking-works",
    "refusal/forbidden-options",
    "refusal/options-reach-the-cloud",
    "trouble/never-arrived",
    "trouble/no-capacity",
    "trouble/leftover",
    "trouble/altered-mark",
    "trouble/key-unknown",
    "trouble/unknown-status",
    "patience/timeout",
    "volume/life",
    "volume/found",
    "volume/lost-answer",
    "volume/not-after",
    "volume/nonsense",
    "volume/whole-or-error",
    "volume/grows",
    "volume/delete-repeats",
    "job/ends",
    "job/sync",
    "job/sync-timeout",
    "job/lost-answer",
    "job/cancel",
    "job/stream",
    "job/stream-survives",
    "job/cancel-over",
    "job/webhook",
    "job/unknown",
];

#[test]
fn it_holds_a_simulated_runpod_and_leaves_nothing() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("the system gives threads");
    let cloud = runtime.block_on(Server::builder().timing(Timing::at_once()).start()).expect("loopback has free ports");
    let (home, config) = (Home::new(), cloud.config());
    home.configure(&format!(
        "providers:\n  runpod:\n    base_url: \"{}\"\n    runtime_url: \"{}\"\n    graphql_url: \"{}\"\n    \
         proxy_url: \"{}\"\n    api_key: \"{}\"\n    settle_window: 1s\n",
        config.base_url, config.runtime_url, config.graphql_url, config.proxy_url, config.api_key
    ));
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
