//! A world for one history: a cloud, a clock, a store, and an orchestrator that can be killed and started again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atlas_auth::{SeededEntropy, Timestamp};
use atlas_core::config::Config;
use atlas_core::testing::TokioClock;
use atlas_core::{Atlas, Auth, ComputeId, ComputeRequest, Deployment, Money, Provider, ProviderId};
use atlas_orchestrator::store::{Cursor, Kind, MemoryOptions, MemoryStore, Range, Row, Store};
use atlas_orchestrator::{
    Error, Event, EventStream, NoEndpoint, Orchestrator, OrchestratorBuilder, Policy, Session, SessionRequest,
    SessionView, SteadyClock, StreamItem,
};
use atlas_sim::{Mock, MockBuilder};
use futures_util::{FutureExt, StreamExt};

use crate::mortal::{Mortal, Witness};

/// When every history begins.
pub(crate) const BEGIN: Timestamp = Timestamp::from_seconds(1_800_000_000);

pub(crate) struct World {
    pub(crate) cloud: Mock,
    pub(crate) clock: Arc<TokioClock>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) policy: Policy,
    pub(crate) deployment: Deployment,
    pub(crate) witness: Arc<Witness>,
    /// What the configuration says; without it a key is made in the state directory.
    pub(crate) master_key: Option<String>,
    /// Whether the account is in the configuration.
    pub(crate) configured: bool,
    pub(crate) folder: tempfile::TempDir,
    openings: AtomicU64,
    /// Set when the process that runs now dies.
    dead: Arc<AtomicBool>,
    /// The processes that run now: one, but for histories of several deployments.
    running: Mutex<Vec<Orchestrator>>,
}

impl World {
    /// A cloud whose machines run at once, and an empty store.
    pub(crate) fn new() -> Self {
        Self::with(|cloud| cloud)
    }

    /// As `new`, with another cloud.
    pub(crate) fn with(cloud: impl FnOnce(MockBuilder) -> MockBuilder) -> Self {
        let clock = Arc::new(TokioClock::new(BEGIN));
        let cloud = cloud(Mock::builder().clock(clock.clone())).build();
        let store = Arc::new(new_store(&clock));
        Self {
            cloud,
            clock,
            store,
            policy: Policy::default(),
            deployment: Deployment::default(),
            witness: Arc::default(),
            master_key: None,
            configured: true,
            folder: tempfile::tempdir().unwrap(),
            openings: AtomicU64::new(1),
            dead: Arc::default(),
            running: Mutex::default(),
        }
    }

    /// What one process has in its hands.
    pub(crate) fn atlas(&self) -> Atlas {
        let mut config = Config::builder().state_dir(self.folder.path()).deployment(self.deployment.clone());
        if let Some(key) = &self.master_key {
            config = config.master_key(key.as_str());
        }
        let seed = self.openings.fetch_add(1, Ordering::Relaxed);
        let atlas = Atlas::builder(config.build())
            .clock(self.clock.clone())
            .entropy(Arc::new(SeededEntropy::new(seed)))
            .probe(Arc::new(self.cloud.probe()));
        if !self.configured {
            return atlas.build();
        }
        let mortal = Mortal::new(self.cloud.clone(), self.store.clone(), self.witness.clone(), self.dead.clone());
        atlas.provider(Arc::new(mortal)).build()
    }

    pub(crate) fn builder(&self) -> OrchestratorBuilder {
        Orchestrator::builder(self.atlas()).store(self.store.clone()).policy(self.policy.clone())
    }

    /// Opens an orchestrator over the store.
    pub(crate) async fn open(&self) -> Orchestrator {
        self.opened(self.builder()).await
    }

    /// Opens what `builder` describes.
    pub(crate) async fn opened(&self, builder: OrchestratorBuilder) -> Orchestrator {
        let orchestrator = builder.open().await.unwrap();
        self.running.lock().unwrap().push(orchestrator.clone());
        orchestrator
    }

    /// Opens one over another view of the same store.
    pub(crate) async fn open_over(&self, store: Arc<dyn Store>) -> Orchestrator {
        self.opened(self.builder().store(store)).await
    }

    /// Kills the process: it sends, hears and writes nothing from now on, in the middle of whatever it does.
    pub(crate) fn kill(&mut self) {
        self.dead.store(true, Ordering::Relaxed);
        self.dead = Arc::default();
        self.store = Arc::new(self.store.restart());
        self.bury();
    }

    /// Ends the loops of the dead, which would only cost time: nothing that they do has an effect any more.
    fn bury(&mut self) {
        for dead in self.running.get_mut().unwrap().drain(..) {
            tokio::spawn(async move { drop(dead.shutdown(Duration::ZERO).await) });
        }
    }

    /// Opens another in place of one that was shut down, whose calls may still be under way.
    pub(crate) async fn succeed(&mut self) -> Orchestrator {
        self.store = Arc::new(self.store.restart());
        self.open().await
    }

    /// Kills the process and starts another.
    pub(crate) async fn reopen(&mut self) -> Orchestrator {
        self.kill();
        self.open().await
    }

    /// Puts an empty store in the place of the old one.
    pub(crate) fn lose_store(&mut self) {
        self.kill();
        self.store = Arc::new(new_store(&self.clock));
    }

    /// Puts an older copy in the place of the store.
    pub(crate) fn restore(&mut self, backup: MemoryStore) {
        self.kill();
        self.store = Arc::new(backup);
    }

    pub(crate) fn provider(&self) -> ProviderId {
        self.cloud.id().clone()
    }

    pub(crate) async fn rows(&self, kind: Kind) -> Vec<Row> {
        self.store.scan(Range::rows(kind), Cursor::START, 1_000_000).await.unwrap().into_rows()
    }

    /// How many rentals stand in each phase.
    pub(crate) async fn phases(&self) -> BTreeMap<String, usize> {
        let mut phases = BTreeMap::new();
        for row in self.rows(Kind::RENTAL).await {
            *phases.entry(row.phase).or_default() += 1;
        }
        phases
    }

    /// The session of each token.
    pub(crate) async fn holders(&self) -> BTreeMap<String, String> {
        let mut holders = BTreeMap::new();
        for row in self.rows(Kind::RENTAL).await {
            let body: serde_json::Value = serde_json::from_slice(&row.body).unwrap();
            if let Some(session) = body["holder"]["session"].as_str() {
                holders.insert(row.key.id.clone(), session.to_owned());
            }
        }
        holders
    }

    /// What all machines of this cloud have cost.
    pub(crate) fn bill(&self) -> Money {
        self.cloud.ledger().total()
    }

    /// The only machine that is on the bill.
    #[track_caller]
    pub(crate) fn only_machine(&self) -> ComputeId {
        let live = self.cloud.live();
        assert_eq!(live.len(), 1, "{live:?}");
        live[0].clone()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // A test of many worlds must not drive all those that are over.
        self.dead.store(true, Ordering::Relaxed);
        self.bury();
        if !std::thread::panicking() {
            assert_eq!(self.witness.wrongs(), Vec::<String>::new());
        }
    }
}

pub(crate) fn new_store(clock: &Arc<TokioClock>) -> MemoryStore {
    store_keeping(clock, 20_000)
}

pub(crate) fn store_keeping(clock: &Arc<TokioClock>, events: u64) -> MemoryStore {
    let mut options = MemoryOptions::default();
    options.clock = Arc::new(SteadyClock::new(clock.clone()));
    options.events_kept = events;
    MemoryStore::with_options(options)
}

/// What most sessions of these histories ask for.
pub(crate) fn request() -> SessionRequest {
    SessionRequest::new(ComputeRequest::gpu("h100").image("app:1").http_port(8000))
        .auth(Auth::Bearer)
        .idle_ttl(minutes(10))
}

pub(crate) fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

pub(crate) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(crate) fn hours(count: u64) -> Duration {
    Duration::from_secs(count * 3600)
}

/// Lets paused time pass.
pub(crate) async fn pass(span: Duration) {
    tokio::time::sleep(span).await;
}

/// Touches a session for so long.
pub(crate) async fn keep_alive(orchestrator: &Orchestrator, session: &Session, span: Duration) {
    let until = tokio::time::Instant::now() + span;
    while tokio::time::Instant::now() < until {
        orchestrator.touch(session.id()).unwrap();
        pass(seconds(15)).await;
    }
}

/// A session that is ready.
pub(crate) async fn ready(orchestrator: &Orchestrator, key: &str) -> Session {
    ready_with(orchestrator, key, request()).await
}

pub(crate) async fn ready_with(orchestrator: &Orchestrator, key: &str, request: SessionRequest) -> Session {
    let session = orchestrator.ensure(key, request).await.unwrap();
    session.ready().await.unwrap();
    session
}

pub(crate) async fn view(session: &Session) -> SessionView {
    session.view().await.unwrap()
}

pub(crate) async fn key_of(session: &Session) -> String {
    session.endpoint().await.unwrap().credentials.expose().to_owned()
}

/// Why a living session has no endpoint.
pub(crate) async fn why_not(session: &Session) -> NoEndpoint {
    match session.endpoint().await {
        Err(Error::NoEndpoint { session: named, why }) if named == *session.id() => why,
        other => panic!("{other:?}"),
    }
}

/// Everything that a follower is told by now.
pub(crate) fn told(stream: &mut EventStream) -> Vec<StreamItem> {
    let mut items = Vec::new();
    while let Some(Some(item)) = stream.next().now_or_never() {
        items.push(item.unwrap());
    }
    items
}

/// The numbered events among them.
pub(crate) fn numbered(items: &[StreamItem]) -> Vec<(u64, Event)> {
    items
        .iter()
        .filter_map(|item| match item {
            StreamItem::Event { number: Some(number), event } => Some((*number, event.clone())),
            _ => None,
        })
        .collect()
}

/// Each numbered event in one word.
pub(crate) fn words(items: &[StreamItem]) -> Vec<String> {
    numbered(items)
        .iter()
        .map(|(_, event)| {
            let value = serde_json::to_value(&event.what).unwrap();
            let word = value["event"].as_str().unwrap().to_owned();
            match value["phase"].as_str() {
                Some(phase) => format!("{word} {phase}"),
                None => word,
            }
        })
        .collect()
}
