//! The orchestrator of `atlas demo --stay`, killed at any moment, perhaps twice. The demo starts another and goes on, or,
//! where the kill came into its own first steps, ends with a failure.

use std::time::Duration;

use rustix::process::Signal;

use crate::Outcome;
use crate::ground::{Ground, always, until};
use crate::machines::There;
use crate::plan::{Books, Round};
use crate::process::send;
use crate::restart::{Restart, names, orchestrators};
use crate::story::Story;

/// Longer than a session of the demo lives without a touch.
const LONGER_THAN_IDLE: Duration = Duration::from_secs(6);

/// So long a time without an orchestrator would end everybody, were it counted: activity is stored up to six seconds ahead.
const DOWN: Duration = Duration::from_secs(12);

/// One run. `span` is how long a start takes.
pub(crate) fn run(mut round: Round, ground: &Ground, span: Duration) -> Outcome<String> {
    let chance = &mut round.chance;
    let mut story = Story::start(ground)?;
    let mut moments = Vec::new();
    let mut unknown = There::default();
    let begun = story.running.begun;
    // With the books lost only one kill: what is made between two losses would be unknown only to the second.
    let kills = if round.books == Books::Lost { 1 } else { 1 + chance.below(2) };
    for number in 0..kills {
        // The second one while the first is being made up for, or later.
        let moment = begun.elapsed() + chance.moment_of_life(if number == 0 { span } else { span / 4 });
        story.listen(begun + moment);
        let down = chance.pick([Duration::ZERO, Duration::ZERO, Duration::ZERO, DOWN]);
        let Some(killed) = kill(ground, &mut story, round.books, down)? else { break };
        unknown = killed;
        moments.push(moment.as_millis());
        ground.note(format!("killed the orchestrator after {} ms", moment.as_millis()));
    }
    let went_on = story.listen_until_it_stays()?;
    let (state, books) = (ground.demo_state(), round.books);
    if went_on {
        let there = if books == Books::Kept {
            story.has_one_machine_each(ground, &There::default())?
        } else {
            until("the machines are up", || Ok(There::look(&state)))?
        };
        always(LONGER_THAN_IDLE, || There::look(&state).has_all_of(&there).and_then(|()| story.goes_on()))?;
        let code = story.interrupt(ground)?;
        names(&unknown, code, &story.running.complaint())?;
    } else if story.end(ground)? == 0 {
        return Err("the demo lost its orchestrator in its first steps and ended with 0".to_owned());
    }
    let restart = chance.pick([Restart::Whole, Restart::Stay, Restart::Reap]);
    match books {
        Books::Kept if went_on => ground.is_left_clean(&state)?,
        Books::Kept => restart.with_books(ground)?,
        Books::Lost => restart.without_books(ground, &unknown)?,
    }
    let so = if went_on { "it went on" } else { "it failed" };
    Ok(format!("killed after {moments:?} ms, {so}; then {restart:?}"))
}

/// Kills the orchestrator as soon as there is one, and sees to it that for a while there is no other. Gives what nobody
/// knows any more; `None` if the demo has ended.
fn kill(ground: &Ground, story: &mut Story, books: Books, down: Duration) -> Outcome<Option<There>> {
    let found = until("there is an orchestrator", || match (orchestrators(ground).first(), story.running.code()) {
        (Some(pid), None) => Ok(Some(*pid)),
        (_, Some(_)) => Ok(None),
        (None, None) => Err("there is none".to_owned()),
    })?;
    let Some(pid) = found else { return Ok(None) };
    // The demo stands still while its books are taken away, lest it start another orchestrator over half of them; and
    // while nobody is to hear it.
    if books == Books::Lost || !down.is_zero() {
        story.running.send(Signal::STOP);
    }
    send(pid, Signal::KILL);
    std::thread::sleep(down);
    let left = match books {
        Books::Kept => There::default(),
        Books::Lost => {
            until("the orchestrator is dead", || {
                if orchestrators(ground).contains(&pid) { Err(format!("process {pid} is there")) } else { Ok(()) }
            })?;
            ground.lose_books(&ground.demo_state())?;
            There::settled(&ground.demo_state())
        }
    };
    story.running.send(Signal::CONT);
    Ok(Some(left))
}
