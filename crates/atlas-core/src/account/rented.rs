//! Whatever bills, looked at alike: by its id, by its token, all of a kind.
//!
//! A machine has reads and a search of its own. Of anything else there is only the complete listing, which tells as much:
//! what it does not show is not found.

use super::Account;
use crate::{ComputeId, Error, Found, Rentable, RentalKind, Rented, Result, SpawnToken};

impl Account {
    /// Reads all things of this kind: the whole answer or an error, never less.
    pub async fn list_rented(&self, kind: RentalKind) -> Result<Vec<Rented>> {
        self.provider.list_rented(&self.context, kind).await
    }

    /// Reads one. One that its cloud does not show is `not_found`.
    pub(super) async fn read(&self, kind: RentalKind, id: &ComputeId) -> Result<Rented> {
        if kind == RentalKind::Machine {
            return Ok(self.provider.get(&self.context, id).await?.rented());
        }
        let all = self.list_rented(kind).await?;
        all.into_iter().find(|rented| rented.id == *id).ok_or_else(|| {
            Error::not_found(format!("no {kind} {} is there", crate::error::excerpt(id.as_str())))
                .with_provider(self.provider.id())
        })
    }

    /// Finds all that came of one create, what is gone excepted, and whether it looked everywhere.
    pub(super) async fn find(&self, kind: RentalKind, token: SpawnToken) -> Result<Found<Rented>> {
        if kind == RentalKind::Machine {
            let found = self.provider.find_spawned(&self.context, token).await?;
            return Ok(Found::new(found.matches.iter().map(Rentable::rented).collect(), found.complete));
        }
        let mut all = self.list_rented(kind).await?;
        all.retain(|rented| rented.bears(token) && !rented.is_gone());
        Ok(Found::new(all, true))
    }
}
