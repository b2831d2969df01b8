//! The run: case after case, each bounded in time and money, each cleaned up after, whatever became of it.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use atlas_core::Money;
use futures_util::FutureExt;

use crate::bench::{Bench, Broken};
use crate::case::{Case, Cost};
use crate::cases::CASES;
use crate::harness::Harness;
use crate::report::{Outcome, Report, Row};

/// How a run is bounded.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// What may be spent at the most, in dollars, of what is actually rented.
    pub spend_limit: Money,
    /// Only cases whose name contains this.
    pub only: Option<String>,
    /// Whether `only` is a case's whole name.
    pub whole: bool,
}

impl Default for Options {
    /// One dollar, and every case.
    fn default() -> Self {
        Self { spend_limit: Money::from_micros(1_000_000), only: None, whole: false }
    }
}

impl Options {
    /// What may be spent at the most, in dollars.
    #[must_use]
    pub fn spend_limit(mut self, limit: Money) -> Self {
        self.spend_limit = limit;
        self
    }

    /// Only cases whose name contains this.
    #[must_use]
    pub fn only(mut self, words: impl Into<String>) -> Self {
        self.only = Some(words.into());
        self.whole = false;
        self
    }

    /// Only the case of this name.
    #[must_use]
    pub fn exactly(mut self, name: impl Into<String>) -> Self {
        self.only = Some(name.into());
        self.whole = true;
        self
    }

    fn wants(&self, case: &Case) -> bool {
        self.only.as_deref().is_none_or(|words| if self.whole { case.name == words } else { case.name.contains(words) })
    }
}

/// Holds a provider against the table. **Rents what the cases say**, and ends it.
pub async fn run(harness: &dyn Harness, options: &Options) -> Report {
    let bench = Bench::new(harness);
    let mut report = Report::new(bench.provider().id());
    // What cannot be ended now is tried once more at the end, and told if it is still there.
    bench.clean(true).await;
    let mut cases: Vec<_> = CASES.iter().filter(|case| options.wants(case)).enumerate().collect();
    cases.sort_by_key(|(_, case)| !case.lingers);
    let (mut rows, mut lingering) = (BTreeMap::new(), Vec::new());
    for (place, case) in cases {
        // While something is waited for nothing is reset: that would take away what may be seen of it.
        if lingering.is_empty() {
            bench.harness().reset().await;
        }
        let outcome = one(&bench, case, options.spend_limit).await;
        lingering.extend(bench.take_lingering().into_iter().map(|order| (place, order)));
        rows.insert(place, Row { case: case.name, promise: case.promise, outcome });
    }
    bench.outlast_doubt().await;
    for (place, order) in &lingering {
        let row = rows.get_mut(place).filter(|row| row.outcome == Outcome::Passed);
        if let (Some(row), Err(why)) = (row, bench.judge(order).await) {
            row.outcome = Outcome::Failed(why.to_string());
        }
    }
    report.rows = rows.into_values().collect();
    report.left = bench.clean(true).await;
    report.spent = bench.spent();
    report
}

async fn one(bench: &Bench<'_>, case: &Case, limit: Money) -> Outcome {
    if !case.needs.met_by(bench.provider().traits().capabilities) {
        return Outcome::NotApplicable;
    }
    let machines = match case.cost {
        Cost::Free => 0,
        Cost::Machines(count) => count,
        Cost::Little => 1,
    };
    if machines > 0 && bench.spent() + bench.at_most(machines) > limit {
        return Outcome::TooDear;
    }
    // Twice the patience: what waits inside gives up by itself, and says for what.
    let bound = bench.harness().patience() * 2;
    let proof = AssertUnwindSafe(tokio::time::timeout(bound, (case.prove)(bench))).catch_unwind().await;
    let left = bench.clean(false).await;
    match proof {
        Ok(Ok(Ok(()))) if left.is_empty() => Outcome::Passed,
        Ok(Ok(Ok(()))) => Outcome::Failed(left.join("; ")),
        Ok(Ok(Err(Broken::Promise(why)))) => Outcome::Failed(why),
        Ok(Ok(Err(Broken::NotProvable(why)))) => Outcome::NotProvable(why),
        Ok(Err(_)) => Outcome::Failed(format!("it took longer than {}", atlas_core::duration::format(bound))),
        Err(_) => Outcome::Failed("it panicked".to_owned()),
    }
}
