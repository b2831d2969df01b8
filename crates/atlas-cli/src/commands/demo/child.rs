//! The demo's orchestrator: a process of its own, which ends when nobody writes to it any more. Its machines live on.

use std::io::{BufRead, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use atlas::orchestrator::{Error, Orchestrator, Session, SessionId, SessionRequest, SessionView};
use atlas::{Auth, ComputeRequest};
use tokio::sync::mpsc;

use super::home;
use super::protocol::{Answer, Ask, Handed, Question, Say, View};

/// The port inside each machine. The local provider maps it to one of its own.
const PORT: u16 = 8000;

/// How long what is under way may take when the demo has gone.
const DRAIN: Duration = Duration::from_secs(5);

/// Runs the orchestrator of the demo in `path` until standard input ends.
pub(crate) fn serve(path: &Path) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime.block_on(run(path)),
        Err(cause) => {
            say(&Mutex::new(()), &Answer { number: 0, say: Say::Failed { why: format!("no runtime: {cause}") } });
            ExitCode::FAILURE
        }
    }
}

async fn run(path: &Path) -> ExitCode {
    let out = Arc::new(Mutex::new(()));
    let orchestrator = match home::open(path, |builder| builder).await {
        Ok(orchestrator) => orchestrator,
        Err(failure) => {
            say(&out, &Answer { number: 0, say: Say::Failed { why: failure.error().to_string() } });
            return ExitCode::FAILURE;
        }
    };
    say(&out, &Answer { number: 0, say: Say::Done });
    let mut questions = questions();
    let mut answering = tokio::task::JoinSet::new();
    while let Some(question) = questions.recv().await {
        let (orchestrator, out) = (orchestrator.clone(), out.clone());
        answering.spawn(async move {
            let answer = answer(&orchestrator, question.ask).await;
            let answer = answer.unwrap_or_else(|error| Say::Failed { why: error.to_string() });
            say(&out, &Answer { number: question.number, say: answer });
        });
    }
    // The demo has gone, or was killed: the next one takes over what runs.
    answering.abort_all();
    match orchestrator.shutdown(DRAIN).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Reads questions on a thread of its own: standard input has no other way to be waited for.
fn questions() -> mpsc::Receiver<Question> {
    let (sender, receiver) = mpsc::channel(64);
    #[expect(clippy::disallowed_methods, reason = "standard input ends with the process, and so does this")]
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            let Ok(question) = serde_json::from_str(&line) else { continue };
            if sender.blocking_send(question).is_err() {
                return;
            }
        }
    });
    receiver
}

fn say(out: &Mutex<()>, answer: &Answer) {
    let _whole_lines = out.lock().unwrap_or_else(PoisonError::into_inner);
    let mut line = serde_json::to_vec(answer).unwrap_or_default();
    line.push(b'\n');
    let mut stdout = std::io::stdout().lock();
    // A demo that has gone hears nothing; standard input tells that too.
    let _ = stdout.write_all(&line).and_then(|()| stdout.flush());
}

async fn answer(orchestrator: &Orchestrator, ask: Ask) -> Result<Say, Error> {
    Ok(match ask {
        Ask::Ensure { user, idle_seconds } => {
            let compute = ComputeRequest::cpu().name(&user).http_port(PORT);
            let request = SessionRequest::new(compute).auth(Auth::Bearer).idle_ttl(Duration::from_secs(idle_seconds));
            let session = orchestrator.ensure(&user, request).await?;
            Say::Session(view(&session.view().await?))
        }
        Ask::Endpoint { session } => {
            let endpoint = find(orchestrator, &session).await?.ready().await?;
            Say::Endpoint {
                url: endpoint.url(PORT)?.to_owned(),
                key: Handed(endpoint.credentials.expose().to_owned()),
                generation: endpoint.generation,
                machine: endpoint.compute.to_string(),
            }
        }
        Ask::Touch { session } => {
            orchestrator.touch(&id(&session)?)?;
            Say::Done
        }
        Ask::View { session } => Say::Session(view(&find(orchestrator, &session).await?.view().await?)),
        Ask::End { session } => {
            let session = find(orchestrator, &session).await?;
            orchestrator.end_because(session.id(), "the demo's user has left", "demo").await?;
            Say::Session(view(&session.ended().await?))
        }
        Ask::Ended { session } => Say::Session(view(&find(orchestrator, &session).await?.ended().await?)),
        Ask::Sessions => {
            let sessions = orchestrator.sessions().await?;
            Say::Sessions { sessions: sessions.iter().map(view).collect() }
        }
        Ask::Exposure => {
            orchestrator.reap(atlas::orchestrator::ReapOptions::default()).await?;
            let exposure = orchestrator.exposure().await?;
            let words = |item: &atlas::orchestrator::Exposed| {
                let machine = item.compute.as_deref().unwrap_or("no machine");
                let why = serde_json::to_value(&item.why).unwrap_or_default();
                format!("{} ({machine}): {}", item.what, why["why"].as_str().unwrap_or("unknown"))
            };
            Say::Exposure { items: exposure.items.iter().map(words).collect() }
        }
    })
}

fn id(text: &str) -> Result<SessionId, Error> {
    text.parse()
}

async fn find(orchestrator: &Orchestrator, session: &str) -> Result<Session, Error> {
    orchestrator.session(id(session)?).await
}

fn view(view: &SessionView) -> View {
    View {
        session: view.id.to_string(),
        user: view.user.clone(),
        phase: view.phase.to_string(),
        machine: view.compute.as_ref().map(ToString::to_string),
        reason: view.receipt.as_ref().map(|receipt| receipt.reason.to_string()),
        cost: view.cost_so_far,
    }
}
