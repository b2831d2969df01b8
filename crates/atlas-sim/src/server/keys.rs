//! Who may do what: API keys, the account that each opens, and how far.

use std::collections::BTreeMap;
use std::fmt;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde::{Deserialize, Serialize};

use super::reply::Problem;

/// How far a key reaches.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reach {
    /// Everything.
    #[default]
    All,
    /// Reads alone.
    ReadOnly,
    /// These serverless endpoints, and no management.
    Endpoints(Vec<String>),
    /// Nothing: the key is known, and may do nothing.
    Nothing,
}

/// Who asks: known by the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) account: String,
    pub(super) reach: Reach,
}

impl Caller {
    /// Whether management may be read, or changed.
    pub(super) fn may_manage(&self, changes: bool) -> bool {
        match self.reach {
            Reach::All => true,
            Reach::ReadOnly => !changes,
            Reach::Endpoints(_) | Reach::Nothing => false,
        }
    }

    /// Whether jobs of this endpoint may be read, or sent.
    pub(super) fn may_use(&self, endpoint: &str, changes: bool) -> bool {
        match &self.reach {
            Reach::Endpoints(endpoints) => endpoints.iter().any(|known| known == endpoint),
            Reach::All | Reach::ReadOnly | Reach::Nothing => self.may_manage(changes),
        }
    }
}

/// All keys there are.
#[derive(Clone, Default)]
pub(super) struct Keys(BTreeMap<String, Caller>);

/// Shows whose they are and not what they are: a test's log may hold a real key that was given to the wrong cloud.
impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.values()).finish()
    }
}

impl Keys {
    pub(super) fn add(&mut self, key: &str, account: &str, reach: Reach) {
        self.0.insert(key.to_owned(), Caller { account: account.to_owned(), reach });
    }

    pub(super) fn revoke(&mut self, key: &str) -> bool {
        self.0.remove(key).is_some()
    }

    pub(super) fn find(&self, key: &str) -> Option<&Caller> {
        self.0.get(key)
    }

    /// Whom the keys open, without the keys.
    pub(super) fn callers(&self) -> impl Iterator<Item = &Caller> {
        self.0.values()
    }

    /// Who asks by `Authorization: Bearer`, as REST v2 wants it.
    pub(super) fn by_bearer(&self, headers: &HeaderMap) -> Result<&Caller, Problem> {
        let refused = |detail| Problem::new(http::StatusCode::UNAUTHORIZED, detail);
        let key = bearer(headers).ok_or_else(|| refused("missing bearer token"))?;
        self.find(key).ok_or_else(|| refused("invalid bearer token"))
    }
}

/// The token of `Authorization: Bearer`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()).then(|| token.trim())
}

/// The token of `Authorization`, with `Bearer` or bare, as the serverless runtime takes both.
pub(super) fn bearer_or_bare(headers: &HeaderMap) -> Option<&str> {
    bearer(headers).or_else(|| headers.get(AUTHORIZATION)?.to_str().ok().map(str::trim)).filter(|key| !key.is_empty())
}
