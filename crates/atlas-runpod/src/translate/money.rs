//! Dollars as RunPod writes them, floats, and as Atlas counts them, exact.

use atlas_core::Money;

/// A price, rounded to a millionth; `None` for what is none.
pub(crate) fn dollars(amount: f64) -> Option<Money> {
    if amount < 0.0 { None } else { billed(amount) }
}

/// An amount of a bill or a balance, rounded to a millionth: a credit is below nothing. `None` for what is no amount.
pub(crate) fn billed(amount: f64) -> Option<Money> {
    if !amount.is_finite() {
        return None;
    }
    Money::parse(&format!("{amount:.6}")).ok()
}

#[cfg(test)]
mod tests {
    //! Floats as they come.

    use super::*;

    #[test]
    fn dollars_are_exact_to_a_millionth() {
        assert_eq!(dollars(0.39), Money::parse("0.39").ok());
        assert_eq!(dollars(0.1 + 0.2), Money::parse("0.3").ok());
        assert_eq!(dollars(0.0), Some(Money::ZERO));
        for none in [-0.1, f64::NAN, f64::INFINITY] {
            assert_eq!(dollars(none), None);
        }
        assert_eq!(dollars(1e300), None);
    }

    #[test]
    fn a_bill_may_be_below_nothing_and_a_price_may_not() {
        assert_eq!((billed(-1.25), dollars(-1.25)), (Money::parse("-1.25").ok(), None));
        assert_eq!(billed(-0.000_000_1), Some(Money::ZERO));
        for none in [f64::NAN, f64::NEG_INFINITY, -1e300] {
            assert_eq!(billed(none), None);
        }
    }
}
