//! From a spec to a pod that is up. Any error means that nothing runs.

use std::io::{PipeReader, PipeWriter};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use atlas_auth::{Clock, Entropy, SystemClock, SystemEntropy};
use tokio::task::JoinSet;
use tower::Layer;

use super::environment;
use super::life::Life;
use super::ports::{self, Port};
use crate::directory::Directory;
use crate::exec;
use crate::files;
use crate::http::proxy::Proxy;
use crate::http::server;
use crate::keys::PodKeys;
use crate::log::writer::LogWriter;
use crate::process;
use crate::report::{Inode, PodReport, ProcessId};
use crate::spec::Wire;
use crate::surroundings;
use crate::sweep::Scope;

/// Brings a pod up, under the lock that this process was handed.
pub(super) async fn bring_up(directory: Directory, spec: Wire) -> Result<Life, String> {
    sweep_earlier(&directory).await?;
    let layer = keys_of(&spec)?;
    let ports = ports::bind(&spec.ports, layer.is_some(), &SystemEntropy)?;
    let pipe = std::io::pipe().map_err(|error| format!("the command cannot be given an output: {error}"))?;
    let report = report(&spec, &ports, &pipe.0)?;
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
    let (command, log_done) = start_command(&directory, &spec, &report, &log, pipe)?;
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

fn report(spec: &Wire, ports: &[Port], output: &PipeReader) -> Result<PodReport, String> {
    let itself = process::read(process::own()).ok_or("/proc does not show this process; is it mounted?")?;
    let mut random = [0; 16];
    SystemEntropy.fill(&mut random);
    Ok(PodReport {
        run: spec.run,
        compute_id: spec.compute_id.clone(),
        pid: itself.pid,
        started_ticks: itself.started,
        boot_id: process::boot_id().map_err(|error| format!("the kernel does not tell its boot: {error}"))?,
        session: itself.session,
        // One that is gone already leaves this process to itself.
        keeper: process::read(itself.parent).map(|keeper| ProcessId { pid: keeper.pid, started_ticks: keeper.started }),
        output: Some(Inode::of(output).map_err(|error| format!("the command's output has no number: {error}"))?),
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
    (reader, writer): (PipeReader, PipeWriter),
) -> Result<(i32, mpsc::Receiver<()>), String> {
    let wrong = |error: std::io::Error| format!("the command cannot be started: {error}");
    #[expect(clippy::disallowed_methods, reason = "the pod's command is started here")]
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
    #[expect(clippy::disallowed_methods, reason = "it ends with the command's output, and its owner is told")]
    std::thread::Builder::new().name("log".to_owned()).spawn(pump).map_err(wrong)?;
    let child = command.spawn().map_err(wrong)?;
    // It holds this process's own ends of the pipe, which would keep it open for ever.
    drop(command);
    let pid = i32::try_from(child.id()).map_err(|error| format!("the command has no process number: {error}"))?;
    Ok((pid, log_done))
}
