//! The example backend as a process.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::ground::{Ground, until};

/// The example, which `cargo test --workspace --all-features` builds beside this test.
fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let program = own.parent().unwrap().parent().unwrap().join("examples/gpu_per_user");
    assert!(
        program.exists(),
        "{} is missing: `cargo build -p atlas-machines --all-features --example gpu_per_user` builds it",
        program.display()
    );
    program
}

/// A running backend; ended as roughly as can be when it is dropped.
pub(crate) struct Backend {
    child: Child,
    pub(crate) url: String,
    // Kept open, lest a later line of the backend meet a broken pipe.
    _stdout: BufReader<std::process::ChildStdout>,
}

impl Backend {
    /// Starts it on `ground` with these variables and no others; returns when it listens.
    pub(crate) fn start(ground: &Ground, variables: &[(&str, &str)]) -> Self {
        Self::try_start(ground, variables).unwrap_or_else(|said| panic!("the backend did not start: {said}"))
    }

    /// As [`start`](Self::start), or what it said on standard error before it gave up.
    pub(crate) fn try_start(ground: &Ground, variables: &[(&str, &str)]) -> Result<Self, String> {
        let stderr = ground.folder().join("stderr");
        let mut child = Command::new(program())
            .arg("127.0.0.1:0")
            .current_dir(ground.folder())
            .env_clear()
            .env("ATLAS_STATE_DIR", ground.state_dir())
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&stderr).unwrap())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let Ok(first) = serde_json::from_str::<serde_json::Value>(&line) else {
            child.kill().unwrap();
            let status = child.wait().unwrap();
            return Err(format!("{status}: {line}{}", std::fs::read_to_string(&stderr).unwrap()));
        };
        let url = first["url"].as_str().unwrap().to_owned();
        Ok(Self { child, url, _stdout: stdout })
    }

    /// kill -9.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, as a deploy does, and waits until it has.
    pub(crate) async fn terminate(mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let mut status = None;
        until("the backend ended when asked", async || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
