//! Where a history is played: a simulated RunPod and an orchestrator over it, under one clock that obeys paused time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atlas_auth::{SeededEntropy, Timestamp};
use atlas_core::config::Config;
use atlas_core::http::Transport;
use atlas_core::testing::TokioClock;
use atlas_core::{Atlas, Auth, ComputeId, ComputeRequest, HttpProbe, Probe, SpawnToken};
use atlas_orchestrator::store::{Cursor, Kind, MemoryOptions, MemoryStore, Range, Row, Store};
use atlas_orchestrator::{Orchestrator, OrchestratorBuilder, Policy, Session, SessionRequest, SteadyClock};
use atlas_sim::server::{Running, Server};
use http::Method;
use serde_json::Value;

use crate::ground::Ground;
use crate::wire::{InMemory, Mortal};

/// When every history begins.
pub(crate) const BEGIN: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// See the module.
pub(crate) struct Stage {
    pub(crate) ground: Arc<Ground>,
    pub(crate) clock: Arc<TokioClock>,
    pub(crate) policy: Policy,
    /// With which key the account is configured.
    pub(crate) api_key: String,
    store: Arc<MemoryStore>,
    folder: tempfile::TempDir,
    way: Arc<dyn Transport>,
    /// How readiness is asked.
    pub(crate) probe: Arc<dyn Probe>,
    seed: u64,
    openings: AtomicU64,
    /// Set when the process that runs now dies.
    dead: Arc<AtomicBool>,
    running: Mutex<Vec<Orchestrator>>,
}

impl Stage {
    /// A cloud that is reached in memory: one seed, one history.
    pub(crate) async fn in_memory(seed: u64, server: impl FnOnce(Server) -> Server) -> Self {
        Self::of(seed, server, |ground| {
            let way = Arc::new(InMemory(Arc::clone(ground)));
            (way.clone(), way)
        })
        .await
    }

    /// A cloud that is reached as a real one is, over sockets.
    pub(crate) async fn over_sockets(seed: u64, server: impl FnOnce(Server) -> Server) -> Self {
        Self::of(seed, server, |ground| (Arc::clone(&ground.transport), Arc::new(HttpProbe::new().unwrap()))).await
    }

    async fn of(
        seed: u64,
        server: impl FnOnce(Server) -> Server,
        ways: impl FnOnce(&Arc<Ground>) -> (Arc<dyn Transport>, Arc<dyn Probe>),
    ) -> Self {
        let clock = Arc::new(TokioClock::new(BEGIN));
        let server = server(Server::builder().seed(seed).outside(clock.clone()));
        let ground = Arc::new(Ground::of(server).await);
        let (way, probe) = ways(&ground);
        Self::at(ground, clock, way, probe, seed)
    }

    /// Another installation at the same cloud and account, which knows nothing of this one.
    pub(crate) fn elsewhere(&self) -> Self {
        let (way, probe) = (Arc::clone(&self.way), Arc::clone(&self.probe));
        Self::at(Arc::clone(&self.ground), Arc::clone(&self.clock), way, probe, !self.seed)
    }

    fn at(
        ground: Arc<Ground>,
        clock: Arc<TokioClock>,
        way: Arc<dyn Transport>,
        probe: Arc<dyn Probe>,
        seed: u64,
    ) -> Self {
        let mut options = MemoryOptions::default();
        options.clock = Arc::new(SteadyClock::new(clock.clone()));
        Self {
            api_key: ground.cloud.config().api_key,
            ground,
            clock,
            policy: Policy::default(),
            store: Arc::new(MemoryStore::with_options(options)),
            folder: tempfile::tempdir().unwrap(),
            way,
            probe,
            seed,
            openings: AtomicU64::new(0),
            dead: Arc::default(),
            running: Mutex::default(),
        }
    }

    /// What one process has in its hands.
    pub(crate) fn builder(&self) -> OrchestratorBuilder {
        let opening = self.openings.fetch_add(1, Ordering::Relaxed);
        let entropy = Arc::new(SeededEntropy::new(self.seed.wrapping_mul(1_000).wrapping_add(opening)));
        let way: Arc<Mortal<dyn Transport>> = Arc::new(Mortal { dead: self.dead.clone(), way: self.way.clone() });
        let probe: Arc<Mortal<dyn Probe>> = Arc::new(Mortal { dead: self.dead.clone(), way: self.probe.clone() });
        let account = self
            .ground
            .account()
            .api_key(self.api_key.as_str())
            .transport(way)
            .clock(self.clock.clone())
            .entropy(entropy.clone())
            .build()
            .unwrap();
        let atlas = Atlas::builder(Config::builder().state_dir(self.folder.path()).build())
            .clock(self.clock.clone())
            .entropy(entropy)
            .probe(probe)
            .provider(Arc::new(account))
            .build();
        Orchestrator::builder(atlas).policy(self.policy.clone())
    }

    /// Opens an orchestrator over the store in memory.
    pub(crate) async fn open(&self) -> Orchestrator {
        let orchestrator = self.builder().store(self.store.clone() as Arc<dyn Store>).open().await.unwrap();
        self.running.lock().unwrap().push(orchestrator.clone());
        orchestrator
    }

    /// Kills the process, in the middle of whatever it does.
    pub(crate) fn kill(&mut self) {
        self.dead.store(true, Ordering::Relaxed);
        self.dead = Arc::default();
        self.store = Arc::new(self.store.restart());
        for dead in self.running.get_mut().unwrap().drain(..) {
            tokio::spawn(async move { drop(dead.shutdown(Duration::ZERO).await) });
        }
    }

    /// Kills the process and starts another.
    pub(crate) async fn reopen(&mut self) -> Orchestrator {
        self.kill();
        self.open().await
    }

    /// The cloud, and the truth about it.
    pub(crate) fn cloud(&self) -> &Running {
        &self.ground.cloud
    }

    /// The session of each token, by the orchestrator's own records.
    pub(crate) async fn holders(&self) -> BTreeMap<SpawnToken, String> {
        let rows = self.store.scan(Range::rows(Kind::RENTAL), Cursor::START, 1_000_000).await.unwrap().into_rows();
        let holder = |row: &Row| {
            let body: Value = serde_json::from_slice(&row.body).unwrap();
            // Further machines of one create are numbered behind its token.
            let token = SpawnToken::parse(row.key.id.split('~').next()?).unwrap();
            Some((token, body["holder"]["session"].as_str()?.to_owned()))
        };
        rows.iter().filter_map(holder).collect()
    }

    /// A call of management past Atlas, as anybody with the key can make it.
    pub(crate) async fn manage(&self, method: Method, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.cloud().config().base_url);
        self.users().call(method, &url, Some(&self.api_key), body).await
    }

    /// Lets something happen at the cloud that nobody asked for.
    pub(crate) async fn happens(&self, method: Method, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.cloud().admin_url());
        self.users().call(method, &url, None, body).await
    }

    /// Asks the pods as their users do.
    pub(crate) fn users(&self) -> InMemory {
        InMemory(Arc::clone(&self.ground))
    }

    /// What the hour is at the cloud and everywhere else.
    pub(crate) fn now(&self) -> Timestamp {
        atlas_auth::Clock::now(&*self.clock)
    }

    /// The only pod that bills.
    #[track_caller]
    pub(crate) fn only_pod(&self) -> ComputeId {
        let ledger = self.cloud().ledger();
        let open: Vec<_> = ledger.open().collect();
        assert_eq!(open.len(), 1, "{open:?}");
        open[0].id.clone()
    }
}

/// What most sessions of these histories ask for.
pub(crate) fn request() -> SessionRequest {
    SessionRequest::new(ComputeRequest::gpu("l4").image("ghcr.io/me/app:1").http_port(8000))
        .auth(Auth::Bearer)
        .idle_ttl(Duration::from_mins(3))
}

/// A session that is ready.
pub(crate) async fn ready(orchestrator: &Orchestrator, user: &str) -> Session {
    ready_with(orchestrator, user, request()).await
}

pub(crate) async fn ready_with(orchestrator: &Orchestrator, user: &str, request: SessionRequest) -> Session {
    let session = orchestrator.ensure(user, request).await.unwrap();
    session.ready().await.unwrap();
    session
}

/// Touches a session for so long.
pub(crate) async fn keep_alive(orchestrator: &Orchestrator, session: &Session, span: Duration) {
    let until = tokio::time::Instant::now() + span;
    while tokio::time::Instant::now() < until {
        orchestrator.touch(session.id()).unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
}
