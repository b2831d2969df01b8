//! What was seen and must be seen again: rows of their own, so that a one-shot reconciliation counts (rule O4).

use atlas_auth::Timestamp;
use atlas_core::{Compute, ComputeId, Money, ProviderId};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::books::Read;
use crate::inner::Inner;
use crate::store::{Cursor, Kind, Range, Row, RowKey};

/// As what it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SightingKind {
    /// A machine of ours that nobody holds.
    Stray,
    /// A machine of this deployment that this store does not know.
    Alien,
}

/// One machine that was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sighting {
    pub(crate) provider: ProviderId,
    pub(crate) compute: ComputeId,
    pub(crate) name: Option<String>,
    pub(crate) kind: SightingKind,
    pub(crate) first_seen: Timestamp,
    pub(crate) cost_per_hour: Option<Money>,
}

impl Sighting {
    pub(crate) fn new(compute: &Compute, kind: SightingKind, first_seen: Timestamp) -> Self {
        Self {
            provider: compute.provider.clone(),
            compute: compute.id.clone(),
            name: compute.name.clone(),
            kind,
            first_seen,
            cost_per_hour: compute.cost_per_hour,
        }
    }

    pub(crate) fn key(&self) -> RowKey {
        row_key(&self.provider, &self.compute)
    }
}

pub(crate) fn row_key(provider: &ProviderId, compute: &ComputeId) -> RowKey {
    RowKey::new(Kind::SIGHTING, format!("{provider}/{compute}"))
}

/// What was seen before.
#[derive(Debug, Default)]
pub(crate) struct Sightings {
    pub(crate) known: Vec<Read<Sighting>>,
    /// Rows that this version cannot read.
    pub(crate) unreadable: Vec<Row>,
}

/// All sightings.
pub(crate) async fn sightings(inner: &Inner) -> Result<Sightings> {
    let mut cursor = Cursor::START;
    let mut found = Sightings::default();
    loop {
        let page = inner.books.store().scan(Range::rows(Kind::SIGHTING), cursor, 1000).await?;
        let next = page.next.clone();
        for row in page.into_rows() {
            match serde_json::from_slice(&row.body) {
                Ok(record) => found.known.push(Read { record, version: row.version }),
                Err(_) => found.unreadable.push(row),
            }
        }
        match next {
            Some(next) => cursor = next,
            None => return Ok(found),
        }
    }
}
