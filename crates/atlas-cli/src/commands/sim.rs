//! `atlas sim`: the simulated clouds as one local server.

use std::net::SocketAddr;
use std::path::PathBuf;

use atlas::mock::server::{Script, Server};
use clap::Args;

use crate::Outcome;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::Output;

/// Run the simulated clouds as one local server, to point tests of any language at.
///
/// When it listens, the first line on stdout is JSON: for each cloud the configuration that leads there, and the address
/// of the admin API, whose /ledger says what was rented from when to when and what it cost. Nothing of a real cloud is
/// ever contacted. It runs until SIGTERM or Ctrl-C, which end it with 0.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Sim {
    /// Where to listen, on loopback; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// From what ids and chances come: the same seed and the same calls give the same clouds
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
    /// A file that says what goes wrong
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  atlas sim
  atlas sim --listen 127.0.0.1:7430 --seed 7 --faults faults.json";

impl Sim {
    pub(crate) async fn run(self, output: Output, interrupt: &Interrupt) -> Outcome {
        if !self.listen.ip().is_loopback() {
            let listen = self.listen;
            return Err(Failure::usage(format!(
                "{listen} can be reached from elsewhere; a simulated cloud stays on loopback"
            )));
        }
        let mut server = Server::builder().listen(self.listen).seed(self.seed);
        if let Some(path) = &self.faults {
            let text = crate::input::secret_from(path)?;
            let script = Script::parse(text.expose());
            server = server.faults(script.map_err(|error| error.context(path.display().to_string()))?);
        }
        let listen = self.listen;
        let running = server.start().await.map_err(|cause| {
            Failure::from(atlas::Error::new(atlas::ErrorKind::Provider, format!("cannot listen on {listen}: {cause}")))
        })?;
        // One line, whether --json is said or not: it is for programs.
        output.raw(format!("{}\n", running.announcement()).as_bytes())?;
        interrupt.requested().await;
        running.shutdown().await;
        Ok(())
    }
}
