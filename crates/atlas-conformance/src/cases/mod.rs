//! The table, and the proofs, a file for each group.

/// Shortens a row of the table to what differs.
macro_rules! case {
    ($name:literal, $promise:literal, $needs:expr, $cost:expr, $proof:path) => {
        Case {
            name: $name,
            promise: $promise,
            needs: $needs,
            cost: $cost,
            prove: |bench| Box::pin($proof(bench)),
            lingers: false,
        }
    };
    ($name:literal, $promise:literal, $needs:expr, $cost:expr, $proof:path, lingers) => {
        Case { lingers: true, ..case!($name, $promise, $needs, $cost, $proof) }
    };
}

mod capability;
mod catalog;
mod declared;
mod job;
mod life;
mod listing;
mod mark;
mod patience;
mod refusal;
mod rented;
mod secrecy;
mod trouble;
mod volume;

use atlas_core::Capability;

use crate::case::{Case, Cost, Needs};

const ANY: Needs = Needs::Nothing;
const FREE: Cost = Cost::Free;
const ONE: Cost = Cost::Machines(1);
const JOBS: Needs = with(Capability::Serverless);

const fn with(capability: Capability) -> Needs {
    Needs::With(capability)
}

const fn without(capability: Capability) -> Needs {
    Needs::Without(capability)
}

/// The rows of each room, in the order in which they are reported.
const ROOMS: &[&[Case]] = &[
    life::CASES,
    listing::CASES,
    rented::CASES,
    mark::CASES,
    capability::CASES,
    declared::CASES,
    refusal::CASES,
    secrecy::CASES,
    trouble::CASES,
    patience::CASES,
    catalog::CASES,
    volume::CASES,
    job::CASES,
];

/// Every case, in the order in which they are reported.
pub const CASES: &[Case] = &joined::<{ count(ROOMS) }>(ROOMS);

const fn count(rooms: &[&[Case]]) -> usize {
    let (mut room, mut count) = (0, 0);
    while room < rooms.len() {
        count += rooms[room].len();
        room += 1;
    }
    count
}

const fn joined<const COUNT: usize>(rooms: &[&[Case]]) -> [Case; COUNT] {
    let mut all = [rooms[0][0]; COUNT];
    let (mut room, mut row, mut place) = (0, 0, 0);
    while place < COUNT {
        if row < rooms[room].len() {
            all[place] = rooms[room][row];
            (row, place) = (row + 1, place + 1);
        } else {
            (room, row) = (room + 1, 0);
        }
    }
    all
}
