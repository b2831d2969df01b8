//! Whether a request is admitted. Pure, but for the clock.

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, StatusCode, Uri};

use super::{Policy, host};
use crate::signed_url::is_reserved;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    ByBearer,
    BySignedUrl,
    /// 401 for who should come with a credential, 403 for who came with a URL that does not serve.
    Refused(StatusCode),
}

pub(super) fn judge(policy: &Policy, request: &Parts) -> Verdict {
    let Ok(named) = host::named(&request.uri, &request.headers) else {
        return Verdict::Refused(StatusCode::FORBIDDEN);
    };
    match bearer(&request.headers) {
        Bearer::None => {}
        Bearer::Several => return Verdict::Refused(StatusCode::UNAUTHORIZED),
        Bearer::One(token) => {
            // Every hash is tried, so that the time does not tell which one it was.
            if policy.hashes.iter().fold(false, |known, hash| known | hash.matches(token)) {
                return Verdict::ByBearer;
            }
        }
    }
    let signed = request.uri.query().is_some_and(|query| query.split('&').any(is_reserved));
    match (&policy.verifier, signed) {
        (Some(verifier), true) => {
            let admitted = external_host(policy, &request.headers, named).is_some_and(|host| {
                let target = request.uri.path_and_query().map_or("/", PathAndQuery::as_str);
                verifier.verify_parts(request.method.as_str(), &host, target, policy.clock.now()).is_ok()
            });
            if admitted { Verdict::BySignedUrl } else { Verdict::Refused(StatusCode::FORBIDDEN) }
        }
        _ => Verdict::Refused(StatusCode::UNAUTHORIZED),
    }
}

/// The host that a signed URL must have been signed for.
fn external_host(policy: &Policy, headers: &HeaderMap, named: Option<String>) -> Option<String> {
    if let Some(public) = &policy.public_host {
        return Some(public.clone());
    }
    if policy.trust_forwarded {
        let forwarded = host::forwarded(headers).ok()?;
        if forwarded.is_some() {
            return forwarded;
        }
    }
    named
}

enum Bearer<'a> {
    None,
    One(&'a str),
    Several,
}

fn bearer(headers: &HeaderMap) -> Bearer<'_> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => Bearer::None,
        (Some(_), Some(_)) => Bearer::Several,
        (Some(value), None) => {
            let token = value
                .to_str()
                .ok()
                .and_then(|text| text.split_once(' '))
                .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
                .map(|(_, token)| token.trim_start_matches(' '));
            token.map_or(Bearer::None, Bearer::One)
        }
    }
}

/// The address without Atlas's parameters; all else as it was sent.
pub(super) fn without_signature(uri: Uri) -> Uri {
    let Some(query) = uri.query().filter(|query| query.split('&').any(is_reserved)) else { return uri };
    let kept: Vec<&str> = query.split('&').filter(|piece| !is_reserved(piece)).collect();
    let rest = if kept.is_empty() { uri.path().to_owned() } else { format!("{}?{}", uri.path(), kept.join("&")) };
    let mut parts = uri.into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(rest).expect("a valid address stays valid without a parameter"));
    Uri::from_parts(parts).expect("a valid address stays valid without a parameter")
}
