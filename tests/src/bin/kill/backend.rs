//! The example backend `gpu_per_user`, killed while its users open their pages and beat, perhaps twice in a row. Of three
//! users two come back, the third is never heard of again.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::Outcome;
use crate::browser::{Browser, machines_of};
use crate::ground::{Ground, PATIENCE, always, until};
use crate::machines::There;
use crate::plan::{Books, Round};
use crate::process::{Program, Running};
use crate::reap::{aliens_are_told_and_ended_only_by_hand, reap};

/// After so long without a heartbeat a machine is ended.
const IDLE: Duration = Duration::from_secs(3);

/// So long a time without a backend would end everybody, were it counted: activity is stored up to six seconds ahead.
const DOWN: Duration = Duration::from_secs(11);

const SETTINGS: &[(&str, &str)] =
    &[("ATLAS_ORCHESTRATOR__IDLE_TTL", "3s"), ("ATLAS_ORCHESTRATOR__REAP_INTERVAL", "1s")];

/// How often a page beats.
const BEAT: Duration = Duration::from_millis(300);

const USERS: [&str; 3] = ["ada", "bob", "cy"];

/// One run. `span` is how long it takes until all users have their machines.
pub(crate) fn run(mut round: Round, ground: &Ground, span: Duration) -> Outcome<String> {
    let chance = &mut round.chance;
    let mut users = USERS.map(Browser::new);
    let mut moments = Vec::new();
    let mut lived = Duration::ZERO;
    for _ in 0..=chance.below(2) {
        let mut running = start(ground)?;
        let moment = chance.moment_of_life(span);
        use_until_killed(&mut users, &mut running, moment, lived)?;
        lived += running.begun.elapsed();
        moments.push(moment.as_millis());
        ground.note(format!("killed the backend after {} ms; machines {:?}", moment.as_millis(), machines_of(&users)));
    }
    // Whoever cannot be heard is not idle, for however long.
    let down = chance.pick([Duration::ZERO, Duration::ZERO, Duration::ZERO, DOWN]);
    std::thread::sleep(down);
    let reaped = chance.below(3) == 0;
    let left = There::settled(&ground.state());
    match round.books {
        Books::Kept => with_books(ground, users, reaped, lived)?,
        Books::Lost => without_books(ground, users, &left)?,
    }
    let by = if reaped && round.books == Books::Kept { "`atlas reap`, then " } else { "" };
    Ok(format!(
        "killed after {moments:?} ms, leaving {} machines; {} s later {by}the backend",
        left.machines.len(),
        down.as_secs()
    ))
}

fn with_books(ground: &Ground, users: [Browser; 3], reaped: bool, lived: Duration) -> Outcome {
    let state = ground.state();
    if reaped && state.join("store.redb").exists() {
        reap(ground, &state, &["--wait"])?.holds_all(&There::look(&state).ids())?;
    }
    let [ada, bob, cy] = users;
    let mut running = start(ground)?;
    let url = listens(&running)?;
    let mut here = [ada, bob];
    come_back(&mut here, &url)?;
    let begun = running.begun;
    let cy_is_kept = || match cy.has_its_machine() {
        Err(error) if lived + begun.elapsed() < cy.heard + IDLE => Err(format!("{error}, too early")),
        _ => Ok(()),
    };
    let given = machines_of(&here);
    until("each user has one machine", || {
        beat(&here, &url)?;
        cy_is_kept()?;
        let there = There::look(&state);
        let others = there.ids().difference(&given).count();
        let all = there.ids().is_superset(&given) && given.len() == here.len() && there.strays.is_empty();
        if all && others <= 1 { Ok(()) } else { Err(format!("{given:?} were given, and there are {there:?}")) }
    })?;
    keep_beating(&here, &url, cy_is_kept)?;
    // Who was never heard of again: after a while everything is about those who are here.
    until("the silent user's machine is ended", || {
        beat(&here, &url)?;
        let there = There::look(&state);
        if there.ids() == given && there.strays.is_empty() { Ok(()) } else { Err(format!("{cy:?} of {there:?}")) }
    })?;
    here.iter().try_for_each(Browser::has_its_machine)?;
    // Everybody falls silent.
    until("everything is ended", || There::look(&state).nothing())?;
    stop(&mut running)?;
    ground.is_left_clean(&state)
}

fn without_books(ground: &Ground, users: [Browser; 3], left: &There) -> Outcome {
    let state = ground.state();
    ground.lose_books(&state)?;
    let mut running = start(ground)?;
    let url = listens(&running)?;
    let [mut ada, bob, cy] = users;
    ada.opened = None;
    let mut here = [ada];
    come_back(&mut here, &url)?;
    if left.machines.keys().any(|id| machines_of(&here).contains(id)) {
        return Err(format!("{here:?} was given a machine of which nothing is known any more"));
    }
    let unharmed = || {
        There::look(&state).has_all_of(left)?;
        bob.has_its_machine()?;
        cy.has_its_machine()
    };
    keep_beating(&here, &url, unharmed)?;
    until("the one who was known and fell silent is ended", || {
        let there = There::look(&state).ids();
        if there == left.ids() { Ok(()) } else { Err(format!("{there:?}")) }
    })?;
    stop(&mut running)?;
    unharmed()?;
    aliens_are_told_and_ended_only_by_hand(ground, &state, left)
}

/// How long it takes until all users have their machines.
pub(crate) fn measure(ground: &Ground) -> Outcome<Duration> {
    let mut running = start(ground)?;
    let url = listens(&running)?;
    let mut users = USERS.map(Browser::new);
    come_back(&mut users, &url)?;
    let span = running.begun.elapsed();
    until("everything is ended", || There::look(&ground.state()).nothing())?;
    stop(&mut running)?;
    Ok(span)
}

fn start(ground: &Ground) -> Outcome<Running> {
    ground.start(Program::Backend, &["127.0.0.1:0"], SETTINGS)
}

/// Waits until it listens. Gives where.
fn listens(running: &Running) -> Outcome<String> {
    let line = running.line(Instant::now() + PATIENCE).unwrap_or_default();
    line["url"].as_str().map(str::to_owned).ok_or_else(|| format!("the backend did not start: {}", running.complaint()))
}

fn stop(running: &mut Running) -> Outcome {
    running.send(Signal::TERM);
    match running.ended()? {
        0 => Ok(()),
        code => Err(format!("the backend ended with {code}: {}", running.complaint())),
    }
}

/// All open their pages at once, and beat until the backend is killed at its moment.
fn use_until_killed(users: &mut [Browser], running: &mut Running, moment: Duration, lived: Duration) -> Outcome {
    let begun = running.begun;
    let until = begun + moment;
    let Some(url) = running.line(until).and_then(|line| line["url"].as_str().map(str::to_owned)) else {
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
        return running.kill();
    };
    let dead = AtomicBool::new(false);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|threads| {
        for user in users {
            let (url, dead, wrong) = (&url, &dead, &wrong);
            threads.spawn(move || {
                let mut heard = lived + begun.elapsed();
                let mut there = user.open(url);
                while there == Ok(true) && !dead.load(Ordering::Relaxed) {
                    user.heard = heard;
                    heard = lived + begun.elapsed();
                    there = match user.beat(url) {
                        Some(204) => Ok(true),
                        None => Ok(false),
                        Some(status) => Err(format!("a beat of {} was answered {status}", user.name())),
                    };
                    std::thread::sleep(BEAT);
                }
                if let Err(error) = there {
                    wrong.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(error);
                }
            });
        }
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
        let killed = running.kill();
        dead.store(true, Ordering::Relaxed);
        killed
    })?;
    let wrong = wrong.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    wrong.into_iter().next().map_or(Ok(()), Err)
}

/// All open their pages at once, and beat until each has its machine.
fn come_back(users: &mut [Browser], url: &str) -> Outcome {
    let waiting = AtomicUsize::new(users.len());
    let open = |user: &mut Browser| {
        let there = user.open(url);
        waiting.fetch_sub(1, Ordering::Relaxed);
        while there == Ok(true) && waiting.load(Ordering::Relaxed) > 0 {
            beat(std::slice::from_ref(user), url)?;
            std::thread::sleep(BEAT);
        }
        if there? { Ok(()) } else { Err("the backend does not answer".to_owned()) }
    };
    std::thread::scope(|threads| {
        let opening: Vec<_> = users.iter_mut().map(|user| threads.spawn(|| open(user))).collect();
        opening.into_iter().try_for_each(|opening| opening.join().map_err(|_| "a browser panicked".to_owned())?)
    })
}

/// Whoever beats keeps its machine, for longer than anybody else would.
fn keep_beating(users: &[Browser], url: &str, others: impl Fn() -> Outcome) -> Outcome {
    always(IDLE * 2, || {
        beat(users, url)?;
        others()?;
        users.iter().try_for_each(Browser::has_its_machine)
    })
}

fn beat(users: &[Browser], url: &str) -> Outcome {
    users.iter().try_for_each(|user| match user.beat(url) {
        Some(204) => Ok(()),
        other => Err(format!("a beat of {} was answered {other:?}", user.name())),
    })
}
