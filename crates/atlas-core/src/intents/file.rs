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
use serde::Deserialize;

use super::record::FORMAT;
use super::{Intent, IntentPhase, IntentRecord, Intents, Proof, RecordKey, Sighting, UnreadableIntent};
use crate::files::{self, FileLock};
use crate::{ComputeId, Error, ErrorKind, ProviderId, Rented, Result, Scope, SpawnToken};

/// How long a closed intent is kept: a create that landed late is still recognised (rule O4).
const KEEP_CLOSED: Duration = Duration::from_hours(24);

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

    /// All records that can be read, oldest first. The others are [`unreadable`](Self::unreadable).
    pub fn all(&self) -> Result<Vec<IntentRecord>> {
        let mut records: Vec<_> = self.paths()?.iter().filter_map(|path| read(path).ok().flatten()).collect();
        records.sort_by_key(|record| record.intent.opened_at);
        Ok(records)
    }

    /// The records that cannot be read, by path: each may be somebody's machine, and none stands in the way of others.
    pub fn unreadable(&self) -> Result<Vec<UnreadableIntent>> {
        let about = |path: PathBuf| {
            let error = read(&path).err()?;
            let content = files::read(&path).ok().flatten();
            Some(UnreadableIntent::new(path, error, content.as_deref()))
        };
        Ok(self.paths()?.into_iter().filter_map(about).collect())
    }

    fn paths(&self) -> Result<Vec<PathBuf>> {
        let mut paths = files::list(&self.folder).map_err(|cause| files::error("read", &self.folder, &cause))?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        Ok(paths)
    }

    /// One record.
    pub fn get(&self, key: impl Into<RecordKey>) -> Result<Option<IntentRecord>> {
        read(&self.path(key.into()))
    }

    /// Whether the process that sends this create is still at it.
    pub fn is_being_sent(&self, token: SpawnToken) -> Result<bool> {
        let path = self.lock_path(token);
        if !files::exists(&path) {
            return Ok(false);
        }
        FileLock::try_acquire(&path).map(|lock| lock.is_none()).map_err(|cause| files::error("lock", &path, &cause))
    }

    /// Says that nobody sends under this token any more when what it returns is dropped: with the order, by whoever holds
    /// it last.
    pub(crate) fn sending(&self, token: SpawnToken) -> Sending {
        Sending { intents: self.clone(), token }
    }

    /// Says that nothing will be sent any more under this token by this process.
    pub fn sent(&self, token: SpawnToken) {
        self.held().remove(&token);
    }

    /// Says that this machine is being ended, before it is (rule P1). What is closed stays closed.
    pub fn releasing(&self, key: impl Into<RecordKey>, compute: &ComputeId, why: &str) -> Result<()> {
        let since = self.clock.now();
        self.change(key, |record| match record.phase {
            IntentPhase::Open | IntentPhase::Bound { .. } => record.release(compute, why, since),
            IntentPhase::Releasing { .. } | IntentPhase::Closed { .. } => {}
        })
    }

    /// Says that a machine which was just read is being ended, whatever the records said of it before: a receipt of who
    /// was ended and why. Takes its own record, a closed one too, else the open one of its token, else makes one.
    pub fn take_over(&self, intent: Intent, compute: &Rented, why: &str) -> Result<IntentRecord> {
        let (now, unmarked) = (self.clock.now(), compute.mark().is_none());
        self.recorded(intent, &compute.id, |record, is_new| {
            record.release_for(&compute.id, why, now);
            record.sees(compute);
            record.unmarked = unmarked;
            record.bound_at.get_or_insert(now);
            record.taken_over |= is_new;
        })
    }

    /// Says that a machine which its create left over is being ended. Nobody has read it, and it may bear no mark; that it
    /// is there its cloud has said only now, so its settle window begins now.
    pub fn leftover(&self, intent: Intent, compute: &ComputeId, why: &str) -> Result<IntentRecord> {
        let now = self.clock.now();
        self.recorded(intent, compute, |record, _| {
            record.release_for(compute, why, now);
            record.unmarked = true;
            record.bound_at.get_or_insert(now);
        })
    }

    /// Writes a receipt for what was done to a machine that was just read and goes on living. A record of its own that is
    /// there already stands.
    pub fn receipt(&self, intent: Intent, compute: &Rented, why: &str) -> Result<IntentRecord> {
        let (now, unmarked) = (self.clock.now(), compute.mark().is_none());
        self.recorded(intent, &compute.id, |record, is_new| {
            if is_new {
                record.bind(&compute.id, now);
                record.unmarked = unmarked;
                record.taken_over = true;
            }
            record.sees(compute);
            record.receipt = Some(why.to_owned());
        })
    }

    /// Changes the record of this machine: its own, a closed one too, else the open one of its token, else a new one.
    fn recorded(
        &self,
        intent: Intent,
        compute: &ComputeId,
        change: impl FnOnce(&mut IntentRecord, bool),
    ) -> Result<IntentRecord> {
        files::make_private_dir(&self.folder).map_err(|cause| files::error("make", &self.folder, &cause))?;
        let _lock = self.lock()?;
        let (mut key, kind) = (RecordKey::from(intent.token()), intent.kind);
        // An id belongs to a kind.
        let is_of_kind = |record: &IntentRecord| record.intent.kind == kind;
        let (mut record, is_new) = loop {
            match read(&self.path(key)) {
                Ok(None) => break (IntentRecord::twin(intent, key), true),
                Ok(Some(record)) if is_of_kind(&record) && record.compute.as_ref() == Some(compute) => {
                    break (record, false);
                }
                Ok(Some(record)) if is_of_kind(&record) && record.phase == IntentPhase::Open => break (record, false),
                Ok(Some(_)) => key.twin = key.twin.saturating_add(1),
                // Left untouched, and no reason to let the machine bill on.
                Err(error) if error.kind() == ErrorKind::Decode => key.twin = key.twin.saturating_add(1),
                Err(error) => return Err(error),
            }
        };
        change(&mut record, is_new);
        write(&self.path(key), &record)?;
        Ok(record)
    }

    /// Says that nothing is sent after `judged.intent.not_after` any more, and keeps what speaks for the absence.
    pub fn never_after(&self, judged: &IntentRecord) -> Result<()> {
        self.change(judged.key(), |record| {
            if record.phase == judged.phase {
                record.intent.not_after = record.intent.not_after.min(judged.intent.not_after);
                record.absence = judged.absence.clone();
            }
        })
    }

    /// Keeps what was seen of a machine, unless its record has gone on since.
    pub fn observed(&self, judged: &IntentRecord) -> Result<()> {
        self.change(judged.key(), |record| {
            if record.phase == judged.phase {
                record.absence = judged.absence.clone();
                record.read_back = judged.read_back;
                record.unmarked = judged.unmarked;
                record.unclear = judged.unclear;
                record.seen_as.clone_from(&judged.seen_as);
                record.intent.price = judged.intent.price;
                record.copies.clone_from(&judged.copies);
            }
        })
    }

    /// Says that the cloud moved the machine to another id, or shows again what nobody had asked to end.
    pub fn moved(&self, key: impl Into<RecordKey>, compute: &ComputeId) -> Result<()> {
        let at = self.clock.now();
        self.change(key, |record| record.follow(compute, at))
    }

    /// When this machine of a closed record was first seen: now, if never before.
    pub fn seen_after_close(&self, key: impl Into<RecordKey>, compute: &ComputeId) -> Result<Timestamp> {
        let now = self.clock.now();
        let mut first = now;
        self.change(key, |record| match &record.seen_after_close {
            Some(sighting) if sighting.compute == *compute => first = sighting.at,
            _ => record.seen_after_close = Some(Sighting { compute: compute.clone(), at: now }),
        })?;
        Ok(first)
    }

    /// Takes back an ending that was refused; from now on others know of it as kept.
    pub fn keep(&self, key: impl Into<RecordKey>) -> Result<()> {
        self.change(key, IntentRecord::keep)
    }

    /// Begins the ending of a machine whose record had been closed too early.
    pub fn reopen(&self, key: impl Into<RecordKey>, compute: &ComputeId, why: &str) -> Result<()> {
        let since = self.clock.now();
        self.change(key, |record| record.release(compute, why, since))
    }

    /// Closes a record if it is still in the phase in which it was judged; returns the record as it is now.
    pub fn close(&self, judged: &IntentRecord, proof: Proof) -> Result<IntentRecord> {
        let at = self.clock.now();
        let mut now = judged.clone();
        self.change(judged.key(), |record| {
            if record.phase == judged.phase && record.is_living() {
                record.phase = IntentPhase::Closed { proof, at };
            }
            now = record.clone();
        })?;
        Ok(now)
    }

    /// Says that what was rented with this account under one scope is what it shows under another (rule O3).
    pub fn join(&self, provider: &ProviderId, old: &Scope, new: &Scope) -> Result<()> {
        for known in self.all()?.iter().filter(|known| known.intent.provider == *provider) {
            if known.intent.scope == *old {
                self.change(known.key(), |record| record.intent.scope = new.clone())?;
            }
        }
        Ok(())
    }

    /// Forgets what has been closed for a day, and not been seen since, and what writers that died left behind.
    pub fn forget_old(&self) -> Result<()> {
        let now = self.clock.now();
        files::sweep(&self.folder, now.minus(KEEP_CLOSED).to_system())
            .map_err(|cause| files::error("sweep", &self.folder, &cause))?;
        let is_old = |record: &IntentRecord| match record.phase {
            IntentPhase::Closed { at, .. } => {
                let seen = record.seen_after_close.as_ref().map_or(at, |sighting| sighting.at);
                now.since(at.max(seen)) >= KEEP_CLOSED
            }
            IntentPhase::Open | IntentPhase::Bound { .. } | IntentPhase::Releasing { .. } => false,
        };
        for record in self.all()?.into_iter().filter(is_old) {
            let _lock = self.lock()?;
            // Another process may have opened it again.
            if !self.get(record.key())?.is_some_and(|record| is_old(&record)) {
                continue;
            }
            let key = record.key();
            let lock = (key.twin == 0).then(|| self.lock_path(key.token));
            for path in lock.into_iter().chain([self.path(key)]) {
                files::remove(&path).map_err(|cause| files::error("remove", &path, &cause))?;
            }
        }
        Ok(())
    }

    fn change(&self, key: impl Into<RecordKey>, change: impl FnOnce(&mut IntentRecord)) -> Result<()> {
        let _lock = self.lock()?;
        let key = key.into();
        let path = self.path(key);
        let mut record = read(&path)?
            .ok_or_else(|| Error::not_found(format!("no intent {key} is recorded in {}", self.folder.display())))?;
        let before = record.clone();
        change(&mut record);
        if record == before { Ok(()) } else { write(&path, &record) }
    }

    /// One change at a time, whichever process makes it.
    fn lock(&self) -> Result<FileLock> {
        let path = self.folder.join("lock");
        FileLock::acquire(&path).map_err(|cause| files::error("lock", &path, &cause))
    }

    fn path(&self, key: RecordKey) -> PathBuf {
        self.folder.join(format!("{key}.json"))
    }

    fn lock_path(&self, token: SpawnToken) -> PathBuf {
        self.folder.join(format!("{token}.lock"))
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<SpawnToken, FileLock>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_now(&self, intent: &Intent) -> Result<FileLock> {
        files::make_private_dir(&self.folder).map_err(|cause| files::error("make", &self.folder, &cause))?;
        let token = intent.token();
        let lock_path = self.lock_path(token);
        let lock = FileLock::acquire(&lock_path).map_err(|cause| files::error("lock", &lock_path, &cause))?;
        let record = IntentRecord::new(intent.clone(), IntentPhase::Open, None);
        if let Err(error) = write(&self.path(token.into()), &record) {
            let _ = files::remove(&lock_path);
            return Err(error.context("nothing was sent"));
        }
        Ok(lock)
    }
}

/// A create that is being sent. Dropping it says that nobody sends it any more.
#[derive(Debug)]
pub(crate) struct Sending {
    intents: FileIntents,
    token: SpawnToken,
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.intents.sent(self.token);
    }
}

#[async_trait]
impl Intents for FileIntents {
    async fn open(&self, intent: &Intent) -> Result<()> {
        let (this, intent, token) = (self.clone(), intent.clone(), intent.token());
        // The lock comes back as a value: if nobody waits for it any more, it is let go.
        let lock = blocking(move || this.open_now(&intent)).await?;
        self.held().insert(token, lock);
        Ok(())
    }

    async fn bound(&self, token: SpawnToken, compute: &ComputeId) -> Result<()> {
        let (this, compute) = (self.clone(), compute.clone());
        blocking(move || {
            let at = this.clock.now();
            this.change(token, |record| record.bind(&compute, at))?;
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
                if record.is_living() {
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
    let bytes = serde_json::to_vec_pretty(&record.clone().in_its_form()).expect("a record has a JSON form");
    files::write_durably(path, &bytes).map_err(|cause| files::error("write", path, &cause))
}
