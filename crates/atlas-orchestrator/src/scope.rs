//! Where an answer counts (rule O3, histories 5 and 26): a not-found from another account proves nothing; a rotated key
//! of the same account joins the old one as soon as a complete listing under it shows one of our live machines.

use std::sync::{Arc, PoisonError};

use atlas_core::{ComputeFilter, Provider, ProviderId, Scope};

use crate::Result;
use crate::books::{Expect, small_row};
use crate::inner::Inner;
use crate::rental::RentalRecord;
use crate::store::{CommitError, Key, Kind, RowKey};

/// The row that holds which scopes of an account are the same.
pub(crate) fn scopes_row(provider: &ProviderId) -> RowKey {
    RowKey::new(Kind::META, format!("scopes/{provider}"))
}

/// Puts `scopes` into one group, with all that any of them is known to be the same as. An account that becomes another
/// one, and is joined there, begins a group of its own: what was said of the first says nothing of the second.
fn join(groups: Vec<Vec<Scope>>, scopes: &[Scope]) -> Vec<Vec<Scope>> {
    let touches = |group: &Vec<Scope>| scopes.iter().any(|scope| group.contains(scope));
    let (touched, mut apart): (Vec<_>, Vec<_>) = groups.into_iter().partition(touches);
    let mut one: Vec<Scope> = touched.into_iter().flatten().chain(scopes.iter().cloned()).collect();
    one.sort();
    one.dedup();
    apart.push(one);
    apart
}

impl Inner {
    /// Whether what `provider` says now counts for this rental.
    pub(crate) async fn acts_in_scope(&self, provider: &Arc<dyn Provider>, rental: &RentalRecord) -> Result<bool> {
        let scope = provider.scope(&self.call());
        if self.same_account(provider.id(), &scope, &rental.scope) {
            return Ok(true);
        }
        // A listing that shows the very machine under the new scope proves that both are the same account.
        let Some(compute) = &rental.compute else { return Ok(false) };
        let Ok(all) = self.bounded(provider.list(&self.call(), &ComputeFilter::all())).await else { return Ok(false) };
        let shows_it = all
            .iter()
            .any(|listed| listed.id == *compute && listed.mark().is_some_and(|mark| mark.token == rental.mark.token));
        if shows_it {
            self.join_scopes(provider.id(), &[scope, rental.scope.clone()]).await?;
        }
        Ok(shows_it)
    }

    /// Whether both scopes are known to be the same account.
    pub(crate) fn same_account(&self, provider: &ProviderId, one: &Scope, other: &Scope) -> bool {
        let joined = self.joined.read().unwrap_or_else(PoisonError::into_inner);
        let together = |group: &Vec<Scope>| group.contains(one) && group.contains(other);
        one == other || joined.get(provider).is_some_and(|groups| groups.iter().any(together))
    }

    /// Says that these scopes are the same account, durably.
    pub(crate) async fn join_scopes(&self, provider: &ProviderId, scopes: &[Scope]) -> Result<()> {
        loop {
            let key = scopes_row(provider);
            let row = self.books.store().get(Key::Row(key.clone())).await?;
            let known: Vec<Vec<Scope>> =
                row.as_ref().and_then(|row| serde_json::from_slice(&row.body).ok()).unwrap_or_default();
            let joined = join(known, scopes);
            let expect = row.map_or(Expect::New, |row| Expect::At(row.version));
            let row = small_row(Kind::META, &key.id, &joined);
            match self.books.change().urgent().put(row, expect).commit().await {
                Ok(_) => {
                    let mut known = self.joined.write().unwrap_or_else(PoisonError::into_inner);
                    known.insert(provider.clone(), joined);
                    return Ok(());
                }
                Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o3_what_was_joined_at_one_account_says_nothing_of_another() {
        let ada = ["a1", "a2", "a3"].map(Scope::new);
        let bob = ["b1", "b2"].map(Scope::new);
        let groups = join(Vec::new(), &ada[..2]);
        let groups = join(groups, &bob);
        assert_eq!(groups, [ada[..2].to_vec(), bob.to_vec()]);
        let groups = join(groups, &ada[1..]);
        assert_eq!(groups, [bob.to_vec(), ada.to_vec()]);
        assert_eq!(join(groups, &[ada[0].clone(), bob[1].clone()]), [[ada.to_vec(), bob.to_vec()].concat()]);
    }
}
