//! Rows' names and numbers as bytes that sort as they do: big-endian. Cursors are made of them.

use super::row::{Kind, RowKey};

/// A row's name: its kind, then its id.
pub(super) fn row(key: &RowKey) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + key.id.len());
    out.push(key.kind.code());
    out.extend_from_slice(key.id.as_bytes());
    out
}

pub(super) fn read_row(bytes: &[u8]) -> Option<RowKey> {
    let (kind, id) = bytes.split_first()?;
    Some(RowKey::new(Kind::from_code(*kind), String::from_utf8(id.to_vec()).ok()?))
}

/// A number.
pub(super) const fn number(value: u64) -> [u8; 8] {
    value.to_be_bytes()
}

pub(super) fn read_number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}
