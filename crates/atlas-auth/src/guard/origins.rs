//! CORS: which pages may read the answers, and what a browser is told when it asks before it sends. Pure.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// For how many seconds a browser need not ask again: long enough to spare most questions, short enough that a change
/// of configuration is seen within a coffee break.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
/// What a page always may send: the credential, and what JSON needs.
const HEADERS: [&str; 2] = ["authorization", "content-type"];
const PREFLIGHT_VARY: HeaderValue =
    HeaderValue::from_static("origin, access-control-request-method, access-control-request-headers");

/// The origins whose pages may read the answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Origins {
    /// In the form in which browsers write them.
    Listed(Vec<String>),
    Any,
}

/// What one request's answer says about its origin.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Grant {
    allowed: Option<HeaderValue>,
    varies: bool,
}

impl Origins {
    pub(super) fn grant(&self, request: &HeaderMap) -> Grant {
        match self {
            Self::Any => Grant { allowed: Some(HeaderValue::from_static("*")), varies: false },
            Self::Listed(listed) => {
                let mut origins = request.get_all(ORIGIN).iter();
                let allowed = match (origins.next(), origins.next()) {
                    (Some(origin), None) if listed.iter().any(|known| known.as_bytes() == origin) => {
                        Some(origin.clone())
                    }
                    _ => None,
                };
                Grant { allowed, varies: !listed.is_empty() }
            }
        }
    }
}

impl Grant {
    pub(super) const fn is_allowed(&self) -> bool {
        self.allowed.is_some()
    }

    /// Writes itself onto an answer, over what the service may have said.
    pub(super) fn write(&self, answer: &mut HeaderMap) {
        if let Some(origin) = &self.allowed {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        } else if self.varies {
            // Where origins are listed the list decides. Where none is, the service's own word stands.
            answer.remove(ACCESS_CONTROL_ALLOW_ORIGIN);
        }
        // Also where the origin is not allowed, lest a cache give that answer to one that is.
        if self.varies && !varies_by_origin(answer) {
            answer.append(VARY, HeaderValue::from_static("origin"));
        }
    }
}

fn varies_by_origin(answer: &HeaderMap) -> bool {
    let mut names =
        answer.get_all(VARY).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    names.any(|name| matches!(name.trim(), "*") || name.trim().eq_ignore_ascii_case("origin"))
}

/// Whether this is a browser that asks what a page may do. It never carries a credential.
pub(super) fn is_preflight(request: &Parts) -> bool {
    request.method == Method::OPTIONS
        && request.headers.contains_key(ORIGIN)
        && request.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The headers that answer such a question.
pub(super) fn preflight(request: &HeaderMap) -> HeaderMap {
    let mut answer = HeaderMap::new();
    answer.insert(ACCESS_CONTROL_ALLOW_METHODS, methods(request.get(ACCESS_CONTROL_REQUEST_METHOD)));
    answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, headers(request));
    answer.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    answer.insert(VARY, PREFLIGHT_VARY);
    answer
}

/// The usual methods, and the one that was asked for.
fn methods(asked: Option<&HeaderValue>) -> HeaderValue {
    asked
        .and_then(|asked| Method::from_bytes(asked.as_bytes()).ok())
        .filter(|asked| !METHODS.split(", ").any(|known| known == asked.as_str()))
        .and_then(|asked| HeaderValue::from_str(&format!("{METHODS}, {asked}")).ok())
        .unwrap_or(HeaderValue::from_static(METHODS))
}

/// The usual headers, and those that were asked for, each once.
fn headers(request: &HeaderMap) -> HeaderValue {
    let mut names: Vec<HeaderName> = HEADERS.map(HeaderName::from_static).into();
    let asked = request.get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter().filter_map(|value| value.to_str().ok());
    for name in asked.flat_map(|value| value.split(',')) {
        if let Ok(name) = HeaderName::from_bytes(name.trim().as_bytes())
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    let names: Vec<&str> = names.iter().map(HeaderName::as_str).collect();
    HeaderValue::from_str(&names.join(", ")).expect("names of headers are visible ASCII")
}
