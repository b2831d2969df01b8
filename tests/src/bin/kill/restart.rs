//! What is started after a demo was killed, and what it must make of what it finds.

use std::time::Duration;

use crate::Outcome;
use crate::ground::{Ground, always, within};
use crate::machines::{There, processes};
use crate::reap::{aliens_are_told_and_ended_only_by_hand, atlas, reap};
use crate::story::Story;

/// How long an orchestrator may take to end that nobody speaks to any more.
const ORPHAN: Duration = Duration::from_secs(15);

/// What is started.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Restart {
    /// `atlas demo`: the whole story.
    Whole,
    /// `atlas demo --stay`, and Ctrl-C when it stays.
    Stay,
    /// `atlas reap`.
    Reap,
}

impl Restart {
    /// With the books: what was left is ended, and nothing is left of what was started anew.
    pub(crate) fn with_books(self, ground: &Ground) -> Outcome {
        let state = ground.demo_state();
        match self {
            Self::Whole => drop(atlas(ground, &ground.state(), &["demo"])?.good()?),
            Self::Stay => {
                let mut story = stay(ground, &There::default())?;
                match story.interrupt(ground)? {
                    0 => {}
                    code => return Err(format!("the demo ended with {code}: {}", story.running.complaint())),
                }
            }
            Self::Reap => drop(reap(ground, &ground.state(), &["--wait"])?),
        }
        // Not patiently: who says that nothing is left has seen it.
        There::look(&state).nothing().map_err(|error| format!("after {self:?}: {error}"))?;
        ground.is_left_clean(&state)
    }

    /// Without: nobody whom an earlier demo served is ended, and each is named.
    pub(crate) fn without_books(self, ground: &Ground, before: &There) -> Outcome {
        let state = ground.demo_state();
        match self {
            Self::Whole => {
                let answer = atlas(ground, &ground.state(), &["demo"])?;
                names(before, answer.code, &answer.complaint)?;
            }
            Self::Stay => {
                let mut story = stay(ground, before)?;
                let code = story.interrupt(ground)?;
                names(before, code, &story.running.complaint())?;
            }
            Self::Reap => reap(ground, &ground.state(), &["--wait"])?.calls_all(&before.ids(), "alien")?,
        }
        let there = There::look(&state);
        there.has_all_of(before)?;
        if there.machines.len() > before.machines.len() {
            return Err(format!(
                "after {self:?} there are {:?}, and before there were {:?}",
                there.ids(),
                before.ids()
            ));
        }
        aliens_are_told_and_ended_only_by_hand(ground, &state, before)
    }
}

/// A demo that stays, with a machine for each of its users, beside those of `others`; and it keeps them.
fn stay(ground: &Ground, others: &There) -> Outcome<Story> {
    let mut story = Story::start(ground)?;
    if !story.listen_until_it_stays()? {
        story.goes_on()?;
    }
    let there = story.has_one_machine_each(ground, others)?;
    always(Duration::from_secs(1), || There::look(&ground.demo_state()).has_all_of(&there))?;
    Ok(story)
}

/// A demo that finds what it does not know ends with a failure, and names it.
pub(crate) fn names(before: &There, code: i32, complaint: &str) -> Outcome {
    match before.machines.keys().find(|id| !complaint.contains(id.as_str())) {
        Some(id) => Err(format!("the demo ended with {code} and does not name machine {id}: {complaint}")),
        None if code == 0 && !before.machines.is_empty() => Err("the demo ended with 0".to_owned()),
        None if code != 0 && before.machines.is_empty() => Err(format!("the demo ended with {code}: {complaint}")),
        None => Ok(()),
    }
}

/// The orchestrators of demos here.
pub(crate) fn orchestrators(ground: &Ground) -> Vec<i32> {
    let all = processes(&ground.demo_state());
    all.iter().filter(|process| process.words.contains(" __demo ")).map(|process| process.pid).collect()
}

/// Waits until the orchestrator of a killed demo has ended, as it does by itself.
pub(crate) fn orphans_end(ground: &Ground) -> Outcome {
    within(ORPHAN, "the orchestrator of a killed demo ends", || match orchestrators(ground).first() {
        None => Ok(()),
        Some(pid) => Err(format!("process {pid} is there")),
    })
}
