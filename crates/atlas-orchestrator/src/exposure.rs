//! Exposure: what bills without a proven live user. Nothing that Atlas rented is ever missing from here or from the
//! sessions.

use atlas_auth::Timestamp;
use atlas_core::{Capability, Money, ProviderId};
use serde::Serialize;
use serde_json::Value;

use crate::books::{Read, read_rental};
use crate::inner::{AccountState, Inner};
use crate::reaper::{SightingKind, sightings};
use crate::rental::{Holder, Power, RentalPhase};
use crate::store::{Cursor, Kind, Range, Row};
use crate::{Error, Orchestrator, Result};

/// What bills without a proven live user.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct Exposure {
    /// One by one.
    pub items: Vec<Exposed>,
    /// What it costs an hour, as far as prices are known.
    pub per_hour: Money,
}

/// One thing that bills without a proven live user.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Exposed {
    /// What: a rental, a machine, a row or an account.
    pub what: String,
    /// At which account.
    pub provider: Option<ProviderId>,
    /// Which machine, where it is known.
    pub compute: Option<String>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// What it costs an hour, where that is known.
    pub cost_per_hour: Option<Money>,
    /// Why nobody can vouch for it.
    #[serde(flatten)]
    pub why: Why,
}

/// Why nobody can vouch for something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "why", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Why {
    /// A create whose answer is not known yet.
    Open,
    /// It is being ended.
    Releasing {
        /// How many tries failed in a row.
        failures: u32,
        /// What the cloud said last.
        last_error: Option<String>,
    },
    /// It is held, and its cloud does not find it, or says that it is over: not believed yet.
    Missing,
    /// It is held and stopped, though nobody here stopped it, and its cloud cannot be told to start it: its session ends when
    /// it goes idle.
    Stopped,
    /// It is held, and its account cannot be used, or says nothing about it that counts.
    Unreachable {
        /// What is wrong with the account, or what it said last.
        error: String,
    },
    /// A machine of this deployment that this store does not know.
    Alien,
    /// A machine of ours that nobody holds, seen once.
    Stray,
    /// A row of the store, or a record of a one-off spawn, that this version cannot read. It was left untouched, and what
    /// can be made out of it is told.
    Unreadable {
        /// What is wrong with it.
        error: String,
    },
    /// The master key is missing or wrong: no key can be handed out.
    NoMasterKey {
        /// What is wrong with it.
        error: String,
    },
}

/// After how many reads in a row that told nothing a held machine is exposed: some half a minute of silence.
const UNREAD: u32 = 5;

impl Orchestrator {
    /// What bills without a proven live user, as far as the store and the last reconciliation know.
    pub async fn exposure(&self) -> Result<Exposure> {
        let inner = &*self.inner;
        let mut items = accounts(inner);
        rentals(inner, &mut items).await?;
        items.extend(one_off(inner).await);
        let sightings = sightings(inner).await?;
        for row in sightings.unreadable {
            let error = Error::Unreadable { row: row.key.to_string(), why: "it is no sighting".to_owned() };
            items.push(unreadable(&row, &error));
        }
        for Read { record: sighting, .. } in sightings.known {
            items.push(Exposed {
                what: sighting.name.unwrap_or_else(|| "a machine".to_owned()),
                provider: Some(sighting.provider),
                compute: Some(sighting.compute.to_string()),
                since: Some(sighting.first_seen),
                cost_per_hour: sighting.cost_per_hour,
                why: match sighting.kind {
                    SightingKind::Alien => Why::Alien,
                    SightingKind::Stray => Why::Stray,
                },
            });
        }
        let per_hour = items.iter().filter_map(|item| item.cost_per_hour).sum();
        Ok(Exposure { items, per_hour })
    }
}

fn accounts(inner: &Inner) -> Vec<Exposed> {
    let mut items = Vec::new();
    if let crate::inner::Keys::Unknown(error) = &inner.keys {
        let why = Why::NoMasterKey { error: error.clone() };
        items.push(Exposed { what: "the master key".to_owned(), ..nothing(why) });
    }
    for (id, state) in &inner.accounts {
        if let AccountState::Broken(error) = state {
            let why = Why::Unreachable { error: error.to_string() };
            items.push(Exposed { what: format!("account {id}"), provider: Some(id.clone()), ..nothing(why) });
        }
    }
    items
}

fn nothing(why: Why) -> Exposed {
    Exposed { what: String::new(), provider: None, compute: None, since: None, cost_per_hour: None, why }
}

async fn rentals(inner: &Inner, items: &mut Vec<Exposed>) -> Result<()> {
    let mut cursor = Cursor::START;
    loop {
        let page = inner.books.store().scan(Range::Rows { kind: None, phase: None }, cursor, 1000).await?;
        let next = page.next.clone();
        for row in page.into_rows() {
            if row.key.kind == Kind::RENTAL && row.phase != "closed" {
                items.extend(exposed_rental(inner, &row));
            } else if row.key.kind == Kind::SESSION
                && row.phase != "ended"
                && let Err(error) = crate::books::read_session(&row)
            {
                items.push(unreadable(&row, &error));
            }
        }
        match next {
            Some(next) => cursor = next,
            None => return Ok(()),
        }
    }
}

/// Records of one-off spawns that cannot be read: each may stand for a machine of which nobody else knows.
async fn one_off(inner: &Inner) -> Vec<Exposed> {
    let atlas = inner.atlas.clone();
    let read = tokio::task::spawn_blocking(move || atlas.unreadable()).await;
    match read {
        Ok(Ok(unreadable)) => unreadable
            .into_iter()
            .map(|record| Exposed {
                what: format!("a one-off spawn recorded in {}", record.path.display()),
                provider: record.provider,
                compute: record.compute.map(|compute| compute.to_string()),
                cost_per_hour: record.price,
                ..nothing(Why::Unreadable { error: record.error.to_string() })
            })
            .collect(),
        Ok(Err(error)) => vec![unread_records(&error)],
        Err(error) => vec![unread_records(&error)],
    }
}

fn unread_records(error: &dyn std::fmt::Display) -> Exposed {
    let why = Why::Unreadable { error: error.to_string() };
    Exposed { what: "the records of one-off spawns".to_owned(), ..nothing(why) }
}

/// A row that cannot be read, with what can be made out of it all the same.
fn unreadable(row: &Row, error: &Error) -> Exposed {
    let body: Value = serde_json::from_slice(&row.body).unwrap_or_default();
    let part = |pointer: &str| body.pointer(pointer).cloned();
    let price = part("/accrual/rate").or_else(|| part("/cost_per_hour"));
    let since = part("/opened_at").or_else(|| part("/first_seen"));
    Exposed {
        what: row.key.to_string(),
        provider: row.account.as_deref().and_then(|account| ProviderId::parse(account).ok()),
        compute: part("/compute").and_then(|id| id.as_str().map(str::to_owned)),
        since: since.and_then(|since| serde_json::from_value(since).ok()),
        // Nothing may be a price that was not known yet.
        cost_per_hour: price
            .and_then(|price| serde_json::from_value(price).ok())
            .filter(|price: &Money| *price > Money::ZERO),
        ..nothing(Why::Unreadable { error: error.to_string() })
    }
}

fn exposed_rental(inner: &Inner, row: &Row) -> Option<Exposed> {
    let rental = match read_rental(row) {
        Ok(read) => read.record,
        Err(error) => return Some(unreadable(row, &error)),
    };
    let (broken, restarts) = match inner.accounts.get(&rental.provider) {
        Some(AccountState::Usable(provider)) => (None, provider.traits().has(Capability::StopResume)),
        Some(AccountState::Broken(error)) => (Some(error.to_string()), true),
        None => (Some("the account is not configured any more".to_owned()), true),
    };
    let (why, since) = match &rental.phase {
        RentalPhase::Open => (Why::Open, Some(rental.opened_at)),
        RentalPhase::Releasing { receipt } => {
            (Why::Releasing { failures: rental.failures, last_error: rental.last_error.clone() }, Some(receipt.at))
        }
        RentalPhase::Held { .. } => match (rental.doubted_since(), broken) {
            (Some(since), _) => (Why::Missing, Some(since)),
            (None, Some(error)) => (Why::Unreachable { error }, Some(rental.opened_at)),
            (None, None) if rental.failures >= UNREAD => {
                (Why::Unreachable { error: rental.last_error.clone().unwrap_or_default() }, None)
            }
            (None, None) if rental.power() == Some(Power::Down) && !restarts && rental.holder != Holder::Plain => {
                (Why::Stopped, None)
            }
            (None, None) => return None,
        },
        RentalPhase::Closed { .. } => return None,
    };
    let holder = match rental.holder {
        Holder::Session(session) => format!("rental {} of session {session}", rental.id),
        Holder::Plain => format!("plain rental {}", rental.id),
        Holder::Nobody => format!("rental {}", rental.id),
    };
    Some(Exposed {
        what: holder,
        provider: Some(rental.provider.clone()),
        compute: rental.compute.as_ref().map(ToString::to_string),
        since,
        cost_per_hour: rental.accrual.rate(),
        why,
    })
}
