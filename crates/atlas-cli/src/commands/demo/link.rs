//! The demo's way to its orchestrator: started, asked, killed, started again.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// How often an orchestrator that does not open is followed by another one, and the pause before it: while nobody is
/// heard, nobody is idle either, so a demo need not give its users up at once.
const REOPENINGS: u32 = 4;
const REOPENING_PAUSE: Duration = Duration::from_millis(200);

type Askers = HashMap<u64, oneshot::Sender<Say>>;

/// Who waits for which answer. `None` once the orchestrator's output has ended: nobody will be answered any more.
#[derive(Debug, Clone)]
struct Waiting(Arc<Mutex<Option<Askers>>>);

impl Waiting {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Some(Askers::new()))))
    }

    /// Waits for this answer; the receiver fails when it will not come.
    fn enter(&self, number: u64) -> oneshot::Receiver<Say> {
        let (sender, receiver) = oneshot::channel();
        if let Some(waiting) = self.lock().as_mut() {
            waiting.insert(number, sender);
        }
        receiver
    }

    fn answer(&self, answer: Answer) {
        let asker = self.lock().as_mut().and_then(|waiting| waiting.remove(&answer.number));
        if let Some(asker) = asker {
            // An asker that has given up needs no answer.
            let _ = asker.send(answer.say);
        }
    }

    fn close(&self) {
        *self.lock() = None;
    }

    fn is_closed(&self) -> bool {
        self.lock().is_none()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Askers>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
        #[expect(clippy::disallowed_methods, reason = "the orchestrator of the demo is this very program")]
        let program = std::env::current_exe().map_err(|cause| broken("found", &cause))?;
        #[expect(clippy::disallowed_methods, reason = "the orchestrator of the demo is started here")]
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
        let waiting = Waiting::new();
        let opening = waiting.enter(0);
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
        let mut left = REOPENINGS;
        *self = loop {
            match Self::start(&self.folder).await {
                Ok(link) => break link,
                Err(_) if left > 0 => left -= 1,
                Err(failure) => return Err(failure),
            }
            tokio::time::sleep(REOPENING_PAUSE).await;
        };
        Ok(())
    }

    /// Starts another one if this one has ended.
    pub(super) async fn revive(&mut self) -> Result<(), Failure> {
        // A process that is killed closes its output before its end can be asked for.
        if !self.waiting.is_closed() && matches!(self.child.try_wait(), Ok(None)) {
            return Ok(());
        }
        // Whoever answers nobody must not keep the store from the next one. One that has ended needs no killing.
        let _ = self.child.kill().await;
        self.reopen().await
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
        let receiver = self.waiting.enter(self.number);
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
        waiting.answer(answer);
    }
    // Whoever still waits is told by the closed channel.
    waiting.close();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_waits_for_an_orchestrator_whose_output_has_ended() {
        let waiting = Waiting::new();
        let early = waiting.enter(1);
        waiting.close();
        assert!(waiting.is_closed());
        assert!(early.await.is_err());
        // Its standard input may take a question even now: the kernel closes one after the other.
        assert!(waiting.enter(2).await.is_err());
    }
}
