//! `atlas volume` as people and scripts meet it, against `atlas sim`: each run is a process of its own, so that what one
//! has recorded another must find.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::home::{Home, Ran, Running, start, wait_until};

/// A simulated cloud as one process, and a configuration that leads there.
struct Sim {
    child: Child,
    home: Home,
}

impl Sim {
    /// Begins it; `faults` is the script of what goes wrong.
    fn start(faults: Option<Value>) -> Self {
        let home = Home::new();
        let mut words = vec!["sim"];
        if let Some(faults) = faults {
            std::fs::write(home.path().join("faults.json"), faults.to_string()).expect("the folder can be written");
            words.extend(["--faults", "faults.json"]);
        }
        let mut child = home.command(&words).stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line).expect("it announces itself");
        let announced: Value = serde_json::from_str(&line).expect("it is JSON");
        // JSON is YAML.
        let providers = json!({ "runpod": announced["runpod"]["config"] });
        home.configure(&format!("providers: {providers}\n"));
        Self { child, home }
    }

    fn volume(&self, words: &[&str]) -> Ran {
        self.home.run(&[&["volume"], words, &["--provider", "runpod", "--json"]].concat())
    }

    fn good(&self, words: &[&str]) -> Value {
        let ran = self.volume(words);
        assert_eq!(ran.code, 0, "{words:?}: {ran:?}");
        ran.json()
    }

    fn create(&self) -> Ran {
        self.volume(&["create", "--region", "EU-RO-1", "--size-gb", "50", "--name", "models"])
    }

    fn ids(&self) -> Vec<String> {
        let all = self.good(&["list"]);
        let id = |volume: &Value| volume["id"].as_str().expect("text").to_owned();
        all.as_array().expect("a list").iter().map(id).collect()
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_volume_is_made_shown_grown_and_deleted() {
    let sim = Sim::start(None);
    let made = sim.create();
    assert_eq!(made.code, 0, "{made:?}");
    let made = made.json();
    let id = made["id"].as_str().expect("text");
    assert_eq!(
        (&made["size_gb"], &made["region"], &made["provider"]),
        (&json!(50), &json!("EU-RO-1"), &json!("runpod"))
    );
    assert!(made["name"].as_str().expect("text").ends_with("-models"), "{made}");
    assert_eq!(sim.home.intents(), ["bound"]);

    assert_eq!(sim.good(&["get", id])["id"], id);
    assert_eq!(sim.good(&["grow", id, "--size-gb", "80"])["size_gb"], 80);
    let smaller = sim.volume(&["grow", id, "--size-gb", "20"]);
    assert_eq!((smaller.code, &smaller.error()["kind"]), (2, &json!("validation")), "{smaller:?}");
    // Without --provider every account in use is asked.
    let table = sim.home.good(&["volume", "list"]).out;
    let row: Vec<_> = table.lines().nth(1).expect("a row").split_whitespace().take(6).collect();
    assert_eq!(row, [id, "models", "runpod", "80", "GB", "EU-RO-1"]);

    // The list of machines has none, and says that something bills all the same; `reap` shows it and ends nothing.
    let machines = sim.home.good(&["list", "--json"]);
    assert_eq!(machines.json(), json!([]));
    assert!(machines.err.contains("1 volume is rented here as well"), "{machines:?}");
    let reaped = sim.home.good(&["reap", "--json"]).json();
    assert_eq!(
        (&reaped[0]["kind"], &reaped[0]["is"], &reaped[0]["compute"]),
        (&json!("volume"), &json!("plain"), &made["id"])
    );
    assert_eq!(sim.ids(), [id]);

    let begun = sim.good(&["delete", id, "--no-wait"]);
    assert_eq!(begun, json!([{ "id": id, "provider": "runpod", "status": "deleting" }]));
    assert_eq!(sim.ids(), Vec::<String>::new());
    assert_eq!(sim.good(&["delete", id])[0]["status"], "deleted");
    assert_eq!(sim.home.intents(), ["closed"]);
    let gone = sim.volume(&["get", id]);
    assert_eq!((gone.code, &gone.error()["kind"]), (3, &json!("not_found")), "{gone:?}");
    assert_eq!(sim.volume(&["delete", "never"]).code, 3);
}

/// Rule O1: the process that asked is gone, and so is the cloud's answer.
#[test]
fn o1_a_volume_whose_create_was_never_answered_is_found_by_the_next_reap_and_kept() {
    let sim = Sim::start(Some(json!([{ "operation": "create_volume", "fault": "never-answers" }])));
    let words = ["volume", "create", "--provider", "runpod", "--region", "EU-RO-1", "--size-gb", "50"];
    let mut creating = start(&mut sim.home.command(&words));
    wait_until("a volume is there", || sim.ids().len() == 1);
    creating.kill().expect("it waits for its answer");
    creating.wait().expect("it was killed");
    assert_eq!(sim.home.intents(), ["open"]);
    let listed = sim.home.good(&["volume", "list"]);
    let id = sim.ids().remove(0);
    assert!(listed.out.contains(&id), "what is there is shown: {listed:?}");
    let reaped = sim.home.good(&["reap", "--json"]).json();
    assert_eq!((&reaped[0]["is"], &reaped[0]["compute"]), (&json!("plain"), &json!(id)), "{reaped}");
    assert_eq!(sim.home.intents(), ["bound"]);
    assert_eq!(sim.ids(), [id.as_str()], "it may be in use, so that nobody ends it by himself");
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_recorded() {
    let sim = Sim::start(None);
    for (words, code) in [
        (&["create", "--region", "EU-RO-1", "--size-gb", "0"][..], 2),
        (&["create", "--region", "EU-RO-1", "--size-gb", "-5"], 2),
        (&["create", "--region", "EU-RO-1"], 2),
        (&["create", "--size-gb", "50"], 2),
        (&["create", "--region", "EU-RO-1", "--size-gb", "5000"], 2),
        (&["create", "--region", "EU-RO-1", "--size-gb", "50", "--name", "no spaces"], 2),
        (&["create", "--region", "EU-RO-1", "--size-gb", "50", "--opt", "speed=1"], 2),
        (&["delete"], 2),
        (&["get", "../pods"], 2),
    ] {
        let ran = sim.volume(words);
        assert_eq!(ran.code, code, "{words:?}: {ran:?}");
    }
    let local = ["volume", "create", "--provider", "local", "--region", "here", "--size-gb", "5", "--json"];
    let ran = sim.home.run(&local);
    assert_eq!((ran.code, &ran.error()["kind"]), (5, &json!("unsupported")), "{ran:?}");
    assert_eq!(sim.home.intents(), Vec::<String>::new());
    assert_eq!(sim.ids(), Vec::<String>::new());
    // A volume of somebody else in the same account.
    let elsewhere = Home::new();
    let configuration = std::fs::read_to_string(sim.home.path().join("atlas.yaml")).expect("it is there");
    elsewhere.configure(&format!("deployment: theirs\n{configuration}"));
    let words = ["volume", "create", "--provider", "runpod", "--region", "EU-RO-1", "--size-gb", "50", "--json"];
    let theirs = elsewhere.good(&words).json();
    let id = theirs["id"].as_str().expect("text");
    assert_eq!(sim.ids(), Vec::<String>::new());
    assert_eq!(sim.good(&["list", "--all"])[0]["id"], id);
    let refused = sim.volume(&["delete", id]);
    assert!(
        refused.code == 2 && refused.error()["message"].as_str().expect("text").contains("--foreign"),
        "{refused:?}"
    );
    sim.good(&["delete", id, "--foreign", "--no-wait"]);
    assert_eq!(sim.good(&["list", "--all"]), json!([]));
}

/// Nobody has learnt its id, and nothing is on it.
#[test]
fn a_create_that_is_interrupted_or_that_nobody_reads_is_undone() {
    let words = ["volume", "create", "--provider", "runpod", "--region", "EU-RO-1", "--size-gb", "50", "--json"];
    let sim = Sim::start(Some(json!([{ "operation": "create_volume", "fault": "answers-late", "span": "3s" }])));
    let running = Running::start(&mut sim.home.command(&words));
    wait_until("the create is on its way", || sim.home.intents() == ["open"] && sim.ids().len() == 1);
    running.send(Signal::INT);
    let ran = running.end().expect("it listens");
    assert_eq!((ran.code, ran.out.as_str()), (130, ""), "{ran:?}");
    assert_eq!((&ran.error()["kind"], &ran.error()["leftovers"]), (&json!("interrupted"), &json!([])), "{ran:?}");
    assert!(ran.error()["message"].as_str().expect("text").contains("was deleted again"), "{ran:?}");
    assert_eq!((sim.home.intents(), sim.ids()), (vec!["closed".to_owned()], Vec::new()));

    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = sim.home.command(&words);
    let unread = command.stdout(writer).stderr(Stdio::piped()).output().expect("the program starts");
    let said = String::from_utf8_lossy(&unread.stderr);
    assert_eq!(unread.status.code(), Some(1), "{said}");
    assert!(said.contains("was deleted again"), "{said}");
    assert_eq!(sim.ids(), Vec::<String>::new());
}

/// Somebody gave it another name in the cloud's console: it bills on, and is told by the id that was recorded.
#[test]
fn a_volume_that_was_renamed_is_shown() {
    let cloud = Cloud::new();
    let home = Home::new();
    cloud.lead(&home);
    let made = home.good(&["volume", "create", "--region", "EU-RO-1", "--size-gb", "50", "--json"]).json();
    let id = made["id"].as_str().expect("text");
    let (status, answer) = cloud.call("PATCH", &format!("/v2/network-volumes/{id}"), r#"{"name":"weights"}"#);
    assert_eq!(status, 200, "{answer}");
    let (status, answer) = cloud.call(
        "POST",
        "/v2/network-volumes",
        r#"{"name":"another's","size":10,"dataCenter":"EU-RO-1","type":"STANDARD"}"#,
    );
    assert_eq!(status, 201, "{answer}");
    let listed = home.good(&["volume", "list", "--json"]).json();
    assert_eq!((listed.as_array().map(Vec::len), &listed[0]["id"]), (Some(1), &json!(id)), "{listed}");
    let reaped = home.good(&["reap", "--json"]).json();
    assert_eq!(reaped.as_array().map(Vec::len), Some(1), "{reaped}");
    assert_eq!((&reaped[0]["is"], &reaped[0]["compute"]), (&json!("plain"), &json!(id)), "{reaped}");
    assert!(reaped[0]["why"].as_str().expect("text").contains("--foreign"), "{reaped}");
    assert!(reaped[0]["rental"].is_string(), "{reaped}");
}

/// What was refused is no word for later: the machine's end is not the volume's.
#[test]
fn o6_a_volume_that_was_in_use_is_kept_by_the_reaper_after_its_machine() {
    let cloud = Cloud::new();
    let home = Home::new();
    cloud.lead(&home);
    let made = home.good(&["volume", "create", "--region", "EU-RO-1", "--size-gb", "50", "--json"]).json();
    let id = made["id"].as_str().expect("text");
    let spawn = ["spawn", "--gpu", "l4", "--image", "me/app:1", "--network-volume", id, "--auth", "none", "--json"];
    let machine = home.good(&spawn).json()["id"].as_str().expect("text").to_owned();
    for more in [&[][..], &["--no-wait"]] {
        let refused = home.run(&[&["volume", "delete", id, "--json"], more].concat());
        assert_eq!((&refused.error()["kind"], &refused.error()["effect"]), (&json!("conflict"), &json!("rejected")));
        let message = refused.error()["message"].as_str().expect("text").to_owned();
        for says in ["in use", machine.as_str(), "nothing deletes it later", "then delete it again"] {
            assert!(message.contains(says), "no {says:?} in: {message}");
        }
        assert_eq!(home.intents(), ["bound", "bound"], "{refused:?}");
        home.good(&["reap"]);
    }
    home.good(&["terminate", &machine]);
    for _ in 0..2 {
        home.good(&["reap"]);
    }
    let listed = home.good(&["volume", "list", "--json"]).json();
    assert_eq!((listed.as_array().map(Vec::len), &listed[0]["id"]), (Some(1), &json!(id)), "{listed}");
    home.good(&["volume", "delete", id]);
    assert_eq!(home.good(&["volume", "list", "--json"]).json(), json!([]));
}
