//! Disks that are full, may not be written, or are no disks: a clear error, and nothing half made.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use atlas_auth::Sealer;
use atlas_core::{ComputeStatus, Effect};
use atlas_local::Local;

use crate::support::*;

/// A small file system of its own, where that may be mounted.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    fn mount(path: &Path) -> Option<Self> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(path).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self { path: path.to_owned() });
        }
        // Past the capture of the test's output, which nobody would see.
        let _ = writeln!(std::io::stderr(), "SKIPPED: no file system can be mounted here; a full disk was not tried");
        None
    }

    fn remount(&self, option: &str) {
        let options = format!("remount,{option}");
        assert!(Command::new("mount").args(["-o", &options]).arg(&self.path).status().unwrap().success());
    }

    /// Leaves not a single block free.
    fn fill(&self) -> PathBuf {
        let path = self.path.join("filling");
        let mut file = std::fs::File::create(&path).unwrap();
        while file.write_all(&[1; 512]).is_ok() {}
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        end_all(&self.path);
        let _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
    }
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_made_and_everything_can_be_ended() {
    let ground = Ground::new();
    let Some(disk) = SmallDisk::mount(ground.state_dir()) else { return };
    let local = ground.local();
    let ended = spawn(&local, sleeper()).await.unwrap();
    let stopped = spawn(&local, sleeper()).await.unwrap();
    stop(&local, &stopped.id).await.unwrap();
    let filling = disk.fill();

    let error = spawn(&local, sleeper()).await.unwrap_err();
    assert!(error.to_string().contains("No space left on device"), "{error}");
    assert!(error.to_string().contains("free some space"), "{error}");
    assert_ne!(error.effect(), Effect::Unknown);
    assert!(error.leftovers().is_empty());
    assert_eq!(list(&local).await.unwrap().len(), 2);
    assert_eq!(ground.remains().len(), 2);

    let error = start(&local, &stopped.id).await.unwrap_err();
    assert!(error.to_string().contains("No space left on device"), "{error}");
    assert_eq!(get(&local, &stopped.id).await.unwrap().status, ComputeStatus::Stopped);
    assert_no_process(&stopped.id);

    terminate(&local, &ended.id).await.unwrap();
    assert_no_process(&ended.id);
    assert_eq!(ground.remains(), [stopped.id.as_str()]);

    std::fs::remove_file(filling).unwrap();
    start(&local, &stopped.id).await.unwrap();
    spawn(&local, sleeper()).await.unwrap();
}

#[tokio::test]
async fn where_nothing_may_be_written_machines_can_be_read() {
    let ground = Ground::new();
    let Some(disk) = SmallDisk::mount(ground.state_dir()) else { return };
    let local = ground.local();
    let compute = spawn(&local, shell("exit 3")).await.unwrap();
    let compute = wait_status(&local, &compute.id, ComputeStatus::Exited).await;
    eventually("no process", async || processes_of(&compute.id).is_empty()).await;
    eventually("read only", async || {
        Command::new("mount")
            .args(["-o", "remount,ro"])
            .arg(ground.state_dir())
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap()
            .success()
    })
    .await;
    let error = spawn(&local, sleeper()).await.unwrap_err();
    assert!(error.to_string().contains("Read-only file system"), "{error}");
    assert!(error.to_string().contains("set state_dir elsewhere"), "{error}");
    assert_ne!(error.effect(), Effect::Unknown);
    assert!(terminate(&local, &compute.id).await.is_err());
    disk.remount("rw");
    terminate(&local, &compute.id).await.unwrap();
    assert_eq!(ground.remains(), [] as [String; 0]);
}

#[tokio::test]
async fn a_state_directory_that_is_none_is_a_clear_error() {
    let ground = Ground::new();
    std::fs::write(ground.state_dir().join("local"), "a file").unwrap();
    let local = Local::builder(ground.state_dir(), Arc::new(Sealer::from_master(&ground.master, "provider/local")))
        .pod(pod_program())
        .build()
        .unwrap();
    let error = spawn(&local, sleeper()).await.unwrap_err();
    assert!(error.to_string().contains("cannot make the folder of machines"), "{error}");
    assert_ne!(error.effect(), Effect::Unknown);
    assert!(list(&local).await.is_err());
}

#[tokio::test]
async fn what_a_command_made_unremovable_is_removed() {
    let ground = Ground::new();
    let local = ground.local();
    let compute = spawn(
        &local,
        shell("mkdir -p cache/deep && : > cache/deep/file && chmod -R a-w cache && : > done; sleep 1000"),
    )
    .await
    .unwrap();
    let done = ground.machine_folder(&compute.id).join("work/done");
    eventually("a cache", async || done.exists()).await;
    terminate(&local, &compute.id).await.unwrap();
    assert_eq!(ground.remains(), [] as [String; 0]);
}

/// A folder that nothing can be written into any more, though what runs there still has files open for writing.
struct ReadOnly(PathBuf);

impl ReadOnly {
    fn over(path: &Path) -> Option<Self> {
        let mount = |words: &[&str]| Command::new("mount").args(words).arg(path).output();
        let text = path.to_str().unwrap();
        if mount(&["--bind", text]).is_ok_and(|output| output.status.success()) {
            let readonly = Self(path.to_owned());
            assert!(mount(&["-o", "remount,ro,bind"]).unwrap().status.success());
            return Some(readonly);
        }
        let _ = writeln!(std::io::stderr(), "SKIPPED: no folder can be mounted here; a read-only one was not tried");
        None
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test]
async fn p15_a_disk_that_turned_read_only_hides_no_machine_and_keeps_none_alive() {
    let ground = Ground::new();
    let local = ground.local();
    let compute = spawn(&local, shell("echo hello; exec sleep 1000")).await.unwrap();
    let Some(readonly) = ReadOnly::over(ground.state_dir()) else { return };
    let other = ground.local();
    assert_eq!(get(&other, &compute.id).await.unwrap().status, ComputeStatus::Running);
    assert_eq!(list(&other).await.unwrap().len(), 1);
    // Its processes are ended; that its folder cannot go is said.
    let error = terminate(&other, &compute.id).await.unwrap_err();
    assert!(error.to_string().contains("Read-only"), "{error}");
    assert_no_process(&compute.id);
    drop(readonly);
    terminate(&other, &compute.id).await.unwrap();
    assert_eq!(ground.remains(), [] as [String; 0]);
}
