//! Things of one kind that accounts own, each with an id, in the order in which they were made.

use std::collections::BTreeMap;

/// One thing, and whose it is.
#[derive(Debug)]
struct Owned<T> {
    account: String,
    id: String,
    thing: T,
}

/// All things of one kind.
#[derive(Debug)]
pub(in crate::server) struct Rack<T> {
    things: BTreeMap<u64, Owned<T>>,
    ids: BTreeMap<String, u64>,
    next: u64,
}

impl<T> Default for Rack<T> {
    fn default() -> Self {
        Self { things: BTreeMap::new(), ids: BTreeMap::new(), next: 0 }
    }
}

impl<T> Rack<T> {
    pub(in crate::server) fn add(&mut self, account: &str, id: &str, thing: T) {
        self.next += 1;
        self.ids.insert(id.to_owned(), self.next);
        self.things.insert(self.next, Owned { account: account.to_owned(), id: id.to_owned(), thing });
    }

    pub(in crate::server) fn get(&self, account: &str, id: &str) -> Option<&T> {
        let owned = self.things.get(self.ids.get(id)?)?;
        (owned.account == account).then_some(&owned.thing)
    }

    pub(in crate::server) fn get_mut(&mut self, account: &str, id: &str) -> Option<&mut T> {
        let owned = self.things.get_mut(self.ids.get(id)?)?;
        (owned.account == account).then_some(&mut owned.thing)
    }

    pub(in crate::server) fn remove(&mut self, account: &str, id: &str) -> Option<T> {
        self.get(account, id)?;
        let number = self.ids.remove(id)?;
        self.things.remove(&number).map(|owned| owned.thing)
    }

    /// Newest first, from the one before this number on: number, id and thing.
    pub(in crate::server) fn before(
        &self,
        account: &str,
        before: Option<u64>,
    ) -> impl Iterator<Item = (u64, &str, &T)> {
        let below = self.things.range(..before.unwrap_or(u64::MAX)).rev();
        below
            .filter(move |(_, owned)| owned.account == account)
            .map(|(number, owned)| (*number, owned.id.as_str(), &owned.thing))
    }
}
