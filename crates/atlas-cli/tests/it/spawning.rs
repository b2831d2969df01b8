//! What `spawn` does when it goes wrong on the way: the machine is handed out, or ended, or named.

use std::fs::File;
use std::process::Stdio;

use crate::home::{Home, Ran, wait_until};
use crate::life::ask;

/// Never answers on its port.
const SILENT: &[&str] = &["--port", "8000/http", "--wait", "--", "sleep", "600"];

#[test]
fn one_that_does_not_become_ready_is_ended() {
    let home = Home::new();
    let ran = home.run(&[&["spawn", "--provider", "local", "--json", "--timeout", "1s"], SILENT].concat());
    assert_eq!(ran.code, 7, "{ran:?}");
    assert_eq!(ran.out, "");
    assert_eq!(ran.error()["kind"], "timeout");
    assert_eq!(ran.error()["leftovers"], serde_json::json!([]));
    home.assert_nothing_spent();
}

#[test]
fn one_that_ends_by_itself_is_ended_at_once() {
    let home = Home::new();
    let ran = home.run(&["spawn", "--provider", "local", "--port", "8000/http", "--wait", "--", "false"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.complaint().contains("will not become ready"), "{ran:?}");
    home.assert_nothing_spent();
}

#[test]
fn keep_hands_it_out_all_the_same() {
    let home = Home::new();
    let words = ["spawn", "--provider", "local", "--json", "--timeout", "1s", "--keep", "--auth", "bearer"];
    let ran = home.run(&[&words, SILENT].concat());
    assert_eq!(ran.code, 7, "{ran:?}");
    assert_eq!(ran.error()["leftovers"], serde_json::json!([ran.json()["id"]]));
    assert!(ran.json()["auth"]["token"].is_string());
    assert_eq!(home.machines().len(), 1);
}

#[test]
fn an_answer_that_cannot_be_written_ends_the_machine() {
    let home = Home::new();
    let spawn = ["spawn", "--provider", "local", "--auth", "bearer", "--json"];
    let full = File::options().write(true).open("/dev/full").expect("Linux has it");
    let ran = Ran::from(home.command(&spawn).stdout(full).output().expect("it starts"));
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("was ended again"), "{ran:?}");
    home.assert_nothing_spent();

    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let ran = Ran::from(home.command(&spawn).stdout(writer).output().expect("it starts"));
    assert_eq!(ran.code, 1, "a closed pipe is a failure where a key is lost with it: {ran:?}");
    home.assert_nothing_spent();
}

#[test]
fn the_next_provider_is_asked_after_a_refusal() {
    let home = Home::new();
    let ran = home.good(&["spawn", "--provider", "local,mock", "--gpu", "h100", "--json"]);
    assert_eq!(ran.json()["provider"], "mock");
    let ran = home.good(&["spawn", "--provider", "local,mock", "--json"]);
    assert_eq!(ran.json()["provider"], "local", "the first that can is taken");
    // A mistake of the caller's is no reason to try elsewhere.
    assert_eq!(home.run(&["spawn", "--provider", "local,mock", "--region", "mars"]).code, 2);
    let none = home.run(&["spawn", "--provider", "local,local", "--gpu", "h100", "--json"]);
    assert_eq!(none.code, 5, "{none:?}");
    assert_eq!(none.error()["effect"], "not_sent");
    assert_eq!(home.machines().len(), 1);
}

#[test]
fn variables_reach_the_command_and_no_error() {
    let home = Home::new();
    std::fs::write(home.path().join("env"), "# greetings\n\nA=from=file\nB=file\n").expect("it can be written");
    let spawned = home.spawn(&["--env-file", "env", "--env", "B=flag", "--", "sh", "-c", "echo $A $B; sleep 600"]);
    let id = spawned["id"].as_str().expect("text");
    assert!(!spawned.to_string().contains("from=file"), "the environment is in no answer");
    let logs = || home.good(&["logs", "--provider", "local", id]).out;
    wait_until("it has written", || logs().contains("from=file flag"));
    std::fs::write(home.path().join("env"), "A=1\nhunter2\n").expect("it can be written");
    let ran = home.run(&["spawn", "--provider", "local", "--env-file", "env"]);
    assert_eq!(ran.code, 2);
    assert!(ran.complaint().contains("env:2") && !ran.err.contains("hunter2"), "{ran:?}");
}

#[test]
fn a_command_of_ones_own_is_behind_the_key() {
    let home = Home::new();
    let server = "while :; do :; done";
    let spawned = home.spawn(&["--port", "8000/http", "--auth", "bearer", "--", "sh", "-c", server]);
    let url = spawned["ports"][0]["url"].as_str().expect("text");
    assert_eq!(ask(url, None), 401, "the guard stands before the command is up");
}

#[test]
fn a_kill_in_mid_wait_leaves_a_machine_that_is_shown() {
    let home = Home::new();
    let mut command = home.command(&[&["spawn", "--provider", "local"], SILENT].concat());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    wait_until("a machine is there", || home.intents() == ["bound"]);
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    let listed = home.good(&["list", "--json"]).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    home.good(&["terminate", "--provider", "local", listed[0]["id"].as_str().expect("text")]);
    home.assert_nothing_spent();
}
