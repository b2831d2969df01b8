//! How pods end: nothing of them is left, and how the command ended is known.

use std::time::{Duration, Instant};

use atlas_pod::{Outcome, PodState, launch};
use rustix::process::Signal;

use crate::bench::{Bench, children, eventually, kill, kill_both, lives, stat};

/// Starts what outlives its parent: in its own session, its parent gone. Writes its number to `daemon`.
const DAEMON: &str = "(setsid sh -c 'echo $$ >daemon; exec sleep 1000' >/dev/null 2>&1 &) ; \
                      while ! test -s daemon; do sleep 0.01; done;";

fn outcome(state: &PodState) -> Option<(Outcome, bool)> {
    match state {
        PodState::Exited(_, exit) => Some((exit.outcome, exit.asked)),
        _ => None,
    }
}

#[tokio::test]
async fn the_exit_code_is_recorded() {
    for (script, expected) in [
        ("exit 0", Outcome::Code(0)),
        ("exit 7", Outcome::Code(7)),
        ("kill -9 $$", Outcome::Signal(9)),
        ("exec /no/such/program", Outcome::Code(127)),
    ] {
        let bench = Bench::new();
        assert!(matches!(bench.pod.inspect(), Err(atlas_pod::PodError::Missing { .. })));
        bench.pod.prepare(1).unwrap();
        assert_eq!(bench.pod.inspect().unwrap(), PodState::NeverStarted);
        bench.script(script).await;
        let state = bench.until(|state| matches!(state, PodState::Exited(..))).await;
        assert_eq!(outcome(&state), Some((expected, false)), "{script}");
        // It stays on disk, and ending what has ended changes nothing.
        let ended = bench.pod.end(Duration::ZERO).await.unwrap();
        assert_eq!(ended.exit().unwrap().outcome, expected);
    }
}

#[tokio::test]
async fn a_command_that_is_not_there_says_so_in_the_log() {
    let bench = Bench::new();
    launch(&bench.spec(1).command(["/no/such/program", "argument"])).await.unwrap();
    let state = bench.until(|state| matches!(state, PodState::Exited(..))).await;
    assert_eq!(outcome(&state), Some((Outcome::Code(127), false)));
    assert_eq!(bench.log().await, "atlas-pod: cannot run /no/such/program: No such file or directory (os error 2)\n");
}

#[tokio::test]
async fn a_command_that_listens_ends_by_itself() {
    let bench = Bench::new();
    let report = bench.script("trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done").await;
    eventually("its first word", || {
        std::fs::read_to_string(bench.pod.path().join("log")).ok().filter(|log| log.contains("up"))
    })
    .await;
    kill(report.pid, Signal::HUP);
    let ended = bench.pod.end(Duration::from_secs(20)).await.unwrap();
    let exit = ended.exit().unwrap();
    assert_eq!((exit.outcome, exit.asked), (Outcome::Code(3), true));
    assert!(!lives(report.pid));
    drop(ended);
    // In between, the shell may say that its sleep was asked to end as well.
    let log = bench.log().await;
    assert!(log.starts_with("up\n") && log.ends_with("bye\n"), "{log}");
}

#[tokio::test]
async fn a_command_that_does_not_listen_is_killed() {
    let bench = Bench::new();
    let report = bench.script("trap '' TERM; echo $$ >me; while :; do sleep 0.05; done").await;
    let command = bench.number("me").await;
    let begun = Instant::now();
    let ended = bench.pod.end(Duration::from_millis(300)).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(300), "it had its grace");
    let exit = ended.exit().unwrap();
    assert_eq!((exit.outcome, exit.asked), (Outcome::Signal(9), true));
    assert!(!lives(command) && !lives(report.pid));
    assert!(children(report.pid).is_empty());
}

#[tokio::test]
async fn daemons_end_with_the_command_that_left_them() {
    let bench = Bench::new();
    bench.script(&format!("{DAEMON} exit 5")).await;
    let daemon = bench.number("daemon").await;
    let state = bench.until(|state| matches!(state, PodState::Exited(..))).await;
    assert_eq!(outcome(&state), Some((Outcome::Code(5), false)));
    assert!(!lives(daemon), "the lock is free only when nothing is left");
}

#[tokio::test]
async fn what_a_command_leaves_is_asked_before_it_is_killed() {
    let bench = Bench::new();
    let script = "(sh -c 'trap \"echo bye; exit\" TERM; echo up >up; while :; do sleep 0.01; done' &) ; \
                  while ! test -s up; do sleep 0.01; done; exit 5";
    bench.script(script).await;
    let state = bench.until(|state| matches!(state, PodState::Exited(..))).await;
    assert_eq!(outcome(&state), Some((Outcome::Code(5), false)));
    assert!(bench.log().await.ends_with("bye\n"), "{}", bench.log().await);
}

#[tokio::test]
async fn daemons_without_marker_end_with_the_pod() {
    let bench = Bench::new();
    bench.script(&format!("{} trap '' TERM; sleep 1000", DAEMON.replace("(setsid", "(env -i setsid"))).await;
    let daemon = bench.number("daemon").await;
    assert!(lives(daemon));
    drop(bench.pod.end(Duration::from_millis(100)).await.unwrap());
    assert!(!lives(daemon));
}

#[tokio::test]
async fn processes_that_run_away_from_the_signal_are_caught() {
    let bench = Bench::new();
    // Each starts its successor in a session of its own and goes at once: four of them, for ever.
    std::fs::create_dir_all(bench.pod.work_directory()).unwrap();
    std::fs::write(bench.pod.work_directory().join("run"), "trap '' TERM\nsetsid sh ./run &\nexit 0\n").unwrap();
    let report = bench.script("trap '' TERM; for i in 1 2 3 4; do setsid sh ./run & done; touch off; sleep 1000").await;
    eventually("the start", || bench.pod.work_directory().join("off").exists().then_some(())).await;
    drop(bench.pod.end(Duration::from_millis(100)).await.unwrap());
    assert_eq!(bearers(&report.marker), Vec::<i32>::new());
}

#[tokio::test]
async fn nothing_outlives_a_killed_supervisor_whatever_it_has_shed() {
    let bench = Bench::new();
    // One in the pod's session, one in a session of its own; neither has a marker, an output or a parent of the pod's.
    let shed =
        "(env -i sh -c 'echo $$ >plain; exec sleep 1000' >/dev/null 2>&1 &) ; while ! test -s plain; do :; done;";
    let report = bench.script(&format!("{} {shed} sleep 1000", DAEMON.replace("(setsid", "(env -i setsid"))).await;
    let (daemon, plain) = (bench.number("daemon").await, bench.number("plain").await);
    kill(report.pid, Signal::KILL);
    let ended = bench.pod.end(Duration::ZERO).await.unwrap();
    assert!(!lives(daemon) && !lives(plain));
    assert_eq!(ended.exit(), None);
    assert!(!lives(report.keeper.unwrap().pid));
}

#[tokio::test]
async fn what_a_killed_supervisor_left_ends_without_anybody_asking() {
    let bench = Bench::new();
    let report = bench.script(&format!("{DAEMON} sleep 1000")).await;
    let daemon = bench.number("daemon").await;
    kill(report.pid, Signal::KILL);
    let state = bench.until(|state| !matches!(state, PodState::Running(_))).await;
    assert_eq!(state, PodState::Dead(report), "never anything in between");
    assert!(!lives(daemon));
}

#[tokio::test]
async fn a_pod_lives_on_without_its_keeper_and_ends_with_all_that_belongs_to_it() {
    let bench = Bench::new();
    let report = bench.script(&format!("{DAEMON} sleep 1000")).await;
    let daemon = bench.number("daemon").await;
    let keeper = report.keeper.unwrap().pid;
    kill(keeper, Signal::KILL);
    eventually("the keeper's end", || (!lives(keeper)).then_some(())).await;
    assert_eq!(bench.pod.inspect().unwrap(), PodState::Running(report.clone()));
    drop(bench.pod.end(Duration::from_secs(5)).await.unwrap());
    assert!(!lives(daemon) && !lives(report.pid));
}

#[tokio::test]
async fn a_keeper_that_stands_still_ends_all_the_same() {
    let bench = Bench::new();
    let report = bench.script("sleep 1000").await;
    let keeper = report.keeper.unwrap().pid;
    kill(keeper, Signal::STOP);
    kill(report.pid, Signal::KILL);
    drop(bench.pod.end(Duration::ZERO).await.unwrap());
    assert!(!lives(keeper));
}

#[tokio::test]
async fn what_says_something_is_known_without_marker_when_keeper_and_supervisor_were_killed() {
    let bench = Bench::new();
    // The command dies with the supervisor; what it started has nothing but its output.
    let script = "env -i sh -c 'echo $$ >plain; sleep 1000 >/dev/null 2>&1 & wait'; true";
    let report = bench.script(script).await;
    let plain = bench.number("plain").await;
    let child = eventually("its child", || children(plain).first().copied()).await;
    kill_both(&report);
    drop(bench.pod.end(Duration::ZERO).await.unwrap());
    assert!(!lives(plain) && !lives(child));
}

#[tokio::test]
async fn a_killed_supervisor_takes_the_command_with_it_and_ending_finds_the_rest() {
    let bench = Bench::new();
    let report = bench.script(&format!("{DAEMON} echo $$ >me; sleep 1000")).await;
    let (command, daemon) = (bench.number("me").await, bench.number("daemon").await);
    kill_both(&report);
    assert_eq!(bench.until(|state| matches!(state, PodState::Dead(_))).await, PodState::Dead(report.clone()));
    eventually("the command's death", || (!lives(command)).then_some(())).await;
    assert!(lives(daemon), "which nobody has looked for yet");
    let ended = bench.pod.end(Duration::ZERO).await.unwrap();
    assert!(!lives(daemon));
    assert_eq!(ended.exit(), None);
    assert_eq!(bearers(&report.marker), Vec::<i32>::new());
}

#[tokio::test]
async fn sweeping_finds_what_a_killed_supervisor_left_and_spares_a_pod_that_runs() {
    let bench = Bench::new();
    let report = bench.script(&format!("{DAEMON} sleep 1000")).await;
    let daemon = bench.number("daemon").await;
    bench.pod.sweep().await.unwrap();
    assert!(lives(daemon));
    kill_both(&report);
    bench.until(|state| matches!(state, PodState::Dead(_))).await;
    bench.pod.sweep().await.unwrap();
    assert!(!lives(daemon));
}

#[tokio::test]
async fn the_next_run_does_not_live_beside_what_a_killed_one_left() {
    let bench = Bench::new();
    let first = bench.script(&format!("{DAEMON} sleep 1000")).await;
    let daemon = bench.number("daemon").await;
    kill_both(&first);
    bench.until(|state| matches!(state, PodState::Dead(_))).await;
    let second = launch(&bench.spec(2).command(["sleep", "1000"])).await.unwrap();
    assert!(!lives(daemon));
    assert_ne!(first.marker, second.marker);
    assert_eq!(bench.pod.inspect().unwrap(), PodState::Running(second));
}

#[tokio::test]
async fn a_stopped_supervisor_ends_all_the_same() {
    let bench = Bench::new();
    let report = bench.script("sleep 1000").await;
    kill(report.pid, Signal::STOP);
    eventually("its standing still", || stat(report.pid).filter(|fields| fields[0] == "T")).await;
    let ended = bench.pod.end(Duration::from_secs(5)).await.unwrap();
    assert_eq!(ended.exit().unwrap().outcome, Outcome::Signal(15));
}

#[tokio::test]
async fn ending_at_once_from_two_sides_ends_once() {
    let bench = Bench::new();
    bench.script("trap 'exit 3' TERM; while :; do sleep 0.02; done").await;
    let other = bench.pod.clone();
    let (one, two) = tokio::join!(async { bench.pod.end(Duration::from_secs(5)).await.map(drop) }, async {
        other.end(Duration::from_secs(5)).await.map(drop)
    });
    one.unwrap();
    two.unwrap();
}

#[tokio::test]
async fn the_directory_can_be_removed_under_the_answer() {
    let bench = Bench::new();
    bench.script("sleep 1000").await;
    let ended = bench.pod.end(Duration::from_secs(5)).await.unwrap();
    assert_eq!(bench.pod.inspect().unwrap(), PodState::Busy);
    std::fs::remove_dir_all(bench.pod.path()).unwrap();
    drop(ended);
    assert!(matches!(bench.pod.end(Duration::ZERO).await, Err(atlas_pod::PodError::Missing { .. })));
}

#[tokio::test]
async fn orphans_do_not_pile_up() {
    let bench = Bench::new();
    let report =
        bench.script("for i in 1 2 3 4 5 6 7 8 9; do (sleep 0.01 &) ; done; echo done >done; sleep 1000").await;
    eventually("the orphans", || bench.pod.work_directory().join("done").exists().then_some(())).await;
    eventually("their end", || {
        let children = children(report.pid);
        (children.len() == 1 && children.iter().all(|child| lives(*child))).then_some(())
    })
    .await;
}

/// The processes that bear a run's marker.
fn bearers(marker: &str) -> Vec<i32> {
    let entry = format!("ATLAS_POD_RUN={marker}");
    let bears = |pid: &i32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|one| one == entry.as_bytes()) && lives(*pid)
    };
    crate::bench::processes().into_iter().filter(bears).collect()
}
