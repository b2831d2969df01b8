//! Processes that are not the pod's are never hit, whatever its files say of them.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use atlas_pod::{PodError, PodState};

use crate::bench::{Bench, eventually, lives, stat};

/// A process of somebody else, in a session of its own.
struct Stranger(Child);

impl Stranger {
    fn new(script: &str) -> Self {
        Self(Command::new("setsid").args(["sh", "-c", script]).stdout(Stdio::null()).spawn().unwrap())
    }

    fn pid(&self) -> i32 {
        self.0.id().try_into().unwrap()
    }

    fn started(&self) -> u64 {
        stat(self.pid()).unwrap()[19].parse().unwrap()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Writes a report that names `pid` as the supervisor.
fn forge(bench: &Bench, pid: i32, started: u64, boot_id: &str) {
    let report = serde_json::json!({
        "run": 1, "compute_id": "one", "pid": pid, "started_ticks": started, "boot_id": boot_id,
        "session": pid, "marker": "00", "ports": [], "started_at": "2026-11-24T09:30:00Z",
    });
    bench.pod.prepare(1).unwrap();
    std::fs::write(bench.pod.path().join("pod.json"), report.to_string()).unwrap();
}

fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_number_that_was_given_to_somebody_else_is_not_hit() {
    let stranger = Stranger::new("exec sleep 1000");
    let (pid, started) = (stranger.pid(), stranger.started());
    for (started, boot_id) in [
        (started - 1, boot_id()),             // the supervisor had the number before
        (started, boot_id()),                 // even one that begins in the same tick
        (started, "another boot".to_owned()), // before the machine was restarted
    ] {
        let bench = Bench::new();
        forge(&bench, pid, started, &boot_id);
        assert!(matches!(bench.pod.inspect().unwrap(), PodState::Dead(_)), "nobody holds the lock");
        drop(bench.pod.end(Duration::ZERO).await.unwrap());
        bench.pod.sweep().await.unwrap();
        assert!(lives(pid));
    }
}

#[tokio::test]
async fn numbers_that_name_groups_or_nobody_hit_nobody() {
    for pid in [0, -1, i32::MIN, i32::MAX] {
        let bench = Bench::new();
        forge(&bench, pid, 0, &boot_id());
        let holder = std::fs::File::open(bench.pod.path().join("pod.lock")).unwrap();
        holder.lock().unwrap();
        assert_eq!(bench.pod.inspect().unwrap(), PodState::Busy);
        drop(holder);
        drop(bench.pod.end(Duration::ZERO).await.unwrap());
    }
}

#[tokio::test]
async fn who_does_not_hold_the_lock_is_not_hit_while_somebody_else_does() {
    let stranger = Stranger::new("exec sleep 1000");
    let bench = Bench::new();
    forge(&bench, stranger.pid(), stranger.started(), &boot_id());
    let holder = std::fs::File::open(bench.pod.path().join("pod.lock")).unwrap();
    holder.lock().unwrap();
    assert_eq!(bench.pod.inspect().unwrap(), PodState::Busy);
    let ended = tokio::time::timeout(Duration::from_millis(500), bench.pod.end(Duration::ZERO)).await;
    assert!(ended.is_err(), "it waits for the holder");
    assert!(lives(stranger.pid()));
    drop(holder);
    drop(bench.pod.end(Duration::ZERO).await.unwrap());
    assert!(lives(stranger.pid()));
}

#[tokio::test]
async fn a_holder_that_never_lets_go_is_reported() {
    let bench = Bench::new();
    bench.pod.prepare(1).unwrap();
    let holder = std::fs::File::open(bench.pod.path().join("pod.lock")).unwrap();
    holder.lock().unwrap();
    assert!(matches!(bench.pod.end(Duration::ZERO).await, Err(PodError::Busy { .. })));
}

#[tokio::test]
async fn a_supervisor_that_does_not_do_its_work_is_killed_after_what_it_supervises() {
    let bench = Bench::new();
    bench.pod.prepare(1).unwrap();
    // It holds the lock and has a child, and listens to nobody.
    let lock = bench.pod.path().join("pod.lock");
    let script = format!(
        "trap '' TERM; exec 9<>{}; flock 9; cd {}; sleep 1000 9>&- & echo $! >child; wait",
        lock.display(),
        bench.pod.work_directory().display()
    );
    let idle = Stranger::new(&script);
    let child = bench.number("child").await;
    forge(&bench, idle.pid(), idle.started(), &boot_id());
    assert!(matches!(bench.pod.inspect().unwrap(), PodState::Running(_)));
    drop(bench.pod.end(Duration::ZERO).await.unwrap());
    eventually("its end", || (!lives(idle.pid())).then_some(())).await;
    assert!(!lives(child));
}
