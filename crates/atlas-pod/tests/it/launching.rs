//! Starting pods: either one is up or nothing runs, whoever dies or withdraws meanwhile.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use atlas_pod::{LaunchError, LaunchSpec, Limits, PodProgram, PodState, PortSpec, launch};
use rustix::process::Signal;

use crate::bench::{Bench, PROGRAM, children, eventually, kill, lives, processes, stat};

/// The spec as it goes over the pipe: a run of `touch ran`, which then stays.
fn wire(run: u64) -> String {
    serde_json::json!({
        "program": PROGRAM, "prefix": [], "run": run, "compute_id": "one",
        "command": ["sh", "-c", "touch ran; sleep 1000"], "environment": {}, "ports": [],
        "limits": {}, "log_cap": 100_000, "grace_millis": 1000, "guarded": true,
    })
    .to_string()
}

fn stage(bench: &Bench, stage: &str) -> Child {
    Command::new(PROGRAM).arg(stage).arg(bench.pod.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// Hands over the spec and reads the answer.
fn converse(child: &mut Child, text: &str) -> String {
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    line
}

#[tokio::test]
async fn a_pod_is_nobodys_child_and_a_session_of_its_own() {
    let bench = Bench::new();
    let report = bench.script("sleep 1000").await;
    assert_eq!(bench.pod.inspect().unwrap(), PodState::Running(report.clone()));
    let supervisor = stat(report.pid).unwrap();
    assert_eq!(supervisor[3], report.pid.to_string(), "it leads its session");
    assert_eq!(report.session, report.pid);
    assert!(!children(std::process::id().try_into().unwrap()).contains(&report.pid));
    let [command] = children(report.pid)[..] else { panic!("one child: the command") };
    let command = stat(command).unwrap();
    assert_eq!(command[3], report.pid.to_string(), "the command is in its session");
    assert_ne!(command[2], report.pid.to_string(), "in a group of its own");
    for descriptor in 0..3 {
        let target = std::fs::read_link(format!("/proc/{}/fd/{descriptor}", report.pid)).unwrap();
        assert_eq!(target.to_str(), Some("/dev/null"));
    }
}

#[tokio::test]
async fn a_run_starts_once() {
    let bench = Bench::new();
    let report = bench.script("sleep 1000").await;
    let error = launch(&bench.spec(1)).await.unwrap_err();
    assert!(error.nothing_runs());
    assert!(error.to_string().contains("is running already"), "{error}");
    assert_eq!(bench.pod.inspect().unwrap(), PodState::Running(report));
}

#[tokio::test]
async fn a_pod_that_was_stopped_starts_again_and_its_log_goes_on() {
    let bench = Bench::new();
    let first = bench.script("echo first; sleep 1000").await;
    drop(bench.pod.end(Duration::from_secs(5)).await.unwrap());
    let second = launch(&bench.spec(2).command(["sh", "-c", "echo second"])).await.unwrap();
    assert_eq!((first.run, second.run), (1, 2));
    bench.until(|state| matches!(state, PodState::Exited(report, exit) if report.run == 2 && exit.run == 2)).await;
    assert_eq!(bench.log().await, "first\nsecond\n");
}

#[tokio::test]
async fn nothing_starts_in_a_directory_that_was_removed() {
    for half_way in [false, true] {
        let bench = Bench::new();
        bench.pod.prepare(1).unwrap();
        let mut supervisor = stage(&bench, "run");
        // It is forked and waits for its spec: now the owner ends the pod.
        if half_way {
            drop(bench.pod.end(Duration::ZERO).await.unwrap());
        } else {
            std::fs::remove_dir_all(bench.pod.path()).unwrap();
        }
        let answer = converse(&mut supervisor, &wire(1));
        assert!(answer.starts_with(r#"{"failed":""#), "{answer}");
        assert!(!supervisor.wait().unwrap().success());
        assert!(!bench.pod.work_directory().join("ran").exists());
        assert_eq!(bench.pod.path().exists(), half_way, "and it makes no directory either");
    }
}

#[tokio::test]
async fn nothing_starts_under_a_number_that_was_replaced() {
    let bench = Bench::new();
    bench.pod.prepare(1).unwrap();
    let mut late = stage(&bench, "run");
    bench.pod.prepare(2).unwrap();
    let answer = converse(&mut late, &wire(1));
    assert!(answer.contains("run 1 may not start any more"), "{answer}");
    assert!(!late.wait().unwrap().success());
}

#[tokio::test]
async fn nothing_starts_from_half_a_spec() {
    let bench = Bench::new();
    bench.pod.prepare(1).unwrap();
    let mut launcher = stage(&bench, "launch");
    let text = wire(1);
    launcher.stdin.as_mut().unwrap().write_all(&text.as_bytes()[..text.len() / 2]).unwrap();
    launcher.kill().unwrap();
    assert_eq!(launcher.wait().unwrap().signal(), Some(9));
    assert_eq!(bench.pod.inspect().unwrap(), PodState::NeverStarted);
    let mut supervisor = stage(&bench, "run");
    let answer = converse(&mut supervisor, &text[..text.len() / 2]);
    assert!(answer.starts_with(r#"{"failed":""#), "{answer}");
    supervisor.wait().unwrap();
    assert_eq!(bench.pod.inspect().unwrap(), PodState::NeverStarted);
}

#[tokio::test]
async fn a_launcher_killed_at_any_moment_leaves_a_whole_pod_or_none() {
    for delay in [0, 1, 2, 4, 8, 16, 32] {
        let bench = Bench::new();
        bench.pod.prepare(1).unwrap();
        let mut launcher = stage(&bench, "launch");
        launcher.stdin.take().unwrap().write_all(wire(1).as_bytes()).unwrap();
        tokio::time::sleep(Duration::from_millis(delay)).await;
        launcher.kill().unwrap();
        launcher.wait().unwrap();
        // Whatever came of it, ending is certain, and afterwards nothing starts any more.
        let ended = bench.pod.end(Duration::ZERO).await.unwrap();
        if let Some(report) = ended.report() {
            assert!(!lives(report.pid));
        }
        drop(ended);
        tokio::time::sleep(Duration::from_millis(50)).await;
        let state = bench.pod.inspect().unwrap();
        assert!(!matches!(state, PodState::Running(_)), "after {delay} ms: {state:?}");
        let mine = bench.pod.path().to_str().unwrap().to_owned();
        let left: Vec<i32> = processes()
            .into_iter()
            .filter(|pid| {
                let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                String::from_utf8_lossy(&line).contains(&mine) && lives(*pid)
            })
            .collect();
        assert!(left.is_empty(), "after {delay} ms: {left:?}");
    }
}

#[tokio::test]
async fn a_pod_survives_a_launcher_that_is_killed_before_it_answers() {
    let bench = Bench::new();
    bench.pod.prepare(1).unwrap();
    let mut supervisor = stage(&bench, "run");
    // The reader of its answer is gone before it answers.
    drop(supervisor.stdout.take());
    supervisor.stdin.take().unwrap().write_all(wire(1).as_bytes()).unwrap();
    let state = bench.until(|state| matches!(state, PodState::Running(_))).await;
    eventually("the command", || bench.pod.work_directory().join("ran").exists().then_some(())).await;
    assert_eq!(bench.pod.inspect().unwrap(), state);
    drop(bench.pod.end(Duration::from_secs(5)).await.unwrap());
    supervisor.wait().unwrap();
}

#[tokio::test]
async fn what_the_owners_script_has_open_is_let_go() {
    let bench = Bench::new();
    bench.pod.prepare(1).unwrap();
    let lock = bench.pod.path().join("script.lock");
    let script = format!("exec 9>{}; flock 9; exec {PROGRAM} launch {}", lock.display(), bench.pod.path().display());
    let mut launcher =
        Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let answer = converse(&mut launcher, &wire(1));
    assert!(answer.starts_with(r#"{"started":"#), "{answer}");
    launcher.wait().unwrap();
    std::fs::File::open(lock).unwrap().try_lock().unwrap();
    assert!(matches!(bench.pod.inspect().unwrap(), PodState::Running(_)));
}

#[tokio::test]
async fn a_hangup_does_not_end_a_pod() {
    let bench = Bench::new();
    let report = bench.script("sleep 1000").await;
    kill(report.pid, Signal::HUP);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(bench.pod.inspect().unwrap(), PodState::Running(report));
}

#[tokio::test]
async fn secrets_are_in_the_commands_environment_and_nowhere_else() {
    let bench = Bench::new();
    let canary = "canary-6b1f9c";
    let spec = bench
        .spec(1)
        .env("ATLAS_PRESHARED_KEY", canary)
        .env("PASSWORD", canary)
        .port(PortSpec::http(80))
        .command(["sh", "-c", "echo $$ >me; sleep 1000"]);
    assert!(!format!("{spec:?}").contains(canary));
    let report = launch(&spec).await.unwrap();
    let command = bench.number("me").await;
    let environment = std::fs::read(format!("/proc/{command}/environ")).unwrap();
    assert!(String::from_utf8_lossy(&environment).contains(&format!("PASSWORD={canary}")));
    let supervisors = std::fs::read(format!("/proc/{}/environ", report.pid)).unwrap();
    let supervisors = String::from_utf8_lossy(&supervisors);
    assert!(!supervisors.contains(canary) && !supervisors.contains("CARGO"), "{supervisors}");
    for pid in processes() {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&line).contains(canary), "it is on the command line of {pid}");
    }
    let assert_clean = || {
        for entry in std::fs::read_dir(bench.pod.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let content = std::fs::read(&path).unwrap();
                assert!(!String::from_utf8_lossy(&content).contains(canary), "it is in {}", path.display());
            }
        }
    };
    assert_clean();
    drop(bench.pod.end(Duration::from_secs(5)).await.unwrap());
    assert_clean();
}

#[tokio::test]
async fn files_are_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    bench.script("echo said; touch made").await;
    bench.until(|state| matches!(state, PodState::Exited(..))).await;
    for path in [bench.pod.path().to_owned(), bench.pod.work_directory()] {
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        for entry in std::fs::read_dir(&path).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{}", entry.path().display());
        }
    }
}

#[tokio::test]
async fn limits_hold() {
    let bench = Bench::new();
    let limits = Limits::none().open_files(64).address_space(1 << 30).processor_seconds(5);
    let script = "ulimit -n; ulimit -v; ulimit -t; ulimit -c";
    launch(&bench.spec(1).limits(limits).command(["sh", "-c", script])).await.unwrap();
    bench.until(|state| matches!(state, PodState::Exited(..))).await;
    assert_eq!(bench.log().await, "64\n1048576\n5\n0\n");
}

#[tokio::test]
async fn what_cannot_be_launched_is_told_apart() {
    let bench = Bench::new();
    let spec = bench.spec(1);
    let invalid = launch(&spec.clone().env("A=B", "c")).await.unwrap_err();
    assert!(matches!(invalid, LaunchError::Invalid(_)) && invalid.nothing_runs(), "{invalid}");
    let missing = LaunchSpec::new(PodProgram::new("/no/such/program"), bench.pod.path(), 1);
    let missing = launch(&missing).await.unwrap_err();
    assert!(matches!(missing, LaunchError::Program { .. }) && missing.nothing_runs(), "{missing}");
    let mute = LaunchSpec::new(PodProgram::new("/bin/true"), bench.pod.path(), 1);
    let mute = launch(&mute).await.unwrap_err();
    assert!(matches!(mute, LaunchError::Unclear(_)) && !mute.nothing_runs(), "{mute}");
    let slow = LaunchSpec::new(PodProgram::new("/bin/sh").prefix(["-c", "sleep 2"]), bench.pod.path(), 1);
    let slow = launch(&slow.timeout(Duration::from_millis(100))).await.unwrap_err();
    assert!(matches!(slow, LaunchError::Unclear(_)), "{slow}");
    assert_eq!(bench.pod.inspect().unwrap(), PodState::NeverStarted);
}
