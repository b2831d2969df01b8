//! Tokens are random and strict, and are known again only by their hash.

use proptest::prelude::*;

use super::{BearerToken, TokenHash, TokenHashError};
use crate::{Entropy, Secret, SeededEntropy, SystemEntropy};

/// Bytes 0 to 31, so that the expected values could be worked out elsewhere.
#[derive(Debug)]
struct Counting;

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        (0..).zip(buffer).for_each(|(value, byte)| *byte = value);
    }
}

#[test]
fn a_minted_token_is_256_bits_of_base64url() {
    let token = BearerToken::mint(&Counting);
    assert_eq!(token.expose(), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
    assert_eq!(token.hash().to_string(), "ea866a757e4c38babfa8127cbe9a409d3e1f93a00ff1488ff735fcf917afffd0");
    assert_ne!(BearerToken::mint(&SystemEntropy), BearerToken::mint(&SystemEntropy));
}

#[test]
fn a_token_goes_into_a_header_and_an_environment() {
    let token = BearerToken::from_secret(Secret::from("t0ken"));
    assert_eq!(token.header_value().expose(), "Bearer t0ken");
    assert_eq!(token.header().expose(), "Authorization: Bearer t0ken");
    assert_eq!(token.env(), ("ATLAS_PRESHARED_KEY", Secret::from("t0ken")));
    assert_eq!(Secret::from(token).expose(), "t0ken");
}

#[test]
fn a_hash_is_read_strictly() {
    let good = "ea866a757e4c38babfa8127cbe9a409d3e1f93a00ff1488ff735fcf917afffd0";
    assert_eq!(good.parse::<TokenHash>().unwrap().to_string(), good);
    let cases = [
        (String::new(), TokenHashError::Length(0)),
        (good[1..].to_owned(), TokenHashError::Length(63)),
        (format!("{good}\n"), TokenHashError::Length(65)),
        (good.to_uppercase(), TokenHashError::Digit(1)),
        (format!("{}g", &good[..63]), TokenHashError::Digit(64)),
        (format!("{}é", &good[..62]), TokenHashError::Digit(63)),
        (format!("0x{}", &good[..62]), TokenHashError::Digit(2)),
    ];
    for (text, expected) in cases {
        assert_eq!(TokenHash::parse(&text), Err(expected), "{text:?}");
    }
    insta::assert_snapshot!(TokenHashError::Length(3), @"a token hash is 64 hexadecimal digits, this is 3 bytes long");
    insta::assert_snapshot!(
        TokenHashError::Digit(7),
        @"a token hash is written in the digits 0-9 and a-f alone, in lower case; byte 7 is something else"
    );
}

proptest! {
    #[test]
    fn a_hash_matches_its_token_and_no_other(seed: u64, byte in 0_usize..43, other in "[A-Za-z0-9_-]") {
        let token = BearerToken::mint(&SeededEntropy::new(seed));
        prop_assert_eq!(token.expose().len(), 43);
        let hash = token.hash();
        prop_assert!(hash.matches(token.expose()));
        let mut changed = token.expose().to_owned();
        changed.replace_range(byte..=byte, &other);
        prop_assert_eq!(hash.matches(&changed), changed == token.expose());
        prop_assert!(!hash.matches(&token.expose()[..byte]));
        prop_assert!(!hash.matches(&hash.to_string()), "a hash is no token");
    }

    #[test]
    fn a_hash_is_written_and_read_back(bytes: [u8; 32]) {
        let hash = TokenHash(bytes);
        prop_assert_eq!(TokenHash::parse(&hash.to_string()), Ok(hash));
        let json = serde_json::to_string(&hash).unwrap();
        prop_assert_eq!(&json, &format!("\"{hash}\""));
        prop_assert_eq!(serde_json::from_str::<TokenHash>(&json).unwrap(), hash);
    }
}
