//! Servers as children of this program, and accounts of them.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;

use atlas_core::ComputeRequest;
use atlas_core::http::Transport;
use atlas_runpod::{RunPod, RunPodBuilder};
use atlas_sim::server::{Server, Timing};
use atlas_tests::Outcome;
use serde_json::Value;

use super::bare::Bare;

/// Child: the simulated cloud, where everything happens at once.
pub(crate) fn serve() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let running = Server::builder().timing(Timing::at_once()).start().await?;
        println!("{}", running.announcement());
        // In a thread of its own, which hinders nobody; with the caller it ends.
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
        Ok(())
    })
}

/// A child of this program that serves; it ends with this value.
pub(crate) struct Served {
    child: Child,
    stdin: Option<ChildStdin>,
    /// The one line that it says.
    pub(crate) said: String,
}

impl Served {
    pub(crate) fn start(what: &str) -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let command = command.args(["serve", what]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let stdin = child.stdin.take();
        let mut served = Self { child, stdin, said: String::new() };
        let stdout = served.child.stdout.take().ok_or("the child has no output")?;
        BufReader::new(stdout).read_line(&mut served.said)?;
        if served.said.is_empty() { Err(format!("the server {what} did not start").into()) } else { Ok(served) }
    }

    /// The processor time that it has used, in seconds: to a hundredth, as the system counts.
    pub(crate) fn cpu(&self) -> Outcome<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The second field, in brackets, may hold blanks; user and system time are the 14th and the 15th.
        let rest = stat.rsplit_once(')').ok_or("the system tells nothing of the child")?.1;
        let ticks = rest.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
        let ticks = ticks.sum::<Result<u32, _>>()?;
        Ok(f64::from(ticks) / 100.0)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // Whether it went by itself or is told to: it must not outlive this program.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The simulated cloud in a process of its own.
pub(crate) struct Cloud {
    pub(crate) process: Served,
    config: Value,
}

impl Cloud {
    pub(crate) fn start() -> Outcome<Self> {
        let process = Served::start("cloud")?;
        let mut said: Value = serde_json::from_str(&process.said)?;
        let config = said.pointer_mut("/runpod/config").map(Value::take).ok_or("the cloud does not say where it is")?;
        Ok(Self { process, config })
    }

    fn setting(&self, name: &str) -> Outcome<&str> {
        Ok(self.config.get(name).and_then(Value::as_str).ok_or("the cloud does not say where it is")?)
    }

    pub(crate) fn base_url(&self) -> Outcome<&str> {
        self.setting("base_url")
    }

    pub(crate) fn key(&self) -> Outcome<&str> {
        self.setting("api_key")
    }

    fn builder(&self) -> Outcome<RunPodBuilder> {
        Ok(RunPod::builder().api_key(self.key()?).base_url(self.base_url()?))
    }

    /// An account of it, as Atlas has one.
    pub(crate) fn account(&self) -> Outcome<RunPod> {
        Ok(self.builder()?.build()?)
    }

    /// The same over other connections.
    pub(crate) fn account_over(&self, transport: Arc<dyn Transport>) -> Outcome<RunPod> {
        Ok(self.builder()?.transport(transport).build()?)
    }

    /// The same by hand.
    pub(crate) fn bare(&self) -> Outcome<Bare> {
        Bare::new(self.base_url()?, self.key()?)
    }
}

/// The machine that is asked for: one GPU in one cloud, so that no catalog has to be read.
pub(crate) fn request() -> ComputeRequest {
    let request = ComputeRequest::gpu("l4").image("ghcr.io/me/app:1").http_port(8000).env("MODEL", "large").name("box");
    request.cloud_type(atlas_core::CloudType::Secure).command(["serve", "--port", "8000"]).volume_gb(20)
}
