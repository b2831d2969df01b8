//! `atlas sim`: the simulated clouds as one local server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use atlas::mock::server::{Running, Script, Server};
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
///
/// With --write-config, `atlas` itself finds the way there: run it where that file is, or name the file with --config.
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
    /// Write a configuration that leads `atlas` there, such as atlas.yaml; one that `atlas sim` wrote is written anew
    #[arg(long, value_name = "FILE")]
    write_config: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  atlas sim
  atlas sim --write-config atlas.yaml
  atlas sim --listen 127.0.0.1:7430 --seed 7 --faults faults.json";

impl Sim {
    pub(crate) async fn run(self, output: Output, interrupt: &Interrupt) -> Outcome {
        if !self.listen.ip().is_loopback() {
            let listen = self.listen;
            return Err(Failure::usage(format!(
                "{listen} can be reached from elsewhere; a simulated cloud stays on loopback"
            )));
        }
        if let Some(path) = &self.write_config {
            crate::written::check_place(WRITE_CONFIG, path)?;
            remove_older(path)?;
        }
        let mut server = Server::builder().listen(self.listen).seed(self.seed);
        if let Some(path) = &self.faults {
            let text = crate::input::secret_from(path)?;
            let script = Script::parse(text.expose());
            server = server.faults(script.map_err(|error| error.context(path.display().to_string()))?);
        }
        let listen = self.listen;
        let running = server.start().await.map_err(|cause| {
            let message = match cause.kind() {
                std::io::ErrorKind::AddrInUse => format!(
                    "cannot listen on {listen}: another program has this port; name another one, or 0 for a free one"
                ),
                _ => format!("cannot listen on {listen}: {cause}"),
            };
            Failure::from(atlas::Error::new(atlas::ErrorKind::Provider, message))
        })?;
        if let Some(path) = &self.write_config
            && let Err(failure) = crate::written::write(WRITE_CONFIG, path, configuration(&running).as_bytes())
        {
            running.shutdown().await;
            return Err(failure.map(|error| error.context("the simulated clouds were not left running")));
        }
        // One line, whether --json is said or not: it is for programs.
        output.raw(format!("{}\n", running.announcement()).as_bytes())?;
        interrupt.requested().await;
        running.shutdown().await;
        Ok(())
    }
}

/// The flag, as errors name it.
const WRITE_CONFIG: &str = "--write-config";

/// The first line of what `--write-config` writes: by it the next one knows that nobody else wrote the file.
const FIRST_LINE: &str = "# Written by `atlas sim`, and written anew when it starts: the way to its simulated clouds.";

/// The most that is looked at of a file that may have been written by `atlas sim`.
const LOOKED_AT: u64 = 64 * 1024;

/// What an earlier `atlas sim` wrote goes before this one listens: whoever waits for the file would else be led to a port
/// where nobody is. Somebody's own configuration is never touched.
///
/// At the end the file stays: it leads to nobody then. Were it gone, the next command might be led by a configuration
/// above the folder, to a cloud that costs money.
fn remove_older(path: &Path) -> Outcome {
    let there = atlas::files::read_at_most(path, LOOKED_AT).map_err(|cause| {
        Failure::usage(format!("--write-config: cannot read what is at {}: {cause}", path.display()))
    })?;
    match there {
        Some(content) if !content.starts_with(FIRST_LINE.as_bytes()) => Err(Failure::usage(format!(
            "--write-config: {} is there, and `atlas sim` did not write it; name another file",
            path.display()
        ))),
        Some(_) => atlas::files::remove(path)
            .map_err(|cause| Failure::from(atlas::files::error("remove", path, &cause).context(WRITE_CONFIG))),
        None => Ok(()),
    }
}

/// A configuration that leads to a running server. Its state stands apart from that of real clouds, and from that of
/// another server: what that one rented is nowhere any more.
fn configuration(running: &Running) -> String {
    let config = running.config();
    let settings = [
        ("base_url", &config.base_url),
        ("runtime_url", &config.runtime_url),
        ("graphql_url", &config.graphql_url),
        ("proxy_url", &config.proxy_url),
        // not a secret: it opens a simulated cloud alone
        ("api_key", &config.api_key),
    ];
    let settings: Vec<_> = settings.iter().map(|(name, value)| format!("    {name}: \"{value}\"")).collect();
    format!(
        "{FIRST_LINE}\n# A serverless endpoint is there from the beginning: {}\ndefault_provider: runpod\n\
         state_dir: .atlas-sim/{}\nproviders:\n  runpod:\n{}\n",
        running.endpoint_id(),
        running.address().port(),
        settings.join("\n"),
    )
}
