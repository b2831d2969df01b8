//! `atlas demo --stay` against kill -9 of its orchestrator.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::home::Home;

/// The demo itself, ended also by a test that fails.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The orchestrator of the demo here, once there is another one than `killed`.
fn orchestrator(home: &Home, killed: Option<u32>) -> u32 {
    let is_one = |number: &u32| {
        let words = fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
        Some(*number) != killed && words.split(|byte| *byte == 0).any(|word| word == b"__demo")
    };
    let begun = Instant::now();
    loop {
        // No pause: the next one has opened within some hundredths of a second.
        match home.processes().into_iter().find(is_one) {
            Some(number) => return number,
            None => assert!(begun.elapsed() < Duration::from_secs(20), "the demo started no orchestrator"),
        }
    }
}

fn send(number: u32, signal: Signal) {
    let number = i32::try_from(number).ok().and_then(Pid::from_raw).expect("it has a number");
    kill_process(number, signal).expect("it runs");
}

/// Its users never stopped being there: whatever becomes of an orchestrator that is just starting, nobody is ended.
#[test]
fn p14_a_demo_that_stays_ends_nobody_when_a_new_orchestrator_is_killed_too() {
    let home = Home::new();
    let started = home.command(&["demo", "--stay", "--json"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut demo = Demo(started.expect("it starts"));
    let lines = BufReader::new(demo.0.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
    let mut lines = lines.skip_while(|line| !line.contains("\"stays\":true"));
    assert!(lines.next().is_some(), "all users have their machines");
    let machines = || {
        let entries = fs::read_dir(home.state().join("demo/local/local")).expect("there are machines");
        let mut names: Vec<_> = entries.map(|entry| entry.expect("it is read").file_name()).collect();
        names.sort();
        names
    };
    let before = machines();
    let refused = home.run(&["demo"]);
    assert_eq!(refused.code, 10, "{refused:?}");
    assert!(refused.complaint().contains(&format!("process {}", demo.0.id())), "{refused:?}");
    for _ in 0..3 {
        let first = orchestrator(&home, None);
        send(first, Signal::KILL);
        let second = orchestrator(&home, Some(first));
        send(second, Signal::KILL);
        // Until one has opened.
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(demo.0.try_wait().expect("it can be asked"), None, "the demo has ended, and with it its users");
    }
    assert_eq!(machines(), before);
    send(demo.0.id(), Signal::INT);
    assert_eq!(demo.0.wait().expect("it ends").code(), Some(0));
    home.assert_nothing_spent();
}
