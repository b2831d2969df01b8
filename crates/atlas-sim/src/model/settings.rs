//! What one simulated cloud is like: prices, stock, places and delays.

use std::collections::BTreeMap;
use std::time::Duration;

use atlas_core::{Money, Pace};

/// The name under which machines without a GPU have their price and their stock.
pub(crate) const CPU: &str = "cpu";

/// What one simulated cloud is like.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The account's name, which stands in the ledger.
    pub(crate) cloud: String,
    /// What a GPU, or a machine without one (`cpu`), costs an hour.
    pub(crate) prices: BTreeMap<String, Money>,
    /// The same for interruptible ones; half the ordinary price where none is set.
    pub(crate) spot_prices: BTreeMap<String, Money>,
    /// What everything else costs.
    pub(crate) price: Money,
    /// What a stopped machine costs an hour.
    pub(crate) stopped_price: Money,
    /// How many there are; what is not named is never short.
    pub(crate) capacity: BTreeMap<String, u32>,
    /// Where machines can stand.
    pub(crate) regions: Vec<String>,
    /// How long a machine is starting.
    pub(crate) startup: Duration,
    /// How long a machine is stopping.
    pub(crate) stopping: Duration,
    /// How long a machine is terminating.
    pub(crate) terminating: Duration,
    /// How long a machine that is gone is still shown, as terminated.
    pub(crate) remembers: Duration,
    /// How long a new machine is invisible to reads.
    pub(crate) appears_after: Duration,
    /// How long a running machine's ports do not answer yet.
    pub(crate) answers_after: Duration,
    /// Whether a start gives a machine new ports outside.
    pub(crate) moves_ports: bool,
    /// Whether http ports stand behind a proxy of the cloud that ends TLS.
    pub(crate) has_proxy: bool,
    /// How many creates within which time.
    pub(crate) launch_pace: Option<Pace>,
    /// How many calls of any kind within which time.
    pub(crate) call_pace: Option<Pace>,
    /// Whether a second live machine of the same name is refused.
    pub(crate) unique_names: bool,
}

impl Settings {
    pub(crate) fn new(cloud: &str) -> Self {
        Self {
            cloud: cloud.to_owned(),
            prices: BTreeMap::new(),
            spot_prices: BTreeMap::new(),
            // Exactly a hundred millionths a second, so that bills can be read by eye.
            price: Money::from_micros(360_000),
            stopped_price: Money::ZERO,
            capacity: BTreeMap::new(),
            regions: vec!["mock-east".to_owned(), "mock-west".to_owned()],
            startup: Duration::ZERO,
            stopping: Duration::ZERO,
            terminating: Duration::ZERO,
            remembers: Duration::ZERO,
            appears_after: Duration::ZERO,
            answers_after: Duration::ZERO,
            moves_ports: false,
            has_proxy: true,
            launch_pace: None,
            call_pace: None,
            unique_names: false,
        }
    }

    /// What a machine costs an hour while it runs: so much for each GPU, or once for one without.
    pub(crate) fn price_of(&self, gpu: Option<&str>, count: u32, spot: bool) -> Money {
        let what = gpu.unwrap_or(CPU);
        let ordinary = self.prices.get(what).copied().unwrap_or(self.price);
        let each = if spot {
            self.spot_prices.get(what).copied().unwrap_or(Money::from_micros(ordinary.as_micros() / 2))
        } else {
            ordinary
        };
        Money::from_micros(each.as_micros().saturating_mul(i64::from(count.max(1))))
    }
}
