//! Many sessions at once: one is brought to life by the orchestrator itself, and its rows are then copied under other
//! names, straight into the store. So a hundred thousand are there in seconds, each as the orchestrator writes it.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use atlas_auth::{Clock, SystemClock, SystemEntropy, Timestamp};
use atlas_core::config::Config;
use atlas_core::{Atlas, Auth, ComputeRequest, Provider, SpawnToken, TokenKind};
use atlas_orchestrator::store::{
    Commit, Cursor, Kind, MemoryStore, Op, Range, RedbOptions, RedbStore, Row, RowKey, Store, WriteId,
};
use atlas_orchestrator::{Orchestrator, SessionId, SessionRequest};
use serde_json::{Value, json};

use crate::{AlwaysReady, PlainCloud};

/// What a step gives, or what went wrong.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// How many sessions one commit writes while filling.
const AT_ONCE: usize = 5_000;

/// The key under which the first session is made; those of the others are as long.
const FIRST_KEY: &str = "user-0000000";

/// How many sessions, and how they stand.
#[derive(Debug, Clone, Copy)]
pub struct Crowd {
    /// How many.
    pub sessions: u32,
    /// The idle time-out of the first.
    pub idle_ttl: Duration,
    /// By how much that of each one is longer than that of the one before.
    pub ttl_step: Duration,
    /// Over how long, from now, the next look at sessions and machines is spread. Zero: all are due at once.
    pub looks_within: Duration,
}

/// A state directory whose store is full of sessions, all served and ready.
#[derive(Debug)]
pub struct Filled {
    /// The state directory.
    pub folder: tempfile::TempDir,
    /// The sessions, the first one first.
    pub ids: Vec<SessionId>,
}

/// One session and all that stands about it.
struct Example {
    session: Row,
    rental: Row,
    /// What the store says of itself.
    about: Vec<Row>,
    token: String,
}

impl Crowd {
    /// Fills a new state directory.
    pub async fn fill(self) -> Outcome<Filled> {
        let folder = tempfile::tempdir()?;
        let example = self.example(folder.path()).await?;
        let store = RedbStore::open(store_path(folder.path()), RedbOptions::default()).await?;
        let mut names = BufWriter::new(fs::File::create(ids_path(folder.path()))?);
        let mut records = BufWriter::new(fs::File::create(records_path(folder.path()))?);
        let mut ids = Vec::new();
        let now = SystemClock.now();
        let mut ops: Vec<Op> = example.about.iter().cloned().map(Op::Put).collect();
        let mut activity = Vec::new();
        for index in 0..self.sessions {
            let token = SpawnToken::generate(TokenKind::Session, &SystemEntropy).to_string();
            // Session ids are as long, and their first letter has three bits only.
            let id = format!("{}{}", char::from(b'a' + u8::try_from(index % 8)?), &token[1..]);
            let (session, rental) = self.copy(&example, index, &id, &token, now)?;
            writeln!(names, "{id}")?;
            for row in [&session, &rental] {
                records.write_all(&u32::try_from(row.body.len())?.to_le_bytes())?;
                records.write_all(&row.body)?;
            }
            ids.push(id.parse()?);
            activity.push((id, 5_000));
            ops.extend([Op::Put(session), Op::Put(rental)]);
            if ops.len() >= AT_ONCE * 2 || index + 1 == self.sessions {
                let mut commit = Commit::new(WriteId::new(SystemClock.now(), &SystemEntropy));
                commit.ops = std::mem::take(&mut ops);
                store.commit(commit).await?;
                let frontier = json!({ "time": now, "idle": 0 }).to_string();
                store.beat(std::mem::take(&mut activity), frontier.into()).await?;
            }
        }
        names.flush()?;
        records.flush()?;
        store.close().await?;
        Ok(Filled { folder, ids })
    }

    /// Lets the orchestrator make one session, and reads what it wrote.
    async fn example(self, folder: &Path) -> Outcome<Example> {
        let store = Arc::new(MemoryStore::default());
        let atlas = atlas(folder, Arc::new(PlainCloud::new()?));
        let orchestrator = Orchestrator::builder(atlas).store(store.clone()).open().await?;
        let session = orchestrator.ensure(FIRST_KEY, request().idle_ttl(self.idle_ttl)).await?;
        session.ready().await?;
        let of_kind = async |kind| -> Outcome<Vec<Row>> {
            Ok(store.scan(Range::rows(kind), Cursor::START, 100).await?.into_rows())
        };
        let one = |rows: Vec<Row>| rows.into_iter().next().ok_or("the example left no row");
        let (session, rental) = (one(of_kind(Kind::SESSION).await?)?, one(of_kind(Kind::RENTAL).await?)?);
        let example = Example { token: rental.key.id.clone(), session, rental, about: of_kind(Kind::META).await? };
        orchestrator.shutdown(Duration::from_secs(5)).await?;
        Ok(example)
    }

    fn copy(self, example: &Example, index: u32, id: &str, token: &str, now: Timestamp) -> Outcome<(Row, Row)> {
        let key = format!("user-{index:07}");
        let due = now.plus(self.looks_within.mul_f64(f64::from(index) / f64::from(self.sessions)));
        let renamed = |row: &Row| -> Outcome<String> {
            let text = std::str::from_utf8(&row.body)?;
            Ok(text.replace(&example.session.key.id, id).replace(&example.token, token).replace(FIRST_KEY, &key))
        };
        let mut body: BTreeMap<String, Value> = serde_json::from_str(&renamed(&example.session)?)?;
        let ttl = self.idle_ttl + self.ttl_step * index;
        body.insert("idle_ttl".to_owned(), json!({ "secs": ttl.as_secs(), "nanos": ttl.subsec_nanos() }));
        let mut session = example.session.clone();
        session.key = RowKey::session(id);
        session.body = serde_json::to_vec(&body)?.into();
        session.due_at = Some(due);
        for unique in &mut session.unique {
            unique.name.text.clone_from(&key);
        }
        let mut rental = example.rental.clone();
        rental.key = RowKey::rental(token);
        rental.body = renamed(&example.rental)?.into();
        rental.due_at = Some(due);
        Ok((session, rental))
    }
}

impl Filled {
    /// Another state directory with the same store, on the disk before this returns.
    pub fn copy(&self) -> Outcome<tempfile::TempDir> {
        let copy = tempfile::tempdir()?;
        copy_folder(self.folder.path(), copy.path())?;
        Ok(copy)
    }
}

fn copy_folder(from: &Path, to: &Path) -> Outcome<()> {
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir(&target)?;
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
            fs::File::open(&target)?.sync_all()?;
        }
    }
    Ok(())
}

/// The ids of the sessions in a filled state directory.
pub fn ids(folder: &Path) -> Outcome<Vec<SessionId>> {
    let text = fs::read_to_string(ids_path(folder))?;
    text.lines().map(|line| Ok(line.parse()?)).collect()
}

/// The file of the store in a state directory.
pub fn store_path(folder: &Path) -> PathBuf {
    folder.join("store.redb")
}

fn ids_path(folder: &Path) -> PathBuf {
    folder.join("ids")
}

/// The bodies of all session and rental rows in a filled state directory, in turn, each after its length in four bytes.
pub fn records_path(folder: &Path) -> PathBuf {
    folder.join("records")
}

/// Accounts and configuration over a state directory, with one account.
pub fn atlas(folder: &Path, cloud: Arc<dyn Provider>) -> Atlas {
    let config = Config::builder().state_dir(folder).build();
    Atlas::builder(config).provider(cloud).probe(Arc::new(AlwaysReady)).build()
}

/// What each session asks for.
pub fn request() -> SessionRequest {
    SessionRequest::new(ComputeRequest::gpu("h100").image("ghcr.io/example/app:1").http_port(8000)).auth(Auth::Bearer)
}
