//! Pages: newest first, by a cursor that tells its bearer nothing.

use serde::Serialize;

use super::super::reply::Problem;

/// The longest page, and the usual one.
const MOST: usize = 1000;

/// Which part of a listing is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) limit: usize,
    /// Only what is older than the one of this number.
    pub(super) before: Option<u64>,
}

/// Where a listing goes on.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pagination {
    next_cursor: Option<String>,
    has_next_page: bool,
}

impl Pagination {
    /// There is no more.
    pub(super) const fn last() -> Self {
        Self { next_cursor: None, has_next_page: false }
    }
}

impl Page {
    /// Reads `limit` and `cursor` out of a query; a cursor of another listing is refused.
    pub(super) fn read(what: &str, query: Option<&str>) -> Result<Self, Problem> {
        let wrong = |text: &str| Problem::unprocessable(vec![text.to_owned()]);
        let mut page = Self { limit: MOST, before: None };
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match &*name {
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=MOST).contains(limit));
                    page.limit = limit.ok_or_else(|| wrong("limit: must be an integer from 1 to 1000"))?;
                }
                "cursor" => {
                    let before = read_cursor(what, &value).ok_or_else(|| wrong("cursor: malformed"))?;
                    page.before = Some(before);
                }
                // What is not known is not looked at.
                _ => {}
            }
        }
        Ok(page)
    }

    /// Cuts one page out of what is left, and says where it goes on.
    pub(super) fn cut<T>(
        self,
        what: &str,
        left: impl Iterator<Item = T>,
        number: impl Fn(&T) -> u64,
    ) -> (Vec<T>, Pagination) {
        let mut things: Vec<T> = left.take(self.limit + 1).collect();
        let has_next_page = things.len() > self.limit;
        things.truncate(self.limit);
        let next_cursor = things.last().filter(|_| has_next_page).map(|last| write_cursor(what, number(last)));
        (things, Pagination { next_cursor, has_next_page })
    }
}

fn write_cursor(what: &str, number: u64) -> String {
    format!("{:08x}{number:016x}", seal(what, number))
}

fn read_cursor(what: &str, text: &str) -> Option<u64> {
    if text.len() != 24 || !text.is_ascii() {
        return None;
    }
    let (mark, number) = text.split_at(8);
    let number = u64::from_str_radix(number, 16).ok()?;
    (u32::from_str_radix(mark, 16).ok()? == seal(what, number)).then_some(number)
}

/// Tells a cursor of this listing from any other text (FNV-1a; nobody is to be kept out by it).
fn seal(what: &str, number: u64) -> u32 {
    let bytes = what.bytes().chain(number.to_le_bytes());
    bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::{Page, write_cursor};

    #[test]
    fn a_cursor_is_good_for_its_own_listing_alone() {
        let cursor = write_cursor("pods", 77);
        let read = |what, cursor: &str| Page::read(what, Some(&format!("limit=5&cursor={cursor}&colour=blue")));
        assert_eq!(read("pods", &cursor).unwrap(), Page { limit: 5, before: Some(77) });
        for (what, cursor) in [("templates", &*cursor), ("pods", "x"), ("pods", ""), ("pods", &cursor[1..])] {
            assert_eq!(read(what, cursor).unwrap_err().status, 422, "{what} {cursor}");
        }
    }

    #[test]
    fn a_limit_is_from_1_to_1000() {
        for limit in ["0", "1001", "-1", "many", ""] {
            assert_eq!(Page::read("pods", Some(&format!("limit={limit}"))).unwrap_err().status, 422, "{limit}");
        }
        assert_eq!(Page::read("pods", None).unwrap(), Page { limit: 1000, before: None });
    }
}
