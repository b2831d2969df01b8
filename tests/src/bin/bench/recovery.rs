//! How long it takes from nothing until the first machine is looked after again.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use atlas_orchestrator::Orchestrator;
use atlas_tests::{Filled, Outcome, PlainCloud, atlas, store_path};
use redb::{ReadableDatabase, ReadableTable, TableDefinition};

use crate::figure::{Figure, Goal};
use crate::numbers::{count, median, millis};
use crate::process::ask;

const REPETITIONS: usize = 5;

/// The table that holds sessions and rentals.
const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");

/// The same memory for pages as the store has.
const CACHE: usize = 16 << 20;

/// How often the child looks whether the cloud has been asked.
const LOOK: Duration = Duration::from_micros(200);

/// Child: milliseconds from the opening of the store to the first question to the cloud.
pub(crate) async fn recover(folder: &Path) -> Outcome<f64> {
    let cloud = Arc::new(PlainCloud::new()?);
    let atlas = atlas(folder, cloud.clone());
    let begun = Instant::now();
    let _orchestrator = Orchestrator::open(atlas).await?;
    loop {
        if let Some(driven) = cloud.first_read() {
            return Ok(millis(driven.duration_since(begun)));
        }
        if begun.elapsed() > Duration::from_mins(1) {
            return Err("nothing was driven within a minute".into());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Child: milliseconds to open the file and to read each row of the table once.
pub(crate) fn scan(folder: &Path) -> Outcome<f64> {
    let begun = Instant::now();
    let database = redb::Builder::new().set_cache_size(CACHE).open(store_path(folder))?;
    let rows = database.begin_read()?.open_table(ROWS)?;
    let mut bytes = 0;
    for entry in rows.iter()? {
        let (key, value) = entry?;
        bytes += key.value().len() + value.value().len();
    }
    let span = begun.elapsed();
    if bytes == 0 {
        return Err("the table is empty".into());
    }
    Ok(millis(span))
}

pub(crate) fn run(filled: &Filled) -> Outcome<Vec<Figure>> {
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..REPETITIONS {
        let copy = filled.copy()?;
        plain.push(ask(&["scan"], copy.path())?);
        ours.push(ask(&["recovery"], copy.path())?);
    }
    let (ours, plain) = (median(&ours), median(&plain));
    Ok(vec![Figure {
        what: "recovery until the first drive ÷ a plain scan of the same table",
        goal: Goal::AtMost(3.0),
        value: ours / plain,
        unit: "×",
        detail: format!(
            "{ours:.0} ms against {plain:.0} ms for {:.0} sessions and as many rentals",
            count(filled.ids.len())
        ),
    }])
}
