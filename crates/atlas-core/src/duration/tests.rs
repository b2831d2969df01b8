//! Spans of time as people write them.

use proptest::prelude::*;

use super::*;

#[test]
fn what_is_read() {
    let seconds = Duration::from_secs;
    for (text, span) in [
        ("90s", seconds(90)),
        ("2m", seconds(120)),
        ("1h 30m", seconds(5400)),
        ("1h30m", seconds(5400)),
        ("24h", seconds(86_400)),
        ("1.5h", seconds(5400)),
        ("1day", seconds(86_400)),
        ("250ms", Duration::from_millis(250)),
        ("0s", Duration::ZERO),
    ] {
        assert_eq!(parse(text).unwrap(), span, "{text}");
    }
}

#[test]
fn what_is_refused() {
    for text in ["", " ", "10", "-5m", "5 lightyears", "m", "99999999999999999999h", "\n", "5m!"] {
        let error = parse(text).expect_err(text).to_string();
        assert!(error.contains("is no span of time: write a number with its unit"), "{error}");
        assert!(!error.contains('\n'));
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(millis in 0..100_000_000_000_u64) {
        let span = Duration::from_millis(millis);
        prop_assert_eq!(parse(&format(span)).unwrap(), span);
    }

    #[test]
    fn no_text_panics(text in ".*") {
        let _ = parse(&text);
    }
}
