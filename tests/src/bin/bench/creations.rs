//! Durable session creations against bare commits of the same bytes, grouped as the store grouped them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use atlas_auth::{Clock, SystemClock, Timestamp};
use atlas_orchestrator::Orchestrator;
use atlas_orchestrator::store::{RedbOptions, RedbStore};
use atlas_tests::{Outcome, PlainCloud, atlas, request, store_path};
use futures_util::future::try_join_all;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, TableHandle};

use crate::figure::{Figure, Goal};
use crate::numbers::{count, median, shuffle};

const CALLERS: usize = 64;
const EACH: usize = 60;
const REPETITIONS: usize = 7;

/// The same memory for pages as the store has.
const CACHE: usize = 16 << 20;

type Definition<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;

/// Counts the transactions of the store that it is given to.
///
/// The store's writer looks at the boot clock alone once for each group; whatever else looks at the time takes the hour
/// and the boot clock together. So the groups are the difference, which [`calibrate`] proves before anything is measured.
#[derive(Debug, Default)]
struct CountingClock {
    groups: AtomicI64,
}

impl Clock for CountingClock {
    fn now(&self) -> Timestamp {
        self.groups.fetch_sub(1, Ordering::Relaxed);
        SystemClock.now()
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic()
    }

    fn boot(&self) -> Duration {
        self.groups.fetch_add(1, Ordering::Relaxed);
        SystemClock.boot()
    }
}

/// An orchestrator that only takes sessions in: nothing is driven, so nothing else is written.
struct Taking {
    folder: tempfile::TempDir,
    orchestrator: Orchestrator,
    clock: Arc<CountingClock>,
}

impl Taking {
    async fn open() -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let clock = Arc::new(CountingClock::default());
        let mut options = RedbOptions::default();
        options.clock = clock.clone();
        let store = RedbStore::open(store_path(folder.path()), options).await?;
        let atlas = atlas(folder.path(), Arc::new(PlainCloud::new()?));
        let orchestrator = Orchestrator::builder(atlas).store(Arc::new(store)).without_background().open().await?;
        Ok(Self { folder, orchestrator, clock })
    }

    fn groups(&self) -> i64 {
        self.clock.groups.load(Ordering::Relaxed)
    }
}

/// Checks that groups are counted rightly: one caller alone makes one of each creation.
async fn calibrate() -> Outcome<()> {
    let taking = Taking::open().await?;
    let before = taking.groups();
    for caller in 0..20 {
        taking.orchestrator.ensure(&format!("user {caller}"), request()).await?;
    }
    let groups = taking.groups() - before;
    taking.orchestrator.shutdown(Duration::from_secs(5)).await?;
    if groups == 20 { Ok(()) } else { Err(format!("20 lone commits were counted as {groups} groups").into()) }
}

/// What one run of the orchestrator took, and what it left on the disk.
struct Run {
    seconds: f64,
    groups: usize,
    tables: Vec<Table>,
}

/// One table with all that it holds.
struct Table {
    name: String,
    entries: Vec<(Vec<u8>, Vec<u8>)>,
}

async fn ours() -> Outcome<Run> {
    let taking = Taking::open().await?;
    let before = taking.groups();
    let begun = Instant::now();
    let callers = (0..CALLERS).map(|caller| {
        let orchestrator = taking.orchestrator.clone();
        tokio::spawn(async move {
            for turn in 0..EACH {
                orchestrator.ensure(&format!("user {caller:02} {turn:04}"), request()).await?;
            }
            Ok::<_, atlas_orchestrator::Error>(())
        })
    });
    for done in try_join_all(callers).await? {
        done?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let groups = usize::try_from(taking.groups() - before)?.max(1);
    taking.orchestrator.shutdown(Duration::from_secs(5)).await?;
    Ok(Run { seconds, groups, tables: read(&store_path(taking.folder.path()))? })
}

/// All that the store has written, as the database holds it.
fn read(path: &Path) -> Outcome<Vec<Table>> {
    let database = Database::open(path)?;
    let transaction = database.begin_read()?;
    let names: Vec<String> = transaction.list_tables()?.map(|table| table.name().to_owned()).collect();
    let mut tables = Vec::new();
    for name in names {
        let table = transaction.open_table(Definition::new(&name))?;
        let mut entries = Vec::new();
        for entry in table.iter()? {
            let (key, value) = entry?;
            entries.push((key.value().to_vec(), value.value().to_vec()));
        }
        // Names of rows are random: they come in no order.
        if name == "rows" {
            shuffle(&mut entries, 1);
        }
        tables.push(Table { name, entries });
    }
    Ok(tables)
}

/// Writes the same into a new file: as many transactions, each synced, each with its share of every table.
fn bare(run: &Run) -> Outcome<f64> {
    let folder = tempfile::tempdir()?;
    let database = redb::Builder::new().set_cache_size(CACHE).create(folder.path().join("bare.redb"))?;
    let transaction = database.begin_write()?;
    for table in &run.tables {
        transaction.open_table(Definition::new(&table.name))?;
    }
    transaction.commit()?;
    let begun = Instant::now();
    for group in 0..run.groups {
        let transaction = database.begin_write()?;
        for table in &run.tables {
            let mut target = transaction.open_table(Definition::new(&table.name))?;
            // What there is once a store is written again by each group, as the store's numbers are.
            let share = if table.name == "meta" {
                &table.entries[..]
            } else {
                let place = |group: usize| table.entries.len() * group / run.groups;
                &table.entries[place(group)..place(group + 1)]
            };
            for (key, value) in share {
                target.insert(key.as_slice(), value.as_slice())?;
            }
        }
        transaction.commit()?;
    }
    Ok(begun.elapsed().as_secs_f64())
}

pub(crate) async fn run() -> Outcome<Vec<Figure>> {
    calibrate().await?;
    let (mut took, mut plain, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..REPETITIONS {
        let run = ours().await?;
        took.push(run.seconds);
        groups.push(count(CALLERS * EACH) / count(run.groups));
        plain.push(tokio::task::spawn_blocking(move || bare(&run)).await??);
    }
    let (took, plain) = (median(&took), median(&plain));
    let rate = |seconds: f64| count(CALLERS * EACH) / seconds;
    Ok(vec![Figure {
        what: "durable creations a second, 64 callers ÷ bare commits of the same bytes",
        goal: Goal::AtLeast(0.5),
        value: rate(took) / rate(plain),
        unit: "×",
        detail: format!(
            "{:.0} against {:.0} a second, {:.1} creations a transaction",
            rate(took),
            rate(plain),
            median(&groups)
        ),
    }])
}
