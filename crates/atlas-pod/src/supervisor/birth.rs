//! From a spec to a pod that is up. Any error means that nothing runs.

use std::os::fd::IntoRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use atlas_auth::{Clock, Entropy, SystemClock, SystemEntropy};
use rustix::process::getpid;
use tokio::task::JoinSet;
use tower::Layer;

use super::environment;
use super::life::Life;
use super::ports::{self, Port};
use crate::directory::{Claim, Directory};
use crate::exec;
use crate::files;
use crate::http::proxy::Proxy;
use crate::http::server;
use crate::keys::PodKeys;
use crate::log::writer::LogWriter;
use crate::process;
use crate::report::PodReport;
use crate::spec::Wire;
use crate::surroundings;
use crate::sweep::Scope;

/// Whoever just looks at the pod holds the lock for a moment; whoever ends it withdraws the permission.
const LOCK_TRIES: u32 = 300;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Brings a pod up.
pub(super) async fn bring_up(directory: Directory, spec: Wire) -> Result<Life, String> {
    let lock = claim(&directory, spec.run).await?;
    // Never closed but by the end of the process, when the ports have been let go: the next run may want the same.
    let _held_for_life = lock.into_raw_fd();
    sweep_earlier(&directory).await?;
    let layer = keys_of(&spec)?;
    let ports = ports::bind(&spec.ports, layer.is_some(), &SystemEntropy)?;
    let report = report(&spec, &ports)?;
    let log =
        LogWriter::open(&directory, spec.log_cap).map_err(|error| format!("the log cannot be opened: {error}"))?;
    write(&directory, &report)?;
    let mut servers = JoinSet::new();
    let mut reservations = Vec::new();
    for mut port in ports {
        if let Some(listener) = port.listener.take() {
            let listener = tokio::net::TcpListener::from_std(listener)
                .map_err(|error| format!("port {} cannot be served: {error}", port.bound.public))?;
            serve(&mut servers, listener, &port, layer.clone())?;
        }
        reservations.push(port);
    }
    let (command, log_done) = start_command(&directory, &spec, &report, &log)?;
    let scope = Scope::of(&report, true);
    Ok(Life {
        directory,
        report,
        scope,
        command,
        grace: Duration::from_millis(spec.grace_millis),
        log,
        log_done,
        _servers: servers,
        _ports: reservations,
    })
}

async fn claim(directory: &Directory, run: u64) -> Result<std::fs::File, String> {
    let removed = || format!("its directory {} was removed", directory.path().display());
    for _ in 0..LOCK_TRIES {
        match directory.try_claim().map_err(|error| format!("the lock cannot be taken: {error}"))? {
            Claim::Missing => return Err(removed()),
            Claim::Held => tokio::time::sleep(LOCK_PAUSE).await,
            Claim::Taken(lock) => {
                let permitted = directory.read_run().map_err(|error| format!("its run cannot be read: {error}"))?;
                return if permitted == Some(run) {
                    Ok(lock)
                } else {
                    Err(format!("run {run} may not start any more: it was ended, or another was prepared"))
                };
            }
        }
    }
    Err(format!("the pod in {} is running already, or being ended", directory.path().display()))
}

/// What an earlier run left behind when its supervisor was killed must not live beside this one.
async fn sweep_earlier(directory: &Directory) -> Result<(), String> {
    let wrong = |error: std::io::Error| format!("what an earlier run left cannot be ended: {error}");
    // A report that cannot be understood names nobody; the one of this run takes its place.
    let Ok(Some(earlier)) = directory.read_report() else { return Ok(()) };
    if earlier.boot_id != process::boot_id().map_err(wrong)? {
        return Ok(());
    }
    match Scope::of(&earlier, false).kill_strays().await.map_err(wrong)? {
        0 => Ok(()),
        left => Err(format!("{left} processes of an earlier run do not die")),
    }
}

fn report(spec: &Wire, ports: &[Port]) -> Result<PodReport, String> {
    let own = getpid().as_raw_nonzero().get();
    let itself = process::read(own).ok_or("/proc does not show this process; is it mounted?")?;
    let mut random = [0; 16];
    SystemEntropy.fill(&mut random);
    Ok(PodReport {
        run: spec.run,
        compute_id: spec.compute_id.clone(),
        pid: own,
        started_ticks: itself.started,
        boot_id: process::boot_id().map_err(|error| format!("the kernel does not tell its boot: {error}"))?,
        session: itself.session,
        marker: format!("{:032x}", u128::from_ne_bytes(random)),
        ports: ports.iter().map(|port| port.bound).collect(),
        started_at: SystemClock.now(),
    })
}

/// Everything on disk that the command's life needs there.
fn write(directory: &Directory, report: &PodReport) -> Result<(), String> {
    let text = serde_json::to_vec(report).expect("a report is plain text and numbers");
    files::create_directory(&directory.work())
        .and_then(|()| files::remove_if_there(&directory.ending()))
        .and_then(|()| files::reserve(&directory.exit_reserve()))
        .and_then(|()| files::write_whole(&directory.report(), &text))
        .map_err(|error| format!("its directory {} cannot be written: {error}", directory.path().display()))
}

/// The keys in the command's environment; none where nothing shall be guarded.
fn keys_of(spec: &Wire) -> Result<Option<PodKeys>, String> {
    let keys = PodKeys::of(|name| spec.environment.get(name).map(|value| value.0.clone()));
    let Some(keys) = keys.filter(|_| spec.guarded) else { return Ok(None) };
    // A key that is of no use is said before anything runs.
    keys.guard("http://127.0.0.1").map(|_| Some(keys))
}

fn serve(
    servers: &mut JoinSet<()>,
    listener: tokio::net::TcpListener,
    port: &Port,
    keys: Option<PodKeys>,
) -> Result<(), String> {
    let proxy = Proxy::new(port.bound.inner);
    let service = tower::service_fn(move |request| proxy.clone().pass(request));
    match keys {
        Some(keys) => {
            let guarded = keys.guard(&format!("http://127.0.0.1:{}", port.bound.public))?.layer(service);
            servers.spawn(async move { match server::serve(listener, guarded).await {} });
        }
        None => {
            servers.spawn(async move { match server::serve(listener, service).await {} });
        }
    }
    Ok(())
}

/// Starts the command. Its process number, and what tells that its output has ended.
fn start_command(
    directory: &Directory,
    spec: &Wire,
    report: &PodReport,
    log: &LogWriter,
) -> Result<(i32, mpsc::Receiver<()>), String> {
    let wrong = |error: std::io::Error| format!("the command cannot be started: {error}");
    let (reader, writer) = std::io::pipe().map_err(wrong)?;
    let mut command = Command::new(surroundings::OWN_PROGRAM);
    command.arg0(&spec.program).args(&spec.prefix).args(exec::arguments(report.pid, &spec.limits));
    if spec.command.is_empty() {
        command.arg(surroundings::OWN_PROGRAM).args(&spec.prefix).arg("service");
    } else {
        command.args(&spec.command);
    }
    command
        .env_clear()
        .envs(environment::of_command(&spec.environment, report, &directory.work(), surroundings::kept()))
        .current_dir(directory.work())
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(writer.try_clone().map_err(wrong)?)
        .stderr(writer);
    let (done, log_done) = mpsc::channel();
    let log = log.clone();
    let pump = move || {
        log.pump(reader);
        // Nobody waits any more once the pod has given up on its output.
        let _ = done.send(());
    };
    // Before the command, which would hang at a full pipe without it.
    std::thread::Builder::new().name("log".to_owned()).spawn(pump).map_err(wrong)?;
    let child = command.spawn().map_err(wrong)?;
    // It holds this process's own ends of the pipe, which would keep it open for ever.
    drop(command);
    let pid = i32::try_from(child.id()).map_err(|error| format!("the command has no process number: {error}"))?;
    Ok((pid, log_done))
}
