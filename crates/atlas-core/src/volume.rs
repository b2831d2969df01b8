//! Network volumes: disks that outlive a machine. **They bill until they are deleted**, so each is a rental (rule O1).

use std::fmt;

use atlas_auth::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::job::check_id;
use crate::{Error, Mark, Money, ProviderId, RentalOrder, Result, mark};

/// What a cloud calls one of its network volumes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VolumeId(String);

impl VolumeId {
    /// Takes a cloud's own id.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The cloud's own id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Refuses what can be no id, before it stands in a path.
    pub fn check(&self) -> Result<()> {
        check_id("volume", &self.0)
    }
}

impl fmt::Display for VolumeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What is asked of a cloud: one network volume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct VolumeRequest {
    /// The user's name for it; it comes last in the marked name.
    #[serde(default)]
    pub name: Option<String>,
    /// Its size, in gigabytes.
    pub size_gb: u32,
    /// The data centre, in the cloud's own words.
    pub region: String,
    /// The provider's own options, merged last into what is sent.
    #[serde(default)]
    pub provider_opts: Map<String, Value>,
}

impl VolumeRequest {
    /// A volume of this size in this data centre.
    pub fn new(region: impl Into<String>, size_gb: u32) -> Self {
        Self { name: None, size_gb, region: region.into(), provider_opts: Map::new() }
    }

    /// The user's name for it.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// One of the provider's own options.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: Value) -> Self {
        self.provider_opts.insert(name.into(), value);
        self
    }

    /// Checks what can be wrong on any cloud. Nothing is sent.
    pub fn validate(&self) -> Result<()> {
        if let Some(name) = &self.name {
            mark::check_name(name)?;
        }
        if !(1..=1_000_000).contains(&self.size_gb) {
            return Err(Error::validation(format!("size_gb is {}; it must be from 1 to 1000000", self.size_gb)));
        }
        if self.region.trim().is_empty() {
            return Err(Error::validation("a network volume needs a region: name the data centre"));
        }
        Ok(())
    }
}

/// The order for one network volume.
pub type VolumeOrder = RentalOrder<VolumeRequest>;

/// One network volume, as its cloud describes it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Volume {
    /// What the cloud calls it.
    pub id: VolumeId,
    /// Its name at the cloud, with the mark.
    pub name: Option<String>,
    /// The account.
    pub provider: ProviderId,
    /// Its size, in gigabytes.
    pub size_gb: u32,
    /// Where it is, in the cloud's own words.
    pub region: Option<String>,
    /// What it costs an hour, in dollars, where the cloud says.
    pub cost_per_hour: Option<Money>,
    /// When the cloud made it.
    pub created_at: Option<Timestamp>,
    /// The cloud's own answer.
    pub raw: Value,
}

impl Volume {
    /// A volume of which only this much is known.
    pub fn new(provider: &ProviderId, id: VolumeId, size_gb: u32) -> Self {
        Self {
            id,
            name: None,
            provider: provider.clone(),
            size_gb,
            region: None,
            cost_per_hour: None,
            created_at: None,
            raw: Value::Null,
        }
    }

    /// The mark that its name holds.
    pub fn mark(&self) -> Option<Mark> {
        self.name.as_deref().and_then(Mark::read)
    }
}
