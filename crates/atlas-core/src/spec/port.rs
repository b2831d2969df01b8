//! Ports: what is asked for, and where it can be reached.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::excerpt;
use crate::{Error, Result};

/// What a port speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP: reached through a URL, guarded by the machine's key.
    Http,
    /// Anything over TCP.
    Tcp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Http => "http",
            Self::Tcp => "tcp",
        })
    }
}

/// A port that a machine shall open. Written `8000/http`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortSpec {
    /// The number inside the machine.
    pub port: u16,
    /// What it speaks.
    pub protocol: Protocol,
}

impl PortSpec {
    /// An http port.
    pub const fn http(port: u16) -> Self {
        Self { port, protocol: Protocol::Http }
    }

    /// A tcp port.
    pub const fn tcp(port: u16) -> Self {
        Self { port, protocol: Protocol::Tcp }
    }
}

impl fmt::Display for PortSpec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.port, self.protocol)
    }
}

impl FromStr for PortSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::validation(format!(
                "\"{}\" is no port: write a number from 1 to 65535 with its protocol, such as 8000/http or 22/tcp",
                excerpt(text)
            ))
        };
        let (number, protocol) = text.split_once('/').ok_or_else(wrong)?;
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let port: u16 = number.parse().map_err(|_| wrong())?;
        let protocol = match protocol {
            "http" => Protocol::Http,
            "tcp" => Protocol::Tcp,
            _ => return Err(wrong()),
        };
        if port == 0 { Err(wrong()) } else { Ok(Self { port, protocol }) }
    }
}

impl Serialize for PortSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PortSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Where one port of a machine can be reached, as far as the cloud has said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Port {
    /// The number inside the machine.
    pub container_port: u16,
    /// What it speaks.
    pub protocol: Protocol,
    /// The number outside, once the cloud has given one.
    pub public_port: Option<u16>,
    /// The whole address of an http port, once it is known.
    pub url: Option<String>,
    /// Whether the way to it is encrypted (rule C12).
    pub tls: bool,
}

impl Port {
    /// A port that cannot be reached yet.
    pub fn new(spec: PortSpec) -> Self {
        Self { container_port: spec.port, protocol: spec.protocol, public_port: None, url: None, tls: false }
    }

    /// Reached at this number outside.
    #[must_use]
    pub fn with_public_port(mut self, port: u16) -> Self {
        self.public_port = Some(port);
        self
    }

    /// Reached at this address; `https` says that the way is encrypted.
    #[must_use]
    pub fn with_url(mut self, url: impl Into<String>) -> Self {
        let url = url.into();
        self.tls = url.starts_with("https://");
        self.url = Some(url);
        self
    }
}
