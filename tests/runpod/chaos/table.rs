//! All cells, and how they are shown.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use atlas_core::http::Transport;
use atlas_sim::{Fault, WireFault};
use futures_util::{StreamExt, stream};

use super::cell::{self, Outcome, Times, Undisturbed};
use super::deed::{Deed, Repeat};
use super::site::SPAN;

/// So many cells are tried at once: few enough that no call comes near a bound of time, however busy the processors are.
const AT_ONCE: usize = 8;

/// Every fault, with spans that pass within a cell.
fn faults() -> Vec<Fault> {
    let spanned = |fault| match fault {
        Fault::LandsLate(_) => Fault::LandsLate(SPAN),
        Fault::AppearsLate(_) => Fault::AppearsLate(SPAN),
        Fault::Hides(_) => Fault::Hides(SPAN),
        Fault::WorkersThrottled(_) => Fault::WorkersThrottled(SPAN),
        Fault::WorkersUnhealthy(_) => Fault::WorkersUnhealthy(SPAN),
        Fault::RateLimited(_) => Fault::RateLimited(Duration::from_secs(1)),
        other => other,
    };
    Fault::all().into_iter().map(spanned).chain(WireFault::ALL.map(Fault::Wire)).collect()
}

/// What came of one deed.
struct Row {
    name: &'static str,
    repeat: Repeat,
    undisturbed: Undisturbed,
    /// In the order of the faults.
    cells: BTreeMap<usize, Cell>,
}

#[derive(Default)]
struct Cell {
    fault: &'static str,
    once: Option<Outcome>,
    always: Option<Outcome>,
}

/// All of them.
pub(crate) struct Table {
    rows: Vec<Row>,
    broken: Vec<String>,
}

pub(crate) async fn run(deeds: &[Deed], transport: &Arc<dyn Transport>) -> Table {
    let faults = faults();
    let mut rows = Vec::new();
    for deed in deeds {
        let undisturbed = Undisturbed::of(deed, transport).await;
        rows.push(Row { name: deed.name, repeat: deed.repeat, undisturbed, cells: BTreeMap::new() });
    }
    let mut wanted = Vec::new();
    for (row, deed) in deeds.iter().enumerate() {
        for (column, fault) in faults.iter().enumerate().filter(|(_, fault)| fault.suits(deed.struck)) {
            wanted.push((row, column, deed, fault, Times::Once));
            // That the cloud is never heard of again is the same once or always.
            if !cell::is_silent(fault) {
                wanted.push((row, column, deed, fault, Times::Always));
            }
        }
    }
    let tried = wanted.into_iter().map(|(row, column, deed, fault, times)| async move {
        (row, column, deed, fault, times, cell::run(deed, fault, times, transport).await)
    });
    let mut tried = stream::iter(tried).buffer_unordered(AT_ONCE);
    let mut broken = Vec::new();
    while let Some((row, column, deed, fault, times, outcome)) = tried.next().await {
        for why in cell::judge(deed, fault, &outcome, &rows[row].undisturbed) {
            broken.push(format!("{} under {fault}, {times:?}: {why} ({outcome:?})", deed.name));
        }
        let cell = rows[row].cells.entry(column).or_default();
        cell.fault = fault.name();
        match times {
            Times::Once => cell.once = Some(outcome),
            Times::Always => cell.always = Some(outcome),
        }
    }
    broken.sort();
    Table { rows, broken }
}

impl Table {
    /// The promises that were broken, and where.
    pub(crate) fn broken(&self) -> &[String] {
        &self.broken
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, row) in self.rows.iter().enumerate() {
            let repeat = match row.repeat {
                Repeat::Reads => "reads",
                Repeat::Safe => "may be sent again",
                Repeat::Never => "is sent once",
            };
            let Undisturbed { idle, done } = &row.undisturbed;
            let gap = if index == 0 { "" } else { "\n" };
            writeln!(formatter, "{gap}{} {repeat}; undisturbed: {idle} -> {done}", row.name.to_uppercase())?;
            let heads = ("told", "calls", "the books");
            writeln!(
                formatter,
                "  {:<21}{:<25}{:<7}{:<22}| {:<25}{:<7}{}",
                "struck once/always", heads.0, heads.1, heads.2, heads.0, heads.1, heads.2
            )?;
            for cell in row.cells.values() {
                let shown = |outcome: &Option<Outcome>| {
                    let shown = outcome.as_ref();
                    shown.map(|it| (it.told.to_string(), it.calls.to_string(), it.truth.clone())).unwrap_or_default()
                };
                let (once, always) = (shown(&cell.once), shown(&cell.always));
                let line = format!(
                    "  {:<21}{:<25}{:<7}{:<22}| {:<25}{:<7}{}",
                    cell.fault, once.0, once.1, once.2, always.0, always.1, always.2
                );
                writeln!(formatter, "{}", line.trim_end())?;
            }
        }
        Ok(())
    }
}
