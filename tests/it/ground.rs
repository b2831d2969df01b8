//! A state directory of one test. Whatever runs under it is found in `/proc`, and ended with it, whether the test passed
//! or not.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long anything on this machine may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until something holds, looking often.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "within {PATIENCE:?} it never held that {what}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

/// A folder that holds a state directory.
pub(crate) struct Ground {
    folder: tempfile::TempDir,
}

impl Ground {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The folders of all machines of the account `local`, those being made or removed included.
    pub(crate) fn machines(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.state_dir().join("local/local")) else { return Vec::new() };
        entries
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().unwrap().is_dir())
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect()
    }

    /// All processes that name the state directory in their command line, or work in it.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let state = self.state_dir();
        let text = state.to_str().unwrap();
        let belongs = |process: &Path| {
            let command = fs::read(process.join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&command).contains(text)
                || fs::read_link(process.join("cwd")).is_ok_and(|folder| folder.starts_with(&state))
        };
        fs::read_dir("/proc")
            .unwrap()
            .filter_map(Result::ok)
            .filter(|entry| belongs(&entry.path()))
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect()
    }

    /// Waits until no machine and no process is left here.
    pub(crate) async fn is_left_clean(&self) {
        until("no machine and no process is left", async || self.machines().is_empty() && self.processes().is_empty())
            .await;
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = self.processes();
            if left.is_empty() || Instant::now() > deadline {
                return;
            }
            for process in left {
                let _ = kill_process(Pid::from_raw(process).unwrap(), Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
