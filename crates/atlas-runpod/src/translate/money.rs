//! Dollars as RunPod writes them, floats, and as Atlas counts them, exact.

use atlas_core::Money;

/// An amount, rounded to a millionth; `None` for what is no amount.
pub(crate) fn dollars(amount: f64) -> Option<Money> {
    if !amount.is_finite() || amount < 0.0 {
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
}
