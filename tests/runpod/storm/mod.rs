//! Two hundred users at once on one account of a cloud that loses, delays or fails a tenth of its answers.

mod faults;
mod proof;
mod user;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use atlas_orchestrator::Orchestrator;
use atlas_sim::Ledger;
use futures_util::future::join_all;

use crate::judge::{Tale, judge};
use crate::stage::Stage;
use faults::Flaky;
use user::User;

/// How long users come and go; then everybody leaves.
const LASTS: Duration = Duration::from_mins(7);

/// How often pods that start are read: less often than usual, for most of the work of a storm would be that.
const START_INTERVAL: Duration = Duration::from_secs(2);

/// How long the last endings may take in such weather before something is stuck.
const PATIENCE: Duration = Duration::from_hours(2);

/// The backend that runs now: none while it is dead. Every answer is of one incarnation, or of nobody.
#[derive(Debug, Clone, Default)]
struct Backend(Arc<Mutex<Incarnation>>);

#[derive(Debug, Default)]
struct Incarnation {
    number: u32,
    lives: Option<Orchestrator>,
    /// When the last ones died.
    deaths: Vec<atlas_auth::Timestamp>,
}

impl Backend {
    fn lives(&self) -> Option<(u32, Orchestrator)> {
        let now = self.0.lock().unwrap();
        now.lives.clone().map(|orchestrator| (now.number, orchestrator))
    }

    fn is_born(&self, orchestrator: Orchestrator) {
        let mut now = self.0.lock().unwrap();
        now.number += 1;
        now.lives = Some(orchestrator);
    }

    fn dies(&self, at: atlas_auth::Timestamp) {
        let mut now = self.0.lock().unwrap();
        now.lives = None;
        now.deaths.push(at);
    }

    /// Asks whoever lives, and asks again when that one died over the question.
    async fn ask<T>(&self, question: impl AsyncFn(Orchestrator) -> T) -> T {
        loop {
            if let Some((number, orchestrator)) = self.lives() {
                // The dead never answer, so nobody waits for them for good.
                let answer = tokio::time::timeout(Duration::from_mins(5), question(orchestrator)).await;
                if let (Ok(answer), Some((still, _))) = (answer, self.lives())
                    && still == number
                {
                    return answer;
                }
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// What a storm left.
struct Aftermath {
    ledger: Ledger,
    tales: Vec<Tale>,
    /// What users met that no user should.
    complaints: Vec<String>,
}

/// Lets a storm pass. In one of them the backend is killed in the middle, and another takes over.
async fn storm(seed: u64, users: u64, is_killed: bool) -> Aftermath {
    let mut stage = Stage::in_memory(seed, |server| server.faults(faults::script()).timing(faults::timing())).await;
    stage.probe = Arc::new(Flaky::new(stage.probe.clone(), seed));
    stage.policy.start_interval = START_INTERVAL;
    let backend = Backend::default();
    backend.is_born(stage.open().await);
    let closing = tokio::time::Instant::now() + LASTS;
    let new_user = |number| User::new(seed, number, backend.clone(), stage.users(), stage.clock.clone(), closing);
    let crowd = join_all((0..users).map(new_user).map(User::lives).collect::<Vec<_>>());
    let killing = async {
        if is_killed {
            tokio::time::sleep(LASTS / 2).await;
            backend.dies(stage.now());
            stage.kill();
            tokio::time::sleep(Duration::from_secs(30)).await;
            backend.is_born(stage.open().await);
        }
    };
    let both = async { tokio::join!(crowd, killing).0 };
    let all = tokio::time::timeout(PATIENCE, both).await.expect("a session never ended");
    let (mut tales, mut complaints) = (Vec::new(), Vec::new());
    for (told, complained) in all {
        tales.extend(told);
        complaints.extend(complained);
    }
    let holders = stage.holders().await;
    for tale in &mut tales {
        let its = holders.iter().filter(|(_, session)| *session == &tale.session);
        tale.tokens = its.map(|(token, _)| *token).collect();
    }
    Aftermath { ledger: stage.cloud().ledger(), tales, complaints }
}

impl Aftermath {
    #[track_caller]
    fn is_clean(&self, users: usize) {
        assert!(self.tales.len() >= users, "{} sessions", self.tales.len());
        assert_eq!(self.complaints, Vec::<String>::new());
        assert_eq!(judge(&self.ledger, &self.tales), []);
        // It was a storm: pods were rented, users were sent to them, and sessions ended in each way.
        let ends = |reason| self.tales.iter().filter(|tale| tale.over.is_some_and(|(_, why)| why == reason)).count();
        let reached = self.tales.iter().filter(|tale| !tale.handed.is_empty()).count();
        let (idle, asked) = (ends(atlas_orchestrator::Reason::Idle), ends(atlas_orchestrator::Reason::Asked));
        assert!(reached > users / 2 && idle > users / 10 && asked > users / 4, "{reached} {idle} {asked}");
        assert!(self.ledger.rents.len() >= reached);
    }
}

#[tokio::test(start_paused = true)]
async fn two_hundred_sessions_in_a_storm_leak_nothing_and_lose_nobody() {
    storm(11, 200, false).await.is_clean(200);
}

#[tokio::test(start_paused = true)]
async fn a_storm_in_which_the_backend_is_killed_leaks_nothing_and_loses_nobody() {
    storm(12, 60, true).await.is_clean(60);
}

#[tokio::test(start_paused = true)]
async fn other_storms_leak_nothing_either() {
    for seed in [13, 14, 15] {
        storm(seed, 20, seed == 14).await.is_clean(20);
    }
}

#[tokio::test(start_paused = true)]
async fn one_seed_is_one_history() {
    let once = storm(16, 10, true).await;
    let again = storm(16, 10, true).await;
    assert!(once.ledger.rents.len() >= 10);
    assert_eq!(once.ledger, again.ledger);
}
