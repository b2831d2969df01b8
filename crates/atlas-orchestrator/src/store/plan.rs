//! The judgement of a commit: what it would do to the state that a [`View`] shows, or why it must not be done. Pure;
//! every store judges by this one function and only differs in how it reads and writes.

use std::collections::{BTreeMap, BTreeSet};

use atlas_auth::Timestamp;
use bytes::Bytes;

use super::commit::{Commit, CommitError, Committed, Fence, Found, Guard, Op, WriteId};
use super::row::{Row, RowKey, UniqueName};

/// The state before a commit.
pub(super) trait View {
    /// Why the state cannot be read.
    type Error;

    fn row(&self, key: &RowKey) -> Result<Option<Row>, Self::Error>;
    /// The row that was last given this name, and until when.
    fn bearer(&self, name: &UniqueName) -> Result<Option<Bearer>, Self::Error>;
    fn activity(&self, session: &str) -> Result<Option<u64>, Self::Error>;
    fn counter(&self, name: &str) -> Result<i64, Self::Error>;
    /// The answer that was given under this write id.
    fn answer(&self, write_id: WriteId) -> Result<Option<Committed>, Self::Error>;
    /// Whether the row is claimed under this fence.
    fn holds(&self, key: &RowKey, fence: Fence) -> bool;
}

/// Who bears a unique name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Bearer {
    pub(super) row: RowKey,
    pub(super) expires_at: Option<Timestamp>,
}

impl Bearer {
    pub(super) fn binds(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }
}

/// The numbers that a store gives out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Numbers {
    pub(super) next_version: u64,
    pub(super) next_event: u64,
    pub(super) first_event: u64,
    /// How often the store was opened.
    pub(super) openings: u64,
}

impl Numbers {
    pub(super) const NEW: Self = Self { next_version: 1, next_event: 1, first_event: 1, openings: 0 };

    /// The numbers to go on with at an opening. The clock makes a copy of the store that is opened later start above
    /// everything that the original gave out after the copy was taken: that would take a billion writes a second.
    #[must_use]
    pub(super) fn raised(self, now: Timestamp) -> Self {
        const YEAR_2020: i64 = 1_577_836_800;
        let seconds = u64::try_from(now.as_seconds().saturating_sub(YEAR_2020)).unwrap_or(0).min((1 << 33) - 1);
        Self {
            next_version: self.next_version.saturating_add(1).max(seconds << 30),
            openings: self.openings.saturating_add(1),
            ..self
        }
    }

    /// The numbers after a commit, with so many events kept.
    #[must_use]
    pub(super) fn after(self, done: &Committed, retention: u64) -> Self {
        let next_event = self.next_event.max(done.events.end);
        let rows = u64::try_from(done.versions.len()).unwrap_or(u64::MAX);
        Self {
            next_version: self.next_version.saturating_add(rows),
            next_event,
            first_event: self.first_event.max(next_event.saturating_sub(retention)).min(next_event),
            ..self
        }
    }
}

/// What becomes of one row.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) key: RowKey,
    pub(super) before: Option<Row>,
    pub(super) after: Option<Row>,
    pub(super) ends_claim: bool,
}

/// Everything that a commit writes.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) rows: Vec<Change>,
    pub(super) freed: Vec<UniqueName>,
    pub(super) taken: Vec<(UniqueName, Bearer)>,
    pub(super) counters: BTreeMap<String, i64>,
    pub(super) events: Vec<Bytes>,
    pub(super) answer: Committed,
}

/// A commit that may be answered with success.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It was done before; this was the answer.
    Repeat(Committed),
    /// It is to be done.
    Do(Plan),
}

/// A commit that must not be done, or could not be judged.
#[derive(Debug)]
pub(super) enum Refusal<E> {
    Refused(CommitError),
    Broken(E),
}

impl<E> From<E> for Refusal<E> {
    fn from(error: E) -> Self {
        Self::Broken(error)
    }
}

/// Judges a commit against the state before it.
pub(super) fn plan<V: View>(
    view: &V,
    commit: &Commit,
    numbers: Numbers,
    now: Timestamp,
) -> Result<Verdict, Refusal<V::Error>> {
    if let Some(first) = view.answer(commit.write_id)? {
        return Ok(Verdict::Repeat(first));
    }
    if commit.write_id < WriteId::oldest_remembered(now) {
        // Whether it was done is no longer on record, and doing it twice would be worse than not answering.
        let reason =
            format!("write id {} was made at {}, more than a day ago", commit.write_id, commit.write_id.made_at());
        return Err(Refusal::Refused(CommitError::Unknown(reason)));
    }
    for (place, guard) in commit.guards.iter().enumerate() {
        check(view, place, guard, now)?;
    }
    let mut plan = Plan::default();
    let mut rows = Rows::default();
    let mut version = numbers.next_version;
    let mut event = numbers.next_event;
    for op in &commit.ops {
        match op {
            Op::Put(row) | Op::PutHeld(row) => {
                let change = rows.change(view, &row.key)?;
                if let Some(stored) = change.before.as_ref().filter(|stored| stored.format > row.format) {
                    return Err(Refusal::Refused(CommitError::Newer {
                        key: row.key.clone(),
                        stored: stored.format,
                        offered: row.format,
                    }));
                }
                change.after = Some(Row { version, ..row.clone() });
                change.ends_claim |= matches!(op, Op::Put(_));
                plan.answer.versions.push((row.key.clone(), version));
                version = version.saturating_add(1);
            }
            Op::Delete(key) => {
                let change = rows.change(view, key)?;
                change.after = None;
                change.ends_claim = true;
            }
            Op::Add(name, amount) => {
                let before = match plan.counters.get(name) {
                    Some(value) => *value,
                    None => view.counter(name)?,
                };
                plan.counters.insert(name.clone(), before.saturating_add(*amount));
            }
            Op::Append(body) => {
                plan.events.push(body.clone());
                event = event.saturating_add(1);
            }
        }
    }
    plan.answer.events = numbers.next_event..event;
    plan.rows = rows.changes;
    unique_names(view, &mut plan, now)?;
    Ok(Verdict::Do(plan))
}

/// The rows that a commit touches, each once, in the order in which it first does.
#[derive(Default)]
struct Rows {
    changes: Vec<Change>,
    places: BTreeMap<RowKey, usize>,
}

impl Rows {
    fn change<V: View>(&mut self, view: &V, key: &RowKey) -> Result<&mut Change, V::Error> {
        let place = if let Some(place) = self.places.get(key) {
            *place
        } else {
            let place = self.changes.len();
            self.changes.push(Change { key: key.clone(), before: view.row(key)?, after: None, ends_claim: false });
            self.places.insert(key.clone(), place);
            place
        };
        Ok(&mut self.changes[place])
    }
}

fn check<V: View>(view: &V, place: usize, guard: &Guard, now: Timestamp) -> Result<(), Refusal<V::Error>> {
    let found = match guard {
        Guard::Absent(key) => view.row(key)?.map(|row| Found::Row(Box::new(row))),
        Guard::Version(key, version) => match view.row(key)? {
            Some(row) if row.version == *version => None,
            Some(row) => Some(Found::Row(Box::new(row))),
            None => Some(Found::Nothing),
        },
        Guard::Fence(key, fence) => {
            if !view.holds(key, *fence) {
                return Err(Refusal::Refused(CommitError::Fenced(key.clone())));
            }
            None
        }
        Guard::UniqueFree(name) => bearing_row(view, name, now)?.map(|row| Found::Row(Box::new(row))),
        Guard::ActivityBelow(session, bound) => {
            let activity = view.activity(session)?.unwrap_or(0);
            (activity >= *bound).then_some(Found::Activity(activity))
        }
        Guard::AtMost { counter, limit, adding } => {
            let value = view.counter(counter)?;
            let fits = value.checked_add(*adding).is_some_and(|sum| sum <= *limit);
            (!fits).then_some(Found::Counter(value))
        }
    };
    match found {
        None => Ok(()),
        Some(found) => Err(Refusal::Refused(CommitError::Conflict { guard: Some(place), found })),
    }
}

/// The row that bears a name now. A name whose row is gone is free: nothing could ever free it otherwise.
pub(super) fn bearing_row<V: View>(view: &V, name: &UniqueName, now: Timestamp) -> Result<Option<Row>, V::Error> {
    match view.bearer(name)?.filter(|bearer| bearer.binds(now)) {
        Some(bearer) => view.row(&bearer.row),
        None => Ok(None),
    }
}

/// Frees and takes names so that the order of the operations does not matter: what counts is the rows that remain.
fn unique_names<V: View>(view: &V, plan: &mut Plan, now: Timestamp) -> Result<(), Refusal<V::Error>> {
    let mut taken: BTreeMap<UniqueName, Bearer> = BTreeMap::new();
    let touched: BTreeSet<&RowKey> = plan.rows.iter().map(|change| &change.key).collect();
    for row in plan.rows.iter().filter_map(|change| change.after.as_ref()) {
        for key in row.unique.iter().filter(|key| key.binds(now)) {
            let other = match taken.get(&key.name) {
                Some(bearer) if bearer.row == row.key => continue,
                // Two rows of this very commit want it.
                Some(bearer) => {
                    plan.rows.iter().find(|change| change.key == bearer.row).and_then(|change| change.after.clone())
                }
                None => match view.bearer(&key.name)? {
                    Some(bearer) if bearer.row == row.key && bearer.expires_at == key.expires_at => continue,
                    Some(bearer) if bearer.binds(now) && !touched.contains(&bearer.row) => view.row(&bearer.row)?,
                    _ => None,
                },
            };
            if let Some(other) = other {
                let found = Found::Row(Box::new(other));
                return Err(Refusal::Refused(CommitError::Conflict { guard: None, found }));
            }
            let bearer = Bearer { row: row.key.clone(), expires_at: key.expires_at };
            taken.insert(key.name.clone(), bearer);
        }
    }
    for change in &plan.rows {
        let kept: BTreeSet<&UniqueName> = change
            .after
            .iter()
            .flat_map(|row| row.unique.iter().filter(|key| key.binds(now)).map(|key| &key.name))
            .collect();
        for key in change.before.iter().flat_map(|row| &row.unique) {
            let frees = !kept.contains(&key.name) && !taken.contains_key(&key.name);
            // The name may have expired and be another row's by now.
            if frees && view.bearer(&key.name)?.is_some_and(|bearer| bearer.row == change.key) {
                plan.freed.push(key.name.clone());
            }
        }
    }
    plan.taken = taken.into_iter().collect();
    Ok(())
}
