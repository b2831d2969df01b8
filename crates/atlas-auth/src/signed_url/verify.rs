//! Verifying.

use url::Url;

use super::canonical::{Target, check_method};
use super::{SigningKey, SigningKeyError, UrlError};
use crate::{Secret, Timestamp, base64url, crypto};

/// Accepts URLs that were signed by any of its keys. While keys are rotated it holds the old and the new one.
#[derive(Debug, Clone)]
pub struct UrlVerifier {
    keys: Vec<SigningKey>,
}

impl UrlVerifier {
    /// A verifier with one key.
    pub fn new(key_id: impl Into<String>, secret: Secret) -> Result<Self, SigningKeyError> {
        Ok(Self { keys: vec![SigningKey::new(key_id.into(), secret)?] })
    }

    /// The same, accepting one key more.
    pub fn and(mut self, key_id: impl Into<String>, secret: Secret) -> Result<Self, SigningKeyError> {
        let key = SigningKey::new(key_id.into(), secret)?;
        if self.keys.iter().any(|known| known.id == key.id) {
            return Err(SigningKeyError::Duplicate(key.id));
        }
        self.keys.push(key);
        Ok(self)
    }

    /// Whether a request of `method` for the whole URL is admitted at `now`: it is while `now` lies before the expiry.
    ///
    /// The URL must be written as the signer wrote it, save for the order of its parameters and the spelling of its
    /// escapes.
    pub fn verify(&self, method: &str, url: &str, now: Timestamp) -> Result<(), UrlError> {
        let parsed =
            Url::parse(url).map_err(|_| UrlError::Malformed("it is not a whole URL, such as https://host/path"))?;
        let target = Target::from_url(&parsed)?;
        // A parser repairs a lot (tabs, backslashes, dot segments); what needs repair is not what was signed.
        if parsed.as_str() != url {
            return Err(UrlError::Malformed("it is not written in its normal form, as it was when it was signed"));
        }
        self.verify_target(method, target, now)
    }

    /// The same from what a server sees: the external host (with its port where that is not the scheme's own, as in a
    /// `Host` header), and the path with its query as they were sent.
    pub fn verify_parts(&self, method: &str, host: &str, path_and_query: &str, now: Timestamp) -> Result<(), UrlError> {
        self.verify_target(method, Target::from_parts(host, path_and_query)?, now)
    }

    fn verify_target(&self, method: &str, mut target: Target, now: Timestamp) -> Result<(), UrlError> {
        check_method(method)?;
        let parameters = target.take_parameters()?;
        let code = base64url::decode(&parameters.signature)
            .filter(|code| code.len() == crypto::KEY_BYTES)
            .ok_or(UrlError::Malformed("its atlas-signature is not 43 characters of base64url"))?;
        let Some(key) = self.keys.iter().find(|key| key.id == parameters.key) else {
            return Err(UrlError::UnknownKey(parameters.key));
        };
        let signed_for = |method: &str| {
            let lines = target.canonical(method, parameters.expires, &parameters.key);
            crypto::hmac_sha256_verify(key.secret.expose().as_bytes(), lines.as_bytes(), &code)
        };
        if !(signed_for(method) || (method == "HEAD" && signed_for("GET"))) {
            return Err(UrlError::BadSignature);
        }
        // Last, so that only who holds a signature of ours learns anything of its time.
        let expires = Timestamp::from_seconds(parameters.expires);
        if now < expires { Ok(()) } else { Err(UrlError::Expired(expires)) }
    }
}
