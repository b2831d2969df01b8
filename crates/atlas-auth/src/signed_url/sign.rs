//! Signing.

use std::fmt;

use url::Url;

use super::canonical::{Target, check_method};
use super::{EXPIRES, KEY, LATEST_EXPIRY, SIGNATURE, SigningKey, SigningKeyError, UrlError};
use crate::{Secret, Timestamp, base64url, crypto};

/// Signs URLs with one key.
///
/// A URL is signed by three query parameters added to it: `atlas-expires` (seconds since 1970), `atlas-key` (the id of
/// the key, so that several can be valid at once) and `atlas-signature` (HMAC-SHA256 as base64url without padding). The
/// key of the HMAC is the secret's text; what is signed are these lines, joined by a line feed:
///
/// ```text
/// atlas-signed-url-v1
/// GET
/// gpu.example.com:8443
/// /files/a%20b
/// n=1&z=%2F
/// 1764000000
/// 1
/// ```
///
/// that is, a version, the method, the external host (lower case, with the port where it is not the scheme's own), the
/// path, the query without the three parameters and sorted by name, the expiry, the key id. Percent-encoding is
/// normalised once: escapes of unreserved characters are resolved, the others are written in upper case, and what may
/// not stand in a URL is escaped. `%2F` is never taken for `/`, nor `+` for a space. The scheme is not signed, since TLS
/// often ends before the machine; a URL is only signed or accepted as `https`, or as `http` on loopback.
#[derive(Debug, Clone)]
pub struct UrlSigner {
    key: SigningKey,
}

/// A URL with its signature: whoever has it is admitted until it expires. `Debug` shows where it leads, and neither its
/// query nor its signature.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedUrl {
    url: Secret,
    place: String,
    expires_at: Timestamp,
}

impl UrlSigner {
    /// A signer with a key and the id by which the verifier knows it ([`DEFAULT_KEY_ID`](super::DEFAULT_KEY_ID) where
    /// there is only one). The key is the secret's text, byte by byte; it should hold 32 random bytes.
    pub fn new(key_id: impl Into<String>, secret: Secret) -> Result<Self, SigningKeyError> {
        Ok(Self { key: SigningKey::new(key_id.into(), secret)? })
    }

    /// Signs a URL for one method (`GET` serves for `HEAD` too) until `expires_at`, which is cut to whole seconds.
    ///
    /// The URL comes back in the form that browsers send it in. It may not carry a user name, a fragment, a query with
    /// repeated or nameless parameters, or parameters in `atlas-`; it must be https, or http on loopback.
    pub fn sign(&self, method: &str, url: &str, expires_at: Timestamp) -> Result<SignedUrl, UrlError> {
        check_method(method)?;
        let expires = expires_at.as_seconds();
        if !(0..=LATEST_EXPIRY).contains(&expires) {
            return Err(UrlError::Malformed("the expiry must lie after 1970 and within 2^53 seconds"));
        }
        let mut url =
            Url::parse(url).map_err(|_| UrlError::Malformed("it is not a whole URL, such as https://host/path"))?;
        let target = Target::from_url(&url)?;
        if target.is_signed() {
            return Err(UrlError::Malformed(
                "it already has a parameter in atlas-…, a name that is kept for signatures",
            ));
        }
        let place = format!("{}{}", url.origin().ascii_serialization(), url.path());
        let lines = target.canonical(method, expires, &self.key.id);
        let code = crypto::hmac_sha256(self.key.secret.expose().as_bytes(), lines.as_bytes());
        let before = url.query().map(|query| format!("{query}&")).unwrap_or_default();
        let (id, signature) = (&self.key.id, base64url::encode(&code));
        url.set_query(Some(&format!("{before}{EXPIRES}={expires}&{KEY}={id}&{SIGNATURE}={signature}")));
        Ok(SignedUrl { url: Secret::from(String::from(url)), place, expires_at: Timestamp::from_seconds(expires) })
    }
}

impl SignedUrl {
    /// The whole URL. Hand it to the one it is for.
    pub fn expose(&self) -> &str {
        self.url.expose()
    }

    /// From when on it is refused.
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

impl From<SignedUrl> for Secret {
    fn from(signed: SignedUrl) -> Self {
        signed.url
    }
}

impl fmt::Debug for SignedUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SignedUrl({} until {})", self.place, self.expires_at)
    }
}
