//! A newcomer's walk over RunPod, at a simulated one: from the first line of `atlas sim` to the last machine's end; and what
//! is told when it goes wrong on the way.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use atlas::mock::{Fault, Operation, Rule};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::cloud::{Cloud, Nobody};
use crate::home::{Home, Ran, Running, start, wait_until};
use crate::life::ask;

const SPAWN: &[&str] = &["spawn", "--gpu", "l4", "--image", "me/app:1"];

/// `atlas sim` as a process, which ends with the test at the latest.
struct Sim(Child);

impl Sim {
    /// Starts it; its first line is what it says of itself.
    fn start(home: &Home, words: &[&str]) -> (Self, Value) {
        let mut sim = Self(start(&mut home.command(&[&["sim"], words].concat())));
        let mut line = String::new();
        let stdout = sim.0.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("it is text");
        let announced = serde_json::from_str(&line).expect("the first line is JSON");
        (sim, announced)
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        // One that has ended cannot be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// No configuration is written by hand, and no variable is set.
#[test]
fn from_atlas_sim_to_the_last_machine() {
    let home = Home::new();
    let (mut sim, announced) = Sim::start(&home, &["--write-config", "atlas.yaml"]);
    let atlas = |words: &[&str]| {
        let mut command = home.command(words);
        command.env_remove("ATLAS_STATE_DIR");
        let ran = Ran::from(command.output().unwrap());
        assert_eq!(ran.code, 0, "{words:?}: {ran:?}");
        ran
    };
    let gpus = atlas(&["gpus"]).out;
    assert!(gpus.contains("NVIDIA L4") && !gpus.contains("EU-RO-1"), "one line for each GPU and cloud: {gpus}");
    assert!(atlas(&["gpus", "--gpu", "l4"]).out.contains("EU-RO-1"), "asked for one, its regions are shown");

    let words = ["--port", "8000/http", "--auth", "bearer", "--name", "mine", "--wait", "--json"];
    let spawned = atlas(&[SPAWN, &words].concat()).json();
    let (id, url) = (spawned["id"].as_str().unwrap(), spawned["ports"][0]["url"].as_str().unwrap());
    assert_eq!((ask(url, spawned["auth"]["token"].as_str()), ask(url, None)), (200, 401));
    assert!(atlas(&["list"]).out.contains(id));
    atlas(&["logs", id]);
    atlas(&["stop", id]);
    assert_eq!(atlas(&["get", id, "--json"]).json()["status"], "stopped");
    atlas(&["start", id]);

    let endpoint = announced["runpod"]["endpoint_id"].as_str().unwrap();
    let run = |input: &str, mode: &str| {
        atlas(&["job", "run", "--endpoint", endpoint, "--input", input, "--mode", mode, "--json"]).out
    };
    let queued: Value = serde_json::from_str(&run(r#"{"seconds":60}"#, "async")).unwrap();
    let job = queued["id"].as_str().unwrap();
    assert_eq!(atlas(&["job", "cancel", "--endpoint", endpoint, job, "--json"]).json()["status"], "cancelled");
    assert_eq!(atlas(&["job", "get", "--endpoint", endpoint, job, "--json"]).json()["status"], "cancelled");
    let done: Value = serde_json::from_str(&run(r#"{"echo":"hello"}"#, "sync")).unwrap();
    assert_eq!((&done["status"], &done["output"]), (&"completed".into(), &"hello".into()));
    let pieces = run(r#"{"seconds":1,"chunks":3,"echo":"hello"}"#, "stream");
    let indices: Vec<_> =
        pieces.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["index"].as_u64().unwrap()).collect();
    assert_eq!(indices, [0, 1, 2]);

    atlas(&["terminate", id]);
    assert_eq!(atlas(&["list", "--json"]).json(), serde_json::json!([]));
    kill_process(Pid::from_raw(i32::try_from(sim.0.id()).unwrap()).unwrap(), Signal::TERM).unwrap();
    assert_eq!(sim.0.wait().unwrap().code(), Some(0));
}

/// The document's own lines, twice in one folder, below a project whose configuration leads elsewhere.
#[test]
fn the_walk_of_the_document_as_it_is_written() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/sim.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, part) = page.split_once("## With the `atlas` command").unwrap();
    let (_, block) = part.split_once("```sh\n").unwrap();
    let (walk, _) = block.split_once("```").unwrap();
    let (home, elsewhere) = (Home::new(), Nobody::new());
    elsewhere.lead(&home, Some("rpa_real"));
    let bin = std::path::Path::new(env!("CARGO_BIN_EXE_atlas")).parent().unwrap().to_owned();
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([bin].into_iter().chain(std::env::split_paths(&paths))).unwrap();
    for _ in 0..2 {
        let mut shell = Command::new("sh");
        // Whatever fails, the simulated cloud ends with the walk.
        let script = format!("trap 'kill $! 2> /dev/null || true' EXIT\n{walk}wait $!\ntrap - EXIT\n");
        shell.args(["-euc", &script]).env_clear().env("PATH", &path).env("HOME", home.path());
        let ran = Ran::from(shell.current_dir(home.path()).stdin(Stdio::null()).output().unwrap());
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.out.contains("NVIDIA L4") && ran.out.contains("hello"), "{ran:?}");
    }
    elsewhere.assert_not_asked();
}

/// Whoever waits for the file is not led to the server of yesterday, not even when this one cannot listen.
#[test]
fn the_file_of_an_earlier_one_is_gone_before_it_listens() {
    let home = Home::new();
    drop(Sim::start(&home, &["--write-config", "atlas.yaml"]));
    assert!(home.path().join("atlas.yaml").exists());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let ran = home.run(&["sim", "--listen", &at, "--write-config", "atlas.yaml"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(!home.path().join("atlas.yaml").exists());
}

#[test]
fn a_configuration_of_ones_own_is_never_written_over() {
    let home = Home::new();
    home.configure("default_provider: local\n");
    let ran = home.run(&["sim", "--write-config", "atlas.yaml"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:?}");
    assert!(ran.complaint().contains("atlas.yaml is there, and `atlas sim` did not write it"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(home.path().join("atlas.yaml")).unwrap(), "default_provider: local\n");

    std::fs::remove_file(home.path().join("atlas.yaml")).unwrap();
    let mut written = Vec::new();
    for seed in ["1", "2"] {
        let _sim = Sim::start(&home, &["--seed", seed, "--write-config", "atlas.yaml"]);
        written.push(std::fs::read_to_string(home.path().join("atlas.yaml")).unwrap());
    }
    assert_ne!(written[0], written[1], "its own is written anew");
    let mut scrub = home.scrub();
    scrub.add_filter(r"\.atlas-sim/\d+", ".atlas-sim/[port]");
    scrub.add_filter("beginning: [a-z0-9]+", "beginning: [endpoint]");
    scrub.bind(|| insta::assert_snapshot!(written[1]));
}

/// Where it cannot be written, nobody is left with a cloud to which nothing leads.
#[test]
fn a_configuration_that_cannot_be_written_starts_nothing() {
    let home = Home::new();
    std::fs::create_dir(home.path().join("folder")).unwrap();
    let mut told = String::new();
    for path in ["some/missing/folder/config.yaml", "folder"] {
        let ran = home.run(&["sim", "--write-config", path]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:?}");
        assert!(!home.path().join("some").exists(), "no folder is made that may be a slip of the pen");
        told += &ran.err;
    }
    // No file may grow: what a full disk does, once it listens.
    let mut full = shell(&home, "ulimit -f 0", &["sim", "--write-config", "atlas.yaml"]);
    let ran = Ran::from(full.output().unwrap());
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:?}");
    told += &ran.err;
    assert!(!home.path().join("atlas.yaml").exists());
    home.scrub().bind(|| insta::assert_snapshot!(told));
}

/// The program as it is begun by a shell that first says `first`.
fn shell(home: &Home, first: &str, words: &[&str]) -> Command {
    let mut shell = Command::new("sh");
    let script = format!("trap '' XFSZ; {first}; exec \"$0\" \"$@\"");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_atlas")]).args(words);
    let model = home.command(&[]);
    shell.env_clear().envs(model.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.current_dir(home.path()).stdin(Stdio::null());
    shell
}

/// What becomes of the job is told, and how to lay hands on it.
#[test]
fn a_job_that_is_waited_for_and_interrupted_is_named() {
    let (home, cloud) = (Home::new(), Cloud::new());
    cloud.lead(&home);
    let endpoint = cloud.server().endpoint_id();
    let words = |mode| {
        ["job", "run", "--endpoint", &endpoint, "--input", r#"{"seconds":600}"#, "--mode", mode].map(str::to_owned)
    };
    let at_work = || cloud.server().ledger().open().count() > 0;

    let mut told = String::new();
    for mode in ["stream", "sync"] {
        let words = words(mode);
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let mut running = Running::start(&mut home.command(&words));
        wait_until("a worker is at it", at_work);
        // The worker may be faster than the answer that names the job.
        running.until_it_says("job ");
        running.send(Signal::INT);
        let ran = running.end().expect("it listens");
        assert_eq!((ran.code, ran.out.as_str()), (130, ""), "{ran:?}");
        told += &ran.err;
        cloud.call("POST", "/admin/reset", "");

        // A program finds its id without reading words.
        let words = [&words[..], &["--json"]].concat();
        let mut running = Running::start(&mut home.command(&words));
        running.until_it_says("job ");
        running.send(Signal::TERM);
        let ran = running.end().expect("it listens");
        let error: Value = serde_json::from_str(ran.err.lines().last().unwrap()).unwrap();
        let error = &error["error"];
        let id = cloud.server().jobs()[0].id.to_string();
        assert_eq!((&error["kind"], &error["job"]), (&"interrupted".into(), &id.into()), "{error}");
        assert_eq!((&error["provider"], &error["operation"]), (&"runpod".into(), &"run_job".into()), "{error}");
        cloud.call("POST", "/admin/reset", "");
    }
    let mut scrub = home.scrub();
    scrub.add_filter(&endpoint, "[endpoint]");
    scrub.add_filter("[0-9a-f-]{36}-u1", "[job]");
    // The signal may come before the look that shows this.
    scrub.add_filter(r"job \[job\] is running\n", "");
    scrub.bind(|| insta::assert_snapshot!(told));
}

#[test]
fn a_job_that_is_not_over_in_time_is_named() {
    let (home, cloud) = (Home::new(), Cloud::new());
    cloud.lead(&home);
    let endpoint = cloud.server().endpoint_id();
    let mut told = String::new();
    for mode in ["sync", "stream"] {
        let input = r#"{"seconds":600}"#;
        let words = ["job", "run", "--endpoint", &endpoint, "--input", input, "--mode", mode, "--timeout", "5s"];
        let ran = home.run(&words);
        assert_eq!((ran.code, ran.out.as_str()), (7, ""), "{ran:?}");
        told += &ran.err;
        let words = [&words[..9], &["1s", "--json"]].concat();
        let ran = home.run(&words);
        let error: Value = serde_json::from_str(ran.err.lines().last().unwrap()).unwrap();
        let last = cloud.server().jobs().last().unwrap().id.to_string();
        assert_eq!((ran.code, &error["error"]["job"]), (7, &last.into()), "{error}");
    }
    let failed =
        home.run(&["job", "run", "--endpoint", &endpoint, "--input", r#"{"fail":"no cat"}"#, "--mode", "sync"]);
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(failed.complaint().ends_with("failed: no cat"), "{failed:?}");
    told += &failed.err;
    let mut scrub = home.scrub();
    scrub.add_filter(&endpoint, "[endpoint]");
    scrub.add_filter("[0-9a-f-]{36}-u1", "[job]");
    scrub.bind(|| insta::assert_snapshot!(told));
}

/// Killed between the create and its answer: the machine is found by its mark, once, and nobody rents a second one.
#[test]
fn a_spawn_that_is_killed_before_its_answer_is_found_by_reap() {
    let (home, cloud) = (Home::new(), Cloud::new());
    cloud.lead(&home);
    cloud.server().inject(Rule::on(Operation::Spawn, Fault::NeverAnswers));
    let mut child = start(&mut home.command(SPAWN));
    wait_until("a machine is there", || cloud.server().ledger().rents.len() == 1);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(home.intents(), ["open"]);

    let reaped = home.good(&["reap", "--json"]).json();
    assert_eq!((&reaped[0]["is"], reaped.as_array().unwrap().len()), (&"plain".into(), 1), "{reaped}");
    assert_eq!(home.intents(), ["bound"]);
    let id = reaped[0]["compute"].as_str().unwrap();
    home.good(&["terminate", id]);
    let ledger = cloud.server().ledger();
    assert_eq!((ledger.rents.len(), ledger.open().count()), (1, 0), "{ledger:?}");
}

#[test]
fn a_cloud_that_cannot_be_reached() {
    let (home, mut cloud) = (Home::new(), Cloud::new());
    cloud.lead(&home);
    cloud.end();
    let mut told = String::new();
    for words in [SPAWN, &["list"], &["gpus"], &["get", "x"], &["job", "run", "--endpoint", "e", "--input", "1"]] {
        told += &crate::cloud::refused(&home, (words, 1, "cannot connect to 127.0.0.1:"), "not_sent");
    }
    // What could not be looked at is not said to be well.
    let ran = home.run(&["reap"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(!ran.out.contains("nothing to reconcile"), "{ran:?}");
    home.scrub().bind(|| insta::assert_snapshot!(told));
}

/// No record, no machine: on a full disk, and where the state directory cannot be one.
#[test]
fn without_room_for_the_record_nothing_is_rented() {
    let (home, cloud) = (Home::new(), Cloud::new());
    cloud.lead(&home);
    // No file may grow: what a full disk does, and what this process can bring about.
    let ran = Ran::from(shell(&home, "ulimit -f 0", SPAWN).output().unwrap());
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:?}");
    assert!(ran.complaint().contains(home.state().to_str().unwrap()), "it names the place: {ran:?}");
    cloud.assert_nothing_spent(0);

    std::fs::remove_dir_all(home.state()).unwrap();
    std::fs::write(home.state(), "no folder").unwrap();
    let ran = home.run(SPAWN);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:?}");
    assert!(ran.complaint().contains(home.state().to_str().unwrap()), "{ran:?}");
    cloud.assert_nothing_spent(0);
}
