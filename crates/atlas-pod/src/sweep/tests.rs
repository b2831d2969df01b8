//! Who counts as the pod's.

use super::*;

const SUPERVISOR: i32 = 100;
const BEGUN: u64 = 1000;

fn scope(alive: bool) -> Scope {
    Scope { root: SUPERVISOR, alive, session: SUPERVISOR, not_before: BEGUN, marker: None, output: None, own: 999 }
}

/// pid, parent, session.
fn process(pid: i32, parent: i32, session: i32) -> Process {
    Process { pid, parent, session, started: BEGUN + 1, dead: false }
}

fn selected(scope: &Scope, processes: &[Process], bearers: &[i32]) -> Vec<i32> {
    select(scope, processes, |pid| bearers.contains(&pid)).iter().map(|process| process.pid).collect()
}

#[test]
fn a_live_supervisor_has_all_that_descend_from_it() {
    let processes = [
        process(105, 104, 105), // listed before its parent
        process(SUPERVISOR, 1, SUPERVISOR),
        process(101, SUPERVISOR, SUPERVISOR), // the command
        process(102, 101, 102),               // its child in another session
        process(103, SUPERVISOR, 103),        // an orphan that came to the supervisor
        process(104, 103, 103),
        process(200, 1, 200), // a stranger
        process(201, 200, 200),
        process(999, 101, SUPERVISOR), // whoever asks
    ];
    assert_eq!(selected(&scope(true), &processes, &[]), [105, 101, 102, 103, 104]);
}

#[test]
fn a_dead_supervisors_number_proves_nothing() {
    let processes = [
        process(SUPERVISOR, 1, SUPERVISOR), // somebody else, who got the number and leads a session
        process(101, SUPERVISOR, SUPERVISOR),
        process(102, 1, SUPERVISOR),
    ];
    assert_eq!(selected(&scope(false), &processes, &[]), Vec::<i32>::new());
}

#[test]
fn a_bearer_proves_itself_its_descendants_and_the_session_it_keeps() {
    let processes = [
        process(101, 1, SUPERVISOR), // in the pod's session, without marker
        process(102, 1, SUPERVISOR), // a bearer in it
        process(103, 1, 103),        // a bearer that leads a session of its own
        process(104, 1, 103),        // whose leader lives and is ours
        process(105, 104, 105),
        process(200, 1, 200),
    ];
    assert_eq!(selected(&scope(false), &processes, &[102, 103]), [101, 102, 103, 104, 105]);
    // A bearer elsewhere says nothing of the pod's session.
    assert_eq!(selected(&scope(false), &processes, &[103]), [103, 104, 105]);
    // Nor of a session that it was only let into.
    let processes = [process(300, 1, 400), process(301, 1, 400)];
    assert_eq!(selected(&scope(false), &processes, &[300]), [300]);
}

#[test]
fn what_began_before_the_pod_is_not_its_own() {
    let mut before = process(101, SUPERVISOR, SUPERVISOR);
    before.started = BEGUN - 1;
    assert_eq!(selected(&scope(true), &[before], &[101]), Vec::<i32>::new());
}

#[test]
fn the_dead_are_not_counted_but_lead_to_the_living() {
    let mut zombie = process(101, SUPERVISOR, SUPERVISOR);
    zombie.dead = true;
    assert_eq!(selected(&scope(true), &[zombie, process(102, 101, 102)], &[]), [102]);
}
