//! The published vectors of RFC 4231 (HMAC), RFC 5869 (HKDF), RFC 8439 (the sealing cipher), and SHA-256 of nothing.

use super::{equal, hkdf_sha256, hmac_sha256, hmac_sha256_verify, open, seal, sha256};

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<u8> = hexadecimal.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

#[test]
fn rfc_4231_hmac_sha256() {
    let counting: Vec<u8> = (1..=25).collect();
    let cases: [(&[u8], &[u8], &str); 7] = [
        (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (&[0xaa; 20], &[0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        (&counting, &[0xcd; 50], "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
        (&[0x0c; 20], b"Test With Truncation", "a3b6167473100ee06e0c796c2955552bfa6f7c0a6a8aef8b93f860aab0cd20c5"),
        (
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (
            &[0xaa; 131],
            b"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be \
              hashed before being used by the HMAC algorithm.",
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        ),
    ];
    for (key, message, expected) in cases {
        let expected = bytes(expected);
        assert_eq!(hmac_sha256(key, message).as_slice(), expected);
        assert!(hmac_sha256_verify(key, message, &expected));
        assert!(!hmac_sha256_verify(key, message, &expected[..31]), "a code that was cut");
        let mut altered = expected;
        altered[31] ^= 1;
        assert!(!hmac_sha256_verify(key, message, &altered));
    }
}

#[test]
fn rfc_5869_hkdf_sha256() {
    let range = |from: u8, to: u8| -> Vec<u8> { (from..=to).collect() };
    let cases = [
        (
            range(0x00, 0x0c),
            vec![0x0b; 22],
            range(0xf0, 0xf9),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            range(0x60, 0xaf),
            range(0x00, 0x4f),
            range(0xb0, 0xff),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09
             da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
        ),
        (
            vec![],
            vec![0x0b; 22],
            vec![],
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ];
    for (salt, secret, info, expected) in cases {
        let expected = bytes(expected);
        let mut output = vec![0; expected.len()];
        hkdf_sha256(&salt, &secret, &info, &mut output);
        assert_eq!(output, expected);
    }
}

#[test]
fn rfc_8439_sealing() {
    let mut key = [0; 32];
    key.copy_from_slice(&(0x80..=0x9f).collect::<Vec<u8>>());
    let nonce = [0x07, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47];
    let associated = bytes("50515253c0c1c2c3c4c5c6c7");
    let plain: &[u8] = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
                         sunscreen would be it.";
    let sealed = bytes(
        "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b
         1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc
         3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691",
    );
    let mut text = plain.to_vec();
    seal(&key, nonce, &associated, &mut text);
    assert_eq!(text, sealed);
    assert!(open(&key, nonce, &associated, &mut text));
    assert_eq!(text, plain);
    assert!(!open(&key, nonce, b"elsewhere", &mut sealed.clone()));
    assert!(!open(&key, nonce, &associated, &mut sealed[..15].to_vec()), "shorter than a tag");
}

#[test]
fn sha_256_of_nothing() {
    assert_eq!(sha256(b"").to_vec(), bytes("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
}

#[test]
fn equality() {
    assert!(equal(b"", b"") && equal(b"same", b"same"));
    assert!(!equal(b"same", b"samf") && !equal(b"same", b"sam") && !equal(b"", b"s"));
}
