//! `cargo xtask prism DESCRIPTION [-- CLIENT…]`: npm's Prism between a client and the simulated RunPod. It holds every request
//! and every answer against RunPod's published description.
//!
//! The clients are Atlas's own, with every kind of call that it knows, and a script for what Atlas has no call for; both read what
//! Prism says of each call and fail if something is broken. Any other finds the simulated account in its environment
//! (`ATLAS_PROVIDERS__RUNPOD__…`), and Prism puts a refusal in the place of whatever breaks the description. Where npm is not
//! at hand this says so, and fails nothing.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

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
    let prism = Prism::start(description, &sim.origin, !client.is_empty())?;
    let clients = match client {
        [] => own_clients(workspace, &prism.base_url, &sim.config("api_key")?),
        [program, arguments @ ..] => vec![command(program, arguments)],
    };
    let mut failed = Vec::new();
    for mut client in clients {
        let program = client.get_program().to_string_lossy().into_owned();
        client.envs(sim.environment(&prism.base_url)?);
        if !client.status().map_err(cannot("a client"))?.success() {
            failed.push(program);
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("{} failed, or the description was broken: see above", failed.join(" and ")))
    }
}

/// Atlas's own client, and the script for what Atlas has no call for.
fn own_clients(workspace: &Workspace, base_url: &str, key: &str) -> Vec<Command> {
    let test = ["test", "-q", "-p", "atlas-tests", "--test", "runpod", "--", "prism::", "--ignored", "--nocapture"];
    let mut atlas = command("cargo", &test);
    atlas.current_dir(&workspace.root);
    let mut script = command("python3", &[workspace.root.join("crates/atlas-sim/tests/runpod_rest.py")]);
    script.args([base_url, key]);
    vec![atlas, script]
}

fn command(program: &str, arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// Prism before a server, until dropped.
struct Prism {
    /// What stands in the place of the server's own address of REST v2.
    base_url: String,
    _child: Ended,
}

impl Prism {
    /// `refuses`: it answers itself, in the place of what breaks the description, rather than only say so.
    fn start(description: &str, upstream: &str, refuses: bool) -> Result<Self, String> {
        let port = free_port()?;
        let mut prism = command("npx", &["--yes", PRISM, "proxy", "-p", &port.to_string(), description, upstream]);
        if refuses {
            prism.arg("--errors");
        }
        let child = prism.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn();
        let child = Ended(child.map_err(cannot("Prism"))?);
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if begun.elapsed() > PATIENCE {
                return Err(format!("Prism did not come up; try npx --yes {PRISM} --version"));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(Self { base_url: format!("http://127.0.0.1:{port}/v2"), _child: child })
    }
}

/// The simulated RunPod, until dropped.
struct Sim {
    /// What it said of itself: where its faces are, which key opens them.
    announcement: Value,
    /// `http://127.0.0.1:PORT`
    origin: String,
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
        let child = Ended(child);
        let silent = || "the simulated RunPod did not say where it is".to_owned();
        let announcement: Value = match said {
            Some(Ok(_)) => serde_json::from_str(&line).map_err(|_| silent())?,
            _ => return Err(silent()),
        };
        let base_url = announcement.pointer("/runpod/config/base_url").and_then(Value::as_str);
        let origin = base_url.and_then(|url| url.strip_suffix("/v2")).ok_or_else(silent)?.to_owned();
        Ok(Self { announcement, origin, _child: child })
    }

    fn config(&self, name: &str) -> Result<String, String> {
        self.said(&format!("/runpod/config/{name}"))
    }

    fn said(&self, pointer: &str) -> Result<String, String> {
        let text = self.announcement.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        text.ok_or_else(|| format!("the simulated RunPod did not say its {pointer}"))
    }

    /// The account as Atlas reads it from the environment, with Prism before REST v2; and how to go past Prism.
    fn environment(&self, base_url: &str) -> Result<Vec<(String, String)>, String> {
        let mut environment = vec![
            ("ATLAS_PROVIDERS__RUNPOD__BASE_URL".to_owned(), base_url.to_owned()),
            ("ATLAS_PRISM_UPSTREAM".to_owned(), self.config("base_url")?),
            ("ATLAS_PRISM_ADMIN".to_owned(), self.said("/admin_url")?),
        ];
        for name in ["api_key", "runtime_url", "graphql_url", "proxy_url"] {
            environment.push((format!("ATLAS_PROVIDERS__RUNPOD__{}", name.to_uppercase()), self.config(name)?));
        }
        Ok(environment)
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
