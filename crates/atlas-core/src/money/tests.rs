//! Exact money.

use proptest::prelude::*;

use super::*;

#[test]
fn what_is_read() {
    for (text, micros) in [
        ("0", 0),
        ("-0", 0),
        ("2.39", 2_390_000),
        ("0.10", 100_000),
        ("00.1", 100_000),
        ("0.000001", 1),
        ("-1.5", -1_500_000),
        ("9223372036854.775807", i64::MAX),
    ] {
        assert_eq!(Money::parse(text).unwrap().as_micros(), micros, "{text}");
    }
}

#[test]
fn what_is_refused() {
    for text in [
        "",
        " ",
        "-",
        ".",
        "1.",
        ".5",
        "1.0000001",
        "1e3",
        "+1",
        "--1",
        "1,5",
        "1.2.3",
        "0x10",
        "NaN",
        "inf",
        " 1",
        "1 ",
        "$1",
        "١",
        "9223372036854.775808",
        "99999999999999999999",
        "-.5",
    ] {
        let error = Money::parse(text).expect_err(text);
        assert!(error.to_string().ends_with("is no amount of dollars: write a decimal number such as 0.10"), "{error}");
    }
}

#[test]
fn what_is_written() {
    for (micros, text) in
        [(0, "0.000000"), (2_390_000, "2.390000"), (-1, "-0.000001"), (i64::MIN, "-9223372036854.775808")]
    {
        assert_eq!(Money::from_micros(micros).to_string(), text);
    }
    assert_eq!(serde_json::to_string(&Money::from_micros(2_390_000)).unwrap(), r#""2.390000""#);
    assert_eq!(serde_json::from_str::<Money>(r#""2.39""#).unwrap(), Money::from_micros(2_390_000));
    assert!(serde_json::from_str::<Money>("2.39").is_err(), "a float is no exact amount");
}

#[test]
fn a_bill_never_shows_too_little() {
    let hour = Duration::from_hours(1);
    let price = Money::parse("2.39").unwrap();
    assert_eq!(price.for_span(hour), price);
    assert_eq!(price.for_span(Duration::ZERO), Money::ZERO);
    assert_eq!(Money::from_micros(1).for_span(Duration::from_millis(1)), Money::from_micros(1), "rounded up");
    assert_eq!(Money::parse("3.6").unwrap().for_span(Duration::from_millis(1)), Money::from_micros(1));
    assert_eq!(Money::parse("3.6").unwrap().for_span(Duration::from_millis(1001)), Money::from_micros(1001));
    assert_eq!(Money::from_micros(i64::MAX).for_span(Duration::MAX), Money::from_micros(i64::MAX), "no overflow");
    assert_eq!(Money::from_micros(i64::MAX) + Money::from_micros(1), Money::from_micros(i64::MAX));
    assert_eq!([price, price].into_iter().sum::<Money>(), Money::parse("4.78").unwrap());
}

proptest! {
    #[test]
    fn what_is_written_is_read(micros in any::<i64>()) {
        let amount = Money::from_micros(micros);
        // The one amount that only its sign makes possible cannot be read back.
        prop_assume!(micros != i64::MIN);
        prop_assert_eq!(Money::parse(&amount.to_string()).unwrap(), amount);
    }

    #[test]
    fn parts_never_cost_less_than_the_whole(price in 0..1_000_000_000_i64, first in 0..1_000_000_000_u64, second in 0..1_000_000_000_u64) {
        let price = Money::from_micros(price);
        let span = Duration::from_millis;
        prop_assert!(price.for_span(span(first)) + price.for_span(span(second)) >= price.for_span(span(first + second)));
        prop_assert!(price.for_span(span(first)) <= price.for_span(span(first + second)));
    }

    #[test]
    fn no_text_panics(text in ".*") {
        let _ = Money::parse(&text);
    }
}
