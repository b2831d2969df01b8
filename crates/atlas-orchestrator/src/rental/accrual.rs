//! What a rental costs (rule P11): the higher of what was asked and what is reported, from the intent until it is closed.
//!
//! What is told is never less than what the cloud bills, as soon as a read has shown a price: the first price counts from
//! the beginning, a higher one from the read before, a lower one from the read that shows it. It is more by what the
//! machine costs at most
//! - from the intent until the cloud made it, and from its end until that is proven;
//! - in the time between two reads at each change of its price;
//! - for one that was found only later, in [`HOURS_DIFFER`] before the cloud says that it was made.
//!
//! Without a price nothing is counted, and that is said: see [`Accrual::is_known`].

use std::time::Duration;

use atlas_auth::Timestamp;
use atlas_core::{Billing, Money};
use serde::{Deserialize, Serialize};

/// By how much a cloud's hour may differ from ours: what it says of when a machine was made is believed less that much.
pub(crate) const HOURS_DIFFER: Duration = Duration::from_mins(1);

/// Since when a machine may have been billed that was found only at `seen`: since its cloud made it, and not before its
/// create was sent.
pub(crate) fn billed_since(made: Option<Timestamp>, sent: Timestamp, seen: Timestamp) -> Timestamp {
    made.map_or(sent, |made| made.minus(HOURS_DIFFER)).max(sent).min(seen)
}

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
    /// When a read last showed its price; `None` before the first.
    #[serde(default)]
    read_at: Option<Timestamp>,
    /// Since when it was counted without a price when it was closed; `None` if there was one.
    #[serde(default)]
    unpriced_since: Option<Timestamp>,
    /// For how long second machines stood beside it before any price was known.
    #[serde(default)]
    unpriced_beside: Duration,
    /// Whether its cloud said that it costs nothing.
    #[serde(default)]
    is_free: bool,
}

impl Accrual {
    /// Begins at `since` with the price that was asked, where one is known.
    pub(crate) fn begin(since: Timestamp, asked: Option<Money>) -> Self {
        let asked = asked.unwrap_or_default();
        Self { rate: asked, since: Some(since), asked, running: asked, ..Self::default() }
    }

    /// The cloud reported this price for a machine that is not proven stopped, in answer to a question of `asked_at`.
    /// Nothing, or zero, leaves the rate as it is: some clouds show no price while a machine changes its state, and bill
    /// on.
    pub(crate) fn running(&mut self, asked_at: Timestamp, now: Timestamp, reported: Option<Money>) {
        match reported {
            Some(reported) if reported > Money::ZERO => {
                self.running = reported.max(self.asked);
                self.read(asked_at, now, self.running);
            }
            Some(_) => self.is_free = true,
            None => {}
        }
    }

    /// The machine is being started again: it bills as it did before from now on, whenever a read shows it.
    pub(crate) fn starting(&mut self, now: Timestamp) {
        self.change(now, self.rate.max(self.running));
    }

    /// The machine is proven stopped. A price of zero ends accrual only where stopping is declared free.
    pub(crate) fn stopped(&mut self, asked_at: Timestamp, now: Timestamp, reported: Option<Money>, billing: Billing) {
        // It ran before at a price that is still to be learnt, and that counts from the beginning.
        if !self.has_price() {
            return;
        }
        match (billing, reported) {
            (Billing::Free, _) => self.read(asked_at, now, Money::ZERO),
            (Billing::Billed, Some(reported)) if reported > Money::ZERO => self.read(asked_at, now, reported),
            // A cloud that bills a disk and reports nothing for it: counted too high rather than too low.
            _ => {}
        }
    }

    /// What a second machine cost that stood beside this one between `from` and `now`, and takes its place.
    pub(crate) fn beside(&mut self, from: Timestamp, now: Timestamp, reported: Option<Money>) {
        // It was asked for in the same words: its price is the first one's too.
        if !self.has_price() {
            self.running(now, now, reported);
        }
        if !self.has_price() {
            self.unpriced_beside += now.since(from);
            return;
        }
        self.settled += reported.unwrap_or_default().max(self.running).for_span(now.since(from));
    }

    /// The rental is closed: nothing of it bills any more.
    pub(crate) fn close(&mut self, now: Timestamp) {
        if !self.is_known() {
            self.unpriced_since = self.since;
        }
        self.settled = self.total(now);
        self.since = None;
    }

    /// Since when a closed rental was counted without a price: should one be learnt, it counts from there.
    pub(crate) fn unpriced_since(&self) -> Option<Timestamp> {
        self.unpriced_since
    }

    /// The rental was closed too early: it has billed since `from`, which is not before the close if it was counted then.
    pub(crate) fn reopen(&mut self, from: Timestamp) {
        if self.since.is_none() {
            self.since = Some(from);
            self.unpriced_since = None;
            self.rate = self.rate.max(self.running);
        }
    }

    /// What it has cost until `now`, as far as its price is known.
    pub(crate) fn total(&self, now: Timestamp) -> Money {
        self.settled + self.since.map_or(Money::ZERO, |since| self.rate.for_span(now.since(since)))
    }

    /// What it costs an hour now; `None` while that is not known.
    pub(crate) fn rate(&self) -> Option<Money> {
        match self.since {
            Some(_) if !self.is_known() => None,
            Some(_) => Some(self.rate),
            None => Some(Money::ZERO),
        }
    }

    /// Whether its price is known. If not, it costs more than is told.
    pub(crate) fn is_known(&self) -> bool {
        self.is_free || self.has_price()
    }

    /// Whether a price above zero was ever asked or shown.
    fn has_price(&self) -> bool {
        [self.settled, self.rate, self.running].iter().any(|money| *money > Money::ZERO)
    }

    /// A read shows this rate. A higher one may hold since the read before, and before the first since the beginning.
    fn read(&mut self, asked_at: Timestamp, now: Timestamp, rate: Money) {
        let before = self.read_at.replace(asked_at);
        let Some(since) = self.since else { return };
        self.settled += rate.for_span(std::mem::take(&mut self.unpriced_beside));
        self.change(if rate > self.rate { before.unwrap_or(since).max(since) } else { now }, rate);
    }

    fn change(&mut self, at: Timestamp, rate: Money) {
        if rate != self.rate && self.since.is_some() {
            self.settled = self.total(at);
            self.since = Some(at);
            self.rate = rate;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp::from_seconds(1_000_000);
    const HOUR: Duration = Duration::from_hours(1);

    fn dollars(text: &str) -> Money {
        Money::parse(text).unwrap()
    }

    /// After so many hours a read is answered at once.
    fn runs(accrual: &mut Accrual, hours: u32, reported: Option<&str>) {
        let at = T0.plus(HOUR * hours);
        accrual.running(at, at, reported.map(dollars));
    }

    fn stops(accrual: &mut Accrual, hours: u32, reported: Option<&str>, billing: Billing) {
        let at = T0.plus(HOUR * hours);
        accrual.stopped(at, at, reported.map(dollars), billing);
    }

    #[test]
    fn p11_the_higher_of_asked_and_reported_until_closed() {
        let mut accrual = Accrual::begin(T0, Some(dollars("2")));
        runs(&mut accrual, 1, Some("1.5"));
        assert_eq!(accrual.total(T0.plus(HOUR)), dollars("2"));
        accrual.close(T0.plus(HOUR * 2));
        assert_eq!(accrual.total(T0.plus(HOUR * 9)), dollars("4"));
        assert_eq!(accrual.rate(), Some(Money::ZERO));
    }

    #[test]
    fn p11_a_higher_price_counts_from_the_read_before_and_a_lower_one_from_the_read_that_shows_it() {
        let mut accrual = Accrual::begin(T0, None);
        runs(&mut accrual, 1, Some("1"));
        runs(&mut accrual, 2, Some("1"));
        runs(&mut accrual, 3, Some("3"));
        assert_eq!(accrual.total(T0.plus(HOUR * 3)), dollars("5"));
        runs(&mut accrual, 4, Some("2"));
        assert_eq!(accrual.total(T0.plus(HOUR * 5)), dollars("10"));
        // The question was asked an hour before its answer: the price may have risen in between.
        let mut accrual = Accrual::begin(T0, None);
        accrual.running(T0, T0.plus(HOUR), Some(dollars("1")));
        runs(&mut accrual, 1, Some("3"));
        assert_eq!(accrual.total(T0.plus(HOUR)), dollars("3"));
    }

    #[test]
    fn p11_a_start_costs_before_any_read_shows_its_price() {
        let mut accrual = Accrual::begin(T0, None);
        runs(&mut accrual, 0, Some("1"));
        stops(&mut accrual, 1, Some("0"), Billing::Free);
        accrual.starting(T0.plus(HOUR * 2));
        runs(&mut accrual, 3, Some("1"));
        assert_eq!(accrual.total(T0.plus(HOUR * 3)), dollars("2"));
    }

    #[test]
    fn p11_history_18_zero_for_a_machine_that_is_not_stopped_ends_no_accrual() {
        let mut accrual = Accrual::begin(T0, None);
        runs(&mut accrual, 0, Some("1"));
        runs(&mut accrual, 0, Some("0"));
        stops(&mut accrual, 1, Some("0"), Billing::Billed);
        assert_eq!(accrual.total(T0.plus(HOUR * 2)), dollars("2"));
    }

    #[test]
    fn p11_the_first_price_counts_from_the_intent_however_late_it_is_told() {
        let mut accrual = Accrual::begin(T0, None);
        for told_nothing in 0..5 {
            runs(&mut accrual, told_nothing, None);
            stops(&mut accrual, told_nothing, Some("0.1"), Billing::Billed);
            stops(&mut accrual, told_nothing, None, Billing::Free);
        }
        assert_eq!((accrual.is_known(), accrual.rate()), (false, None), "not known, and not nothing");
        runs(&mut accrual, 5, Some("1"));
        assert_eq!(accrual.total(T0.plus(HOUR * 5)), dollars("5"));
        assert_eq!((accrual.is_known(), accrual.rate()), (true, Some(dollars("1"))));
    }

    #[test]
    fn p11_what_costs_nothing_is_known_to_until_a_price_is_shown() {
        let mut accrual = Accrual::begin(T0, None);
        runs(&mut accrual, 1, Some("0"));
        assert_eq!((accrual.is_known(), accrual.rate()), (true, Some(Money::ZERO)));
        runs(&mut accrual, 2, Some("1"));
        assert_eq!(accrual.total(T0.plus(HOUR * 2)), dollars("2"));
    }

    #[test]
    fn p11_what_was_closed_too_early_has_billed_on() {
        // It was counted: at the price at which it ran.
        let mut accrual = Accrual::begin(T0, None);
        runs(&mut accrual, 0, Some("1"));
        stops(&mut accrual, 1, Some("0"), Billing::Free);
        accrual.close(T0.plus(HOUR * 2));
        accrual.reopen(T0.plus(HOUR * 2));
        assert_eq!(accrual.total(T0.plus(HOUR * 4)), dollars("3"));
        // It was never seen: at the price that the first read of it shows, since its cloud made it.
        let mut accrual = Accrual::begin(T0, None);
        accrual.close(T0.plus(HOUR * 2));
        accrual.reopen(T0.plus(HOUR));
        assert!(!accrual.is_known());
        runs(&mut accrual, 4, Some("1"));
        assert_eq!(accrual.total(T0.plus(HOUR * 4)), dollars("3"));
    }

    #[test]
    fn p11_what_was_closed_without_a_price_is_counted_from_its_beginning_once_there_is_one() {
        let mut accrual = Accrual::begin(T0, None);
        accrual.close(T0.plus(HOUR * 2));
        let from = accrual.unpriced_since().unwrap();
        accrual.reopen(from);
        runs(&mut accrual, 4, Some("1"));
        assert_eq!(accrual.total(T0.plus(HOUR * 4)), dollars("4"));
        accrual.close(T0.plus(HOUR * 5));
        assert_eq!(accrual.unpriced_since(), None, "what was counted goes on from its close");
    }

    #[test]
    fn p11_a_machine_beside_another_costs_even_if_its_price_is_learnt_later() {
        let at = |hours: u32| T0.plus(HOUR * hours);
        let mut accrual = Accrual::begin(T0, None);
        accrual.beside(at(1), at(3), None);
        assert!(!accrual.is_known());
        runs(&mut accrual, 4, Some("1"));
        assert_eq!(accrual.total(at(4)), dollars("6"), "four hours and two");
        // Shown with the second machine: the first one has cost as much since the beginning.
        let mut accrual = Accrual::begin(T0, None);
        accrual.beside(at(1), at(3), Some(dollars("1")));
        assert_eq!((accrual.is_known(), accrual.total(at(3))), (true, dollars("5")));
    }

    #[test]
    fn p11_what_is_found_late_is_billed_since_it_was_made_and_not_before_it_was_sent() {
        let (sent, seen) = (T0, T0.plus(HOUR * 9));
        assert_eq!(billed_since(None, sent, seen), sent);
        assert_eq!(billed_since(Some(T0.plus(HOUR)), sent, seen), T0.plus(HOUR).minus(HOURS_DIFFER));
        assert_eq!(billed_since(Some(T0.minus(HOUR)), sent, seen), sent);
        assert_eq!(billed_since(Some(T0.plus(HOUR * 20)), sent, seen), seen, "the cloud's clock is wrong");
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
            runs(&mut accrual, 0, Some("1"));
            stops(&mut accrual, 0, reported, billing);
            assert_eq!(accrual.total(T0.plus(HOUR)), dollars(expected), "{billing:?} {reported:?}");
        }
    }
}
