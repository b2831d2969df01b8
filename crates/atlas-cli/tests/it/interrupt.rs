//! Ctrl-C, SIGTERM and a closed terminal leave nothing behind, or name it.

use std::time::Duration;

use rustix::process::Signal;

use crate::home::{Home, Running, wait_until};

const WAITS: &str = "waiting until it answers";

fn spawn(home: &Home, words: &[&str]) -> Running {
    let all = [&["spawn", "--provider", "local", "--json", "--port", "8000/http", "--wait"], words].concat();
    Running::start(&mut home.command(&all))
}

#[test]
fn a_spawn_that_waits_ends_its_machine() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let home = Home::new();
        let mut running = spawn(&home, &["--", "sleep", "600"]);
        running.until_it_says(WAITS);
        running.send(signal);
        let ran = running.end().expect("it listens");
        assert_eq!(ran.code, 130, "{ran:?}");
        assert_eq!(ran.out, "");
        assert_eq!(ran.error()["kind"], "interrupted");
        assert_eq!(ran.error()["leftovers"], serde_json::json!([]));
        home.assert_nothing_spent();
    }
}

/// Before, in and after the create.
#[test]
fn whenever_it_comes_nothing_is_left() {
    for round in 0..12_u64 {
        let home = Home::new();
        let running = spawn(&home, &["--", "sleep", "600"]);
        std::thread::sleep(Duration::from_millis(round * 4));
        // Not SIGINT: where the tests run in the background it comes ignored, and before the program listens it is lost.
        running.send(Signal::TERM);
        // Before it listens, the signal itself ends it: then nothing was begun.
        if let Ok(ran) = running.end() {
            assert_eq!(ran.code, 130, "{ran:?}");
        }
        home.assert_nothing_spent();
    }
}

#[test]
fn keep_hands_the_machine_out_when_interrupted() {
    let home = Home::new();
    let mut running = spawn(&home, &["--keep", "--", "sleep", "600"]);
    running.until_it_says(WAITS);
    running.send(Signal::INT);
    let ran = running.end().expect("it listens");
    assert_eq!(ran.code, 130, "{ran:?}");
    assert_eq!(ran.error()["leftovers"], serde_json::json!([ran.json()["id"]]));
    assert_eq!(home.machines().len(), 1);
}

#[test]
fn the_second_leaves_at_once_and_names_what_may_be_left() {
    let home = Home::new();
    // A machine that ignores SIGTERM takes its grace to end, and so does its undoing.
    let mut running = spawn(&home, &["--", "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]);
    running.until_it_says(WAITS);
    running.send(Signal::INT);
    wait_until("its ending is recorded", || home.intents() == ["releasing"]);
    running.send(Signal::INT);
    let ran = running.end().expect("it listens");
    assert_eq!(ran.code, 130, "{ran:?}");
    assert_eq!(ran.error()["kind"], "interrupted");
    assert_eq!(ran.error()["effect"], "unknown");
    assert!(ran.err.contains("carries it on"), "{ran:?}");
    // And so it does, although whoever began it has died over it.
    let listed = home.good(&["list", "--json"]).json();
    for compute in listed.as_array().expect("a list") {
        home.good(&["terminate", "--provider", "local", compute["id"].as_str().expect("text")]);
    }
    assert!(home.machines().is_empty());
    wait_until("no process is left", || home.processes().is_empty());
}

#[test]
fn following_a_log_ends_with_130() {
    let home = Home::new();
    let spawned = home.spawn(&["--", "sh", "-c", "sleep 600"]);
    let id = spawned["id"].as_str().expect("text");
    let running = Running::start(&mut home.command(&["logs", "--provider", "local", id, "--follow", "--json"]));
    // Long enough to listen for signals, on any machine.
    std::thread::sleep(Duration::from_millis(500));
    running.send(Signal::INT);
    let ran = running.end().expect("it listens");
    assert_eq!(ran.code, 130, "{ran:?}");
    assert_eq!(ran.error()["kind"], "interrupted");
    assert_eq!(home.machines().len(), 1, "who only looks ends nothing");
}
