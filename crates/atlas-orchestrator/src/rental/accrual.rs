//! What a rental costs (rule P11): the higher of what was asked and what is reported, from the intent until it is closed.

use atlas_auth::Timestamp;
use atlas_core::{Billing, Money};
use serde::{Deserialize, Serialize};

/// What a rental has cost, and what it costs now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Accrual {
    /// What it cost up to `since`.
    settled: Money,
    /// What it costs an hour since then.
    rate: Money,
    /// Since when; `None` once it is closed.
    since: Option<Timestamp>,
    /// The price that was asked, below which the rate of a running machine never falls.
    asked: Money,
    /// What it cost an hour when it last ran: what a start costs before any read shows its price.
    #[serde(default)]
    running: Money,
}

impl Accrual {
    /// Begins at `now` with the price that was asked, where one is known.
    pub(crate) fn begin(now: Timestamp, asked: Option<Money>) -> Self {
        let asked = asked.unwrap_or_default();
        Self { settled: Money::ZERO, rate: asked, since: Some(now), asked, running: asked }
    }

    /// The cloud reported this price for a machine that is not proven stopped. Nothing, or zero, leaves the rate as it is:
    /// some clouds show no price while a machine changes its state, and bill on.
    pub(crate) fn running(&mut self, now: Timestamp, reported: Option<Money>) {
        if let Some(reported) = reported.filter(|reported| *reported > Money::ZERO) {
            self.running = reported.max(self.asked);
            self.change(now, self.running);
        }
    }

    /// The machine is being started again: it bills as it did before from now on, whenever a read shows it.
    pub(crate) fn starting(&mut self, now: Timestamp) {
        self.change(now, self.rate.max(self.running));
    }

    /// The first price ever reported counts from the beginning: the machine was billed since then.
    pub(crate) fn bound(&mut self, now: Timestamp, reported: Option<Money>) {
        let rate = reported.unwrap_or_default().max(self.asked);
        self.running = rate;
        if self.settled == Money::ZERO && rate > self.rate {
            self.rate = rate;
        } else {
            self.change(now, rate);
        }
    }

    /// The machine is proven stopped. A price of zero ends accrual only where stopping is declared free.
    pub(crate) fn stopped(&mut self, now: Timestamp, reported: Option<Money>, billing: Billing) {
        match (billing, reported) {
            (Billing::Free, _) => self.change(now, Money::ZERO),
            (Billing::Billed, Some(reported)) if reported > Money::ZERO => self.change(now, reported),
            // A cloud that bills a disk and reports nothing for it: counted too high rather than too low.
            _ => {}
        }
    }

    /// The rental is closed: nothing of it bills any more.
    pub(crate) fn close(&mut self, now: Timestamp) {
        self.settled = self.total(now);
        self.since = None;
    }

    /// The rental was closed too early, at `closed`; it has billed on.
    pub(crate) fn reopen(&mut self, closed: Timestamp) {
        self.since.get_or_insert(closed);
    }

    /// What it has cost until `now`.
    pub(crate) fn total(&self, now: Timestamp) -> Money {
        self.settled + self.since.map_or(Money::ZERO, |since| self.rate.for_span(now.since(since)))
    }

    /// What it costs an hour now.
    pub(crate) fn rate(&self) -> Money {
        if self.since.is_some() { self.rate } else { Money::ZERO }
    }

    fn change(&mut self, now: Timestamp, rate: Money) {
        if rate != self.rate && self.since.is_some() {
            self.settled = self.total(now);
            self.since = Some(now);
            self.rate = rate;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const T0: Timestamp = Timestamp::from_seconds(1_000_000);
    const HOUR: Duration = Duration::from_hours(1);

    fn dollars(text: &str) -> Money {
        Money::parse(text).unwrap()
    }

    #[test]
    fn p11_the_higher_of_asked_and_reported_until_closed() {
        let mut accrual = Accrual::begin(T0, Some(dollars("2")));
        accrual.bound(T0.plus(HOUR), Some(dollars("1.5")));
        assert_eq!(accrual.total(T0.plus(HOUR)), dollars("2"));
        accrual.running(T0.plus(HOUR), Some(dollars("3")));
        assert_eq!(accrual.total(T0.plus(HOUR * 2)), dollars("5"));
        accrual.close(T0.plus(HOUR * 2));
        assert_eq!(accrual.total(T0.plus(HOUR * 9)), dollars("5"));
        assert_eq!(accrual.rate(), Money::ZERO);
    }

    #[test]
    fn p11_a_start_costs_before_any_read_shows_its_price() {
        let mut accrual = Accrual::begin(T0, None);
        accrual.bound(T0, Some(dollars("1")));
        accrual.stopped(T0.plus(HOUR), Some(Money::ZERO), Billing::Free);
        accrual.starting(T0.plus(HOUR * 2));
        accrual.running(T0.plus(HOUR * 3), Some(dollars("1")));
        assert_eq!(accrual.total(T0.plus(HOUR * 3)), dollars("2"));
    }

    #[test]
    fn p11_history_18_zero_for_a_machine_that_is_not_stopped_ends_no_accrual() {
        let mut accrual = Accrual::begin(T0, None);
        accrual.bound(T0, Some(dollars("1")));
        accrual.running(T0, Some(Money::ZERO));
        accrual.stopped(T0.plus(HOUR), Some(Money::ZERO), Billing::Billed);
        assert_eq!(accrual.total(T0.plus(HOUR * 2)), dollars("2"));
    }

    #[test]
    fn p11_a_first_price_counts_from_the_intent() {
        let mut accrual = Accrual::begin(T0, None);
        accrual.bound(T0.plus(HOUR), Some(dollars("1")));
        assert_eq!(accrual.total(T0.plus(HOUR)), dollars("1"));
    }

    #[test]
    fn p11_zero_for_a_stopped_machine_ends_accrual_only_where_stopping_is_free() {
        for (billing, reported, expected) in [
            (Billing::Free, Some("0"), "0"),
            (Billing::Billed, Some("0.2"), "0.2"),
            (Billing::Billed, Some("0"), "1"),
            (Billing::Unknown, Some("0"), "1"),
            (Billing::Billed, None, "1"),
        ] {
            let mut accrual = Accrual::begin(T0, None);
            accrual.bound(T0, Some(dollars("1")));
            accrual.stopped(T0, reported.map(dollars), billing);
            assert_eq!(accrual.total(T0.plus(HOUR)), dollars(expected), "{billing:?} {reported:?}");
        }
    }
}
