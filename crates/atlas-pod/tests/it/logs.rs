//! The log: within its cap, readable while it grows, and no failure to write it reaches the command.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use atlas_pod::{Outcome, PodState, launch};

use crate::bench::{Bench, eventually};

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

#[tokio::test]
async fn a_flood_stays_within_the_cap() {
    let bench = Bench::new();
    let cap = 256 * 1024;
    // Forty times the cap, then a last word.
    let script = "yes 'a line of some length, to fill the log' | head -c 10485760; echo; echo the end";
    launch(&bench.spec(1).log_cap(cap).command(["sh", "-c", script])).await.unwrap();
    let (newer, older) = (bench.pod.path().join("log"), bench.pod.path().join("log.1"));
    let mut highest = 0;
    while matches!(bench.pod.inspect().unwrap(), PodState::Running(_)) {
        highest = highest.max(size(&newer)).max(size(&older));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(highest <= cap / 2, "one file grew to {highest}");
    assert!(size(&newer) + size(&older) <= cap);
    let log = bench.log().await;
    assert!(log.len() > 100_000, "what fits is kept");
    assert!(log.ends_with("\nthe end\n"));
    assert!(log.lines().filter(|line| !line.is_empty()).all(|line| line.starts_with("a line") || line == "the end"));
}

#[tokio::test]
async fn a_log_is_followed_to_its_end() {
    let bench = Bench::new();
    let script = "echo one; while ! test -e go; do sleep 0.01; done; echo two >&2; sleep 0.05; printf three";
    bench.script(script).await;
    let mut reader = bench.pod.read_log().unwrap();
    assert_eq!(reader.next().await.unwrap().unwrap(), "one\n");
    assert_eq!(reader.read().unwrap(), None);
    std::fs::write(bench.pod.work_directory().join("go"), "").unwrap();
    let mut rest = Vec::new();
    while let Some(chunk) = reader.next().await.unwrap() {
        rest.extend_from_slice(&chunk);
    }
    assert_eq!(String::from_utf8(rest).unwrap(), "two\nthree");
    assert!(matches!(bench.pod.inspect().unwrap(), PodState::Exited(..)));
    let mut end = bench.pod.read_log_end(8).unwrap();
    assert_eq!(end.next().await.unwrap().unwrap(), "three");
}

#[tokio::test]
async fn following_keeps_pace_across_rotations() {
    let bench = Bench::new();
    // Some hundred lines a file, and a pause in which a reader catches up.
    let script = "i=0; while test $i -lt 3000; do i=$((i+1)); echo line $i; \
                  test $((i % 100)) -eq 0 && sleep 0.03; done; true";
    launch(&bench.spec(1).log_cap(8192).command(["sh", "-c", script])).await.unwrap();
    let mut reader = bench.pod.read_log().unwrap();
    let mut text = Vec::new();
    while let Some(chunk) = reader.next().await.unwrap() {
        text.extend_from_slice(&chunk);
    }
    let text = String::from_utf8(text).unwrap();
    let seen: Vec<u32> = text.lines().map(|line| line.strip_prefix("line ").unwrap().parse().unwrap()).collect();
    assert!(seen.is_sorted(), "in order and nothing twice");
    assert_eq!(seen.last(), Some(&3000));
    // The reader looks every 100 ms at least, in which about 300 lines come and two files hold 800.
    assert_eq!(seen.len(), 3000);
}

/// A small disk, gone with the test.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Option<Self> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_neither_stops_nor_kills_the_command() {
    let home = tempfile::TempDir::new().unwrap();
    let Some(disk) = SmallDisk::mount(home.path()) else {
        eprintln!("SKIPPED: mounting a small disk needs root");
        return;
    };
    let bench = Bench::at(&home.path().join("pod"));
    let script = "yes 'fill the disk to its last byte' | head -c 2000000; mkdir ../../flooded; \
                  while ! test -e ../../go; do sleep 0.01; done; echo after; exit 9";
    launch(&bench.spec(1).command(["sh", "-c", script])).await.unwrap();
    eventually("the flood's end", || home.path().join("flooded").exists().then_some(())).await;
    let probe = std::fs::write(home.path().join("probe"), [7; 8192]);
    assert_eq!(probe.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    // The whole flood has gone through: the command waits for its sign, on a disk that is still full.
    assert!(matches!(bench.pod.inspect().unwrap(), PodState::Running(_)));
    std::fs::create_dir(home.path().join("go")).unwrap();
    let state = bench.until(|state| matches!(state, PodState::Exited(..))).await;
    let PodState::Exited(_, exit) = state else { unreachable!("it was just asked for") };
    assert_eq!(exit.outcome, Outcome::Code(9));
    drop(bench.pod.end(Duration::ZERO).await.unwrap());
    drop(disk);
}

#[tokio::test]
async fn what_was_lost_is_said_when_there_is_room_again() {
    let home = tempfile::TempDir::new().unwrap();
    let Some(disk) = SmallDisk::mount(home.path()) else {
        eprintln!("SKIPPED: mounting a small disk needs root");
        return;
    };
    let bench = Bench::at(&home.path().join("pod"));
    bench.pod.prepare(1).unwrap();
    std::fs::write(home.path().join("ballast"), vec![7; 150_000]).unwrap();
    let script = "yes 'fill the disk to its last byte' | head -c 500000; mkdir ../../flooded; \
                  while ! test -e ../../go; do sleep 0.01; done; echo; echo after";
    launch(&bench.spec(1).command(["sh", "-c", script])).await.unwrap();
    eventually("the flood's end", || home.path().join("flooded").exists().then_some(())).await;
    std::fs::remove_file(home.path().join("ballast")).unwrap();
    std::fs::create_dir(home.path().join("go")).unwrap();
    bench.until(|state| matches!(state, PodState::Exited(..))).await;
    let log = bench.log().await;
    let end = &log[log.len() - 100..];
    assert!(end.contains("bytes of the log could not be written and are lost]") && end.ends_with("after\n"), "{end}");
    drop(bench.pod.end(Duration::ZERO).await.unwrap());
    drop(disk);
}
