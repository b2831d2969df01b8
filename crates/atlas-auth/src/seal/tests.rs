//! What is sealed opens only under its own key, scope and context, and only unaltered.

use proptest::prelude::*;

use super::{SealError, Sealed, Sealer};
use crate::{MasterKey, SeededEntropy, base64url};

fn sealer(seed: u64, scope: &str) -> Sealer {
    Sealer::from_master(&MasterKey::generate(&SeededEntropy::new(seed)), scope)
}

fn refusal(sealer: &Sealer, context: &str, sealed: &Sealed) -> SealError {
    sealer.open(context, sealed).expect_err("this must not open")
}

proptest! {
    #[test]
    fn p6_what_is_sealed_opens_in_its_place_and_nowhere_else(plain: Vec<u8>, context in "\\PC{0,20}", seed: u64) {
        let entropy = SeededEntropy::new(seed);
        let here = sealer(1, "store");
        let sealed = here.seal(&entropy, &context, &plain);
        prop_assert_eq!(&*here.open(&context, &sealed).unwrap(), &plain[..]);
        prop_assert_eq!(refusal(&here, &format!("{context}x"), &sealed), SealError::Altered);
        prop_assert_eq!(refusal(&sealer(2, "store"), &context, &sealed), SealError::WrongKey);
        prop_assert_eq!(refusal(&sealer(1, "other"), &context, &sealed), SealError::WrongKey);
        prop_assert_ne!(here.seal(&entropy, &context, &plain), sealed, "no nonce comes twice");
    }

    #[test]
    fn any_bit_changed_is_noticed(plain in prop::collection::vec(any::<u8>(), 0..40), place: prop::sample::Index) {
        let here = sealer(1, "store");
        let sealed = here.seal(&SeededEntropy::new(3), "row", &plain);
        let mut bytes = base64url::decode(&sealed.as_text()[3..]).unwrap();
        let bit = place.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let altered = Sealed::from_text(format!("v1.{}", base64url::encode(&bytes)));
        let expected = if bit / 8 < 8 { SealError::WrongKey } else { SealError::Altered };
        prop_assert_eq!(refusal(&here, "row", &altered), expected);
        bytes.truncate(bit / 8);
        let cut = Sealed::from_text(format!("v1.{}", base64url::encode(&bytes)));
        prop_assert!(here.open("row", &cut).is_err());
    }

    #[test]
    fn no_text_makes_it_panic(text in "(v1\\.)?\\PC{0,60}") {
        prop_assert!(sealer(1, "store").open("row", &Sealed::from_text(text)).is_err());
    }
}

#[test]
fn what_is_no_sealed_text_is_told_apart() {
    let here = sealer(1, "store");
    let good = here.seal(&SeededEntropy::new(1), "row", b"plain");
    let text = good.as_text();
    let cases = [
        (String::new(), SealError::Malformed),
        ("plain text".to_owned(), SealError::Malformed),
        ("v1.".to_owned(), SealError::Malformed),
        ("v1.AAAA".to_owned(), SealError::Malformed),
        (format!("{text}="), SealError::Malformed),
        (text.replacen("v1", "v2", 1), SealError::Version),
        (text.replacen("v1", "x1", 1), SealError::Malformed),
    ];
    for (text, expected) in cases {
        assert_eq!(refusal(&here, "row", &Sealed::from_text(text.as_str())), expected, "{text:?}");
    }
    let errors = [SealError::Malformed, SealError::Version, SealError::WrongKey, SealError::Altered];
    insta::assert_snapshot!(errors.map(|error| error.to_string()).join("\n"), @"
    the stored text is not a sealed one, or was cut: restore the record from a backup
    the stored text was sealed in a format that this version of atlas does not know: use the version that wrote it
    the stored text was sealed under another master key: give the master key that this store was made with
    the stored text was altered, or belongs to another record: restore the record from a backup
    ");
}

#[test]
fn a_sealed_text_is_stored_as_text_and_shown_by_its_length() {
    let sealed = sealer(1, "store").seal(&SeededEntropy::new(1), "row", b"0123456789");
    assert!(sealed.as_text().starts_with("v1."));
    assert_eq!(format!("{sealed:?}"), format!("Sealed({} characters)", sealed.as_text().len()));
    let json = serde_json::to_string(&sealed).unwrap();
    assert_eq!(json, format!("\"{}\"", sealed.as_text()));
    assert_eq!(serde_json::from_str::<Sealed>(&json).unwrap(), sealed);
    // A record with a spoilt secret is still a record.
    assert!(serde_json::from_str::<Sealed>(r#""spoilt""#).is_ok());
}
