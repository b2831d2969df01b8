//! Where a demo lives, and how it is configured.

use std::path::{Path, PathBuf};
use std::time::Duration;

use atlas::config::{Config, ProviderEntry};
use atlas::files::{self, FileLock};
use atlas::orchestrator::{Orchestrator, OrchestratorBuilder, Policy};
use atlas::{Atlas, Deployment, ProviderId, Settings};

use crate::failure::Failure;

/// What a machine of the demo is said to cost an hour: a tenth of a cent a second, so that a bill of seconds shows.
const PRICE: &str = "3.60";

/// The file with the number of the process that holds the lock.
const HOLDER: &str = "pid";

/// The name of the demo's account.
const ACCOUNT: &str = "local";

/// How long the orchestrator of an earlier demo may take to let go of the store.
const PATIENCE: Duration = Duration::from_secs(5);

/// The folder of a demo, held by its lock.
#[derive(Debug)]
pub(crate) struct Home {
    path: PathBuf,
    _lock: FileLock,
}

impl Home {
    /// Takes `state_dir/demo` for this process; another demo that runs is a failure of its own.
    pub(crate) fn take(state_dir: &Path) -> Result<Self, Failure> {
        let path = folder(state_dir);
        files::make_private_dir(&path).map_err(|cause| files::error("make the demo's folder", &path, &cause))?;
        let lock = path.join("lock");
        match FileLock::try_acquire(&lock) {
            Ok(Some(held)) => Ok(Self::held(path, held)),
            Ok(None) => Err(Failure::held(format!(
                "another `atlas demo` is running in {} ({}); end that one, or set another state directory",
                path.display(),
                holder(&path)
            ))),
            Err(cause) => Err(files::error("lock", &lock, &cause).into()),
        }
    }

    /// Takes it only if it is there; `None` also while a demo runs in it.
    pub(crate) fn take_existing(state_dir: &Path) -> Result<Option<Self>, Failure> {
        if !files::exists(&folder(state_dir).join("lock")) {
            return Ok(None);
        }
        let path = folder(state_dir);
        let lock = path.join("lock");
        let held = FileLock::try_acquire(&lock).map_err(|cause| files::error("lock", &lock, &cause))?;
        Ok(held.map(|held| Self::held(path, held)))
    }

    /// Whoever finds the lock held wants to know by whom. A disk that does not take it keeps nobody from anything.
    fn held(path: PathBuf, lock: FileLock) -> Self {
        let _ = files::write_durably(&path.join(HOLDER), std::process::id().to_string().as_bytes());
        Self { path, _lock: lock }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether an orchestrator ever kept its books here.
    pub(crate) fn has_store(&self) -> bool {
        files::exists(&self.path.join("store.redb"))
    }

    /// The orchestrator of what is left here. One that is not at work only looks, and makes no store where there is none.
    pub(crate) async fn orchestrator(&self, at_work: bool) -> Result<Orchestrator, Failure> {
        let has_store = self.has_store();
        let opened = open(&self.path, |builder| match (at_work, has_store) {
            (true, _) => builder.only_existing(),
            (false, true) => builder.only_existing().without_background(),
            (false, false) => builder.in_memory().without_background(),
        });
        opened.await
    }
}

/// Opens an orchestrator of the demo in `path`. The one that a killed demo left behind is waited for: it ends by itself.
pub(super) async fn open(
    path: &Path,
    as_this: impl FnOnce(OrchestratorBuilder) -> OrchestratorBuilder,
) -> Result<Orchestrator, Failure> {
    let builder = Orchestrator::builder(atlas(path)?).policy(policy()).wait_for_store(PATIENCE);
    Ok(as_this(builder).open().await?)
}

/// Who holds the lock, for a person.
fn holder(path: &Path) -> String {
    match files::read(&path.join(HOLDER)) {
        Ok(Some(pid)) => format!("process {}", String::from_utf8_lossy(&pid).trim()),
        _ => "its process is not known".to_owned(),
    }
}

fn folder(state_dir: &Path) -> PathBuf {
    state_dir.join("demo")
}

/// The demo's own configuration: nothing of the user's is read or touched.
pub(crate) fn atlas(path: &Path) -> Result<Atlas, Failure> {
    let account = account()?;
    let entry = ProviderEntry::new(ACCOUNT, Settings::new().with("price_per_hour", PRICE));
    let config = Config::builder()
        .state_dir(path)
        .deployment(Deployment::parse("demo")?)
        .default_provider(account.clone())
        .provider(account, entry)
        .build();
    Ok(atlas::with_config(config))
}

/// The demo's account.
pub(crate) fn account() -> Result<ProviderId, Failure> {
    Ok(ProviderId::parse(ACCOUNT)?)
}

/// A demo is in a hurry.
pub(crate) fn policy() -> Policy {
    let mut policy = Policy::default();
    policy.start_interval = Duration::from_millis(100);
    policy.watch_interval = Duration::from_secs(1);
    policy.reap_interval = Duration::from_secs(2);
    policy.reap_grace = Duration::from_secs(2);
    policy.start_timeout = Duration::from_secs(15);
    policy.may_send_for = Duration::from_secs(5);
    policy.create_timeout = Duration::from_secs(10);
    policy.first_pause = Duration::from_millis(100);
    policy
}
