//! Exact money: whole micro-dollars, never a float.

use std::fmt;
use std::ops::{Add, AddAssign};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Result};

#[cfg(test)]
mod tests;

const MICROS: i64 = 1_000_000;
const MILLIS_PER_HOUR: i128 = 3_600_000;

/// An amount of United States dollars, exact to a millionth.
///
/// Serialised as a decimal string with six places, such as `"2.390000"`. A price per hour is a `Money` too; the name
/// of the field says so.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Money(i64);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From millionths of a dollar.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Millionths of a dollar.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Reads a decimal text such as `0.10`; at most six places, no sign but a leading `-`, no exponent.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::validation(format!(
                "\"{}\" is no amount of dollars: write a decimal number such as 0.10",
                crate::error::excerpt(text)
            ))
        };
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty()
            || !all_digits(whole)
            || !all_digits(fraction)
            || fraction.len() > 6
            || digits.ends_with('.')
        {
            return Err(wrong());
        }
        let whole: i64 = whole.parse().map_err(|_| wrong())?;
        let fraction: i64 = format!("{fraction:0<6}").parse().map_err(|_| wrong())?;
        let micros = whole.checked_mul(MICROS).and_then(|micros| micros.checked_add(fraction)).ok_or_else(wrong)?;
        Ok(Self(if negative { -micros } else { micros }))
    }

    /// What an hourly price comes to over `span`, rounded up to the next millionth: a bill never shows too little.
    #[must_use]
    pub fn for_span(self, span: Duration) -> Self {
        let millis = i128::try_from(span.as_millis()).unwrap_or(i128::from(i64::MAX));
        let product = i128::from(self.0).saturating_mul(millis);
        let rounded = product.div_euclid(MILLIS_PER_HOUR) + i128::from(product.rem_euclid(MILLIS_PER_HOUR) != 0);
        Self(i64::try_from(rounded).unwrap_or(i64::MAX))
    }
}

impl Add for Money {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::iter::Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let micros = self.0.unsigned_abs();
        write!(formatter, "{sign}{}.{:06}", micros / MICROS.unsigned_abs(), micros % MICROS.unsigned_abs())
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "${self}")
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
