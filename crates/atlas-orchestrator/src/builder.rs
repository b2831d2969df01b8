//! Opening an orchestrator: what it needs, and how it finds out what was.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use atlas_auth::{MasterKey, Sealer, Timestamp};
use atlas_core::config::{Config, StoreSetting};
use atlas_core::{Atlas, Installation, Probe, ProviderId, Scope, StateDir};
use serde::{Deserialize, Serialize};

use crate::books::{Books, Expect, small_row};
use crate::drive;
use crate::engine::{self, Frontier, Scale};
use crate::inner::{AccountState, Inner, Keys, Parts};
use crate::policy::Policy;
use crate::recovery::{PAGE, Recovered, recover};
use crate::store::{CommitError, Cursor, Key, Kind, MemoryOptions, MemoryStore, Range, RowKey, Store, StoreError};
use crate::time::{IdleClock, SteadyClock};
use crate::{Error, Orchestrator, Result};

/// The row that says what a store is.
const ABOUT: &str = "store";

/// How long after a look at a store that is held the next one follows.
const HELD_PAUSE: Duration = Duration::from_millis(50);

/// What a store says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct About {
    /// Whose machines it knows.
    installation: Installation,
    /// By this the master key is known again (rule P6).
    key_check: String, // not a secret: a check value, from which no key follows
    made_at: Timestamp,
}

/// Which store.
#[derive(Debug)]
enum StoreChoice {
    /// The one that the configuration names.
    Configured,
    /// A new one in memory, which ends with this process.
    Memory,
    /// This one.
    Given(Arc<dyn Store>),
}

/// Gathers what an [`Orchestrator`] needs.
#[derive(Debug)]
#[must_use = "nothing is opened before `open`"]
pub struct OrchestratorBuilder {
    atlas: Atlas,
    store: StoreChoice,
    policy: Option<Policy>,
    probe: Option<Arc<dyn Probe>>,
    background: bool,
    only_existing: bool,
    store_patience: Duration,
    also: Vec<ProviderId>,
}

impl OrchestratorBuilder {
    pub(crate) fn new(atlas: Atlas) -> Self {
        Self {
            atlas,
            store: StoreChoice::Configured,
            policy: None,
            probe: None,
            background: true,
            only_existing: false,
            store_patience: Duration::ZERO,
            also: Vec::new(),
        }
    }

    /// Keeps everything in memory: for tests, and for what may be forgotten.
    pub fn in_memory(mut self) -> Self {
        self.store = StoreChoice::Memory;
        self
    }

    /// Keeps everything in this store.
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = StoreChoice::Given(store);
        self
    }

    /// Is as patient as this says, instead of as the configuration says.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Asks readiness through this.
    pub fn probe(mut self, probe: Arc<dyn Probe>) -> Self {
        self.probe = Some(probe);
        self
    }

    /// Also watches these accounts. Those that are configured, or have rentals in the store, are watched anyway.
    pub fn also_watch(mut self, accounts: impl IntoIterator<Item = ProviderId>) -> Self {
        self.also.extend(accounts);
        self
    }

    /// Runs nothing in the background: for one reconciliation by hand.
    pub fn without_background(mut self) -> Self {
        self.background = false;
        self
    }

    /// Opens a store only if it is there; a missing one is an error and is not made.
    pub fn only_existing(mut self) -> Self {
        self.only_existing = true;
        self
    }

    /// Waits so long for a store that another process holds, which may be just stopping: for a rolling restart, longer than
    /// the old process may take to shut down. Without it there is no waiting, for one that is held for good is a mistake
    /// that must be told at once.
    pub fn wait_for_store(mut self, patience: Duration) -> Self {
        self.store_patience = patience;
        self
    }

    /// Opens the store, finds out what was, and begins to drive it.
    ///
    /// An account that cannot be built, or a record that cannot be read, is exposure and no reason not to start (P14).
    pub async fn open(self) -> Result<Orchestrator> {
        let Self { atlas, store, policy, probe, background, only_existing, store_patience, also } = self;
        let policy = policy.unwrap_or_else(|| Policy::from_settings(&atlas.config().orchestrator));
        let clock = atlas.clock().clone();
        let steady = Arc::new(SteadyClock::new(clock.clone()));
        let state = atlas.state()?;
        if matches!(store, StoreChoice::Configured) {
            // The key comes before the first record, so that records without one tell of a loss (P6).
            let _ = atlas.master_key();
        }
        for loose in state.loose_modes() {
            tracing::warn!("{loose}");
        }
        let begun = clock.monotonic();
        let store = loop {
            match open_store(&store, atlas.config(), &state, &steady, only_existing).await {
                Err(Error::Store(StoreError::Held { .. }))
                    if clock.monotonic().saturating_sub(begun) < store_patience =>
                {
                    tokio::time::sleep(HELD_PAUSE.min(store_patience)).await;
                }
                opened => break opened?,
            }
        };
        let frontier: Option<Frontier> = store.frontier().await?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if let Some(frontier) = frontier {
            steady.not_before(frontier.time);
        }
        let idle = IdleClock::new(frontier.map_or(0, |frontier| frontier.idle), clock.monotonic());
        let Recovered { activity, mut rented, unanswered } =
            recover(&*store, &idle, &atlas.config().deployment).await?;
        let activity = Arc::new(activity);
        let books = Arc::new(Books::new(
            store,
            steady,
            atlas.entropy().clone(),
            atlas.config().deployment.clone(),
            activity.clone(),
        ));
        let (about, keys) = know_store(&books, &atlas, &state).await?;
        let joined = joined_scopes(&books).await?;
        rented.extend(also);
        let accounts = build_accounts(&atlas, rented);
        let inner = Arc::new(Inner::new(Parts {
            books,
            activity,
            idle,
            clock,
            entropy: atlas.entropy().clone(),
            deployment: atlas.config().deployment.clone(),
            installation: about.installation,
            store_made_at: about.made_at,
            keys,
            policy,
            frontier,
            probe: probe.or_else(|| atlas.probe().cloned()),
            accounts,
            default_provider: atlas.config().default_provider.clone(),
            joined,
            atlas: Arc::new(atlas),
        }));
        let orchestrator = Orchestrator::new(inner.clone());
        drive::search_at_once(&inner, &unanswered).await;
        if background {
            let down = frontier.map_or(Duration::ZERO, |frontier| inner.now().since(frontier.time));
            if down > engine::FRONTIER_EVERY * 2 && orchestrator.living() > 0 {
                engine::tell_blind(&inner, down).await;
            }
            inner.tasks.spawn(engine::run(inner.clone(), Scale::Everything, inner.closing.clone()));
            inner.tasks.spawn(engine::beat(inner.clone()));
            inner.tasks.spawn(crate::operator::reap_regularly(inner.clone()));
        }
        Ok(orchestrator)
    }
}

async fn open_store(
    choice: &StoreChoice,
    config: &Config,
    state: &StateDir,
    clock: &Arc<SteadyClock>,
    only_existing: bool,
) -> Result<Arc<dyn Store>> {
    match choice {
        StoreChoice::Given(store) => Ok(store.clone()),
        StoreChoice::Memory => {
            let options = MemoryOptions { clock: clock.clone(), ..MemoryOptions::default() };
            Ok(Arc::new(MemoryStore::with_options(options)))
        }
        StoreChoice::Configured => match &config.store {
            StoreSetting::Redb => open_redb(state, clock, only_existing).await,
            _ => Err(Error::Core(atlas_core::Error::unsupported(
                "this version keeps its store in one file only: set `store: redb`",
            ))),
        },
    }
}

#[cfg(feature = "redb")]
async fn open_redb(state: &StateDir, clock: &Arc<SteadyClock>, only_existing: bool) -> Result<Arc<dyn Store>> {
    use crate::store::{RedbOptions, RedbStore};
    let path = state.path().join("store.redb");
    if only_existing && !atlas_core::files::exists(&path) {
        return Err(Error::Core(atlas_core::Error::not_found(format!("there is no store at {}", path.display()))));
    }
    let options = RedbOptions { clock: clock.clone(), ..RedbOptions::default() };
    Ok(Arc::new(RedbStore::open(&path, options).await?))
}

#[cfg(not(feature = "redb"))]
async fn open_redb(_: &StateDir, _: &Arc<SteadyClock>, _: bool) -> Result<Arc<dyn Store>> {
    Err(Error::Core(atlas_core::Error::unsupported(
        "no durable store is built in: build with the feature `redb`, or open with `in_memory`",
    )))
}

/// What the store says of itself, written by whoever opened it first; and the keys, if they are the right ones.
async fn know_store(books: &Books, atlas: &Atlas, state: &StateDir) -> Result<(About, Keys)> {
    let key = RowKey::new(Kind::META, ABOUT);
    let configured = atlas.config().master_key();
    let entropy = &**atlas.entropy();
    if let Some(row) = books.store().get(Key::Row(key.clone())).await? {
        // Whatever is wrong here, machines must be watched and ended (P14, history 12): only keys are not handed out.
        let about: About = match serde_json::from_slice(&row.body) {
            Ok(about) => about,
            Err(cause) => {
                let why = format!("the {key} cannot be read, so no master key can be told from another: {cause}");
                let installation = state.installation(entropy)?;
                // As if just made: such a store ends no alien.
                let about = About { installation, key_check: String::new(), made_at: books.now() };
                return Ok((about, Keys::Unknown(why)));
            }
        };
        let keys = match configured.and_then(|key| state.master_key(key.as_ref(), false, entropy)) {
            Ok(master) if master.check_value() == about.key_check => known(master),
            Ok(_) => Keys::Unknown("the master key is not the one that this store was made with".to_owned()),
            Err(error) => Keys::Unknown(error.message().to_owned()),
        };
        return Ok((about, keys));
    }
    let installation = state.installation(entropy)?;
    let master = match state.master_key(configured?.as_ref(), !state.has_rentals()?, entropy) {
        Ok(master) => master,
        // A lost one. It says who it is when there is a key to be known by; until then nothing can be rented anyway.
        Err(error) => {
            let about = About { installation, key_check: String::new(), made_at: books.now() };
            return Ok((about, Keys::Unknown(error.message().to_owned())));
        }
    };
    let about = About { installation, key_check: master.check_value(), made_at: books.now() };
    let row = small_row(Kind::META, ABOUT, &about);
    match books.change().put(row, Expect::New).commit().await {
        Ok(_) => Ok((about, known(master))),
        // Somebody else opened it at the same moment: what they wrote holds.
        Err(CommitError::Conflict { .. }) => Box::pin(know_store(books, atlas, state)).await,
        Err(error) => Err(error.into()),
    }
}

fn known(master: MasterKey) -> Keys {
    let sealer = Box::new(Sealer::from_master(&master, "orchestrator"));
    Keys::Known { master, sealer }
}

async fn joined_scopes(books: &Books) -> Result<BTreeMap<ProviderId, Vec<Vec<Scope>>>> {
    let mut joined = BTreeMap::new();
    let page = books.store().scan(Range::rows(Kind::META), Cursor::START, PAGE).await?;
    for row in page.into_rows() {
        let provider = row.key.id.strip_prefix("scopes/").and_then(|id| ProviderId::parse(id).ok());
        if let (Some(provider), Ok(scopes)) = (provider, serde_json::from_slice(&row.body)) {
            joined.insert(provider, scopes);
        }
    }
    Ok(joined)
}

fn build_accounts(atlas: &Atlas, rented: Vec<ProviderId>) -> BTreeMap<ProviderId, AccountState> {
    let mut names = atlas.configured();
    names.extend(atlas.config().default_provider.clone());
    names.extend(rented);
    names.sort();
    names.dedup();
    names
        .into_iter()
        .map(|name| {
            let state = match atlas.build(&name) {
                Ok(provider) => AccountState::Usable(provider),
                Err(error) => {
                    tracing::error!(provider = %name, %error, "an account cannot be used; what it rents bills on");
                    AccountState::Broken(error)
                }
            };
            (name, state)
        })
        .collect()
}
