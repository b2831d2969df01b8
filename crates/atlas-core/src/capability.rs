//! What a cloud can do, as a set of named flags. A flag is declared exactly when it works (rule C2).

use std::fmt;

use serde::{Serialize, Serializer};

#[cfg(test)]
mod tests;

/// One thing that a cloud can do or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Capability {
    /// Interruptible machines at a lower price, which the cloud may take back.
    Spot,
    /// Jobs on an endpoint without a machine of one's own.
    Serverless,
    /// Disks that outlive a machine and can be attached to another.
    NetworkVolumes,
    /// The cloud ends TLS and passes http ports on under a host name of its own.
    HttpProxy,
    /// A public address and port for any protocol.
    RawTcp,
    /// A public port with the same number as the port inside.
    SymmetricPorts,
    /// The cloud calls back when a job ends.
    Webhooks,
    /// A private network between machines of several data centres.
    GlobalNetworking,
    /// A machine can be stopped, keeping its disk, and started again.
    StopResume,
    /// What a machine writes can be read.
    Logs,
    /// Machines without a GPU.
    Cpu,
    /// Machines with a GPU.
    Gpu,
    /// A machine runs a container image of the user's choice.
    Images,
    /// A machine runs a command of the user's choice.
    Commands,
    /// What can be rented, at which price and with how much in stock, can be read.
    Catalog,
}

impl Capability {
    /// Every capability, in the order in which they are shown.
    pub const ALL: [Self; 15] = [
        Self::Spot,
        Self::Serverless,
        Self::NetworkVolumes,
        Self::HttpProxy,
        Self::RawTcp,
        Self::SymmetricPorts,
        Self::Webhooks,
        Self::GlobalNetworking,
        Self::StopResume,
        Self::Logs,
        Self::Cpu,
        Self::Gpu,
        Self::Images,
        Self::Commands,
        Self::Catalog,
    ];

    /// The name that configuration, errors and `--json` use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spot => "spot",
            Self::Serverless => "serverless",
            Self::NetworkVolumes => "network_volumes",
            Self::HttpProxy => "http_proxy",
            Self::RawTcp => "raw_tcp",
            Self::SymmetricPorts => "symmetric_ports",
            Self::Webhooks => "webhooks",
            Self::GlobalNetworking => "global_networking",
            Self::StopResume => "stop_resume",
            Self::Logs => "logs",
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
            Self::Images => "images",
            Self::Commands => "commands",
            Self::Catalog => "catalog",
        }
    }

    const fn bit(self) -> u32 {
        1 << self as u8
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A set of capabilities. Serialised as a list of names.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities(u32);

impl Capabilities {
    /// None.
    pub const NONE: Self = Self(0);

    /// This set and `capability`.
    #[must_use]
    pub const fn with(self, capability: Capability) -> Self {
        Self(self.0 | capability.bit())
    }

    /// This set without `capability`.
    #[must_use]
    pub const fn without(self, capability: Capability) -> Self {
        Self(self.0 & !capability.bit())
    }

    /// Whether `capability` is in the set.
    pub const fn has(self, capability: Capability) -> bool {
        self.0 & capability.bit() != 0
    }

    /// What is in the set, in the order of [`Capability::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL.into_iter().filter(move |capability| self.has(*capability))
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        capabilities.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.iter().map(Capability::name)).finish()
    }
}

impl Serialize for Capabilities {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Capability::name))
    }
}
