//! Keys of several parts as bytes that sort as the parts do: big-endian numbers, texts ended so that a prefix comes
//! first.

use atlas_auth::Timestamp;

use crate::store::keys::{read_row, row};
use crate::store::row::{Queue, RowKey, UniqueName};

/// A zero inside a text is followed by this, the end of a text by [`END`]: so no text's bytes begin another's.
const INSIDE: u8 = 0xFF;
const END: u8 = 0x01;

fn put_text(out: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        out.push(byte);
        if byte == 0 {
            out.push(INSIDE);
        }
    }
    out.extend([0, END]);
}

/// A moment. The sign is turned, so that times before 1970 come first.
pub(super) const fn moment(time: Timestamp) -> [u8; 8] {
    (time.as_millis() ^ i64::MIN).to_be_bytes()
}

pub(super) fn read_moment(bytes: &[u8]) -> Option<Timestamp> {
    bytes.try_into().ok().map(|bytes| Timestamp::from_millis(i64::from_be_bytes(bytes) ^ i64::MIN))
}

/// The beginning of all due entries of a queue.
pub(super) fn queue(name: &Queue) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.as_str().len() + 2);
    put_text(&mut out, name.as_str());
    out
}

/// An entry of the index of due rows: queue, moment, row.
pub(super) fn due(name: &Queue, due_at: Timestamp, key: &RowKey) -> Vec<u8> {
    let mut out = queue(name);
    out.extend(moment(due_at));
    out.extend(row(key));
    out
}

/// The moment and the row of a due entry, given what follows the queue in it.
pub(super) fn read_due(after_queue: &[u8]) -> Option<(Timestamp, RowKey)> {
    let (time, key) = after_queue.split_at_checked(8)?;
    Some((read_moment(time)?, read_row(key)?))
}

/// A unique name.
pub(super) fn unique(name: &UniqueName) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.deployment.len() + name.namespace.len() + name.text.len() + 4);
    put_text(&mut out, &name.deployment);
    put_text(&mut out, &name.namespace);
    out.extend_from_slice(name.text.as_bytes());
    out
}

/// The least key above all that begin with `prefix`; `None` if there is no such key.
pub(super) fn above(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut out = prefix.to_vec();
    while let Some(last) = out.pop() {
        if last < u8::MAX {
            out.push(last + 1);
            return Some(out);
        }
    }
    None
}
