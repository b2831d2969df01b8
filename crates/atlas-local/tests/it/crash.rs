//! Whatever is killed, at whatever moment: what is left is listed, and can be ended.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use atlas_auth::{Entropy, MasterKey, Secret, SystemEntropy};
use atlas_core::{Compute, ComputeStatus};
use atlas_pod::Pod;

use crate::support::*;

#[tokio::test]
async fn a_machine_whose_supervisor_was_killed_has_failed_and_can_be_terminated_or_started() {
    let ground = Ground::new();
    let local = ground.local();
    // One descendant in a session of its own, which only the marker finds.
    let compute = spawn(&local, shell("setsid sleep 1000 & sleep 1000")).await.unwrap();
    eventually("descendants", async || processes_of(&compute.id).len() >= 3).await;
    kill_9(supervisor(&compute));
    let failed = wait_status(&local, &compute.id, ComputeStatus::Failed).await;
    assert_eq!(failed.ports.len(), 0);

    start(&local, &compute.id).await.unwrap();
    let again = get(&local, &compute.id).await.unwrap();
    assert_eq!(again.status, ComputeStatus::Running);
    eventually("only the new run", async || processes_of(&compute.id).len() == 3).await;

    kill_9(supervisor(&again));
    terminate(&local, &compute.id).await.unwrap();
    assert_no_process(&compute.id);
    assert_eq!(ground.remains(), [] as [String; 0]);
}

/// Leaves of a machine what a create leaves that is killed after its folder and before its process.
async fn unborn(ground: &Ground) -> Compute {
    let compute = spawn(&ground.local(), sleeper()).await.unwrap();
    let folder = ground.machine_folder(&compute.id);
    drop(Pod::new(&folder).end(Duration::from_secs(1)).await.unwrap());
    for name in ["pod.json", "exit.json", "log"] {
        std::fs::remove_file(folder.join(name)).unwrap();
    }
    compute
}

#[tokio::test]
async fn a_folder_without_a_process_is_listed_as_failed() {
    let ground = Ground::new();
    let local = ground.local();
    let (one, two) = (unborn(&ground).await, unborn(&ground).await);
    for compute in [&one, &two] {
        let record = ground.machine_folder(&compute.id).join("machine.json");
        // At first its launcher may still be under way, though whoever started it is gone.
        set_age(&record, Duration::ZERO);
        assert_eq!(get(&local, &compute.id).await.unwrap().status, ComputeStatus::Starting);
        set_age(&record, Duration::from_mins(1));
        assert_eq!(get(&local, &compute.id).await.unwrap().status, ComputeStatus::Failed);
    }
    assert_eq!(list(&local).await.unwrap().len(), 2);
    start(&local, &one.id).await.unwrap();
    assert_eq!(get(&local, &one.id).await.unwrap().status, ComputeStatus::Running);
    terminate(&local, &two.id).await.unwrap();
    assert_eq!(ground.remains(), [one.id.as_str()]);
}

#[tokio::test]
async fn what_is_half_made_or_half_removed_is_not_listed_and_removed_by_the_next_operation() {
    let ground = Ground::new();
    let local = ground.local();
    let first = spawn(&local, sleeper()).await.unwrap();
    let litter = |name: &str| {
        let folder = ground.account_folder().join(name).join("work/a/b");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("c"), "c").unwrap();
    };
    litter(".gone-m-aaaaaaaaaa");
    litter(".new-m-bbbbbbbbbb");
    assert_eq!(list(&local).await.unwrap(), std::slice::from_ref(&first));
    let second = spawn(&local, sleeper()).await.unwrap();
    let mut remains = ground.remains();
    remains.sort();
    let mut ids = [first.id.to_string(), second.id.to_string()];
    ids.sort();
    assert_eq!(remains, ids);

    litter(".gone-m-cccccccccc");
    terminate(&local, &first.id).await.unwrap();
    assert_eq!(ground.remains(), [second.id.as_str()]);
}

#[tokio::test]
async fn a_terminate_that_was_cut_off_is_shown_and_finished() {
    let ground = Ground::new();
    let local = ground.local();
    let compute = spawn(&local, sleeper()).await.unwrap();
    let record = ground.machine_folder(&compute.id).join("machine.json");
    let text = std::fs::read_to_string(&record).unwrap();
    std::fs::write(&record, text.replace("\"wanted\": \"running\"", "\"wanted\": \"gone\"")).unwrap();
    assert_eq!(get(&local, &compute.id).await.unwrap().status, ComputeStatus::Terminating);
    let error = start(&local, &compute.id).await.unwrap_err();
    assert_eq!(error.kind(), atlas_core::ErrorKind::Conflict);
    terminate(&local, &compute.id).await.unwrap();
    assert_no_process(&compute.id);
}

#[tokio::test]
async fn a_stop_that_was_cut_off_is_shown_and_finished() {
    let ground = Ground::new();
    let local = ground.local();
    let compute = spawn(&local, sleeper()).await.unwrap();
    let record = ground.machine_folder(&compute.id).join("machine.json");
    let cut_off = || {
        let text = std::fs::read_to_string(&record).unwrap();
        std::fs::write(&record, text.replace("\"wanted\": \"running\"", "\"wanted\": \"stopped\"")).unwrap();
    };
    cut_off();
    assert_eq!(get(&local, &compute.id).await.unwrap().status, ComputeStatus::Stopping);
    stop(&local, &compute.id).await.unwrap();
    assert_eq!(get(&local, &compute.id).await.unwrap().status, ComputeStatus::Stopped);

    start(&local, &compute.id).await.unwrap();
    cut_off();
    start(&local, &compute.id).await.unwrap();
    let again = get(&local, &compute.id).await.unwrap();
    assert_eq!((again.status, &again.raw["pod"]["run"]), (ComputeStatus::Running, &3.into()));
}

#[tokio::test]
async fn a_stranger_who_bears_the_number_of_a_dead_supervisor_is_not_hit() {
    let ground = Ground::new();
    let local = ground.local();
    let mut stranger = Command::new("sleep").arg("1000").spawn().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", stranger.id())).unwrap();
    let begun: u64 = stat.rsplit_once(") ").unwrap().1.split(' ').nth(19).unwrap().parse().unwrap();
    for ticks in [begun, 1] {
        let compute = spawn(&local, sleeper()).await.unwrap();
        kill_9(supervisor(&compute));
        wait_status(&local, &compute.id, ComputeStatus::Failed).await;
        let report = ground.machine_folder(&compute.id).join("pod.json");
        let mut text: serde_json::Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
        text["pid"] = stranger.id().into();
        text["session"] = stranger.id().into();
        text["started_ticks"] = ticks.into();
        std::fs::write(&report, text.to_string()).unwrap();

        assert_eq!(get(&local, &compute.id).await.unwrap().status, ComputeStatus::Failed);
        stop(&local, &compute.id).await.unwrap();
        terminate(&local, &compute.id).await.unwrap();
        assert_eq!(stranger.try_wait().unwrap(), None, "the stranger was killed");
    }
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

const VICTIM_STATE: &str = "ATLAS_TEST_VICTIM_STATE";
const VICTIM_KEY: &str = "ATLAS_TEST_VICTIM_KEY";

/// Another process of Atlas, which is killed while it makes, stops, starts and ends machines.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the test below, as a process of its own"]
async fn victim() {
    let Some(state_dir) = std::env::var_os(VICTIM_STATE).map(PathBuf::from) else { return };
    let master = MasterKey::parse(&Secret::new(std::env::var(VICTIM_KEY).unwrap())).unwrap();
    let local = provider(&state_dir, &master, "local");
    loop {
        let compute = spawn(&local, sleeper()).await.unwrap();
        stop(&local, &compute.id).await.unwrap();
        start(&local, &compute.id).await.unwrap();
        terminate(&local, &compute.id).await.unwrap();
    }
}

fn start_victim(state_dir: &Path, master: &MasterKey) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::victim", "--ignored"])
        .env(VICTIM_STATE, state_dir)
        .env(VICTIM_KEY, master.to_secret().expose())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_no_process_is_forgotten() {
    let ground = Ground::new();
    let local = ground.local();
    for _ in 0..12 {
        let mut victim = start_victim(ground.state_dir(), &ground.master);
        let mut random = [0];
        SystemEntropy.fill(&mut random);
        tokio::time::sleep(Duration::from_millis(u64::from(random[0]) * 2)).await;
        victim.kill().unwrap();
        victim.wait().unwrap();
        // Whatever is there is listed; whatever is ended is gone with all its processes.
        for compute in list(&local).await.unwrap() {
            assert!(compute.mark.is_some());
            terminate(&local, &compute.id).await.unwrap();
            assert_no_process(&compute.id);
        }
        assert_eq!(list(&local).await.unwrap(), []);
        assert_eq!(supervisors_in(&ground.account_folder()), [] as [String; 0]);
    }
    // A half-made folder may be left, for the next create to remove.
    let last = spawn(&local, sleeper()).await.unwrap();
    assert_eq!(ground.remains(), [last.id.as_str()]);
}

/// The command lines of the supervisors and keepers that run for machines in this folder. One that finds its folder
/// gone leaves within moments.
fn supervisors_in(folder: &Path) -> Vec<String> {
    let find = || -> Vec<String> {
        let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
        let lines = processes.filter_map(|path| std::fs::read(path.join("cmdline")).ok());
        let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
        lines
            .filter(|line| line.contains("__pod run") || line.contains("__pod supervise"))
            .filter(|line| line.contains(folder.to_str().unwrap()))
            .collect()
    };
    for _ in 0..200 {
        if find().is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    find()
}
