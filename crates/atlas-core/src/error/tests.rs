//! Errors: one line for a person, one stable form for a program, and no secret in either.

use std::fmt::Write;
use std::io;

use super::*;

fn full() -> Error {
    Error::new(ErrorKind::NotFound, "no machine \"c1\" is known; see `atlas list`")
        .with_effect(Effect::Rejected)
        .with_provider(&ProviderId::parse("runpod").unwrap())
        .with_operation("get")
        .with_status(404)
        .with_request_id("r-1")
        .with_leftover(ComputeId::new("c2"))
        .with_leftover(ComputeId::new("c3"))
        .with_job(JobId::new("j4"))
        .with_retry_after(Duration::from_millis(1500))
        .with_source(io::Error::other("a cause"))
}

#[test]
fn c8_each_kind_has_its_word() {
    for kind in ErrorKind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        assert_eq!(kind.to_string(), kind.name());
        assert_eq!(serde_json::from_value::<ErrorKind>(kind.name().into()).unwrap(), kind);
    }
    let distinct: std::collections::BTreeSet<_> = ErrorKind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(distinct.len(), ErrorKind::ALL.len());
}

#[test]
fn c8_one_line_for_a_person() {
    let mut lines = String::new();
    for error in [
        Error::new(ErrorKind::Unauthorized, "the key is not known"),
        Error::new(ErrorKind::Forbidden, "the key may not do this").with_status(403),
        Error::not_found("no such machine").with_operation("get"),
        Error::new(ErrorKind::RateLimited, "too many calls").with_retry_after(Duration::from_secs(3)),
        Error::timeout("no answer within 30s"),
        Error::unsupported("local does not support spot"),
        Error::validation("port 0 is none"),
        Error::new(ErrorKind::Provider, "out of order").with_status(502),
        Error::transport("connection reset"),
        Error::unknown("what this is nobody knows"),
        Error::conflict("it is being ended"),
        Error::no_capacity("no h100 is free").with_operation("spawn"),
        Error::new(ErrorKind::Decode, "no JSON").with_leftover(ComputeId::new("c1")),
        Error::new(ErrorKind::Quota, "the account may have two").context("spawning c2"),
        full(),
    ] {
        writeln!(lines, "{}: {error}", error.kind()).unwrap();
    }
    insta::assert_snapshot!(lines, @r##"
    unauthorized: the key is not known
    forbidden: the key may not do this (http 403)
    not_found: get: no such machine
    rate_limited: too many calls
    timeout: no answer within 30s
    unsupported: local does not support spot
    validation: port 0 is none
    provider: out of order (http 502)
    transport: connection reset
    unknown: what this is nobody knows
    conflict: it is being ended
    no_capacity: spawn: no h100 is free
    decode: no JSON; still there: c1
    quota: spawning c2: the account may have two
    not_found: runpod: get: no machine "c1" is known; see `atlas list` (http 404); still there: c2, c3
    "##);
}

#[test]
fn c8_the_serialised_form_is_the_command_s() {
    let plain = Error::not_found("gone").with_operation("get").with_status(404);
    let plain = plain.with_provider(&ProviderId::parse("runpod").unwrap());
    assert_eq!(
        serde_json::to_string(&plain).unwrap(),
        r#"{"kind":"not_found","message":"gone","provider":"runpod","operation":"get","status":404,"request_id":null,"effect":"rejected","leftovers":[],"job":null,"retry_after":null}"#
    );
    assert_eq!(
        serde_json::to_string(&full()).unwrap(),
        r#"{"kind":"not_found","message":"no machine \"c1\" is known; see `atlas list`","provider":"runpod","operation":"get","status":404,"request_id":"r-1","effect":"rejected","leftovers":["c2","c3"],"job":"j4","retry_after":1.5}"#
    );
}

#[test]
fn c8_the_effect_says_whether_a_create_may_be_sent_again() {
    let leftover = Error::no_capacity("x").with_leftover(ComputeId::new("c"));
    for (error, safe) in [
        (Error::validation("x"), true),
        (Error::unsupported("x"), true),
        (Error::no_capacity("x"), true),
        (Error::conflict("x"), true),
        (Error::timeout("x"), false),
        (Error::transport("x"), false),
        (Error::transport("x").with_effect(Effect::NotSent), true),
        (Error::new(ErrorKind::Provider, "x"), false),
        (Error::unknown("x"), false),
        (leftover, false),
    ] {
        assert_eq!(error.is_safe_to_resend(), safe, "{error:?}");
    }
}

#[test]
fn c8_it_stays_small_and_keeps_what_it_was_given() {
    assert_eq!(size_of::<Error>(), size_of::<usize>());
    let error = full().clone();
    assert_eq!(error.leftovers().len(), 2);
    assert_eq!((error.status(), error.request_id()), (Some(404), Some("r-1")));
    assert_eq!(StdError::source(&error).map(ToString::to_string).as_deref(), Some("a cause"));
    assert!(error.is_not_found() && !error.is_transient());
}

#[test]
fn an_excerpt_is_one_short_line() {
    assert_eq!(excerpt("a\nb\tc\u{1b}[31m\0"), "a b c [31m ");
    assert_eq!(excerpt(&"x".repeat(EXCERPT)), "x".repeat(EXCERPT));
    let cut = excerpt(&"ä".repeat(EXCERPT));
    assert_eq!(cut.chars().count(), EXCERPT / 2 + 1);
    assert!(cut.ends_with("ä…"));
    // A character that straddles the limit is left out whole.
    assert_eq!(excerpt(&format!("x{}", "ä".repeat(EXCERPT))).len(), 1 + (EXCERPT / 2 - 1) * 2 + '…'.len_utf8());
}

proptest::proptest! {
    #[test]
    fn an_excerpt_of_anything_is_one_short_line(text in "(?s).{0,700}") {
        let excerpt = excerpt(&text);
        proptest::prop_assert!(excerpt.len() <= EXCERPT + '…'.len_utf8());
        proptest::prop_assert!(!excerpt.chars().any(char::is_control));
    }
}

#[test]
fn c8_a_message_is_one_line_of_bounded_length() {
    let id = ComputeId::new("m\n1\u{1b}[31m");
    let error = Error::not_found(format!("machine {id} is not there")).context("a\tlook");
    assert_eq!(error.message(), "a look: machine m 1 [31m is not there");
    let long = Error::unknown("x".repeat(5000));
    assert!(long.message().len() <= 516 && long.message().ends_with('…'), "{}", long.message().len());
}
