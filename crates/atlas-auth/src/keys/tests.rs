//! Keys differ exactly when what they are derived from differs, and their form is frozen.

use proptest::prelude::*;
use proptest::sample::select;

use super::{KeyPurpose, MasterKey, MasterKeyError};
use crate::{Secret, SeededEntropy};

const COUNTING: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

fn counting() -> MasterKey {
    MasterKey::parse(&Secret::from(COUNTING)).unwrap()
}

/// Worked out by another implementation of HKDF. A change here locks out every user of a running machine.
#[test]
fn p6_the_derivation_never_changes() {
    let derive = |purpose, epoch| counting().derive(purpose, "token-a", epoch);
    assert_eq!(counting().check_value(), "mYj21Vxs-HI");
    assert_eq!(derive(KeyPurpose::Bearer, 1).expose(), "V9Bec-Fmtb5XGMZUm8mq-JvD45jBVVP6BGboo099V5s");
    assert_eq!(derive(KeyPurpose::Signing, 1).expose(), "2FIgCKIitygVpkamZmq7CMyWWv_i5L3EP3RADn6-PSs");
    assert_eq!(derive(KeyPurpose::Bearer, 2).expose(), "wMmoUUwuIxjHK-NPzQyldtYF4q3eafbZfqic10MfYxk");
}

fn purposes() -> impl Strategy<Value = KeyPurpose> {
    select(vec![KeyPurpose::Bearer, KeyPurpose::Signing])
}

/// Small ranges, so that equal inputs come up beside different ones.
fn inputs() -> impl Strategy<Value = (u64, KeyPurpose, String, u32)> {
    (0_u64..3, purposes(), "[ab]{0,2}", prop_oneof![0_u32..3, any::<u32>()])
}

proptest! {
    #[test]
    fn p6_a_key_depends_on_master_purpose_token_and_epoch_and_on_nothing_else(one in inputs(), other in inputs()) {
        let derive = |(seed, purpose, token, epoch): &(u64, KeyPurpose, String, u32)| {
            MasterKey::generate(&SeededEntropy::new(*seed)).derive(*purpose, token, *epoch)
        };
        prop_assert_eq!(derive(&one).expose() == derive(&other).expose(), one == other);
        prop_assert_eq!(derive(&one).expose().len(), 43);
    }

    #[test]
    fn any_change_of_the_token_changes_the_key(token in "\\PC{0,40}", other in "\\PC{0,40}", purpose in purposes()) {
        let derive = |token: &str| counting().derive(purpose, token, 7);
        prop_assert_eq!(derive(&token) == derive(&other), token == other);
        let longer = format!("{token}\0");
        prop_assert_ne!(derive(&token), derive(&longer));
    }

    #[test]
    fn parts_never_run_into_each_other(left in "[ab]{0,4}", right in "[ab]{0,4}", other in "[ab]{0,4}") {
        let expand = |parts: &[&[u8]]| {
            let mut output = [0; 32];
            counting().expand("test", parts, &mut output);
            output
        };
        let whole = format!("{left}{right}");
        let split = expand(&[left.as_bytes(), right.as_bytes()]);
        prop_assert_ne!(split, expand(&[whole.as_bytes()]));
        prop_assert_ne!(split, expand(&[left.as_bytes(), right.as_bytes(), b""]));
        if let Some(rest) = whole.strip_prefix(other.as_str()) {
            prop_assert_eq!(split == expand(&[other.as_bytes(), rest.as_bytes()]), left == other);
        }
    }

    #[test]
    fn a_master_key_is_written_and_read_back(seed: u64) {
        let master = MasterKey::generate(&SeededEntropy::new(seed));
        let again = MasterKey::parse(&master.to_secret()).unwrap();
        prop_assert_eq!(again.to_secret(), master.to_secret());
        prop_assert_eq!(again.check_value(), master.check_value());
        prop_assert_ne!(master.check_value(), counting().check_value());
        prop_assert!(!master.to_secret().expose().contains(&master.check_value()));
    }
}

#[test]
fn a_text_that_is_no_master_key_is_refused() {
    let cases = [
        (String::new(), MasterKeyError::Length(0)),
        ("hunter2".to_owned(), MasterKeyError::Length(7)),
        (format!("{COUNTING}="), MasterKeyError::Length(44)),
        (format!("{COUNTING}\n"), MasterKeyError::Length(44)),
        (format!("+{}", &COUNTING[1..]), MasterKeyError::Alphabet),
        (format!("é{}", &COUNTING[1..]), MasterKeyError::Alphabet),
        // The last character carries two bits that must be zero.
        (format!("{}9", &COUNTING[..42]), MasterKeyError::Alphabet),
    ];
    for (text, expected) in cases {
        assert_eq!(MasterKey::parse(&Secret::from(text.as_str())).unwrap_err(), expected, "{text:?}");
    }
    insta::assert_snapshot!(
        MasterKeyError::Length(7),
        @"the master key must be 43 characters of base64url without padding (32 bytes), but has 7"
    );
    insta::assert_snapshot!(
        MasterKeyError::Alphabet,
        @"the master key is not base64url: only A-Z, a-z, 0-9, - and _ may stand in it, and it must encode 32 bytes"
    );
}
