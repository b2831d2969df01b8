//! The other rentals of one create, and whose a machine is that none of them is bound to (rules P3, P4, P5).

use atlas_core::Compute;

use crate::books::{Change, Read};
use crate::inner::Inner;
use crate::rental::{RentalPhase, RentalRecord};
use crate::store::{Guard, RowKey};
use crate::{Error, RentalId, Result};

/// The other rentals of a create, as they stood when they were read.
#[derive(Debug)]
pub(super) struct Siblings {
    known: Vec<RentalRecord>,
    /// Whether there is one that cannot be read: it may hold any of their machines.
    has_unreadable: bool,
    /// That they still stand so, and are not more.
    guards: Vec<Guard>,
}

impl Siblings {
    pub(super) async fn of(inner: &Inner, rental: &RentalRecord) -> Result<Self> {
        let mut siblings = Self { known: Vec::new(), has_unreadable: false, guards: Vec::new() };
        for twin in 0..u16::MAX {
            let id = RentalId { token: rental.id.token, twin };
            if id == rental.id {
                continue;
            }
            let key = RowKey::rental(id.to_string());
            match inner.books.rental(id).await {
                Ok(Some(Read { record, version })) => {
                    siblings.guards.push(Guard::Version(key, version));
                    siblings.known.push(record);
                }
                Ok(None) => {
                    siblings.guards.push(Guard::Absent(key));
                    // The earlier ones may be forgotten already.
                    if twin > rental.id.twin {
                        break;
                    }
                }
                Err(Error::Unreadable { .. }) => siblings.has_unreadable = true,
                Err(error) => return Err(error),
            }
        }
        Ok(siblings)
    }

    /// Those of `matches` to which none of them is bound: a machine that is being ended must not be given to anybody.
    pub(super) fn unheld(&self, matches: impl IntoIterator<Item = Compute>) -> Vec<Compute> {
        let is_bound = |found: &Compute| self.known.iter().any(|other| other.compute.as_ref() == Some(&found.id));
        matches.into_iter().filter(|found| !is_bound(found)).collect()
    }

    /// Whether one of them may have a machine that nobody may end: then whatever stands under an unknown id may be that one,
    /// moved, even if a listing shows it under its old id too, for a listing may lag behind.
    pub(super) fn may_keep_one(&self) -> bool {
        let is_kept = |other: &RentalRecord| matches!(other.phase, RentalPhase::Open | RentalPhase::Held { .. });
        self.has_unreadable || self.known.iter().any(is_kept)
    }

    /// Lets a change be done only while they stand as they were read: of two that take the same machine one must fail.
    pub(super) fn guard<'a>(&self, change: Change<'a>) -> Change<'a> {
        self.guards.iter().cloned().fold(change, Change::guard)
    }
}
