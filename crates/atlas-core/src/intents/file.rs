//! Intents as files: one fsynced file for each create that no store tracks (rule O1).
//!
//! The file is that rental's only record, until it is closed and a day old. While its create is being answered its maker
//! holds a lock beside it, so that another process can tell a sender that died from one that is only slow.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use atlas_auth::{Clock, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Intent, Intents, Proof};
use crate::files::{self, FileLock};
use crate::proof::Absence;
use crate::{ComputeId, Error, ErrorKind, Mark, ProviderId, Result, Scope, SpawnToken};

/// How long a closed intent is kept: a create that landed late is still recognised (rule O4).
const KEEP_CLOSED: Duration = Duration::from_hours(24);

/// The newest form of the file that this version reads.
const FORMAT: u16 = 1;

/// How far a rental without a store has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
#[non_exhaustive]
pub enum IntentPhase {
    /// The create may happen, or may have happened.
    Open,
    /// It became this machine.
    Bound {
        /// The machine.
        compute: ComputeId,
    },
    /// This machine is being ended, and must be until its end is proven.
    Releasing {
        /// The machine.
        compute: ComputeId,
        /// Since when.
        since: Timestamp,
        /// Why, and who asked.
        why: String,
    },
    /// Nothing of it is left.
    Closed {
        /// How that is known.
        proof: Proof,
        /// Since when.
        at: Timestamp,
    },
}

/// One file's content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IntentRecord {
    format: u16,
    /// What was to be made.
    pub intent: Intent,
    /// How far it has come.
    pub phase: IntentPhase,
    /// What speaks for its absence.
    pub absence: Absence,
    /// The machine that it became, kept after it is closed.
    #[serde(default)]
    pub compute: Option<ComputeId>,
    /// When a machine of it was first seen after it had been closed.
    #[serde(default)]
    pub seen_after_close: Option<Timestamp>,
}

impl IntentRecord {
    fn new(intent: Intent, phase: IntentPhase, compute: Option<ComputeId>) -> Self {
        Self { format: FORMAT, intent, phase, absence: Absence::new(), compute, seen_after_close: None }
    }
}

/// Intents as files under one folder.
#[derive(Debug, Clone)]
pub struct FileIntents {
    folder: Arc<Path>,
    clock: Arc<dyn Clock>,
    held: Arc<Mutex<HashMap<SpawnToken, FileLock>>>,
}

impl FileIntents {
    /// The intents under `folder`, which is made by the first of them.
    pub fn new(folder: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self { folder: folder.into(), clock, held: Arc::default() }
    }

    /// All records, oldest first. One that cannot be read is an error with its path: it may be somebody's machine.
    pub fn all(&self) -> Result<Vec<IntentRecord>> {
        let paths = files::list(&self.folder).map_err(|cause| files::error("read", &self.folder, &cause))?;
        let mut records = Vec::new();
        for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "json")) {
            if let Some(record) = read(path)? {
                records.push(record);
            }
        }
        records.sort_by_key(|record| record.intent.opened_at);
        Ok(records)
    }

    /// One record.
    pub fn get(&self, token: SpawnToken) -> Result<Option<IntentRecord>> {
        read(&self.path(token))
    }

    /// Whether the process that sends this create is still at it.
    pub fn is_being_sent(&self, token: SpawnToken) -> Result<bool> {
        let path = self.lock_path(token);
        if !files::exists(&path) {
            return Ok(false);
        }
        FileLock::try_acquire(&path).map(|lock| lock.is_none()).map_err(|cause| files::error("lock", &path, &cause))
    }

    /// Says that this machine is being ended, before it is (rule P1).
    pub fn releasing(&self, token: SpawnToken, compute: &ComputeId, why: &str) -> Result<()> {
        let since = self.clock.now();
        self.change(token, |record| {
            if !matches!(record.phase, IntentPhase::Closed { .. } | IntentPhase::Releasing { .. }) {
                record.phase = IntentPhase::Releasing { compute: compute.clone(), since, why: why.to_owned() };
                record.compute = Some(compute.clone());
                record.absence = Absence::new();
            }
        })
    }

    /// Makes a record for a machine that has none and is to be ended: the receipt of who was ended and why.
    pub fn take_over(
        &self,
        mark: Mark,
        provider: &ProviderId,
        scope: Scope,
        compute: &ComputeId,
        why: &str,
    ) -> Result<()> {
        files::make_private_dir(&self.folder).map_err(|cause| files::error("make", &self.folder, &cause))?;
        let now = self.clock.now();
        let intent = Intent::machine(mark, provider, scope, now, now);
        let phase = IntentPhase::Releasing { compute: compute.clone(), since: now, why: why.to_owned() };
        let path = self.path(intent.token());
        write(&path, &IntentRecord::new(intent, phase, Some(compute.clone())))
    }

    /// Says that nothing is sent after `moment` any more, and keeps what speaks for the absence.
    pub fn never_after(&self, token: SpawnToken, moment: Timestamp, absence: &Absence) -> Result<()> {
        self.change(token, |record| {
            record.intent.not_after = record.intent.not_after.min(moment);
            record.absence = absence.clone();
        })
    }

    /// Says that the cloud moved the machine to another id.
    pub fn moved(&self, token: SpawnToken, compute: &ComputeId) -> Result<()> {
        self.change(token, |record| {
            if matches!(record.phase, IntentPhase::Bound { .. }) {
                record.phase = IntentPhase::Bound { compute: compute.clone() };
                record.compute = Some(compute.clone());
                record.absence = Absence::new();
            }
        })
    }

    /// When a machine of a closed record was first seen: now, if never before.
    pub fn seen_after_close(&self, token: SpawnToken) -> Result<Timestamp> {
        let now = self.clock.now();
        let mut first = now;
        self.change(token, |record| first = *record.seen_after_close.get_or_insert(now))?;
        Ok(first)
    }

    /// Begins the ending of a machine whose record had been closed too early.
    pub fn reopen(&self, token: SpawnToken, compute: &ComputeId, why: &str) -> Result<()> {
        let since = self.clock.now();
        self.change(token, |record| {
            record.phase = IntentPhase::Releasing { compute: compute.clone(), since, why: why.to_owned() };
            record.compute = Some(compute.clone());
            record.absence = Absence::new();
        })
    }

    /// Keeps what speaks for the absence of a machine.
    pub fn observed(&self, token: SpawnToken, absence: &Absence) -> Result<()> {
        self.change(token, |record| record.absence = absence.clone())
    }

    /// Says that nothing will be sent any more under this token by this process.
    pub fn sent(&self, token: SpawnToken) {
        self.held().remove(&token);
    }

    /// Forgets what has been closed for a day.
    pub fn forget_old(&self) -> Result<()> {
        let now = self.clock.now();
        for record in self.all()? {
            let IntentPhase::Closed { at, .. } = record.phase else { continue };
            if now.since(at) >= KEEP_CLOSED {
                for path in [self.lock_path(record.intent.token()), self.path(record.intent.token())] {
                    files::remove(&path).map_err(|cause| files::error("remove", &path, &cause))?;
                }
            }
        }
        Ok(())
    }

    fn change(&self, token: SpawnToken, change: impl FnOnce(&mut IntentRecord)) -> Result<()> {
        let guard = self.folder.join("lock");
        let _lock = FileLock::acquire(&guard).map_err(|cause| files::error("lock", &guard, &cause))?;
        let path = self.path(token);
        let mut record = read(&path)?
            .ok_or_else(|| Error::not_found(format!("no intent {token} is recorded in {}", self.folder.display())))?;
        change(&mut record);
        write(&path, &record)
    }

    fn path(&self, token: SpawnToken) -> PathBuf {
        self.folder.join(format!("{token}.json"))
    }

    fn lock_path(&self, token: SpawnToken) -> PathBuf {
        self.folder.join(format!("{token}.lock"))
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<SpawnToken, FileLock>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_now(&self, intent: &Intent) -> Result<()> {
        files::make_private_dir(&self.folder).map_err(|cause| files::error("make", &self.folder, &cause))?;
        let token = intent.token();
        let lock_path = self.lock_path(token);
        let lock = FileLock::acquire(&lock_path).map_err(|cause| files::error("lock", &lock_path, &cause))?;
        let record = IntentRecord::new(intent.clone(), IntentPhase::Open, None);
        if let Err(error) = write(&self.path(token), &record) {
            let _ = files::remove(&lock_path);
            return Err(error.context("nothing was sent"));
        }
        self.held().insert(token, lock);
        Ok(())
    }
}

#[async_trait]
impl Intents for FileIntents {
    async fn open(&self, intent: &Intent) -> Result<()> {
        let (this, intent) = (self.clone(), intent.clone());
        blocking(move || this.open_now(&intent)).await
    }

    async fn bound(&self, token: SpawnToken, compute: &ComputeId) -> Result<()> {
        let (this, compute) = (self.clone(), compute.clone());
        blocking(move || {
            this.change(token, |record| {
                if record.phase == IntentPhase::Open {
                    record.phase = IntentPhase::Bound { compute: compute.clone() };
                    record.compute = Some(compute);
                    record.absence = Absence::new();
                }
            })?;
            this.sent(token);
            Ok(())
        })
        .await
    }

    async fn closed(&self, token: SpawnToken, proof: Proof) -> Result<()> {
        let this = self.clone();
        blocking(move || {
            let at = this.clock.now();
            this.change(token, |record| {
                if !matches!(record.phase, IntentPhase::Closed { .. }) {
                    record.phase = IntentPhase::Closed { proof, at };
                }
            })?;
            this.sent(token);
            Ok(())
        })
        .await
    }
}

/// Runs what waits for the disk away from the caller's thread.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(Error::unknown("the runtime stopped while a file was being written")))
}

fn read(path: &Path) -> Result<Option<IntentRecord>> {
    #[derive(Deserialize)]
    struct Header {
        format: u16,
    }
    let Some(bytes) = files::read(path).map_err(|cause| files::error("read", path, &cause))? else { return Ok(None) };
    let wrong = |why: String| Error::new(ErrorKind::Decode, format!("the intent {} {why}", path.display()));
    let header: Header = serde_json::from_slice(&bytes).map_err(|cause| wrong(format!("cannot be read: {cause}")))?;
    if header.format > FORMAT {
        return Err(wrong(format!("was written by a newer Atlas (format {}); use that one", header.format)));
    }
    serde_json::from_slice(&bytes).map(Some).map_err(|cause| wrong(format!("cannot be read: {cause}")))
}

fn write(path: &Path, record: &IntentRecord) -> Result<()> {
    let bytes = serde_json::to_vec_pretty(record).expect("a record has a JSON form");
    files::write_durably(path, &bytes).map_err(|cause| files::error("write", path, &cause))
}
