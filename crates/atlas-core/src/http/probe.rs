//! Readiness over HTTP (rule P12): one question, one answer, nothing followed and nothing repeated.
//!
//! The address may hold a signature and the header a key, so neither ever stands in an error.

use std::error::Error as StdError;
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use url::Url;

use super::tls;
use crate::{Effect, Error, ErrorKind, Probe, ProbeAnswer, ProbeRequest, Result};

/// How Atlas names itself to the machines that it asks.
const USER_AGENT: &str = concat!("atlas/", env!("CARGO_PKG_VERSION"));

/// Asks machines over HTTP. Cheap to clone; one suffices for a whole process.
///
/// A question goes straight to its address: past every proxy of the environment, so that one for loopback never leaves
/// this machine, and over a connection of its own, so that an answer shows who listens there now.
#[derive(Debug, Clone)]
pub struct HttpProbe {
    client: reqwest::Client,
}

impl HttpProbe {
    /// A new one. Opens no connection yet.
    pub fn new() -> Result<Self> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::client_config()?)
            .user_agent(USER_AGENT)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|cause| Error::new(ErrorKind::Unknown, "cannot set up HTTP").with_source(cause.without_url()))?;
        Ok(Self { client })
    }
}

#[async_trait]
impl Probe for HttpProbe {
    async fn ask(&self, request: &ProbeRequest) -> Result<ProbeAnswer> {
        let url = address(request.url.expose())?;
        let mut question = self.client.get(url).timeout(request.timeout);
        if let Some(bearer) = &request.bearer {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", bearer.expose()))
                .map_err(|_| Error::validation("the machine's key holds characters that no header can carry"))?;
            value.set_sensitive(true);
            question = question.header(AUTHORIZATION, value);
        }
        // Only the head counts; dropping the answer leaves its body unread.
        let answer = question.send().await.map_err(|cause| failure(cause, request.timeout))?;
        let head = ProbeAnswer::new(answer.status().as_u16());
        Ok(answer.headers().keys().fold(head, |head, name| head.with_header(name.as_str())))
    }
}

fn address(text: &str) -> Result<Url> {
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| Error::validation("the machine's address is no http or https URL"))
}

fn failure(cause: reqwest::Error, waited: Duration) -> Error {
    let cause = cause.without_url();
    let error = if cause.is_timeout() {
        Error::timeout(format!("the machine did not answer within {}", crate::duration::format(waited)))
    } else if cause.is_connect() {
        Error::transport(format!("cannot connect to the machine: {}", root(&cause))).with_effect(Effect::NotSent)
    } else {
        Error::transport(format!("the machine broke off: {}", root(&cause)))
    };
    error.with_source(cause)
}

/// The innermost cause: the only one of the chain that says more than "error sending request".
fn root(error: &dyn StdError) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    crate::error::excerpt(&innermost.to_string())
}
