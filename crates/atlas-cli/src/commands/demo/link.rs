//! The demo's way to its orchestrator: started, asked, killed, started again.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use atlas::{Error, ErrorKind};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::CHILD;
use super::home::Home;
use super::protocol::{Answer, Ask, Question, Say, View};
use crate::failure::Failure;

/// How long the orchestrator may take to open, the patience with an earlier one included.
const OPENING: Duration = Duration::from_secs(12);

/// How long it may take to end when it is no longer spoken to.
const CLOSING: Duration = Duration::from_secs(8);

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Say>>>>;

/// A running orchestrator, and how to ask it.
#[derive(Debug)]
pub(super) struct Link {
    folder: std::path::PathBuf,
    child: Child,
    input: Option<ChildStdin>,
    waiting: Waiting,
    number: u64,
    /// Ends with the link.
    _listener: JoinSet<()>,
}

impl Link {
    /// Starts an orchestrator over the demo's state.
    pub(super) async fn open(home: &Home) -> Result<Self, Failure> {
        Self::start(home.path()).await
    }

    async fn start(folder: &std::path::Path) -> Result<Self, Failure> {
        let broken = |doing: &str, cause: &dyn std::fmt::Display| {
            Failure::from(Error::unknown(format!("the demo's orchestrator cannot be {doing}: {cause}")))
        };
        let program = std::env::current_exe().map_err(|cause| broken("found", &cause))?;
        let mut child = Command::new(program)
            .arg(CHILD)
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C is for the demo, which ends its orchestrator in good order.
            .process_group(0)
            .spawn()
            .map_err(|cause| broken("started", &cause))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(broken("asked", &"it has no standard input or output"));
        };
        let waiting: Waiting = Arc::default();
        let (opened, opening) = oneshot::channel();
        lock(&waiting).insert(0, opened);
        let mut listener = JoinSet::new();
        listener.spawn(listen(output, waiting.clone()));
        let folder = folder.to_owned();
        let link = Self { folder, child, input: Some(input), waiting, number: 0, _listener: listener };
        match tokio::time::timeout(OPENING, opening).await {
            Ok(Ok(Say::Failed { why })) => Err(broken("opened", &why)),
            Ok(Ok(_)) => Ok(link),
            Ok(Err(_)) => Err(broken("opened", &"it ended at once")),
            Err(_) => Err(broken("opened", &"it does not answer")),
        }
    }

    /// Its process.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Kills it without a word, as a crash would.
    pub(super) async fn kill(&mut self) -> Result<(), Failure> {
        self.child.kill().await.map_err(|cause| {
            Failure::from(Error::unknown(format!("the demo's orchestrator cannot be killed: {cause}")))
        })
    }

    /// Starts another one in its place.
    pub(super) async fn reopen(&mut self) -> Result<(), Failure> {
        *self = Self::start(&self.folder).await?;
        Ok(())
    }

    /// Starts another one if this one has ended.
    pub(super) async fn revive(&mut self) -> Result<(), Failure> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(_)) | Err(_) => self.reopen().await,
        }
    }

    /// Stops talking to it, upon which it ends. Its machines live on.
    pub(super) async fn close(mut self) {
        self.input = None;
        if tokio::time::timeout(CLOSING, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }

    /// Asks, and waits for the answer.
    pub(super) async fn ask(&mut self, ask: Ask) -> Result<Say, Failure> {
        self.question(ask).await?.answer().await
    }

    /// Asks, to wait for the answer elsewhere.
    pub(super) async fn question(&mut self, ask: Ask) -> Result<Pending, Failure> {
        self.number += 1;
        let (sender, receiver) = oneshot::channel();
        lock(&self.waiting).insert(self.number, sender);
        let mut line = serde_json::to_vec(&Question { number: self.number, ask }).unwrap_or_default();
        line.push(b'\n');
        let gone = || Failure::from(Error::new(ErrorKind::Transport, "the demo's orchestrator has ended unasked"));
        let input = self.input.as_mut().ok_or_else(gone)?;
        input.write_all(&line).await.map_err(|_| gone())?;
        input.flush().await.map_err(|_| gone())?;
        Ok(Pending { receiver })
    }

    /// Asks for one session.
    pub(super) async fn session(&mut self, ask: Ask) -> Result<View, Failure> {
        match self.ask(ask).await? {
            Say::Session(view) => Ok(view),
            other => Err(unexpected(&other)),
        }
    }

    /// All living sessions.
    pub(super) async fn sessions(&mut self) -> Result<Vec<View>, Failure> {
        match self.ask(Ask::Sessions).await? {
            Say::Sessions { sessions } => Ok(sessions),
            other => Err(unexpected(&other)),
        }
    }
}

/// An answer that is still to come.
#[derive(Debug)]
pub(super) struct Pending {
    receiver: oneshot::Receiver<Say>,
}

impl Pending {
    pub(super) async fn answer(self) -> Result<Say, Failure> {
        match self.receiver.await {
            Ok(Say::Failed { why }) => Err(Failure::from(Error::unknown(why))),
            Ok(say) => Ok(say),
            Err(_) => {
                let error = Error::new(ErrorKind::Transport, "the demo's orchestrator ended before it answered");
                Err(Failure::from(error))
            }
        }
    }
}

pub(super) fn unexpected(say: &Say) -> Failure {
    let what = match say {
        Say::Done => "done",
        Say::Session(_) => "a session",
        Say::Sessions { .. } => "sessions",
        Say::Endpoint { .. } => "an endpoint",
        Say::Exposure { .. } => "exposure",
        Say::Failed { .. } => "a failure",
    };
    Failure::from(Error::unknown(format!("the demo's orchestrator answered {what}, which was not asked")))
}

async fn listen(output: ChildStdout, waiting: Waiting) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(answer) = serde_json::from_str::<Answer>(&line) else { continue };
        if let Some(asker) = lock(&waiting).remove(&answer.number) {
            // An asker that has given up needs no answer.
            let _ = asker.send(answer.say);
        }
    }
    // Whoever still waits is told by the closed channel.
    lock(&waiting).clear();
}

fn lock(waiting: &Waiting) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<Say>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
