//! What the command `atlas` says is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::Outcome;
use crate::ground::Ground;
use crate::machines::There;
use crate::process::Program;

/// The answer of one command.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    /// Its last line on standard output.
    pub(crate) result: Value,
    pub(crate) complaint: String,
}

impl Answer {
    /// The answer of a command that must succeed.
    pub(crate) fn good(self) -> Outcome<Self> {
        if self.code == 0 { Ok(self) } else { Err(format!("exit code {}: {}", self.code, self.complaint)) }
    }
}

/// Runs `atlas --json` with these words to its end.
pub(crate) fn atlas(ground: &Ground, state: &Path, words: &[&str]) -> Outcome<Answer> {
    let words: Vec<&str> = ["--json"].iter().chain(words).copied().collect();
    // The books of a demo are those of its own deployment.
    let settings: &[_] = if state == ground.demo_state() { &[("ATLAS_DEPLOYMENT", "demo")] } else { &[] };
    let mut running = ground.start_over(state, Program::Atlas, &words, settings)?;
    let code = running.ended()?;
    let result = running.rest()?.pop().unwrap_or_default();
    let complaint = running.complaint();
    ground.note(format!("atlas {}: {code} {}{complaint}", words.join(" "), brief(&result)));
    Ok(Answer { code, result, complaint })
}

/// What `atlas list` shows.
pub(crate) fn listed(ground: &Ground, state: &Path) -> Outcome<BTreeSet<String>> {
    let answer = atlas(ground, state, &["list"])?.good().map_err(|error| format!("`atlas list`: {error}"))?;
    Ok(items(&answer.result).filter_map(|item| text(item, "id")).collect())
}

/// What `atlas reap` says of each machine, and of what has none.
#[derive(Debug, Default)]
pub(crate) struct Reaped {
    pub(crate) machines: BTreeMap<String, String>,
    pub(crate) others: Vec<String>,
}

impl Reaped {
    /// Whether each of these machines is said to be this.
    pub(crate) fn calls_all(&self, ids: &BTreeSet<String>, what: &str) -> Outcome {
        for id in ids {
            match self.machines.get(id) {
                Some(is) if is == what => {}
                Some(is) => return Err(format!("`atlas reap` calls machine {id} {is}, and it is {what}")),
                None => return Err(format!("`atlas reap` does not name machine {id}, which is {what}")),
            }
        }
        Ok(())
    }

    /// Whether each of these machines is held by a session or on its way out: of those, none is unknown.
    pub(crate) fn holds_all(&self, ids: &BTreeSet<String>) -> Outcome {
        for id in ids {
            match self.machines.get(id).map(String::as_str) {
                Some("tracked" | "ending" | "seen_once") => {}
                other => return Err(format!("`atlas reap` calls machine {id} {other:?}, and its store is there")),
            }
        }
        Ok(())
    }
}

/// `atlas reap` with these flags.
pub(crate) fn reap(ground: &Ground, state: &Path, flags: &[&str]) -> Outcome<Reaped> {
    let words: Vec<&str> = ["reap"].iter().chain(flags).copied().collect();
    let answer = atlas(ground, state, &words)?.good().map_err(|error| format!("`atlas reap`: {error}"))?;
    let mut reaped = Reaped::default();
    for item in items(&answer.result) {
        let is = text(item, "is").unwrap_or_default();
        match text(item, "compute") {
            Some(id) => drop(reaped.machines.insert(id, is)),
            None => reaped.others.push(is),
        }
    }
    Ok(reaped)
}

/// Where the books were lost: all of these are reported as unknown, nobody ends them but an operator, and he can.
pub(crate) fn aliens_are_told_and_ended_only_by_hand(ground: &Ground, state: &Path, before: &There) -> Outcome {
    for flags in [["--dry-run"], ["--wait"]] {
        reap(ground, state, &flags)?.calls_all(&before.ids(), "alien")?;
        There::look(state).has_all_of(before)?;
    }
    if !before.machines.is_empty() && state.join("store.redb").exists() {
        reap(ground, state, &["--wait", "--aliens"])?;
        ground.is_left_clean(state)?;
    }
    Ok(())
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub(crate) fn text(value: &Value, key: &str) -> Option<String> {
    value[key].as_str().map(str::to_owned)
}

/// A result without the lengthy part that each cloud says in its own words.
fn brief(result: &Value) -> String {
    let line = |item: &Value| {
        ["id", "compute", "is", "status", "why"]
            .map(|key| text(item, key))
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" ")
    };
    items(result).map(line).collect::<Vec<_>>().join("; ")
}
