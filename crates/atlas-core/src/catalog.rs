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

/// A live catalog, or a part of one, kept for a moment so that many callers cost the cloud one question. For display and for
/// choosing what to try first; never evidence for anything.
#[cfg(feature = "http")]
#[derive(Clone)]
pub struct CatalogCache<T = Vec<GpuType>>(moka::future::Cache<crate::Scope, std::sync::Arc<T>>);

#[cfg(feature = "http")]
impl CatalogCache {
    /// How long a catalog is kept: prices change by the day, stock by the minute.
    const KEPT: std::time::Duration = std::time::Duration::from_secs(30);

    /// An empty one.
    pub fn new() -> Self {
        Self::keeping(Self::KEPT)
    }
}

#[cfg(feature = "http")]
impl<T: Send + Sync + 'static> CatalogCache<T> {
    /// An empty one, which keeps what it is given for so long.
    pub fn keeping(kept: std::time::Duration) -> Self {
        Self(moka::future::Cache::builder().max_capacity(256).time_to_live(kept).build())
    }

    /// What is kept under this scope, else what `ask` gives; however many ask at once, one is sent. An error is not kept,
    /// and is told to nobody but the caller whose question it answers: another's may have had less time, or a wrong key.
    pub async fn get(
        &self,
        scope: crate::Scope,
        ask: impl Future<Output = crate::Result<T>>,
    ) -> crate::Result<std::sync::Arc<T>> {
        use std::sync::atomic::{AtomicBool, Ordering};

        let mut ask = std::pin::pin!(ask);
        let has_asked = AtomicBool::new(false);
        // Of those who waited in vain one asks for all once more; after that each for itself.
        for _ in 0..2 {
            let asking = async {
                has_asked.store(true, Ordering::Relaxed);
                ask.as_mut().await.map(std::sync::Arc::new)
            };
            match self.0.try_get_with(scope.clone(), asking).await {
                Ok(found) => return Ok(found),
                Err(error) if has_asked.load(Ordering::Relaxed) => return Err((*error).clone()),
                Err(_) => {}
            }
        }
        let found = std::sync::Arc::new(ask.await?);
        self.0.insert(scope, found.clone()).await;
        Ok(found)
    }
}

#[cfg(feature = "http")]
impl<T> fmt::Debug for CatalogCache<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("CatalogCache").finish_non_exhaustive()
    }
}

#[cfg(feature = "http")]
impl Default for CatalogCache {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, feature = "http"))]
mod tests {
    //! Many who ask at once. That a catalog goes after its time is left to the cache's own clock, which cannot be paused.

    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::{Error, ErrorKind, Result, Scope};

    async fn answer(asked: &AtomicU32, answer: Result<&str>) -> Result<Vec<GpuType>> {
        asked.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(1)).await;
        answer.map(|name| vec![GpuType::new(name, 24)])
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_given_the_failure_of_another() {
        let (cache, asked, scope) = (CatalogCache::new(), AtomicU32::new(0), || Scope::new("cloud/account"));
        let (first, second, third) = tokio::join!(
            cache.get(scope(), answer(&asked, Err(Error::timeout("mine")))),
            cache.get(scope(), answer(&asked, Ok("second"))),
            cache.get(scope(), answer(&asked, Ok("third"))),
        );
        assert_eq!(first.unwrap_err().kind(), ErrorKind::Timeout);
        let (second, third) = (second.unwrap(), third.unwrap());
        assert_eq!((second[0].name == third[0].name, asked.load(Ordering::Relaxed)), (true, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn each_is_told_its_own_failure_and_asks_once() {
        let (cache, asked, scope) = (CatalogCache::new(), AtomicU32::new(0), || Scope::new("cloud/account"));
        let told = tokio::join!(
            cache.get(scope(), answer(&asked, Err(Error::timeout("a")))),
            cache.get(scope(), answer(&asked, Err(Error::transport("b")))),
            cache.get(scope(), answer(&asked, Err(Error::conflict("c")))),
            cache.get(scope(), answer(&asked, Err(Error::not_found("d")))),
        );
        let told = [told.0, told.1, told.2, told.3].map(|told| told.unwrap_err().message().to_owned());
        assert_eq!((told.join(""), asked.load(Ordering::Relaxed)), ("abcd".to_owned(), 4));
    }
}
