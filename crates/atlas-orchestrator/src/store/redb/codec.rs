//! Values as bytes: a format byte, then the parts in a fixed order. Written by hand, so that no library's change of
//! encoding can ever reach a file.

use atlas_auth::Timestamp;
use bytes::Bytes;

use crate::store::commit::Committed;
use crate::store::keys;
use crate::store::plan::{Bearer, Numbers};
use crate::store::row::{Queue, Row, RowKey, UniqueName};

/// The format of all values below. A change of any of them takes the next number, and reads the old one too.
const FORMAT: u8 = 1;

/// Writes parts one after another.
struct Writer(Vec<u8>);

impl Writer {
    fn new(capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity + 1);
        bytes.push(FORMAT);
        Self(bytes)
    }

    fn number(&mut self, value: u64) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    fn short(&mut self, value: u16) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    fn bytes(&mut self, value: &[u8]) -> &mut Self {
        // Lengths take one byte where they fit, as nearly all do.
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        match u8::try_from(length) {
            Ok(small) if small < u8::MAX => self.0.push(small),
            _ => {
                self.0.push(u8::MAX);
                self.0.extend(length.to_be_bytes());
            }
        }
        self.0.extend_from_slice(value);
        self
    }

    fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) -> &mut Self {
        match value {
            None => self.0.push(0),
            Some(value) => {
                self.0.push(1);
                write(self, value);
            }
        }
        self
    }

    fn time(&mut self, value: Option<Timestamp>) -> &mut Self {
        self.option(value, |writer, time| writer.0.extend(time.as_millis().to_be_bytes()))
    }
}

/// Takes parts one after another; `None` when there is not what should be there.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn new(value: &'a [u8]) -> Option<Self> {
        let (format, rest) = value.split_first()?;
        (*format == FORMAT).then_some(Self(rest))
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn short(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let [small] = self.array()?;
        let length = if small == u8::MAX { u32::from_be_bytes(self.array()?) } else { u32::from(small) };
        let (first, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(first)
    }

    fn text(&mut self) -> Option<String> {
        std::str::from_utf8(self.bytes()?).ok().map(str::to_owned)
    }

    /// A part that may be absent, into `place`. `None`: there is not what should be there.
    fn option<T>(&mut self, place: &mut Option<T>, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<()> {
        *place = match self.array()? {
            [0] => None,
            [1] => Some(read(self)?),
            _ => return None,
        };
        Some(())
    }

    fn time(&mut self, place: &mut Option<Timestamp>) -> Option<()> {
        self.option(place, |reader| reader.array().map(i64::from_be_bytes).map(Timestamp::from_millis))
    }
}

/// A row without its name, which is the key.
pub(super) fn row(row: &Row) -> Vec<u8> {
    let mut out = Writer::new(row.body.len() + 96);
    out.number(row.version).short(row.format).bytes(row.phase.as_bytes());
    out.option(row.queue.as_ref(), |out, queue| {
        out.bytes(queue.as_str().as_bytes());
    });
    out.time(row.due_at);
    out.option(row.account.as_ref(), |out, account| {
        out.bytes(account.as_bytes());
    });
    out.number(u64::try_from(row.unique.len()).unwrap_or(u64::MAX));
    for key in &row.unique {
        let UniqueName { deployment, namespace, text } = &key.name;
        out.bytes(deployment.as_bytes()).bytes(namespace.as_bytes()).bytes(text.as_bytes()).time(key.expires_at);
    }
    out.0.extend_from_slice(&row.body);
    out.0
}

/// The row of this name. One whose columns cannot be read is shown all the same: see [`Row::UNREADABLE`].
pub(super) fn read_row(key: RowKey, value: &[u8]) -> Row {
    let mut row = Row::new(key, 0, Bytes::new());
    match columns(&mut row, value) {
        Some(body) => {
            row.body = Bytes::copy_from_slice(body);
            row
        }
        None => unreadable(row.key, value),
    }
}

/// The same without its body.
pub(super) fn read_columns(key: RowKey, value: &[u8]) -> Row {
    let mut row = Row::new(key, 0, Bytes::new());
    match columns(&mut row, value) {
        Some(_) => row,
        None => unreadable(row.key, value),
    }
}

fn unreadable(key: RowKey, value: &[u8]) -> Row {
    Row::new(key, Row::UNREADABLE, Bytes::copy_from_slice(value))
}

/// Fills in all but the body, which is returned.
fn columns<'a>(row: &mut Row, value: &'a [u8]) -> Option<&'a [u8]> {
    let mut from = Reader::new(value)?;
    row.version = from.number()?;
    row.format = from.short()?;
    row.phase = from.text()?;
    from.option(&mut row.queue, |from| from.text().map(Queue::new))?;
    from.time(&mut row.due_at)?;
    from.option(&mut row.account, Reader::text)?;
    for _ in 0..from.number()? {
        let name = UniqueName { deployment: from.text()?, namespace: from.text()?, text: from.text()? };
        let mut unique = name.forever();
        from.time(&mut unique.expires_at)?;
        row.unique.push(unique);
    }
    Some(from.0)
}

/// Who bears a unique name.
pub(super) fn bearer(bearer: &Bearer) -> Vec<u8> {
    let mut out = Writer::new(64);
    out.time(bearer.expires_at);
    out.0.extend(keys::row(&bearer.row));
    out.0
}

pub(super) fn read_bearer(value: &[u8]) -> Option<Bearer> {
    let mut from = Reader::new(value)?;
    let mut expires_at = None;
    from.time(&mut expires_at)?;
    Some(Bearer { expires_at, row: keys::read_row(from.0)? })
}

/// The answer to a commit.
pub(super) fn answer(answer: &Committed) -> Vec<u8> {
    let mut out = Writer::new(64);
    out.number(answer.events.start).number(answer.events.end);
    for (key, version) in &answer.versions {
        out.number(*version).bytes(&keys::row(key));
    }
    out.0
}

pub(super) fn read_answer(value: &[u8]) -> Option<Committed> {
    let mut from = Reader::new(value)?;
    let events = from.number()?..from.number()?;
    let mut versions = Vec::new();
    while !from.0.is_empty() {
        let version = from.number()?;
        versions.push((keys::read_row(from.bytes()?)?, version));
    }
    Some(Committed { versions, events })
}

/// The numbers that the store gives out.
pub(super) fn numbers(numbers: Numbers) -> Vec<u8> {
    let mut out = Writer::new(32);
    out.number(numbers.next_version).number(numbers.next_event).number(numbers.first_event).number(numbers.openings);
    out.0
}

pub(super) fn read_numbers(value: &[u8]) -> Option<Numbers> {
    let mut from = Reader::new(value)?;
    Some(Numbers {
        next_version: from.number()?,
        next_event: from.number()?,
        first_event: from.number()?,
        openings: from.number()?,
    })
}

/// One number: a counter (as its bits), an activity.
pub(super) fn number(value: u64) -> Vec<u8> {
    let mut out = Writer::new(8);
    out.number(value);
    out.0
}

pub(super) fn read_number(value: &[u8]) -> Option<u64> {
    Reader::new(value)?.number()
}

/// Bytes of another's making: an event, the frontier.
pub(super) fn opaque(value: &[u8]) -> Vec<u8> {
    let mut out = Writer::new(value.len());
    out.0.extend_from_slice(value);
    out.0
}

pub(super) fn read_opaque(value: &[u8]) -> Option<Bytes> {
    Some(Bytes::copy_from_slice(Reader::new(value)?.0))
}
