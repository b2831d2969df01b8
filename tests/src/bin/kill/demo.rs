//! `atlas demo --stay`, killed at any moment of its start or later, perhaps twice in a row.

use std::time::Duration;

use crate::Outcome;
use crate::ground::Ground;
use crate::machines::There;
use crate::plan::{Books, Round};
use crate::restart::{Restart, orphans_end};
use crate::story::Story;

/// One run. `span` is how long a start takes.
pub(crate) fn run(mut round: Round, ground: &Ground, span: Duration) -> Outcome<String> {
    let chance = &mut round.chance;
    let mut moments = Vec::new();
    for _ in 0..=chance.below(2) {
        let mut story = Story::start(ground)?;
        let moment = chance.moment_of_life(span);
        story.listen(story.running.begun + moment);
        story.goes_on()?;
        story.running.kill()?;
        moments.push(moment.as_millis());
        ground.note(format!("killed the demo after {} ms", moment.as_millis()));
        // At once, so that its orchestrator is still there, or later.
        std::thread::sleep(Duration::from_millis(chance.pick([0, 0, 100, 2000])));
    }
    let restart = chance.pick([Restart::Whole, Restart::Stay, Restart::Stay, Restart::Reap]);
    let left = match round.books {
        Books::Kept => {
            let left = There::look(&ground.demo_state());
            restart.with_books(ground)?;
            left
        }
        Books::Lost => {
            orphans_end(ground)?;
            ground.lose_books(&ground.demo_state())?;
            let left = There::settled(&ground.demo_state());
            restart.without_books(ground, &left)?;
            left
        }
    };
    Ok(format!("killed after {moments:?} ms, leaving {} machines; then {restart:?}", left.machines.len()))
}

/// How long a start takes until all users have their machines.
pub(crate) fn measure(ground: &Ground) -> Outcome<Duration> {
    let mut story = Story::start(ground)?;
    if !story.listen_until_it_stays()? {
        story.goes_on()?;
    }
    let span = story.running.begun.elapsed();
    match story.interrupt(ground)? {
        0 => ground.is_left_clean(&ground.demo_state()).map(|()| span),
        code => Err(format!("a demo that nobody disturbed ended with {code}: {}", story.running.complaint())),
    }
}
