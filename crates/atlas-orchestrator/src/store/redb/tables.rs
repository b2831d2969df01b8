//! The tables of the file, and what is read from and written to them. All keys and values are plain bytes.

use std::ops::Bound;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use atlas_auth::Timestamp;
use bytes::Bytes;
use redb::{
    Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction,
};

use super::failure::Failure;
use super::{codec, keys};
use crate::store::commit::{Committed, Fence, WriteId};
use crate::store::keys::{number, read_number, read_row, row};
use crate::store::leases::Leases;
use crate::store::page::{Cursor, Event, Item, Page, Range};
use crate::store::plan::{Bearer, Change, Numbers, Plan, View};
use crate::store::row::{Kind, Row, RowKey, UniqueName};

type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

const META: Definition = TableDefinition::new("meta");
const ROWS: Definition = TableDefinition::new("rows");
const DUE: Definition = TableDefinition::new("due");
const UNIQUE: Definition = TableDefinition::new("unique");
const COUNTERS: Definition = TableDefinition::new("counters");
const ACTIVITY: Definition = TableDefinition::new("activity");
const EVENTS: Definition = TableDefinition::new("events");
const ANSWERS: Definition = TableDefinition::new("answers");

const SCHEMA_KEY: &[u8] = b"schema";
const NUMBERS_KEY: &[u8] = b"numbers";
const FRONTIER_KEY: &[u8] = b"frontier";

/// How many forgotten answers one transaction clears away at most.
const FORGOTTEN_AT_ONCE: usize = 1024;

/// A table that can be read, be it inside a write or not.
pub(super) trait Readable: ReadableTable<&'static [u8], &'static [u8]> {}
impl<T: ReadableTable<&'static [u8], &'static [u8]>> Readable for T {}

/// All tables, opened once for one transaction.
pub(super) struct Tables<T> {
    meta: T,
    rows: T,
    due: T,
    unique: T,
    counters: T,
    activity: T,
    events: T,
    answers: T,
}

pub(super) type ReadTables = Tables<ReadOnlyTable<&'static [u8], &'static [u8]>>;
pub(super) type WriteTables<'a> = Tables<Table<'a, &'static [u8], &'static [u8]>>;

/// The schema number of a file: `None` for one that is new.
pub(super) fn schema(database: &impl ReadableDatabase) -> Result<Option<u16>, Failure> {
    let transaction = database.begin_read()?;
    if transaction.list_tables()?.next().is_none() && transaction.list_multimap_tables()?.next().is_none() {
        return Ok(None);
    }
    let meta = transaction.open_table(META)?;
    let found = ReadableTable::get(&meta, SCHEMA_KEY)?.and_then(|value| value.value().try_into().ok());
    found.map(|bytes| Some(u16::from_be_bytes(bytes))).ok_or_else(|| Failure::corrupt("its schema number"))
}

impl ReadTables {
    pub(super) fn of(database: &Database) -> Result<Self, Failure> {
        let transaction: ReadTransaction = database.begin_read()?;
        Ok(Self {
            meta: transaction.open_table(META)?,
            rows: transaction.open_table(ROWS)?,
            due: transaction.open_table(DUE)?,
            unique: transaction.open_table(UNIQUE)?,
            counters: transaction.open_table(COUNTERS)?,
            activity: transaction.open_table(ACTIVITY)?,
            events: transaction.open_table(EVENTS)?,
            answers: transaction.open_table(ANSWERS)?,
        })
    }
}

fn read<T: Readable, V>(
    table: &T,
    key: &[u8],
    what: &str,
    decode: impl FnOnce(&[u8]) -> Option<V>,
) -> Result<Option<V>, Failure> {
    match table.get(key)? {
        Some(value) => decode(value.value()).map(Some).ok_or_else(|| Failure::corrupt(what)),
        None => Ok(None),
    }
}

impl<T: Readable> Tables<T> {
    pub(super) fn row(&self, key: &RowKey) -> Result<Option<Row>, Failure> {
        read(&self.rows, &row(key), "a row", |value| Some(codec::read_row(key.clone(), value)))
    }

    pub(super) fn bearer(&self, name: &UniqueName) -> Result<Option<Bearer>, Failure> {
        read(&self.unique, &keys::unique(name), "the bearer of a unique name", codec::read_bearer)
    }

    pub(super) fn answer(&self, write_id: WriteId) -> Result<Option<Committed>, Failure> {
        let key = write_id.as_u128().to_be_bytes();
        read(&self.answers, &key, "the answer to a commit", codec::read_answer)
    }

    pub(super) fn activity(&self, session: &str) -> Result<Option<u64>, Failure> {
        read(&self.activity, session.as_bytes(), "an activity", codec::read_number)
    }

    pub(super) fn counter(&self, name: &str) -> Result<i64, Failure> {
        let value = read(&self.counters, name.as_bytes(), "a counter", codec::read_number)?;
        Ok(value.map_or(0, u64::cast_signed))
    }

    pub(super) fn numbers(&self) -> Result<Numbers, Failure> {
        let numbers = read(&self.meta, NUMBERS_KEY, "the store's numbers", codec::read_numbers)?;
        numbers.ok_or_else(|| Failure::corrupt("the store's numbers"))
    }

    pub(super) fn frontier(&self) -> Result<Option<Bytes>, Failure> {
        read(&self.meta, FRONTIER_KEY, "the frontier", codec::read_opaque)
    }

    /// The rows of a queue in the order in which they fall due.
    pub(super) fn due(
        &self,
        prefix: &[u8],
    ) -> Result<impl Iterator<Item = Result<(Timestamp, RowKey), Failure>>, Failure> {
        let length = prefix.len();
        let entries = between(&self.due, Bound::Included(prefix), keys::above(prefix).as_deref())?;
        Ok(entries.map(move |entry| {
            let (key, _) = entry?;
            key.value().get(length..).and_then(keys::read_due).ok_or_else(|| Failure::corrupt("a due entry"))
        }))
    }

    pub(super) fn scan(&self, range: &Range, cursor: &Cursor, limit: usize) -> Result<Page, Failure> {
        let found = match range {
            Range::Rows { kind, phase } => {
                let first = kind.map(|kind| vec![kind.code()]).unwrap_or_default();
                let end = keys::above(&first);
                page(&self.rows, cursor, Bound::Included(&first), end.as_deref(), limit, |key, value| {
                    let row = codec::read_row(read_row(key)?, value);
                    Some(phase.as_ref().is_none_or(|phase| row.phase == *phase).then_some(Item::Row(row)))
                })?
            }
            Range::Columns { kind } => {
                let first = [kind.code()];
                let end = keys::above(&first);
                page(&self.rows, cursor, Bound::Included(&first), end.as_deref(), limit, |key, value| {
                    Some(Some(Item::Row(codec::read_columns(read_row(key)?, value))))
                })?
            }
            Range::Events { after } => {
                page(&self.events, cursor, Bound::Excluded(&number(*after)), None, limit, |key, value| {
                    let event = Event { number: read_number(key)?, body: codec::read_opaque(value)? };
                    Some(Some(Item::Event(event)))
                })?
            }
            Range::Activity => page(&self.activity, cursor, Bound::Unbounded, None, limit, |key, value| {
                Some(Some(Item::Activity(text(key)?, codec::read_number(value)?)))
            })?,
            Range::Counters => page(&self.counters, cursor, Bound::Unbounded, None, limit, |key, value| {
                Some(Some(Item::Counter(text(key)?, codec::read_number(value)?.cast_signed())))
            })?,
        };
        let numbers = self.numbers()?;
        Ok(Page { first_event: numbers.first_event, next_event: numbers.next_event, ..found })
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

fn between<'a, T: Readable>(
    table: &'a T,
    start: Bound<&[u8]>,
    end: Option<&[u8]>,
) -> Result<redb::Range<'a, &'static [u8], &'static [u8]>, Failure> {
    Ok(table.range::<&[u8]>((start, end.map_or(Bound::Unbounded, Bound::Excluded)))?)
}

/// Up to `limit` items after the cursor. `decode` says `None` for what is damaged, `Some(None)` for what is not asked
/// for.
fn page<T: Readable>(
    table: &T,
    cursor: &Cursor,
    first: Bound<&[u8]>,
    end: Option<&[u8]>,
    limit: usize,
    decode: impl Fn(&[u8], &[u8]) -> Option<Option<Item>>,
) -> Result<Page, Failure> {
    let start = cursor.0.as_deref().map_or(first, Bound::Excluded);
    let mut page = Page::default();
    let mut last = Bytes::new();
    for entry in between(table, start, end)? {
        let (key, value) = entry?;
        let Some(item) = decode(key.value(), value.value()).ok_or_else(|| Failure::corrupt("a record"))? else {
            continue;
        };
        if page.items.len() >= limit.max(1) {
            page.next = Some(Cursor(Some(last)));
            break;
        }
        last = Bytes::copy_from_slice(key.value());
        page.items.push(item);
    }
    Ok(page)
}

impl<'a> WriteTables<'a> {
    pub(super) fn of(transaction: &'a WriteTransaction) -> Result<Self, Failure> {
        Ok(Self {
            meta: transaction.open_table(META)?,
            rows: transaction.open_table(ROWS)?,
            due: transaction.open_table(DUE)?,
            unique: transaction.open_table(UNIQUE)?,
            counters: transaction.open_table(COUNTERS)?,
            activity: transaction.open_table(ACTIVITY)?,
            events: transaction.open_table(EVENTS)?,
            answers: transaction.open_table(ANSWERS)?,
        })
    }

    pub(super) fn set_schema(&mut self, schema: u16) -> Result<(), Failure> {
        self.meta.insert(SCHEMA_KEY, schema.to_be_bytes().as_slice())?;
        Ok(())
    }

    pub(super) fn set_numbers(&mut self, numbers: Numbers) -> Result<(), Failure> {
        self.meta.insert(NUMBERS_KEY, codec::numbers(numbers).as_slice())?;
        Ok(())
    }

    /// Raises the activity of sessions, and replaces the frontier.
    pub(super) fn beat(&mut self, touches: &[(String, u64)], frontier: &[u8]) -> Result<(), Failure> {
        for (session, value) in touches {
            if self.activity(session)?.is_none_or(|kept| kept < *value) {
                self.activity.insert(session.as_bytes(), codec::number(*value).as_slice())?;
            }
        }
        self.meta.insert(FRONTIER_KEY, codec::opaque(frontier).as_slice())?;
        Ok(())
    }

    /// Writes what a commit was found to do, and its answer.
    pub(super) fn apply(&mut self, write_id: WriteId, plan: &Plan) -> Result<(), Failure> {
        for change in &plan.rows {
            self.change(change)?;
        }
        for name in &plan.freed {
            self.unique.remove(keys::unique(name).as_slice())?;
        }
        for (name, bearer) in &plan.taken {
            self.unique.insert(keys::unique(name).as_slice(), codec::bearer(bearer).as_slice())?;
        }
        for (name, value) in &plan.counters {
            if *value == 0 {
                self.counters.remove(name.as_bytes())?;
            } else {
                self.counters.insert(name.as_bytes(), codec::number(value.cast_unsigned()).as_slice())?;
            }
        }
        for (event, body) in plan.answer.events.clone().zip(&plan.events) {
            self.events.insert(number(event).as_slice(), codec::opaque(body).as_slice())?;
        }
        self.answers.insert(write_id.as_u128().to_be_bytes().as_slice(), codec::answer(&plan.answer).as_slice())?;
        Ok(())
    }

    fn change(&mut self, change: &Change) -> Result<(), Failure> {
        let Change { key, before, after, .. } = change;
        let (was, is) = (before.as_ref().and_then(Row::place), after.as_ref().and_then(Row::place));
        if was != is {
            if let Some((queue, due_at)) = was {
                self.due.remove(keys::due(queue, due_at, key).as_slice())?;
            }
            if let Some((queue, due_at)) = is {
                self.due.insert(keys::due(queue, due_at, key).as_slice(), [].as_slice())?;
            }
        }
        if let Some(after) = after {
            self.rows.insert(row(key).as_slice(), codec::row(after).as_slice())?;
        } else {
            self.rows.remove(row(key).as_slice())?;
            if key.kind == Kind::SESSION {
                self.activity.remove(key.id.as_bytes())?;
            }
        }
        Ok(())
    }

    /// Clears away events that are no longer kept, and answers that need no longer be known.
    pub(super) fn trim(&mut self, before: Numbers, after: Numbers, now: Timestamp) -> Result<(), Failure> {
        for event in before.first_event..after.first_event {
            self.events.remove(number(event).as_slice())?;
        }
        let oldest = WriteId::oldest_remembered(now).as_u128().to_be_bytes();
        for _ in 0..FORGOTTEN_AT_ONCE {
            match self.answers.first()? {
                Some((key, _)) if key.value() < oldest.as_slice() => {}
                _ => break,
            }
            self.answers.pop_first()?;
        }
        Ok(())
    }
}

/// The state before a commit, seen from inside the transaction that may write it.
pub(super) struct Sight<'a, T> {
    pub(super) tables: &'a Tables<T>,
    pub(super) leases: &'a Mutex<Leases>,
    pub(super) boot: Duration,
}

impl<T: Readable> View for Sight<'_, T> {
    type Error = Failure;

    fn row(&self, key: &RowKey) -> Result<Option<Row>, Failure> {
        self.tables.row(key)
    }

    fn bearer(&self, name: &UniqueName) -> Result<Option<Bearer>, Failure> {
        self.tables.bearer(name)
    }

    fn activity(&self, session: &str) -> Result<Option<u64>, Failure> {
        self.tables.activity(session)
    }

    fn counter(&self, name: &str) -> Result<i64, Failure> {
        self.tables.counter(name)
    }

    fn answer(&self, write_id: WriteId) -> Result<Option<Committed>, Failure> {
        self.tables.answer(write_id)
    }

    fn holds(&self, key: &RowKey, fence: Fence) -> bool {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner).holds(key, fence, self.boot)
    }
}
