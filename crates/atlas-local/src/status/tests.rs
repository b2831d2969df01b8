//! What a folder says of its machine, as a table.

use atlas_pod::{ExitReport, PodReport};
use serde_json::json;

use super::*;

fn report(run: u64) -> PodReport {
    serde_json::from_value(json!({
        "run": run, "compute_id": "m-abcdefghij", "pid": 7, "started_ticks": 1, "boot_id": "b", "session": 7,
        "marker": "m", "ports": [], "started_at": "2027-01-01T00:00:00Z",
    }))
    .unwrap()
}

fn exit(run: u64, outcome: &serde_json::Value) -> ExitReport {
    serde_json::from_value(json!({ "run": run, "outcome": outcome, "at": "2027-01-01T00:00:01Z", "asked": false }))
        .unwrap()
}

#[test]
fn what_an_earlier_run_left_says_nothing_of_the_latest() {
    let code = json!({ "code": 3 });
    let signal = json!({ "signal": 9 });
    let cases = [
        (PodState::NeverStarted, Process::None),
        (PodState::Busy, Process::Changing),
        (PodState::Running(report(2)), Process::Alive),
        // A run that its owner had given up and that came up all the same does live.
        (PodState::Running(report(1)), Process::Alive),
        (PodState::Exited(report(2), exit(2, &code)), Process::Ended(3)),
        (PodState::Exited(report(2), exit(2, &signal)), Process::Ended(137)),
        (PodState::Exited(report(1), exit(1, &code)), Process::None),
        (PodState::Dead(report(2)), Process::Lost),
        (PodState::Dead(report(1)), Process::None),
    ];
    for (state, process) in cases {
        assert_eq!(Process::of(&state, 2), process, "{state:?}");
    }
}

#[test]
fn every_status() {
    let mut table = Vec::new();
    for wanted in [Wanted::Running, Wanted::Stopped, Wanted::Gone] {
        for process in [Process::None, Process::Changing, Process::Alive, Process::Ended(3), Process::Lost] {
            for held in [false, true] {
                let (status, code) = status(wanted, process, held);
                let code = code.map_or(String::new(), |code| format!(" with {code}"));
                let held = if held { "held" } else { "free" };
                let (wanted, process) = (format!("{wanted:?}"), format!("{process:?}"));
                table.push(format!("{wanted:8} {process:10} {held} => {status}{code}"));
            }
        }
    }
    insta::assert_snapshot!(table.join("\n"), @r"
    Running  None       free => failed
    Running  None       held => starting
    Running  Changing   free => starting
    Running  Changing   held => starting
    Running  Alive      free => running
    Running  Alive      held => running
    Running  Ended(3)   free => exited with 3
    Running  Ended(3)   held => exited with 3
    Running  Lost       free => failed
    Running  Lost       held => failed
    Stopped  None       free => stopped
    Stopped  None       held => stopped
    Stopped  Changing   free => stopping
    Stopped  Changing   held => stopping
    Stopped  Alive      free => stopping
    Stopped  Alive      held => stopping
    Stopped  Ended(3)   free => stopped
    Stopped  Ended(3)   held => stopped
    Stopped  Lost       free => stopped
    Stopped  Lost       held => stopped
    Gone     None       free => terminating
    Gone     None       held => terminating
    Gone     Changing   free => terminating
    Gone     Changing   held => terminating
    Gone     Alive      free => terminating
    Gone     Alive      held => terminating
    Gone     Ended(3)   free => terminating
    Gone     Ended(3)   held => terminating
    Gone     Lost       free => terminating
    Gone     Lost       held => terminating
    ");
}
