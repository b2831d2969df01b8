//! `cargo xtask prism DESCRIPTION [-- CLIENT…]`: npm's Prism between a client and the simulated RunPod. It holds every request
//! and every answer against RunPod's published description, and takes the place of an answer that breaks it.
//!
//! The client finds `ATLAS_PROVIDERS__RUNPOD__BASE_URL` and `…__API_KEY` in its environment; without one it is a script that
//! makes every kind of call. Where npm is not at hand this says so, and fails nothing.

use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::workspace::Workspace;

/// What npm fetches, once.
const PRISM: &str = "@stoplight/prism-cli@5";

/// How long Prism may take to come up, its download included.
const PATIENCE: Duration = Duration::from_mins(3);

/// The verb.
pub(crate) fn run(workspace: &Workspace, words: &[String]) -> Outcome {
    let (description, client) = match words {
        [description] => (description, &[][..]),
        [description, dashes, client @ ..] if dashes == "--" && !client.is_empty() => (description, client),
        _ => return Err("usage: cargo xtask prism DESCRIPTION [-- CLIENT…]".to_owned()),
    };
    if !Path::new(description).is_file() {
        return Err(format!("there is no description at {description}"));
    }
    if Command::new("npx").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        println!("SKIPPED: npm is not at hand, so that nothing was held against {description}");
        return Ok(());
    }
    let sim = Sim::start(&workspace.root)?;
    let port = free_port()?;
    let mut prism = Command::new("npx");
    let upstream = format!("http://127.0.0.1:{}", sim.port);
    prism.args(["--yes", PRISM, "proxy", "--errors", "-p", &port.to_string(), description, &upstream]);
    let prism =
        Ended(prism.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn().map_err(cannot("Prism"))?);
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if begun.elapsed() > PATIENCE {
            return Err(format!("Prism did not come up; try npx --yes {PRISM} --version"));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    let base = format!("http://127.0.0.1:{port}/v2");
    let script = workspace.root.join("crates/atlas-sim/tests/runpod_rest.py");
    let mut command = match client {
        [] => {
            let mut python = Command::new("python3");
            python.arg(script).args([&base, &sim.key]);
            python
        }
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments);
            command
        }
    };
    command.env("ATLAS_PROVIDERS__RUNPOD__BASE_URL", &base).env("ATLAS_PROVIDERS__RUNPOD__API_KEY", &sim.key);
    let status = command.status().map_err(cannot("the client"))?;
    drop(prism);
    if status.success() {
        Ok(())
    } else {
        Err("the client failed, or the description was broken: see above".to_owned())
    }
}

/// The simulated RunPod, until dropped.
struct Sim {
    port: String,
    key: String,
    _child: Ended,
}

impl Sim {
    fn start(root: &Path) -> Result<Self, String> {
        let mut command = Command::new("cargo");
        command.args(["run", "-q", "-p", "atlas-machines-sim", "--all-features", "--example", "serve"]);
        // It ends when its standard input closes, which it does with this process.
        let mut child = command
            .current_dir(root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(cannot("the simulated RunPod"))?;
        let mut line = String::new();
        let said = child.stdout.take().map(|stdout| BufReader::new(stdout.take(1 << 16)).read_line(&mut line));
        let between = |begin: &str| {
            let rest = line.split_once(begin)?.1;
            Some(rest.split(['"', '/']).next().unwrap_or_default().to_owned())
        };
        match (said, between("\"base_url\":\"http://127.0.0.1:"), between("\"api_key\":\"")) {
            (Some(Ok(_)), Some(port), Some(key)) => Ok(Self { port, key, _child: Ended(child) }),
            _ => Err("the simulated RunPod did not say where it is".to_owned()),
        }
    }
}

/// A process that does not outlive this value.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // Each leads a group of its own: what runs below npx or cargo ends with it.
        let _ = Command::new("kill").args(["--", &format!("-{}", self.0.id())]).status();
        let _ = self.0.wait();
    }
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(cannot("a port"))?;
    listener.local_addr().map(|address| address.port()).map_err(cannot("a port"))
}

fn cannot(what: &'static str) -> impl Fn(std::io::Error) -> String {
    move |error| format!("{what} cannot be had: {error}")
}
