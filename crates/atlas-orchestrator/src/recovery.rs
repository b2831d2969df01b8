//! What a store tells when it is opened: who lives, who had left, what is rented, which creates nobody waits for.

use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasherDefault;

use atlas_core::{Deployment, ProviderId};

use crate::activity::{Activity, RandomKey};
use crate::books::{key_in, read_session};
use crate::session::Reason;
use crate::store::{Cursor, Item, Key, Kind, Range, RowKey, Store};
use crate::time::IdleClock;
use crate::{RentalId, Result, SessionId};

/// How many rows are read at once: few enough to stay in the processor's cache.
pub(crate) const PAGE: usize = 512;

/// What a store tells when it is opened.
pub(crate) struct Recovered {
    /// One cell for each living session, with the activity that was stored.
    pub(crate) activity: Activity,
    /// The accounts that have rentals or sessions in the store: watched whether they are configured or not.
    pub(crate) rented: Vec<ProviderId>,
    /// Creates whose answer nobody waits for any more.
    pub(crate) unanswered: Vec<RentalId>,
}

/// Finds out who lives and what is rented. Nobody is looked after before it is done, so each row is read once and without
/// its body, and the three passes run beside each other.
pub(crate) async fn recover(store: &dyn Store, idle: &IdleClock, deployment: &Deployment) -> Result<Recovered> {
    let mut living = Vec::new();
    let mut accounts = BTreeSet::new();
    let mut accounts_of_rentals = BTreeSet::new();
    let mut unanswered = Vec::new();
    let mut stored: HashMap<SessionId, u64, BuildHasherDefault<RandomKey>> = HashMap::default();
    let sessions = each(store, Range::Columns { kind: Kind::SESSION }, |item| {
        let Item::Row(row) = item else { return };
        if row.phase == "ended" {
            return;
        }
        if let Ok(id) = row.key.id.parse::<SessionId>() {
            // The phase stands outside the body: a session that cannot be read lives all the same.
            let key = key_in(&row, deployment).map(str::to_owned);
            living.push((id, Found::of(&row.phase), key));
        }
        note(&mut accounts, row.account);
    });
    let rentals = each(store, Range::Columns { kind: Kind::RENTAL }, |item| {
        let Item::Row(row) = item else { return };
        match row.phase.as_str() {
            "closed" => return,
            "open" => unanswered.extend(row.key.id.parse::<RentalId>()),
            _ => {}
        }
        note(&mut accounts_of_rentals, row.account);
    });
    let touches = each(store, Range::Activity, |item| {
        let Item::Activity(id, value) = item else { return };
        if let Ok(id) = id.parse::<SessionId>() {
            stored.insert(id, value);
        }
    });
    tokio::try_join!(sessions, rentals, touches)?;
    accounts.append(&mut accounts_of_rentals);
    let activity = Activity::with_capacity(living.len());
    let fresh = idle.stamp();
    for (id, found, key) in living {
        match (found, stored.get(&id)) {
            (Found::Ending, _) => activity.enter_ending(id, reason(store, id).await?),
            // The grace begins anew: a touch of the last moment may be lost.
            (Found::Leaving, _) => drop(activity.enter(id, fresh, 0).leave(fresh)),
            // Never judged as idle before: its silence begins now.
            (Found::Living, None) => drop(activity.enter(id, fresh, 0)),
            (Found::Living, Some(last)) => drop(activity.enter(id, *last, *last)),
        }
        if let Some(key) = key {
            activity.bears(id, &key);
        }
    }
    let rented = accounts.iter().filter_map(|account| ProviderId::parse(account).ok()).collect();
    Ok(Recovered { activity, rented, unanswered })
}

/// How a session was found.
#[derive(Debug, Clone, Copy)]
enum Found {
    Living,
    Leaving,
    Ending,
}

impl Found {
    fn of(phase: &str) -> Self {
        match phase {
            "leaving" => Self::Leaving,
            "ending" => Self::Ending,
            _ => Self::Living,
        }
    }
}

/// Why a session ends. Whoever touches one that cannot be read is told at least that somebody meant it to end.
async fn reason(store: &dyn Store, session: SessionId) -> Result<Reason> {
    let row = store.get(Key::Row(RowKey::session(session.to_string()))).await?;
    let read = row.and_then(|row| read_session(&row).ok());
    Ok(read.and_then(|read| read.record.receipt().map(|receipt| receipt.reason)).unwrap_or(Reason::Asked))
}

fn note(accounts: &mut BTreeSet<String>, account: Option<String>) {
    // Nearly always it is known already.
    if let Some(account) = account.filter(|account| !accounts.contains(account)) {
        accounts.insert(account);
    }
}

/// Shows every item of a range.
async fn each(store: &dyn Store, range: Range, mut show: impl FnMut(Item)) -> Result<()> {
    let mut cursor = Cursor::START;
    loop {
        let page = store.scan(range.clone(), cursor, PAGE).await?;
        page.items.into_iter().for_each(&mut show);
        match page.next {
            Some(next) => cursor = next,
            None => return Ok(()),
        }
    }
}
