//! Medians and the like. Every figure is one of these over several repetitions, so that one bad moment decides nothing.

use std::time::Duration;

use atlas_auth::{Entropy, SeededEntropy};

/// The value that half of them do not exceed; zero of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 50)
}

/// The value that so many hundredths of them do not exceed; zero of none.
pub(crate) fn percentile(values: &[f64], hundredths: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len() * hundredths).div_ceil(100).max(1) - 1;
    sorted.get(place).copied().unwrap_or(0.0)
}

/// The greatest; zero of none.
pub(crate) fn greatest(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

/// In milliseconds.
pub(crate) fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

/// How many, as a number to calculate with. Counts here are far below four thousand million.
pub(crate) fn count(many: usize) -> f64 {
    f64::from(u32::try_from(many).unwrap_or(u32::MAX))
}

/// Brings them into a random order, the same for the same seed.
pub(crate) fn shuffle<T>(items: &mut [T], seed: u64) {
    let entropy = SeededEntropy::new(seed);
    for last in (1..items.len()).rev() {
        let mut random = [0; 8];
        entropy.fill(&mut random);
        let choices = u64::try_from(last + 1).unwrap_or(u64::MAX);
        let place = usize::try_from(u64::from_le_bytes(random) % choices).unwrap_or(0);
        items.swap(last, place);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::float_cmp, reason = "these are small whole numbers, which floats hold exactly")]

    use super::*;

    #[test]
    fn a_median_is_in_the_middle_and_a_percentile_near_its_end() {
        let values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(median(&values), 50.0);
        assert_eq!(percentile(&values, 99), 99.0);
        assert_eq!(percentile(&values, 100), 100.0);
        assert_eq!(median(&[3.0]), 3.0);
        assert_eq!(median(&[]), 0.0);
    }

    #[test]
    fn shuffling_loses_nothing_and_repeats() {
        let shuffled = || {
            let mut items: Vec<u32> = (0..1000).collect();
            shuffle(&mut items, 7);
            items
        };
        let mut items = shuffled();
        assert_eq!(items, shuffled());
        assert_ne!(items, (0..1000).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..1000).collect::<Vec<_>>());
    }
}
