//! The keys with which a browser talks to a machine (rules C9, C10, P6): a value of their own, never a field of a
//! [`Compute`](crate::Compute).

use std::fmt;
use std::str::FromStr;

use atlas_auth::{
    BearerToken, DEFAULT_KEY_ID, Entropy, KeyPurpose, MasterKey, PRESHARED_KEY_ENV, SIGNING_KEY_ENV, Secret,
};
use atlas_auth::{Timestamp, UrlSigner};
use serde::{Deserialize, Serialize};

use crate::{Error, Result, SpawnToken};

/// How a machine shall know its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Auth {
    /// Not at all: whoever has the address may talk to it.
    #[default]
    None,
    /// By a bearer token in the `Authorization` header.
    Bearer,
    /// By signed URLs, for clients that cannot set headers.
    SignedUrl,
}

impl FromStr for Auth {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "none" => Ok(Self::None),
            "bearer" => Ok(Self::Bearer),
            "signed-url" => Ok(Self::SignedUrl),
            other => Err(Error::validation(format!(
                "\"{}\" is no way to know a user: none, bearer or signed-url",
                crate::error::excerpt(other)
            ))),
        }
    }
}

impl fmt::Display for Auth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::None => "none",
            Self::Bearer => "bearer",
            Self::SignedUrl => "signed-url",
        })
    }
}

/// The key of one machine, in the form in which its user needs it. `Debug` shows only which form.
#[derive(Clone)]
#[non_exhaustive]
pub enum Credentials {
    /// None: the machine is open.
    None,
    /// The token that goes into the `Authorization` header.
    Bearer(BearerToken),
    /// The key that signs URLs. It never leaves the backend; what the user gets is a signed URL.
    Signing(UrlSigner, Secret),
}

impl Credentials {
    /// New random ones, for a machine that no store tracks.
    pub fn mint(auth: Auth, entropy: &dyn Entropy) -> Self {
        match auth {
            Auth::None => Self::None,
            Auth::Bearer => Self::Bearer(BearerToken::mint(entropy)),
            Auth::SignedUrl => Self::signing(BearerToken::mint(entropy).expose().into()),
        }
    }

    /// Those that follow from the master key (rule P6): the same for each instance, never stored.
    pub fn derive(auth: Auth, master: &MasterKey, token: SpawnToken, epoch: u32) -> Self {
        let token = token.to_string();
        match auth {
            Auth::None => Self::None,
            Auth::Bearer => Self::Bearer(BearerToken::from_secret(master.derive(KeyPurpose::Bearer, &token, epoch))),
            Auth::SignedUrl => Self::signing(master.derive(KeyPurpose::Signing, &token, epoch)),
        }
    }

    fn signing(key: Secret) -> Self {
        let signer = UrlSigner::new(DEFAULT_KEY_ID, key.clone()).expect("a minted or derived key is not empty");
        Self::Signing(signer, key)
    }

    /// What the machine gets into its environment, so that it knows its user.
    pub fn env(&self) -> Option<(&'static str, Secret)> {
        match self {
            Self::None => None,
            Self::Bearer(token) => Some((PRESHARED_KEY_ENV, token.expose().into())),
            Self::Signing(_, key) => Some((SIGNING_KEY_ENV, key.clone())),
        }
    }

    /// Which form they have.
    pub fn auth(&self) -> Auth {
        match self {
            Self::None => Auth::None,
            Self::Bearer(_) => Auth::Bearer,
            Self::Signing(..) => Auth::SignedUrl,
        }
    }

    /// The bearer token's text, to be handed to the user; `None` for the other forms.
    pub fn bearer(&self) -> Option<&str> {
        match self {
            Self::Bearer(token) => Some(token.expose()),
            Self::None | Self::Signing(..) => None,
        }
    }

    /// The text to hand to the user: the bearer token, or nothing where there is none to hand out.
    pub fn expose(&self) -> &str {
        self.bearer().unwrap_or_default()
    }

    /// The address as the user may open it until `expires_at`: signed where the form asks for it, else as it is.
    pub fn sign(&self, method: &str, url: &str, expires_at: Timestamp) -> Result<Secret> {
        match self {
            Self::Signing(signer, _) => signer
                .sign(method, url, expires_at)
                .map(|signed| Secret::from(signed.expose()))
                .map_err(|error| Error::validation(format!("this address cannot be signed: {error}"))),
            Self::None | Self::Bearer(_) => Ok(url.into()),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Credentials({})", self.auth())
    }
}

/// A machine that was just rented, and the keys to it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Spawned {
    /// The machine.
    pub compute: crate::Compute,
    /// The keys.
    pub credentials: Credentials,
    /// Whether its key may travel over plain http (rule C12).
    pub(crate) allow_plain_http: bool,
}

impl Spawned {
    /// Puts the two together.
    pub fn new(compute: crate::Compute, credentials: Credentials) -> Self {
        Self { compute, credentials, allow_plain_http: false }
    }

    /// Whether the machine's key may travel over plain http where its cloud offers nothing better (rule C12).
    #[must_use]
    pub fn allow_plain_http(mut self, allow: bool) -> Self {
        self.allow_plain_http = allow;
        self
    }
}

impl AsRef<crate::ComputeId> for Spawned {
    fn as_ref(&self) -> &crate::ComputeId {
        &self.compute.id
    }
}
