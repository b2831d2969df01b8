//! A user in the storm, who comes, uses a pod in one of several ways, and remembers what was promised.

use std::sync::Arc;
use std::time::Duration;

use atlas_auth::{Entropy, SeededEntropy, Timestamp};
use atlas_core::testing::TokioClock;
use atlas_orchestrator::{Endpoint, Error, NoEndpoint, Orchestrator, SessionId};
use tokio::time::Instant;

use super::Backend;
use crate::judge::Tale;
use crate::stage::request;
use crate::wire::InMemory;

const TTL: Duration = Duration::from_mins(2);

/// What was touched within this before a crash may not have reached the store: one beat, and the beat under way.
const BEAT: Duration = Duration::from_secs(2);

/// How a user uses a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// There until the very end.
    Faithful,
    /// There for a while, then silent.
    Forgetful,
    /// Says when it is over.
    Tidy,
    /// Ends it before it began.
    Impatient,
}

/// See the module.
pub(super) struct User {
    name: String,
    habit: Habit,
    chance: SeededEntropy,
    backend: Backend,
    way: InMemory,
    clock: Arc<TokioClock>,
    closing: Instant,
    /// Where the session of now was last said to be.
    sent_to: Option<Endpoint>,
    complaints: Vec<String>,
}

impl User {
    pub(super) fn new(
        seed: u64,
        number: u64,
        backend: Backend,
        way: InMemory,
        clock: Arc<TokioClock>,
        closing: Instant,
    ) -> Self {
        let habit = match number % 10 {
            0..4 => Habit::Faithful,
            4..7 => Habit::Forgetful,
            7..9 => Habit::Tidy,
            _ => Habit::Impatient,
        };
        let chance = SeededEntropy::new(seed << 32 | number);
        let (name, sent_to, complaints) = (format!("user-{number}"), None, Vec::new());
        Self { name, habit, chance, backend, way, clock, closing, sent_to, complaints }
    }

    /// Somewhere between two numbers of seconds.
    fn some(&self, from: u64, to: u64) -> Duration {
        let mut random = [0; 4];
        self.chance.fill(&mut random);
        let span = (to - from) * 1_000;
        Duration::from_millis(from * 1_000 + u64::from(u32::from_le_bytes(random)) % span)
    }

    fn now(&self) -> Timestamp {
        atlas_auth::Clock::now(&*self.clock)
    }

    /// Everything that this user does, and what came of it.
    pub(super) async fn lives(mut self) -> (Vec<Tale>, Vec<String>) {
        let mut tales = Vec::new();
        loop {
            let tale = self.one_session().await;
            tales.extend(tale);
            // Some come back, as long as there is time for it.
            let may_return = tales.len() == 1 && Instant::now() + 2 * TTL < self.closing;
            if !may_return {
                return (tales, self.complaints);
            }
            tokio::time::sleep(self.some(0, 20)).await;
        }
    }

    async fn one_session(&mut self) -> Option<Tale> {
        let id = self.enter().await?;
        let mut tale = Tale::new(&id, TTL);
        self.sent_to = None;
        let leaves = match self.habit {
            Habit::Faithful => self.closing,
            Habit::Forgetful | Habit::Tidy => (Instant::now() + self.some(40, 200)).min(self.closing),
            Habit::Impatient => Instant::now() + self.some(0, 40),
        };
        self.stays(&id, &mut tale, leaves).await;
        if self.habit != Habit::Forgetful || tale.handed.is_empty() {
            // Asked from the moment of the question on, whenever it is answered.
            tale.asked = Some(self.now());
            self.backend.ask(async |orchestrator| orchestrator.end(&id).await.is_ok()).await;
        }
        self.sees_the_end(&id, &mut tale).await;
        Some(tale)
    }

    /// Asks for a pod until a session is there; none if the time is over before.
    async fn enter(&self) -> Option<SessionId> {
        while Instant::now() < self.closing {
            let asked = async |orchestrator: Orchestrator| {
                orchestrator.ensure(&self.name, request().idle_ttl(TTL)).await.map(|session| *session.id())
            };
            if let Ok(id) = self.backend.ask(asked).await {
                return Some(id);
            }
            tokio::time::sleep(self.some(2, 8)).await;
        }
        None
    }

    /// Uses the pod, touching it now and then.
    async fn stays(&mut self, id: &SessionId, tale: &mut Tale, leaves: Instant) {
        while Instant::now() < leaves {
            let Some((_, orchestrator)) = self.backend.lives() else {
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            };
            if orchestrator.touch(id).is_err() {
                self.complaints.push(format!("{}: {id} was over although it was touched", self.name));
                return;
            }
            let touched = self.now();
            self.looks_at_the_pod(id, tale).await;
            tokio::time::sleep(self.some(10, 50).min(leaves.saturating_duration_since(Instant::now()))).await;
            if !self.may_be_forgotten(touched) {
                tale.touched = Some(touched);
            }
        }
    }

    /// Whether a backend died so soon after this touch that it may not have been stored.
    fn may_be_forgotten(&self, touched: Timestamp) -> bool {
        let deaths = &self.backend.0.lock().unwrap().deaths;
        deaths.iter().any(|death| *death >= touched && death.since(touched) <= BEAT)
    }

    /// Goes where the session says, with the key that it says.
    async fn looks_at_the_pod(&mut self, id: &SessionId, tale: &mut Tale) {
        let asked = async |orchestrator: Orchestrator| {
            let session = orchestrator.session(*id).await?;
            session.endpoint().await
        };
        let at = match self.backend.ask(asked).await {
            Ok(at) => at,
            // It is not ready yet.
            Err(Error::NoEndpoint { .. }) if self.sent_to.is_none() => return,
            // A read did not find the pod, which nobody believes yet; whoever has the address goes on.
            Err(Error::NoEndpoint { why: NoEndpoint::Missing { .. }, .. }) => return self.reaches_the_pod(id).await,
            Err(error) => return self.complaints.push(format!("{}: {id}: {error}", self.name)),
        };
        tale.handed.push((self.now(), at.compute.clone()));
        self.sent_to = Some(at);
        self.reaches_the_pod(id).await;
    }

    async fn reaches_the_pod(&mut self, id: &SessionId) {
        let Some(at) = &self.sent_to else { return };
        let status = self.way.status(at.first_http().unwrap(), at.credentials.bearer()).await;
        if status != 200 {
            self.complaints.push(format!("{}: the pod of {id} says {status}", self.name));
        }
    }

    /// Waits until nothing of the session is left.
    async fn sees_the_end(&self, id: &SessionId, tale: &mut Tale) {
        let view = loop {
            let asked = async |orchestrator: Orchestrator| orchestrator.session(*id).await?.ended().await;
            let looked = async { self.backend.ask(asked).await };
            match looked.await {
                Ok(view) => break view,
                Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        };
        tale.gone = Some(self.now());
        let receipt = view.receipt.expect("what ended has a receipt");
        tale.over = Some((receipt.at, receipt.reason));
    }
}
