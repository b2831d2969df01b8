//! By which name a request came. Pure. A request that gives two names is refused: servers differ in which they believe.

use http::header::{FORWARDED, HOST};
use http::{HeaderMap, HeaderName, Uri};

use crate::signed_url::authority;

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// A request says two things, or something unreadable, about its host.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ambiguous;

/// The host that the request itself names, in its address or its `Host` header.
pub(super) fn named(uri: &Uri, headers: &HeaderMap) -> Result<Option<String>, Ambiguous> {
    let header = single(headers, &HOST)?.map(read).transpose()?;
    let address = uri.authority().map(|authority| read(authority.as_str())).transpose()?;
    agree(header, address)
}

/// The host that a proxy says the request came by. Several hops are ambiguous: only the last is known to be trusted.
pub(super) fn forwarded(headers: &HeaderMap) -> Result<Option<String>, Ambiguous> {
    let plain = single(headers, &X_FORWARDED_HOST)?.map(read).transpose()?;
    let standard = match single(headers, &FORWARDED)? {
        Some(text) => host_of_forwarded(text)?,
        None => None,
    };
    agree(plain, standard)
}

/// The `host` of a `Forwarded` header (RFC 7239) of one element.
fn host_of_forwarded(text: &str) -> Result<Option<String>, Ambiguous> {
    if text.contains(',') {
        return Err(Ambiguous);
    }
    let mut found = None;
    for pair in text.split(';') {
        let Some((name, value)) = pair.split_once('=') else { continue };
        if name.trim().eq_ignore_ascii_case("host") {
            let value = value.trim();
            let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
            if found.replace(read(bare)?).is_some() {
                return Err(Ambiguous);
            }
        }
    }
    Ok(found)
}

fn agree(one: Option<String>, other: Option<String>) -> Result<Option<String>, Ambiguous> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => Err(Ambiguous),
        (one, other) => Ok(one.or(other)),
    }
}

fn read(text: &str) -> Result<String, Ambiguous> {
    authority(text).ok_or(Ambiguous)
}

/// The value of a header that may stand there once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Ambiguous> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| Ambiguous),
        (Some(_), Some(_)) => Err(Ambiguous),
    }
}
