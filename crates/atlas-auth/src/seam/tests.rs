//! Times read as they were written, and a seed gives the same numbers again.

use std::time::Duration;

use proptest::prelude::*;

use super::{Clock, Entropy, SeededEntropy, SystemClock, SystemEntropy, Timestamp};

/// The last moment that RFC 3339 can write.
const LAST: i64 = 253_402_300_799_999;

proptest! {
    #[test]
    fn every_time_that_rfc_3339_knows_is_read_back(millis in 0..=LAST - 999) {
        let time = Timestamp::from_millis(millis);
        prop_assert_eq!(Timestamp::parse(&time.to_string()), Ok(time));
        let json = serde_json::to_string(&time).unwrap();
        prop_assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), time);
        prop_assert_eq!(Timestamp::from_system(time.to_system()), time);
    }

    #[test]
    fn no_arithmetic_overflows(millis: i64, seconds: u64) {
        let (time, span) = (Timestamp::from_millis(millis), Duration::from_secs(seconds));
        prop_assert!(time.plus(span) >= time);
        prop_assert!(time.minus(span) <= time);
        prop_assert_eq!(time.since(time.plus(span)), Duration::ZERO);
        prop_assert!(time.plus(span).since(time) <= span);
        prop_assert!(!time.to_string().is_empty());
    }

    #[test]
    fn s1_one_seed_gives_one_sequence(seed: u64, length in 0_usize..100) {
        let draw = |entropy: &SeededEntropy| {
            let mut buffer = vec![0; length];
            entropy.fill(&mut buffer);
            buffer
        };
        let (one, other, another) = (SeededEntropy::new(seed), SeededEntropy::new(seed), SeededEntropy::new(!seed));
        let first = draw(&one);
        prop_assert_eq!(&first, &draw(&other));
        if length >= 16 {
            prop_assert_ne!(&first, &draw(&one), "the sequence goes on");
            prop_assert_ne!(&first, &draw(&another), "another seed gives another sequence");
        }
    }
}

#[test]
fn times_are_written_in_utc_to_the_millisecond() {
    assert_eq!(Timestamp::from_millis(1_795_512_600_007).to_string(), "2026-11-24T09:30:00.007Z");
    assert_eq!(Timestamp::parse("2026-11-24T09:30:00Z"), Ok(Timestamp::from_seconds(1_795_512_600)));
    assert_eq!(Timestamp::from_millis(-1).as_seconds(), -1);
    insta::assert_snapshot!(
        Timestamp::parse("tomorrow").unwrap_err(),
        @r#""tomorrow" is not a time in RFC 3339 form, such as 2026-11-24T09:30:00Z"#
    );
}

#[test]
fn the_systems_clocks_go_on_and_its_random_numbers_differ() {
    let (monotonic, boot) = (SystemClock.monotonic(), SystemClock.boot());
    assert!(SystemClock.monotonic() >= monotonic && SystemClock.boot() >= boot);
    assert!(SystemClock.now() > Timestamp::parse("2026-01-01T00:00:00Z").unwrap());
    let (mut one, mut other) = ([0; 32], [0; 32]);
    SystemEntropy.fill(&mut one);
    SystemEntropy.fill(&mut other);
    assert_ne!(one, other);
}
