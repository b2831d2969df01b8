//! Starting a pod: the owner's end of the pipe, and the launcher in between.
//!
//! The launcher exists so that the supervisor is nobody's child: it starts it, passes on what it answers, and goes.
//! The kernel then gives the supervisor to the first process of the machine, which takes its exit status.

#![expect(clippy::disallowed_methods, reason = "pods are started here")]

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{ExitCode, Stdio};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::files;
use crate::report::PodReport;
use crate::spec::{LaunchSpec, Wire};
use crate::surroundings;

/// How much of a program's complaint is repeated in an error.
const COMPLAINT_LIMIT: usize = 300;

/// Why a pod is not known to run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// The spec asks for what no pod can do. Nothing runs.
    #[error("the pod cannot be started: {0}")]
    Invalid(String),
    /// The pod's program could not be run. Nothing runs.
    #[error("cannot run the pod program {path}: {source}; check that it is there and executable")]
    Program {
        /// The program's path.
        path: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The pod refused. Nothing runs.
    #[error("the pod did not start: {0}")]
    Refused(String),
    /// No answer came: the pod may run or not. [`Pod::inspect`](crate::Pod::inspect) shows it, and
    /// [`Pod::end`](crate::Pod::end) makes sure that it does not.
    #[error("the pod gave no answer: {0}; it may run all the same, which its directory shows")]
    Unclear(String),
}

impl LaunchError {
    /// Whether it is certain that nothing runs.
    pub const fn nothing_runs(&self) -> bool {
        match self {
            Self::Invalid(_) | Self::Program { .. } | Self::Refused(_) => true,
            Self::Unclear(_) => false,
        }
    }
}

/// The one line that a supervisor answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Answer {
    Started(Box<PodReport>),
    Failed(String),
}

impl Answer {
    pub(crate) fn line(&self) -> String {
        serde_json::to_string(self).expect("an answer is plain text and numbers") + "\n"
    }
}

/// Starts a pod and returns when it is up: its ports are bound, its report is on disk, its command is started.
///
/// The pod then belongs to nobody but its directory. It outlives the caller, and dropping the future stops nothing.
/// Not to be repeated blindly: a second launch of a run that is up is refused by the lock.
pub async fn launch(spec: &LaunchSpec) -> Result<PodReport, LaunchError> {
    spec.check().map_err(LaunchError::Invalid)?;
    let directory = std::path::absolute(&spec.directory)
        .map_err(|error| LaunchError::Invalid(format!("{} is no path: {error}", spec.directory.display())))?;
    let text = atlas_auth::Secret::new(serde_json::to_string(&spec.wire()).map_err(|error| {
        LaunchError::Invalid(format!("the program's path {} is not text: {error}", spec.program.path.display()))
    })?);
    let mut command = tokio::process::Command::new(&spec.program.path);
    command
        .args(&spec.program.prefix)
        .arg("launch")
        .arg(&directory)
        // The owner's own environment holds the keys of clouds, which a machine must not be able to read.
        .env_clear()
        .envs(surroundings::kept())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command
        .spawn()
        .map_err(|source| LaunchError::Program { path: spec.program.path.display().to_string(), source })?;
    match tokio::time::timeout(spec.timeout, converse(child, &text)).await {
        Ok(answer) => answer,
        Err(_elapsed) => Err(LaunchError::Unclear(format!("none within {:?}", spec.timeout))),
    }
}

async fn converse(mut child: tokio::process::Child, text: &atlas_auth::Secret) -> Result<PodReport, LaunchError> {
    let unclear = |error: io::Error| LaunchError::Unclear(format!("the pipe to it broke: {error}"));
    if let Some(mut stdin) = child.stdin.take() {
        // A program that goes without reading breaks the pipe: what it said, if anything, tells more.
        let _ = stdin.write_all(text.expose().as_bytes()).await;
    }
    let mut answer = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_string(&mut answer).await.map_err(unclear)?;
    }
    match serde_json::from_str(answer.trim()) {
        Ok(Answer::Started(report)) => Ok(*report),
        Ok(Answer::Failed(reason)) => Err(LaunchError::Refused(reason)),
        Err(_) => {
            let mut complaint = Vec::new();
            if let Some(stderr) = child.stderr.take() {
                let limit = u64::try_from(COMPLAINT_LIMIT).unwrap_or(u64::MAX);
                let _ = stderr.take(limit).read_to_end(&mut complaint).await;
            }
            let complaint = String::from_utf8_lossy(&complaint).trim().replace('\n', " ");
            Err(LaunchError::Unclear(if complaint.is_empty() {
                "the launcher ended without a word".to_owned()
            } else {
                format!("the launcher ended and said \"{complaint}\"")
            }))
        }
    }
}

/// The launcher: starts the supervisor, hands it the spec, passes its answer on.
pub(crate) fn launcher(directory: &Path) -> ExitCode {
    let answer = start_supervisor(directory).unwrap_or_else(|error| {
        Answer::Failed(format!("the launcher failed in {}: {error}", directory.display())).line()
    });
    let _ = io::stdout().write_all(answer.as_bytes());
    ExitCode::SUCCESS
}

fn start_supervisor(directory: &Path) -> io::Result<String> {
    let mut text = Vec::new();
    io::stdin().read_to_end(&mut text)?;
    let spec: Wire = serde_json::from_slice(&text)?;
    let mut child = std::process::Command::new(surroundings::OWN_PROGRAM)
        .args(&spec.prefix)
        .arg("run")
        .arg(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(files::open_device(Path::new("/dev/null"))?)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A supervisor that refuses before it has read everything breaks the pipe; its answer says why.
        let _ = stdin.write_all(&text);
    }
    let mut answer = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_string(&mut answer)?;
    }
    Ok(answer)
}
