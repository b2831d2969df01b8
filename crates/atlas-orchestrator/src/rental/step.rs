//! The life of a rental as a pure function: no clock, no store, no cloud.

use serde::{Deserialize, Serialize};

/// What a held machine is on its way to, as the store has it. Only this decides on stop and start (rule P9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Power {
    Starting,
    Up,
    Stopping,
    Down,
}

/// How far a rental has come, without its particulars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// The create may happen, or may have happened.
    Open,
    /// It became a machine that somebody holds.
    Held(Power),
    /// Nobody holds it, and whether there is a machine is not known.
    Unfound,
    /// Nobody holds it, and there is a machine.
    Releasing,
    /// Nothing of it is left.
    Closed,
}

/// What can happen to a rental.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    /// A machine of it is known: the create was answered, or a search found it.
    Bound,
    /// The create was provably not carried out.
    NothingMade,
    /// The create provably never landed (P2).
    Absent,
    /// A read shows it running and its port answers.
    Ready,
    /// A read shows it running or on its way there.
    Running,
    /// A read shows it running again, and nobody here had asked for its stop.
    Returned,
    /// A read shows it running behind other ports.
    Moved,
    /// A read shows it stopped.
    Stopped,
    /// A read shows that it ended by itself, broke, or is being ended by somebody else.
    Over,
    /// It is proven gone (P4).
    Gone,
    /// It is lost (P5): still one more terminate is tried.
    Lost,
    /// Its user wants it stopped.
    Stop,
    /// Its user wants it back.
    Start,
    /// It has no living holder any more.
    HolderGone,
    /// A machine of it was seen after it was closed, twice, a grace apart (O4).
    Appeared,
    /// An operator closes it by hand.
    WrittenOff,
}

/// What is to be done about it, in the same commit or right after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Search for machines that bear its token.
    Find,
    /// Read the machine.
    Read,
    /// Tell the cloud to stop it.
    Stop,
    /// Tell the cloud to start it.
    Start,
    /// Tell the cloud to end it.
    Terminate,
    /// Make its endpoint known, under a higher generation.
    Publish,
    /// Forget its endpoint: the old port may be a stranger's soon (P12).
    Unpublish,
    /// Its holder loses it.
    FreeHolder,
    /// Stop counting its cost.
    StopCounting,
}

/// What a rental becomes, and what is to be done about it.
///
/// Nothing leads out of `Unfound` and `Releasing` but a proof: a machine without a holder goes (P4).
#[expect(clippy::match_same_arms, reason = "one line a transition, in the order of the states: it is read as a table")]
pub(crate) const fn step(state: State, input: Input) -> (State, &'static [Action]) {
    use Action::{Find, FreeHolder, Publish, Read, Start, Stop, StopCounting, Terminate, Unpublish};
    use Power::{Down, Starting, Stopping, Up};
    use State::{Closed, Held, Open, Releasing, Unfound};
    match (state, input) {
        (Open, Input::Bound) => (Held(Starting), &[Read]),
        (Open, Input::NothingMade | Input::Absent | Input::WrittenOff) => (Closed, &[FreeHolder, StopCounting]),
        (Open, Input::HolderGone) => (Unfound, &[Find]),
        // Nothing is read, stopped or started of a machine that is not known.
        (
            Open | Unfound,
            Input::Ready
            | Input::Running
            | Input::Returned
            | Input::Moved
            | Input::Stopped
            | Input::Over
            | Input::Stop
            | Input::Start
            | Input::Appeared,
        )
        | (Open, Input::Gone | Input::Lost) => (state, &[]),

        (Held(Starting), Input::Ready) => (Held(Up), &[Publish]),
        (Held(Starting), Input::Running) => (Held(Starting), &[Read]),
        (Held(Starting), Input::Stopped) => (Held(Starting), &[Start]),
        (Held(Starting | Up), Input::Stop) => (Held(Stopping), &[Unpublish, Stop]),
        (Held(Up), Input::Ready | Input::Running) => (Held(Up), &[]),
        // Its old port may be a stranger's, and the new one is not known to be its own yet.
        (Held(Up), Input::Moved) => (Held(Starting), &[Unpublish, Read]),
        (Held(Starting | Stopping | Down), Input::Moved) => (state, &[]),
        // Somebody stopped it behind our back: what is stored follows what is.
        (Held(Up), Input::Stopped) => (Held(Down), &[Unpublish]),
        (Held(Stopping), Input::Ready | Input::Running) => (Held(Stopping), &[Stop]),
        (Held(Stopping), Input::Stopped) => (Held(Down), &[]),
        (Held(Stopping | Down), Input::Start) => (Held(Starting), &[Start]),
        (Held(Down), Input::Stopped) => (Held(Down), &[]),
        // It runs although it should not: it bills and nobody uses it.
        (Held(Down), Input::Ready | Input::Running) => (Held(Stopping), &[Stop]),
        // It was stopped behind our back, or the cloud lied: its user has it back.
        (Held(Down), Input::Returned) => (Held(Starting), &[Read]),
        (Held(Starting | Up | Stopping), Input::Returned) => (state, &[]),
        (Held(Starting | Up), Input::Start) | (Held(Stopping | Down), Input::Stop) => (state, &[]),
        (Held(_), Input::Over | Input::Lost) => (Releasing, &[Unpublish, FreeHolder, Terminate]),
        (Held(_), Input::HolderGone) => (Releasing, &[Unpublish, Terminate]),
        (Held(_), Input::Gone | Input::WrittenOff) => (Closed, &[Unpublish, FreeHolder, StopCounting]),
        (Held(_), Input::Bound | Input::NothingMade | Input::Absent | Input::Appeared) => (state, &[]),

        (Unfound, Input::Bound) => (Releasing, &[Terminate]),
        (Unfound, Input::NothingMade | Input::Absent | Input::Gone | Input::WrittenOff) => (Closed, &[StopCounting]),
        (Unfound, Input::HolderGone | Input::Lost) => (Unfound, &[]),

        (Releasing, Input::Gone | Input::WrittenOff) => (Closed, &[StopCounting]),
        (Releasing, Input::Ready | Input::Running | Input::Returned | Input::Moved | Input::Stopped | Input::Over) => {
            (Releasing, &[Terminate])
        }
        (
            Releasing,
            Input::Bound
            | Input::NothingMade
            | Input::Absent
            | Input::Lost
            | Input::Stop
            | Input::Start
            | Input::HolderGone
            | Input::Appeared,
        ) => (Releasing, &[]),

        (Closed, Input::Appeared) => (Releasing, &[Terminate]),
        (
            Closed,
            Input::Bound
            | Input::NothingMade
            | Input::Absent
            | Input::Ready
            | Input::Running
            | Input::Returned
            | Input::Moved
            | Input::Stopped
            | Input::Over
            | Input::Gone
            | Input::Lost
            | Input::Stop
            | Input::Start
            | Input::HolderGone
            | Input::WrittenOff,
        ) => (Closed, &[]),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const STATES: [State; 8] = [
        State::Open,
        State::Held(Power::Starting),
        State::Held(Power::Up),
        State::Held(Power::Stopping),
        State::Held(Power::Down),
        State::Unfound,
        State::Releasing,
        State::Closed,
    ];
    const INPUTS: [Input; 16] = [
        Input::Bound,
        Input::NothingMade,
        Input::Absent,
        Input::Ready,
        Input::Running,
        Input::Returned,
        Input::Moved,
        Input::Stopped,
        Input::Over,
        Input::Gone,
        Input::Lost,
        Input::Stop,
        Input::Start,
        Input::HolderGone,
        Input::Appeared,
        Input::WrittenOff,
    ];

    #[test]
    fn the_whole_policy_as_a_table() {
        let mut table = String::new();
        for state in STATES {
            for input in INPUTS {
                let (next, actions) = step(state, input);
                if next != state || !actions.is_empty() {
                    writeln!(table, "{state:?} + {input:?} -> {next:?} {actions:?}").unwrap();
                }
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn p4_only_a_proof_leads_out_of_releasing() {
        for state in [State::Unfound, State::Releasing] {
            for input in INPUTS {
                if step(state, input).0 == State::Closed {
                    assert!(
                        matches!(input, Input::Gone | Input::Absent | Input::NothingMade | Input::WrittenOff),
                        "{state:?} {input:?}"
                    );
                }
                assert!(!matches!(step(state, input).0, State::Held(_) | State::Open), "{state:?} {input:?}");
            }
        }
    }

    #[test]
    fn p12_the_endpoint_is_forgotten_whenever_up_is_left() {
        for input in INPUTS {
            let (next, actions) = step(State::Held(Power::Up), input);
            assert_eq!(next != State::Held(Power::Up), actions.contains(&Action::Unpublish), "{input:?}");
        }
    }

    #[test]
    fn p4_terminate_is_only_said_to_what_is_releasing() {
        for state in STATES {
            for input in INPUTS {
                let (next, actions) = step(state, input);
                assert!(!actions.contains(&Action::Terminate) || next == State::Releasing, "{state:?} {input:?}");
            }
        }
    }

    #[test]
    fn p5_lost_passes_through_releasing() {
        for power in [Power::Starting, Power::Up, Power::Stopping, Power::Down] {
            assert_eq!(step(State::Held(power), Input::Lost).0, State::Releasing);
        }
    }
}
