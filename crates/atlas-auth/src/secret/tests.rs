//! A secret shows itself nowhere but where it is exposed.

use super::Secret;

const CANARY: &str = "canary-5d0c";

#[test]
fn c9_a_secret_is_never_shown() {
    let secret = Secret::new(CANARY);
    assert_eq!(format!("{secret:?} {secret:#?} {:?}", Some(&secret)), "[redacted] [redacted] Some([redacted])");
    assert_eq!(serde_json::to_string(&secret).unwrap(), r#""[redacted]""#);
    assert_eq!(secret.expose(), CANARY);
}

#[test]
fn a_secret_is_read_but_what_stands_in_its_place_is_not() {
    assert_eq!(serde_json::from_str::<Secret>(r#""canary-5d0c""#).unwrap(), Secret::from(CANARY));
    let written = serde_json::to_string(&Secret::new(CANARY)).unwrap();
    let error = serde_json::from_str::<Secret>(&written).unwrap_err().to_string();
    assert!(error.contains("cannot be read back"), "{error}");
}

#[test]
fn equality_is_that_of_the_texts() {
    assert_eq!(Secret::from("a"), Secret::new("a".to_owned()));
    assert_ne!(Secret::from("a"), Secret::from("b"));
    assert_ne!(Secret::from("a"), Secret::default());
    assert!(Secret::default().is_empty() && !Secret::from("a").is_empty());
}

#[test]
fn o3_a_fingerprint_knows_a_key_again_and_does_not_show_it() {
    let key = Secret::new("rpa_0123456789");
    assert_eq!(key.fingerprint(), Secret::new("rpa_0123456789").fingerprint());
    assert_ne!(key.fingerprint(), Secret::new("rpa_0123456780").fingerprint());
    assert_eq!(key.fingerprint().len(), 16);
    assert!(!key.fingerprint().contains("0123"));
}
