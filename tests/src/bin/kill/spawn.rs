//! `atlas spawn`, killed at any moment, up to three times in a row.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::Outcome;
use crate::browser::visit;
use crate::ground::{Ground, until};
use crate::machines::There;
use crate::plan::{Books, Round};
use crate::process::{Program, Running};
use crate::reap::{atlas, listed, reap, text};

/// One run. `span` is how long a spawn takes.
pub(crate) fn run(mut round: Round, ground: &Ground, span: Duration) -> Outcome<String> {
    let chance = &mut round.chance;
    let state = ground.state();
    let mut moments = Vec::new();
    let mut handed_out = Vec::new();
    let spawns = 1 + chance.below(3);
    for _ in 0..spawns {
        let before = There::look(&state).ids();
        let mut running = spawn(ground, chance.pick(KINDS))?;
        let moment = chance.moment(span * 13 / 10);
        std::thread::sleep((running.begun + moment).saturating_duration_since(std::time::Instant::now()));
        if running.code().is_some_and(|code| code != 0) {
            return Err(format!("`atlas spawn` failed by itself: {}", running.complaint()));
        }
        running.kill()?;
        handed_out.extend(running.rest()?.into_iter().filter(|line| line["id"].is_string()));
        moments.push(moment.as_millis());
        ground.note(format!("killed the spawn after {} ms; {} were handed out", moment.as_millis(), handed_out.len()));
        let there = There::look(&state).ids();
        if !there.is_superset(&before) || there.len() > before.len() + 1 {
            return Err(format!("one spawn made {there:?} of {before:?}"));
        }
    }
    if round.books == Books::Lost {
        ground.lose_books(&state)?;
    }
    let left = There::look(&state).ids();
    // At once, while the one or other launch may still be under way: whoever was killed makes none any more.
    same("`atlas list`", &listed(ground, &state)?, &left)?;
    nothing_is_ended(ground, &left, &handed_out)?;
    can_be_ended(ground, &left)?;
    Ok(format!("killed after {moments:?} ms, leaving {} machines; then `atlas list` and `reap`", left.len()))
}

/// `atlas reap` shows every machine as spawned by hand, ends none, and finds out about every create.
fn nothing_is_ended(ground: &Ground, left: &BTreeSet<String>, handed_out: &[serde_json::Value]) -> Outcome {
    let state = ground.state();
    reap(ground, &state, &["--wait"])?.calls_all(left, "plain")?;
    let there = There::look(&state);
    same("what there is after `atlas reap`", &there.ids(), left)?;
    if let Some(stray) = there.strays.first() {
        return Err(format!("process {stray} belongs to no machine"));
    }
    for machine in handed_out {
        let id = text(machine, "id").unwrap_or_default();
        if !left.contains(&id) {
            return Err(format!("machine {id} was handed out, and is not there"));
        }
        // One that runs a command of its own serves nothing.
        let Some(url) = text(&machine["ports"][0], "url") else { continue };
        let token = text(&machine["auth"], "token").unwrap_or_default();
        let about = until("it answers", || visit(&url, &token).ok_or_else(|| format!("machine {id} does not answer")))?;
        if text(&about, "compute_id") != Some(id.clone()) {
            return Err(format!("at {url} of machine {id} there is {about}"));
        }
    }
    let again = reap(ground, &state, &[])?;
    again.calls_all(left, "plain")?;
    match again.others.first() {
        None => Ok(()),
        Some(other) => Err(format!("a create is still said to be {other}, and whoever sent it is dead")),
    }
}

/// Whoever wants to can end them all.
fn can_be_ended(ground: &Ground, left: &BTreeSet<String>) -> Outcome {
    let state = ground.state();
    if !left.is_empty() {
        let words: Vec<&str> =
            ["terminate", "--provider", "local"].into_iter().chain(left.iter().map(String::as_str)).collect();
        atlas(ground, &state, &words)?.good().map_err(|error| format!("`atlas terminate`: {error}"))?;
    }
    There::look(&state).nothing()?;
    ground.is_left_clean(&state)?;
    same("`atlas list` at the end", &listed(ground, &state)?, &BTreeSet::new())
}

fn same(what: &str, found: &BTreeSet<String>, wanted: &BTreeSet<String>) -> Outcome {
    if found == wanted { Ok(()) } else { Err(format!("{what} has {found:?} instead of {wanted:?}")) }
}

/// What is spawned.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// The built-in service.
    Service,
    /// The same, waited for until it answers.
    Awaited,
    /// A command that starts another one and leaves it behind.
    Command,
}

const KINDS: [Kind; 5] = [Kind::Service, Kind::Service, Kind::Awaited, Kind::Awaited, Kind::Command];

fn spawn(ground: &Ground, kind: Kind) -> Outcome<Running> {
    let service = ["--port", "8000/http", "--auth", "bearer", "--wait"];
    let words: &[&str] = match kind {
        Kind::Service => &service[..service.len() - 1],
        Kind::Awaited => &service,
        Kind::Command => &["--", "/bin/sh", "-c", "/bin/sleep 600 & exec /bin/sleep 600"],
    };
    ground.start(Program::Atlas, &[&["--json", "spawn", "--provider", "local"], words].concat(), &[])
}

/// How long a spawn takes.
pub(crate) fn measure(ground: &Ground) -> Outcome<Duration> {
    let mut running = spawn(ground, Kind::Awaited)?;
    match running.ended()? {
        0 => Ok(running.begun.elapsed()),
        code => Err(format!("a spawn that nobody disturbed ended with {code}: {}", running.complaint())),
    }
}
