//! The life of a session as a pure function: no clock, no store, no cloud.

/// How far a session has come, without its particulars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Waiting,
    Served,
    Ending,
    Ended,
}

/// What can happen to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    /// Its turn to get a machine has come.
    Turn,
    /// Its current rental is held.
    Held,
    /// Its current rental was closed before it was ever held: refused, not sent, absent.
    NoMachine,
    /// Its current rental is going, and it shall have another.
    Replace,
    /// It must end: idle, lifetime, asked, failed, lost, …
    End,
    /// The last of its rentals was closed.
    AllClosed,
}

/// What is to be done about it, in the same commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Record an intent and send a create.
    Rent,
    /// Set all its rentals to releasing: they have no living holder any more.
    ReleaseRentals,
    /// Free its key, so that `ensure` makes a new session.
    FreeKey,
    /// It is over.
    Finish,
}

/// What a session becomes, and what is to be done about it.
///
/// An ending is irrevocable (P1): nothing leads from `Ending` but to `Ended`, and nothing from `Ended`.
#[expect(clippy::match_same_arms, reason = "the arms without effect are told apart by why they have none")]
pub(crate) const fn step(state: State, input: Input) -> (State, &'static [Action]) {
    use Action::{Finish, FreeKey, ReleaseRentals, Rent};
    use Input::{AllClosed, End, Held, NoMachine, Replace, Turn};
    use State::{Ended, Ending, Served, Waiting};
    match (state, input) {
        (Waiting, Turn) => (Waiting, &[Rent]),
        (Waiting | Served, Held) => (Served, &[]),
        (Waiting | Served, NoMachine) => (Waiting, &[]),
        (Waiting | Served, Replace) => (Waiting, &[ReleaseRentals]),
        (Waiting | Served, End) => (Ending, &[FreeKey, ReleaseRentals]),
        (Ending, AllClosed) => (Ended, &[Finish]),
        // A rental of a living session may close while it waits for the next: that ends nothing.
        (Waiting | Served, AllClosed) | (Served, Turn) => (state, &[]),
        (Ending | Ended, Turn | Held | NoMachine | Replace | End) | (Ended, AllClosed) => (state, &[]),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const STATES: [State; 4] = [State::Waiting, State::Served, State::Ending, State::Ended];
    const INPUTS: [Input; 6] =
        [Input::Turn, Input::Held, Input::NoMachine, Input::Replace, Input::End, Input::AllClosed];

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
    fn p1_an_ending_is_irrevocable() {
        for input in INPUTS {
            assert!(matches!(step(State::Ending, input).0, State::Ending | State::Ended));
            assert_eq!(step(State::Ended, input), (State::Ended, &[][..]));
            // Nobody who is over gets a machine.
            assert!(!step(State::Ending, input).1.contains(&Action::Rent));
        }
    }

    #[test]
    fn p10_the_key_is_freed_exactly_on_entering_the_ending() {
        for state in STATES {
            for input in INPUTS {
                let (next, actions) = step(state, input);
                let enters = next == State::Ending && state != State::Ending;
                assert_eq!(actions.contains(&Action::FreeKey), enters, "{state:?} {input:?}");
            }
        }
    }
}
