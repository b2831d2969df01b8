//! The cloud's own books: what was rented from when to when, and what it cost.

use std::collections::BTreeMap;

use atlas_auth::Timestamp;
use atlas_core::{ComputeId, Money, SpawnToken};
use serde::Serialize;

/// One machine's time on the bill: one create, whatever ids it had meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Rent {
    /// The machine's id; the last one if the cloud gave it several.
    pub id: ComputeId,
    /// The account's name in the configuration.
    pub cloud: String,
    /// Whose account at the cloud is billed: `main`, or the fingerprint of another key.
    #[serde(skip)]
    pub account: String,
    /// The machine's name.
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

    /// How many machines each token rented at the same time at most: promise 1 wants one each.
    pub fn most_at_once(&self) -> BTreeMap<SpawnToken, usize> {
        let mut most = BTreeMap::new();
        for rent in &self.rents {
            let Some(token) = rent.token else { continue };
            let at_once = self
                .of(token)
                .filter(|other| {
                    other.started_at <= rent.started_at
                        && other.ended_at.is_none_or(|ended| ended > rent.started_at || other.id == rent.id)
                })
                .count();
            let known: &mut usize = most.entry(token).or_default();
            *known = (*known).max(at_once);
        }
        most
    }
}
