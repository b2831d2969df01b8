//! What stands behind the addresses of this cloud's machines: each answers as its guard would, and everything that was
//! asked is written down, so that a test can prove that no key went astray.

use async_trait::async_trait;
use atlas_auth::{PRESHARED_KEY_ENV, SIGNING_KEY_ENV, Timestamp, TokenHash, UrlVerifier};
use atlas_core::{ComputeId, Error, Probe, ProbeAnswer, ProbeRequest, Result};
use url::Url;

use crate::mock::Mock;
use crate::model::{Machine, Recipient};

/// The header that only the proxy's own answers carry.
pub(crate) const PROXY_HEADER: &str = "x-mock-proxy";

/// Who answered a question.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnsweredBy {
    /// This machine.
    Machine(ComputeId),
    /// The cloud's proxy, for want of a machine that answers.
    Proxy,
    /// Somebody else's machine, which says 200 to everything.
    Stranger,
    /// Nobody.
    Nobody,
}

/// The key that went with a question, as far as it may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Presented {
    /// None.
    Nothing,
    /// A bearer token with this hash.
    Bearer(TokenHash),
    /// A signature in the address.
    Signature,
}

/// One question, and who got it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Asked {
    /// When.
    pub at: Timestamp,
    /// Where: scheme, host, port and path, without the query.
    pub place: String,
    /// With which key.
    pub presented: Presented,
    /// Who answered.
    pub by: AnsweredBy,
}

impl Asked {
    /// Whether a key went to somebody whom it does not concern.
    pub fn betrays_key(&self) -> bool {
        self.by == AnsweredBy::Stranger && self.presented != Presented::Nothing
    }
}

/// Asks the ports of one mock cloud's machines.
#[derive(Debug, Clone)]
pub struct MockProbe {
    mock: Mock,
}

impl MockProbe {
    pub(crate) fn new(mock: Mock) -> Self {
        Self { mock }
    }
}

#[async_trait]
impl Probe for MockProbe {
    async fn ask(&self, request: &ProbeRequest) -> Result<ProbeAnswer> {
        let url = Url::parse(request.url.expose()).map_err(|_| Error::validation("the address asked is none"))?;
        let mut state = self.mock.lock();
        let now = self.mock.now_in(&state);
        let now = state.cloud.settle(now);
        let (by, answer) = match state.cloud.recipient(&url, now) {
            Recipient::Proxy => (AnsweredBy::Proxy, Ok(ProbeAnswer::new(502).with_header(PROXY_HEADER))),
            Recipient::Stranger => (AnsweredBy::Stranger, Ok(ProbeAnswer::new(200))),
            Recipient::Machine(serial) if state.cloud.numbered(serial).is_some() => {
                let machine = state.cloud.numbered(serial).expect("it was there a line above");
                let status = answer(machine, &url, request, now);
                (AnsweredBy::Machine(machine.id.clone()), Ok(ProbeAnswer::new(status)))
            }
            Recipient::Machine(_) | Recipient::Nobody => {
                (AnsweredBy::Nobody, Err(Error::transport(format!("nobody listens at {}", place(&url)))))
            }
        };
        state.asked.push(Asked { at: now, place: place(&url), presented: presented(&url, request), by });
        answer
    }
}

/// What a machine answers: its guard's refusal, else its application's status.
fn answer(machine: &Machine, url: &Url, request: &ProbeRequest, now: Timestamp) -> u16 {
    if !admits(machine, request, now) {
        return 401;
    }
    let answers = &machine.answers;
    answers.get(&Some(url.path().to_owned())).or_else(|| answers.get(&None)).copied().unwrap_or(200)
}

fn admits(machine: &Machine, request: &ProbeRequest, now: Timestamp) -> bool {
    let env = &machine.blueprint.env;
    let bearer = env.get(PRESHARED_KEY_ENV);
    let signing = env.get(SIGNING_KEY_ENV);
    let bearer_fits = bearer.is_some() && bearer == request.bearer.as_ref();
    let signature_fits = signing.is_some_and(|key| {
        let verifier = UrlVerifier::new(atlas_auth::DEFAULT_KEY_ID, key.clone());
        verifier.is_ok_and(|verifier| verifier.verify("GET", request.url.expose(), now).is_ok())
    });
    bearer_fits || signature_fits || (bearer.is_none() && signing.is_none())
}

fn presented(url: &Url, request: &ProbeRequest) -> Presented {
    match &request.bearer {
        Some(bearer) => Presented::Bearer(TokenHash::of(bearer.expose())),
        None if url.query_pairs().any(|(name, _)| name.starts_with("atlas-")) => Presented::Signature,
        None => Presented::Nothing,
    }
}

fn place(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}
