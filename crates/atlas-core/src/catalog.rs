//! The live catalog (rule C7): what a cloud has now, and what it asks for it. Never kept but in a short-lived cache, and
//! never evidence for an ending.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{CloudType, Money};

/// How much of something a cloud has free. Open: a word that Atlas does not know is kept as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stock {
    /// Nothing.
    None,
    /// Little.
    Low,
    /// Some.
    Medium,
    /// Plenty.
    High,
    /// A word that this version does not know.
    Other(String),
}

impl Stock {
    /// The word for it in `--json`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Other(word) => word,
        }
    }

    /// Reads a word in whatever case; one that is not known is kept.
    pub fn from_word(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "none" => Self::None,
            "low" => Self::Low,
            "medium" => Self::Medium,
            "high" => Self::High,
            _ => Self::Other(word.to_owned()),
        }
    }

    /// The more of it, the greater. What is not known stands between nothing and little.
    pub fn rank(&self) -> u8 {
        match self {
            Self::None => 0,
            Self::Other(_) => 1,
            Self::Low => 2,
            Self::Medium => 3,
            Self::High => 4,
        }
    }
}

impl fmt::Display for Stock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for Stock {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Stock {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|word| Self::from_word(&word))
    }
}

/// One model of GPU at one cloud, as it can be rented now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GpuType {
    /// The cloud's own name for it: what a request may name as well.
    pub name: String,
    /// The catalog's canonical name, where it has one.
    pub canonical: Option<String>,
    /// The cloud's name for people.
    pub display: String,
    /// The memory of one, in gigabytes as sold.
    pub memory_gb: u32,
    /// The ways to rent it.
    pub offers: Vec<GpuOffer>,
}

impl GpuType {
    /// A model that nobody offers yet.
    pub fn new(name: impl Into<String>, memory_gb: u32) -> Self {
        let name = name.into();
        Self { display: name.clone(), name, canonical: None, memory_gb, offers: Vec::new() }
    }

    /// The lowest price of one GPU for an hour among the offers that have any, whatever the cloud type.
    pub fn lowest_price(&self) -> Option<Money> {
        let free = self.offers.iter().filter(|offer| offer.stock.as_ref() != Some(&Stock::None));
        free.filter_map(|offer| offer.price_per_hour).min()
    }
}

/// One way to rent a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GpuOffer {
    /// Which part of the cloud's offer.
    pub cloud_type: CloudType,
    /// Where, in the cloud's own words; `None` for anywhere.
    pub region: Option<String>,
    /// What one GPU costs an hour, in dollars.
    pub price_per_hour: Option<Money>,
    /// Whether it is interruptible.
    pub spot: bool,
    /// How much is free; `None` where the cloud does not say.
    pub stock: Option<Stock>,
    /// How many one machine can have at the most.
    pub max_count: Option<u32>,
}

impl GpuOffer {
    /// An offer of this part of the cloud at this price.
    pub fn new(cloud_type: CloudType, price_per_hour: Option<Money>) -> Self {
        Self { cloud_type, region: None, price_per_hour, spot: false, stock: None, max_count: None }
    }

    /// Where.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// How much is free.
    #[must_use]
    pub fn stock(mut self, stock: Option<Stock>) -> Self {
        self.stock = stock;
        self
    }

    /// Interruptible.
    #[must_use]
    pub fn spot(mut self, spot: bool) -> Self {
        self.spot = spot;
        self
    }

    /// How many one machine can have at the most.
    #[must_use]
    pub fn max_count(mut self, count: Option<u32>) -> Self {
        self.max_count = count;
        self
    }
}

/// A live catalog, kept for a moment so that many callers cost the cloud one question. For display and for choosing what
/// to try first; never evidence for anything.
#[cfg(feature = "http")]
#[derive(Debug, Clone)]
pub struct CatalogCache(moka::future::Cache<crate::Scope, std::sync::Arc<Vec<GpuType>>>);

#[cfg(feature = "http")]
impl CatalogCache {
    /// How long a catalog is kept: prices change by the day, stock by the minute.
    const KEPT: std::time::Duration = std::time::Duration::from_secs(30);

    /// An empty one.
    pub fn new() -> Self {
        Self(moka::future::Cache::builder().max_capacity(64).time_to_live(Self::KEPT).build())
    }

    /// The catalog under this scope: the one that is kept, else what `ask` gives; however many ask at once, one is sent.
    /// An error is not kept.
    pub async fn get(
        &self,
        scope: crate::Scope,
        ask: impl Future<Output = crate::Result<Vec<GpuType>>>,
    ) -> crate::Result<std::sync::Arc<Vec<GpuType>>> {
        let asked = self.0.try_get_with(scope, async { ask.await.map(std::sync::Arc::new) }).await;
        asked.map_err(|error| (*error).clone())
    }
}

#[cfg(feature = "http")]
impl Default for CatalogCache {
    fn default() -> Self {
        Self::new()
    }
}
