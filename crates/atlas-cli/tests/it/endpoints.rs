//! `atlas endpoint` as people and scripts meet it: each run is a process of its own, so that what one has recorded another
//! must find.

use std::process::Stdio;
use std::time::Duration;

use atlas::mock::{Fault, Operation, Rule};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::cloud::{Cloud, Row, refused};
use crate::home::{Home, Ran, Running, wait_until};

const CREATE: &[&str] = &["endpoint", "create", "--image", "me/worker:1", "--gpu", "l4", "--name", "thumbs", "--json"];

fn ground() -> (Home, Cloud) {
    let (home, cloud) = (Home::new(), Cloud::new());
    cloud.lead(&home);
    (home, cloud)
}

fn json_of(home: &Home, words: &[&str]) -> Value {
    home.good(&[&["endpoint"], words, &["--json"]].concat()).json()
}

fn ids(home: &Home, words: &[&str]) -> Vec<String> {
    let all = json_of(home, &[&["list"], words].concat());
    let id = |endpoint: &Value| endpoint["id"].as_str().expect("text").to_owned();
    all.as_array().expect("a list").iter().map(id).collect()
}

fn made(home: &Home) -> String {
    home.good(CREATE).json()["id"].as_str().expect("text").to_owned()
}

#[test]
fn an_endpoint_is_made_shown_used_and_deleted() {
    let (home, cloud) = ground();
    let words = ["--workers-max", "2", "--idle-timeout", "30s", "--region", "EU-RO-1", "--env", "TOKEN=s3cret"];
    let ran = home.good(&[CREATE, &words].concat());
    assert!(!format!("{ran:?}").contains("s3cret"), "{ran:?}");
    let made = ran.json();
    let id = made["id"].as_str().expect("text");
    assert_eq!((&made["workers_min"], &made["workers_max"]), (&json!(0), &json!(2)), "{made}");
    assert_eq!((&made["provider"], &made["data_centers"]), (&json!("runpod"), &json!(["EU-RO-1"])), "{made}");
    assert!(made["name"].as_str().expect("text").ends_with("-thumbs"), "{made}");
    assert!(!ran.err.contains("around the clock"), "nothing of it bills: {ran:?}");
    assert_eq!(home.intents(), ["bound"]);

    assert_eq!(json_of(&home, &["get", id])["id"], id);
    let table = home.good(&["endpoint", "list"]).out;
    let row: Vec<_> =
        table.lines().nth(1).expect("a row").split("  ").map(str::trim).filter(|word| !word.is_empty()).collect();
    assert_eq!(row[..6], [id, "thumbs", "runpod", "0 to 2", "while a worker is up", "EU-RO-1"], "{table}");
    // The one that the cloud has from the beginning is nobody's here.
    assert_eq!(ids(&home, &["--all"]).len(), 2);

    // The list of machines has none, and says that something may bill all the same; `reap` shows it and ends nothing.
    let machines = home.good(&["list", "--json"]);
    assert_eq!(machines.json(), json!([]));
    assert!(machines.err.contains("1 endpoint is rented here as well"), "{machines:?}");
    assert!(machines.err.contains("`atlas endpoint list` shows which"), "{machines:?}");
    let reaped = home.good(&["reap", "--json"]).json();
    let told = (&reaped[0]["kind"], &reaped[0]["is"], &reaped[0]["compute"]);
    assert_eq!(told, (&json!("endpoint"), &json!("plain"), &json!(id)), "{reaped}");
    assert!(reaped[0]["why"].as_str().expect("text").contains("`atlas endpoint delete` ends it"), "{reaped}");

    let job = ["job", "run", "--endpoint", id, "--input", r#"{"echo":"hello"}"#, "--mode", "sync", "--json"];
    assert_eq!(home.good(&job).json()["output"], "hello");
    assert_eq!(cloud.server().ledger().open().count(), 1, "its worker is still up");

    let begun = json_of(&home, &["delete", id, "--no-wait"]);
    assert_eq!(begun, json!([{ "id": id, "provider": "runpod", "status": "deleting" }]));
    assert_eq!(cloud.server().ledger().open().count(), 0, "its worker has ended");
    assert_eq!(ids(&home, &[]), Vec::<String>::new());
    assert_eq!(home.intents(), ["releasing"], "an answer proves nothing");
    assert_eq!(json_of(&home, &["delete", id])[0]["status"], "deleted");
    assert_eq!(home.intents(), ["closed"]);
    assert_eq!(home.run(&["endpoint", "get", id]).code, 3);
    assert_eq!(json_of(&home, &["delete", id])[0]["status"], "deleted", "what is gone already is a success");
}

/// RunPod may show a new one only after a while: who has just made it is not told that it is not there.
#[test]
fn a_new_endpoint_is_asked_for_until_it_is_shown() {
    let (home, cloud) = ground();
    let id = made(&home);
    // A call that is answered for another account finds nothing.
    cloud.server().inject(Rule::on(Operation::GetEndpoint, Fault::AnotherAccount).times(2));
    assert_eq!(json_of(&home, &["get", &id])["id"], json!(id));
    assert_eq!(cloud.server().rules().len(), 0, "it was asked for three times");
}

/// Workers that are always up bill with or without jobs: told when it is made, and wherever it is shown.
#[test]
fn standing_workers_are_said_to_bill() {
    let (home, cloud) = ground();
    for (min, says) in [("1", "1 worker is always up: it bills"), ("2", "2 workers are always up: they bill")] {
        let ran = home.good(&[CREATE, &["--workers-min", min]].concat());
        let id = ran.json()["id"].as_str().expect("text").to_owned();
        let ends = format!("`atlas endpoint delete --provider runpod {id}`");
        assert!(ran.err.contains(says) && ran.err.contains(&ends), "{ran:?}");
        assert!(home.good(&["endpoint", "get", &id]).out.contains("around the clock"));
        assert!(home.good(&["endpoint", "list"]).out.contains("around the clock"));
        cloud.server().advance(Duration::from_mins(1));
        assert_eq!(cloud.server().ledger().open().count().to_string(), min);
        home.good(&["endpoint", "delete", &id, "--no-wait"]);
        assert_eq!(cloud.server().ledger().open().count(), 0);
    }
    // By an option of the cloud's own: what it answers counts.
    let ran = home.good(&[CREATE, &["--opt", r#"workers={"min":1}"#]].concat());
    assert!(ran.err.contains("1 worker is always up"), "{ran:?}");
}

/// Rule O1: the process that asked is gone, and so is the cloud's answer. What `reap` binds a person can end.
#[test]
fn o1_an_endpoint_whose_create_was_never_answered_is_bound_by_reap_and_can_be_deleted() {
    let (home, cloud) = ground();
    cloud.server().inject(Rule::on(Operation::CreateEndpoint, Fault::LosesAnswer));
    let lost = home.run(&[CREATE, &["--workers-min", "1"]].concat());
    assert_eq!((lost.code, lost.out.as_str()), (1, ""), "{lost:?}");
    assert_eq!(lost.error()["effect"], "unknown", "{lost:?}");
    let says = "an endpoint may exist, and bill: `atlas reap` finds out";
    assert!(lost.error()["message"].as_str().expect("text").contains(says), "{lost:?}");
    assert_eq!(home.intents(), ["open"]);
    let id = ids(&home, &[]).remove(0);
    let reaped = home.good(&["reap", "--json"]).json();
    assert_eq!((&reaped[0]["is"], &reaped[0]["compute"]), (&json!("plain"), &json!(id)), "{reaped}");
    assert_eq!(home.intents(), ["bound"]);
    assert_eq!(ids(&home, &[]), [id.as_str()], "somebody may have found it, so that nobody ends it by himself");
    assert_eq!(cloud.server().ledger().open().count(), 1);
    assert_eq!(json_of(&home, &["delete", &id])[0]["status"], "deleted");
    assert_eq!((home.intents(), ids(&home, &[])), (vec!["closed".to_owned()], Vec::new()));
    let ledger = cloud.server().ledger();
    assert_eq!((ledger.rents.len(), ledger.open().count()), (1, 0), "{ledger:?}");
}

/// Rules P4 and P15: success that is told of nothing ends nothing, and is not passed on.
#[test]
fn p4_p15_an_end_that_did_not_happen_is_not_believed_and_carried_on() {
    let (home, cloud) = ground();
    let id = made(&home);
    cloud.server().inject(Rule::on(Operation::EndEndpoint, Fault::Ignores).always());
    let ran = home.run(&["endpoint", "delete", &id, "--timeout", "2s", "--json"]);
    assert_eq!((ran.code, ran.json()), (7, json!([])), "{ran:?}");
    let error = ran.error();
    assert!(error["message"].as_str().expect("text").contains("`atlas reap` carries it on"), "{ran:?}");
    assert_eq!(error["leftovers"], json!([id]), "{ran:?}");
    assert_eq!((home.intents(), ids(&home, &[])), (vec!["releasing".to_owned()], vec![id.clone()]));
    let listed = home.good(&["endpoint", "list"]);
    let says = format!("endpoint {id} is being ended");
    assert!(listed.err.contains(&says) && listed.err.contains("`atlas endpoint delete` or `atlas reap`"), "{listed:?}");
    cloud.server().heal();
    home.good(&["reap"]);
    assert_eq!(ids(&home, &[]), Vec::<String>::new());
}

#[test]
fn an_endpoint_of_another_owner_is_shown_and_ended_only_on_an_operators_word() {
    let (home, cloud) = ground();
    let elsewhere = Home::new();
    let configuration = std::fs::read_to_string(home.path().join("atlas.yaml")).expect("it is there");
    elsewhere.configure(&format!("deployment: theirs\n{configuration}"));
    let (theirs, nobodys) = (made(&elsewhere), cloud.server().endpoint_id());
    assert_eq!(ids(&home, &[]), Vec::<String>::new());
    for id in [&theirs, &nobodys] {
        assert!(ids(&home, &["--all"]).contains(id));
        for more in [&["--no-wait"][..], &[]] {
            let ran = home.run(&[&["endpoint", "delete", id], more].concat());
            assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:?}");
            let says =
                format!("endpoint {id} does not bear the mark of deployment default: say --foreign to delete it");
            assert!(ran.complaint().contains(&says), "{ran:?}");
        }
        assert_eq!(home.intents(), Vec::<String>::new());
    }
    assert_eq!(ids(&elsewhere, &[]), [theirs.as_str()], "it is still there");
    json_of(&home, &["delete", &theirs, "--foreign", "--no-wait"]);
    assert_eq!(ids(&home, &["--all"]), [nobodys]);
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_recorded() {
    let (home, cloud) = ground();
    let image = ["endpoint", "create", "--image", "i"];
    let with = |more: &[&'static str]| [&image[..], more].concat();
    let none = ["endpoint", "get", "--provider", "local", "e1"];
    let rows = [
        (with(&[]), 2, "--gpu"),
        (with(&["--gpu", "l4", "--workers-min", "4"]), 2, "4 workers at least and 3 at most"),
        (with(&["--gpu", "l4", "--idle-timeout", "2h"]), 2, "idle_timeout must be from 1 s to 1 h"),
        (with(&["--gpu", "l4", "--execution-timeout", "0s"]), 2, "timeout is nothing"),
        (with(&["--gpu", "l4", "--gpu-count", "0"]), 2, "gpu_count is 0"),
        (with(&["--cpu", "cpu3c:3"]), 2, "3 virtual CPUs"),
        (with(&["--gpu", "l4", "--name", "no spaces"]), 2, "name"),
        (with(&["--gpu", "l4", "--env", "ATLAS_MARK=x"]), 2, "Atlas's own to set"),
        (with(&["--gpu", "l4", "--opt", "name=\"x\""]), 2, "would change the mark"),
        (with(&["--gpu", "no-such-gpu"]), 2, "no GPU or pool of RunPod"),
        (with(&["--gpu", "l4", "--provider", "nowhere"]), 2, "nowhere"),
        (with(&["--gpu", "l4", "--provider", "local"]), 5, "local does not support serverless"),
        (none.to_vec(), 5, "local does not support serverless"),
        (vec!["endpoint", "list", "--provider", "local"], 5, "local does not support serverless"),
        (vec!["endpoint", "delete", "--provider", "local", "e1"], 5, "serverless"),
        (vec!["endpoint", "delete"], 2, "<ID>"),
        (vec!["endpoint", "get", ""], 2, "it is empty"),
        (vec!["endpoint", "get", "../pods"], 2, "no endpoint id"),
        (vec!["endpoint", "get", "e0"], 3, "e0"),
        (vec!["endpoint", "delete", "e0"], 3, "e0"),
    ];
    let mut told = String::new();
    for (words, code, says) in &rows {
        let row: Row<'_> = (words, *code, says);
        let ran = home.run(row.0);
        assert_eq!(ran.code, *code, "{words:?}: {ran:?}");
        told += &refused(&home, row, if *code == 3 { "rejected" } else { "not_sent" });
    }
    assert_eq!(ids(&home, &["--all"]), [cloud.server().endpoint_id()], "nothing was made");
    let mut scrub = home.scrub();
    scrub.add_filter(r"rental \S+", "rental [rental]");
    scrub.bind(|| insta::assert_snapshot!(told));
}

/// Nobody has learnt its id, and nobody uses it.
#[test]
fn a_create_that_is_interrupted_or_that_nobody_reads_is_undone() {
    let (home, cloud) = ground();
    cloud.server().inject(Rule::on(Operation::CreateEndpoint, Fault::AnswersLate(Duration::from_secs(3))));
    let running = Running::start(&mut home.command(CREATE));
    wait_until("the create is on its way", || home.intents() == ["open"] && ids(&home, &[]).len() == 1);
    running.send(Signal::INT);
    let ran = running.end().expect("it listens");
    assert_eq!((ran.code, ran.out.as_str()), (130, ""), "{ran:?}");
    assert_eq!((&ran.error()["kind"], &ran.error()["leftovers"]), (&json!("interrupted"), &json!([])), "{ran:?}");
    assert!(ran.error()["message"].as_str().expect("text").contains("was deleted again"), "{ran:?}");
    assert_eq!((home.intents(), ids(&home, &[])), (vec!["closed".to_owned()], Vec::new()));

    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = home.command(CREATE);
    let unread = command.stdout(writer).stderr(Stdio::piped()).output().expect("the program starts");
    let unread = Ran {
        code: unread.status.code().unwrap_or(-1),
        out: String::new(),
        err: String::from_utf8_lossy(&unread.stderr).into_owned(),
    };
    assert!(unread.code == 1 && unread.err.contains("was deleted again"), "{unread:?}");
    assert_eq!(ids(&home, &[]), Vec::<String>::new());
}
