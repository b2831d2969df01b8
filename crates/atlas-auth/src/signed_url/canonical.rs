//! The canonical form: from a URL, or from what a server sees of one, to the lines that are signed. Pure.

use std::collections::{BTreeMap, BTreeSet};

use url::{Host, Url};

use super::{EXPIRES, KEY, LATEST_EXPIRY, RESERVED_PREFIX, SIGNATURE, UrlError, is_key_id};

const VERSION: &str = "atlas-signed-url-v1";

/// What a request is aimed at, in normal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    host: String,
    path: String,
    /// A name without `=` has no value, which is not the same as an empty one.
    query: BTreeMap<String, Option<String>>,
}

/// The three parameters of a signed URL, well-formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parameters {
    /// Seconds since 1970.
    pub(super) expires: i64,
    pub(super) key: String, // not a secret: the name of a query parameter
    /// Still as text.
    pub(super) signature: String,
}

impl Target {
    /// Of a URL that has been parsed, and so has no dot segments, no upper-case host and no default port.
    pub(super) fn from_url(url: &Url) -> Result<Self, UrlError> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::Malformed("a user name or password stands before the host; send it in a header"));
        }
        if url.fragment().is_some() {
            return Err(UrlError::Malformed("it has a fragment (#…), which no server ever sees"));
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(url) => {}
            "http" => return Err(UrlError::Malformed("http is for loopback alone; elsewhere it must be https")),
            _ => return Err(UrlError::Malformed("it must begin with https://, or on loopback with http://")),
        }
        let host = url.host_str().ok_or(UrlError::Malformed("it has no host"))?;
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Self::new(host, url.path(), url.query())
    }

    /// Of what a server sees: a host (with its port where that is not the scheme's own), and a path with its query.
    pub(super) fn from_parts(host: &str, path_and_query: &str) -> Result<Self, UrlError> {
        let host = authority(host).ok_or(UrlError::Malformed("the host is not one"))?;
        if path_and_query.contains('#') {
            return Err(UrlError::Malformed("it has a fragment (#…), which no server ever sees"));
        }
        match path_and_query.split_once('?') {
            Some((path, query)) => Self::new(host, path, Some(query)),
            None => Self::new(host, path_and_query, None),
        }
    }

    fn new(host: String, path: &str, query: Option<&str>) -> Result<Self, UrlError> {
        let path = normalise(path).ok_or(BAD_ESCAPE)?;
        if !path.starts_with('/') {
            return Err(UrlError::Malformed("the path does not begin with /"));
        }
        // A URL parser has resolved them. One that arrives all the same is meant to be read differently further on.
        if path.split('/').any(|segment| segment == "." || segment == "..") {
            return Err(UrlError::Malformed("the path has . or .. segments"));
        }
        let mut parameters = BTreeMap::new();
        // To a form decoder `a+b` is `a%20b`, and of two alike the order counts, which is not signed.
        let mut decoded = BTreeSet::new();
        for piece in query.into_iter().flat_map(|query| query.split('&')) {
            let (name, value) = parameter(piece)?;
            if name.is_empty() {
                return Err(UrlError::Malformed("the query has a parameter without a name"));
            }
            if !decoded.insert(name.replace('+', "%20")) {
                return Err(UrlError::Malformed("the query has two parameters of the same name"));
            }
            parameters.insert(name, value);
        }
        Ok(Self { host, path, query: parameters })
    }

    /// Whether any of Atlas's parameters stands in the query.
    pub(super) fn is_signed(&self) -> bool {
        self.query.keys().any(|name| name.starts_with(RESERVED_PREFIX))
    }

    /// Takes Atlas's three parameters out of the query, all of which must be there, and no others of such a name.
    pub(super) fn take_parameters(&mut self) -> Result<Parameters, UrlError> {
        let mut take = |name| self.query.remove(name).flatten();
        let expires = take(EXPIRES).ok_or(UrlError::Malformed("it has no atlas-expires"))?;
        let key = take(KEY).ok_or(UrlError::Malformed("it has no atlas-key"))?;
        let signature = take(SIGNATURE).ok_or(UrlError::Malformed("it has no atlas-signature"))?;
        if self.is_signed() {
            return Err(UrlError::Malformed("it has a parameter in atlas-… that this version does not know"));
        }
        if !is_key_id(&key) {
            return Err(UrlError::Malformed("its atlas-key is not a key id"));
        }
        let expires =
            parse_expiry(&expires).ok_or(UrlError::Malformed("its atlas-expires is not a time in seconds"))?;
        Ok(Parameters { expires, key, signature })
    }

    /// The lines that are signed. No part can hold a line feed, so they read in one way only.
    pub(super) fn canonical(&self, method: &str, expires: i64, key: &str) -> String {
        let query: Vec<String> = self
            .query
            .iter()
            .map(|(name, value)| value.as_ref().map_or_else(|| name.clone(), |value| format!("{name}={value}")))
            .collect();
        let Self { host, path, .. } = self;
        format!("{VERSION}\n{method}\n{host}\n{path}\n{}\n{expires}\n{key}", query.join("&"))
    }
}

const BAD_ESCAPE: UrlError = UrlError::Malformed("a % is not followed by two hexadecimal digits");

/// Whether a piece of a query is one of Atlas's own parameters.
#[cfg(feature = "guard")]
pub(crate) fn is_reserved(piece: &str) -> bool {
    parameter(piece).is_ok_and(|(name, _)| name.starts_with(RESERVED_PREFIX))
}

/// The name and value of a piece of a query, in normal form.
fn parameter(piece: &str) -> Result<(String, Option<String>), UrlError> {
    let (name, value) = match piece.split_once('=') {
        Some((name, value)) => (name, Some(normalise(value).ok_or(BAD_ESCAPE)?)),
        None => (piece, None),
    };
    Ok((normalise(name).ok_or(BAD_ESCAPE)?, value))
}

/// Methods are case-sensitive, and all that are in use are written in capitals.
pub(super) fn check_method(method: &str) -> Result<(), UrlError> {
    let plausible = (1..=32).contains(&method.len()) && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    if plausible { Ok(()) } else { Err(UrlError::Malformed("the method is not written in capitals, as GET is")) }
}

/// Normalises percent-encoding, once (RFC 3986, section 6.2.2). Nothing if an escape is broken.
fn normalise(text: &str) -> Option<String> {
    let mut output = String::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let escaped = hexadecimal(bytes.next()?)? << 4 | hexadecimal(bytes.next()?)?;
            if is_unreserved(escaped) {
                output.push(char::from(escaped));
            } else {
                output.push_str(percent_encoding::percent_encode_byte(escaped));
            }
        } else if is_unreserved(byte) || is_delimiter(byte) {
            output.push(char::from(byte));
        } else {
            // What may not stand in a URL means the same as its escape.
            output.push_str(percent_encoding::percent_encode_byte(byte));
        }
    }
    Some(output)
}

fn hexadecimal(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

pub(super) const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// The reserved characters: plain, they part; escaped, they do not.
fn is_delimiter(byte: u8) -> bool {
    b":/?#[]@!$&'()*+,;=".contains(&byte)
}

/// Digits alone, no leading zero, and not beyond what a JSON number can hold.
fn parse_expiry(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || (text.len() > 1 && text.starts_with('0')) {
        return None;
    }
    text.parse().ok().filter(|seconds| *seconds <= LATEST_EXPIRY)
}

/// A host with or without a port, in lower case. Nothing for what is not exactly that: user names, paths, spaces,
/// escapes, ports out of range or with leading zeros.
pub(crate) fn authority(text: &str) -> Option<String> {
    let plausible = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b));
    if !plausible {
        return None;
    }
    // The last colon parts the port, unless it stands within an IPv6 address.
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let host = Host::parse(host).ok()?;
    match port {
        None => Some(host.to_string()),
        Some(port) => {
            let number: u16 = port.parse().ok()?;
            (number.to_string() == port).then(|| format!("{host}:{port}"))
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
