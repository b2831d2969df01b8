//! The mark (rule O2): read back whatever a cloud cuts, and never read out of somebody else's name.

use atlas_auth::SeededEntropy;
use proptest::prelude::*;

use super::*;

fn mark(deployment: &str, name: Option<&str>) -> Mark {
    let entropy = SeededEntropy::new(7);
    Mark::new(
        Deployment::parse(deployment).unwrap(),
        Installation::generate(&entropy),
        SpawnToken::generate(TokenKind::Session, &entropy),
        name.map(str::to_owned),
    )
}

#[test]
fn o2_the_form_is_stable() {
    // Names on machines outlive versions of Atlas: a change of this form loses them.
    let mark = mark("my-app", Some("demo"));
    let text = mark.to_string();
    insta::assert_snapshot!(text, @"atlas-my-app-xnszeb-a4my6pjvz4jqcaekvrxkaebghg-demo");
    assert_eq!(Mark::read(&text), Some(mark));
}

#[test]
fn o2_history_14_a_deployment_is_never_taken_for_one_that_it_begins_with() {
    for (one, other) in [("my-app", "my-app-2"), ("a", "a-b"), ("a-b", "a"), ("app", "app-abcdef")] {
        let read = Mark::read(&mark(one, None).to_string()).unwrap();
        assert_eq!(read.deployment.as_str(), one);
        assert_ne!(read.deployment.as_str(), other);
    }
}

#[test]
fn o2_the_leftmost_parse_is_the_only_one() {
    let inner = mark("inner", None).to_string();
    let outer = mark("outer", None);
    let nested = format!("{outer}-{inner}");
    let read = Mark::read(&nested).unwrap();
    assert_eq!(read.deployment.as_str(), "outer");
    assert_eq!(read.name.as_deref(), Some(inner.as_str()));
}

#[test]
fn o2_what_atlas_did_not_write_is_no_mark() {
    let good = mark("app", Some("x")).to_string();
    let (core, _) = good.rsplit_once('-').unwrap();
    let token = core.rsplit('-').next().unwrap();
    for text in [
        String::new(),
        "atlas-".to_owned(),
        "atlas-app".to_owned(),
        good.replacen("atlas-", "Atlas-", 1),
        good.replacen("atlas-", "", 1),
        good.to_uppercase(),
        format!(" {good}"),
        core[..core.len() - 1].to_owned(),
        format!("{core}a"),
        format!("atlas-{token}"),
        format!("atlas-abcdef-{token}"),
        format!("atlas--abcdef-{token}"),
        format!("atlas-app-ABCDEF-{token}"),
        format!("atlas-app-abcde-{token}"),
        format!("atlas-app-abcde1-{token}"),
        format!("atlas-a-deployment-far-too-long-abcdef-{token}"),
        format!("atlas-app-abcdef-{}1", &token[1..]),
    ] {
        assert_eq!(Mark::read(&text), None, "{text}");
    }
}

#[test]
fn o2_a_limit_cuts_only_the_user_s_name() {
    let mark = mark("twenty-characters-xx", Some(&"n".repeat(40)));
    let core = mark.to_string().len() - 41;
    assert_eq!(core, 60, "the design promises that 60 characters suffice");
    assert!(mark.machine_name(59).unwrap_err().to_string().contains("keeps only 59 characters"));
    for (limit, name) in [(60, None), (61, None), (62, Some(1)), (63, Some(2)), (101, Some(40)), (1000, Some(40))] {
        let cut = mark.machine_name(limit).unwrap();
        assert_eq!(Mark::read(&cut).unwrap().name, name.map(|length| "n".repeat(length)), "{limit}");
    }
}

#[test]
fn o2_a_user_s_name_that_reads_as_a_mark_is_refused() {
    let plain = Mark { name: None, ..mark("a", None) };
    let error = check_name(&plain.to_string()).unwrap_err();
    assert!(error.to_string().contains("reads as a mark of Atlas"), "{error}");
}

#[test]
fn names_that_are_refused() {
    for name in ["a", "my.machine_1-x", "0", "atlas-x", &"n".repeat(40)] {
        assert!(check_name(name).is_ok(), "{name}");
    }
    for name in ["", "-a", ".a", "_a", "a b", "a/b", "ä", "a\n", "a\0", "$(x)", &"n".repeat(41)] {
        assert!(check_name(name).is_err(), "{name}");
    }
    for name in ["a", "my-app", "0", "twenty-characters-xx"] {
        assert!(Deployment::parse(name).is_ok(), "{name}");
    }
    for name in ["", "-a", "a-", "A", "a_b", "a.b", "ä", "twenty-one-characters"] {
        assert!(Deployment::parse(name).is_err(), "{name}");
    }
}

#[test]
fn what_a_token_is_for_stands_in_it() {
    let entropy = SeededEntropy::new(1);
    for kind in [TokenKind::Session, TokenKind::Plain, TokenKind::Pool, TokenKind::Task] {
        let token = SpawnToken::generate(kind, &entropy);
        assert_eq!(SpawnToken::parse(&token.to_string()).unwrap().kind(), kind);
        assert_eq!(token.to_string().len(), TOKEN_LENGTH);
    }
    for text in ["", "a", &"a".repeat(25), &"a".repeat(27), &"1".repeat(26), &"A".repeat(26), &"ä".repeat(13)] {
        assert!(SpawnToken::parse(text).is_err(), "{text}");
    }
}

fn any_mark() -> impl Strategy<Value = Mark> {
    let deployment = "[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?";
    let name = proptest::option::of("[a-zA-Z0-9][a-zA-Z0-9._-]{0,39}");
    (deployment, any::<u64>(), 0..4_u8, name).prop_map(|(deployment, seed, code, name)| {
        let entropy = SeededEntropy::new(seed);
        let token = SpawnToken::generate(TokenKind::from_code(code), &entropy);
        let installation = Installation::generate(&entropy);
        Mark::new(Deployment::parse(&deployment).unwrap(), installation, token, name)
    })
}

proptest! {
    #[test]
    fn o2_a_mark_reads_back(mark in any_mark()) {
        prop_assert_eq!(Mark::read(&mark.to_string()), Some(mark.clone()));
        let json = serde_json::to_string(&mark).unwrap();
        prop_assert_eq!(serde_json::from_str::<Mark>(&json).unwrap(), mark);
    }

    #[test]
    fn o2_whatever_limit_cuts_it_the_rest_reads_back(mark in any_mark(), limit in 60..=120_usize) {
        let name = mark.machine_name(limit).unwrap();
        prop_assert!(name.len() <= limit);
        let read = Mark::read(&name).unwrap();
        prop_assert_eq!((&read.deployment, &read.installation, read.token), (&mark.deployment, &mark.installation, mark.token));
        let whole = mark.name.clone().unwrap_or_default();
        prop_assert!(whole.starts_with(&read.name.unwrap_or_default()));
    }

    #[test]
    fn o2_an_altered_token_is_never_the_same(mark in any_mark(), at in 0..TOKEN_LENGTH, letter in "[a-z2-7]") {
        let token = mark.token.to_string();
        let mut altered = token.clone();
        altered.replace_range(at..=at, &letter);
        prop_assume!(altered != token);
        let text = mark.to_string().replacen(&token, &altered, 1);
        prop_assert_ne!(Mark::read(&text).unwrap().token, mark.token);
    }

    #[test]
    fn o2_no_text_panics(text in ".*", tail in "[a-z2-7-]{0,80}") {
        let _ = Mark::read(&text);
        let _ = Mark::read(&format!("atlas-{tail}"));
        let _ = check_name(&text);
        let _ = SpawnToken::parse(&text);
        let _ = mark("a", Some(&text)).machine_name(60 + text.len() / 2);
    }

    #[test]
    fn o2_no_good_name_makes_another_mark(mark in any_mark()) {
        if let Some(name) = &mark.name {
            prop_assert!(check_name(name).is_ok());
        }
    }
}
