//! The cloud's own books: what was rented from when to when, and what it cost.

use std::collections::BTreeMap;

use atlas_auth::Timestamp;
use atlas_core::{ComputeId, Money, SpawnToken};
use serde::Serialize;

/// What was rented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RentKind {
    /// A machine.
    Machine,
    /// A network volume.
    Volume,
    /// One worker of a serverless endpoint. It comes and goes as there are jobs.
    Worker,
}

/// One thing's time on the bill: one create, whatever ids it had meanwhile, or one serverless worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Rent {
    /// Its id; the last one if the cloud gave it several.
    pub id: ComputeId,
    /// What it is.
    pub kind: RentKind,
    /// The account's name in the configuration.
    pub cloud: String,
    /// Whose account at the cloud is billed: `main`, or the fingerprint of another key.
    #[serde(skip)]
    pub account: String,
    /// Its name; a worker has that of its endpoint.
    pub name: String,
    /// The create that it came from, if its name bears a mark.
    #[serde(skip)]
    pub token: Option<SpawnToken>,
    /// When billing began.
    pub started_at: Timestamp,
    /// When billing ended; `None` while it goes on.
    pub ended_at: Option<Timestamp>,
    /// What it cost, so far or in all.
    pub cost: Money,
}

/// Everything that was ever rented, in the order of its beginning. Serialises as `atlas sim` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Ledger {
    /// The rents.
    pub rents: Vec<Rent>,
}

impl Ledger {
    /// The sum of all costs.
    pub fn total(&self) -> Money {
        self.rents.iter().map(|rent| rent.cost).sum()
    }

    /// What bills on.
    pub fn open(&self) -> impl Iterator<Item = &Rent> {
        self.rents.iter().filter(|rent| rent.ended_at.is_none())
    }

    /// What was rented under one token: more than one is a duplicate.
    pub fn of(&self, token: SpawnToken) -> impl Iterator<Item = &Rent> {
        self.rents.iter().filter(move |rent| rent.token == Some(token))
    }

    /// What was rented of one kind.
    pub fn of_kind(&self, kind: RentKind) -> impl Iterator<Item = &Rent> {
        self.rents.iter().filter(move |rent| rent.kind == kind)
    }

    /// How many machines and volumes each token rented at the same time at most: promise 1 wants one each. Workers do not
    /// count: an endpoint may have many.
    pub fn most_at_once(&self) -> BTreeMap<SpawnToken, usize> {
        let mut by_token: BTreeMap<SpawnToken, Vec<&Rent>> = BTreeMap::new();
        for rent in self.rents.iter().filter(|rent| rent.kind != RentKind::Worker) {
            if let Some(token) = rent.token {
                by_token.entry(token).or_default().push(rent);
            }
        }
        let most = |rents: &Vec<&Rent>| {
            let at_once = |rent: &&Rent| rents.iter().filter(|other| stands_beside(other, rent)).count();
            rents.iter().map(at_once).max().unwrap_or_default()
        };
        by_token.iter().map(|(token, rents)| (*token, most(rents))).collect()
    }
}

/// Whether `other` was rented at the moment in which `rent` began.
fn stands_beside(other: &Rent, rent: &Rent) -> bool {
    other.started_at <= rent.started_at
        && other.ended_at.is_none_or(|ended| ended > rent.started_at || other.id == rent.id)
}
