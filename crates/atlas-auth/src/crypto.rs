//! The cryptography, all of it: the one place, beside the seam of randomness, that names `ring`. Nothing here knows what
//! it is used for; the rest of the crate knows nothing of the library.

use ring::{aead, digest, hkdf, hmac};
use subtle::ConstantTimeEq;

#[cfg(test)]
mod tests;

/// Bytes of a key, a digest and an authentication code.
pub(crate) const KEY_BYTES: usize = 32;
/// Bytes of a nonce of the sealing cipher.
pub(crate) const NONCE_BYTES: usize = 12;
/// Bytes by which a sealed text is longer than the plain one.
pub(crate) const TAG_BYTES: usize = 16;

/// SHA-256.
pub(crate) fn sha256(message: &[u8]) -> [u8; KEY_BYTES] {
    let mut output = [0; KEY_BYTES];
    output.copy_from_slice(digest::digest(&digest::SHA256, message).as_ref());
    output
}

/// HMAC-SHA256 (RFC 2104).
pub(crate) fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; KEY_BYTES] {
    let mut output = [0; KEY_BYTES];
    output.copy_from_slice(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref());
    output
}

/// Whether `code` is the HMAC-SHA256 of the message, in a time that does not depend on where it differs.
pub(crate) fn hmac_sha256_verify(key: &[u8], message: &[u8], code: &[u8]) -> bool {
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key), message, code).is_ok()
}

/// Whether two texts are equal, in a time that depends on nothing but their lengths.
pub(crate) fn equal(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

struct OutputLength(usize);

impl hkdf::KeyType for OutputLength {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-SHA256 (RFC 5869), extract and expand, filling `output`: at most 8160 bytes.
pub(crate) fn hkdf_sha256(salt: &[u8], secret: &[u8], info: &[u8], output: &mut [u8]) {
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(secret)
        .expand(&[info], OutputLength(output.len()))
        .and_then(|material| material.fill(output))
        .expect("no key in this crate is longer than the 8160 bytes that HKDF-SHA256 can give");
}

/// ChaCha20-Poly1305 (RFC 8439): replaces the plain bytes by the sealed ones, 16 longer. A nonce must never come twice
/// with the same key.
pub(crate) fn seal(key: &[u8; KEY_BYTES], nonce: [u8; NONCE_BYTES], associated: &[u8], bytes: &mut Vec<u8>) {
    sealing_key(key)
        .seal_in_place_append_tag(aead::Nonce::assume_unique_for_key(nonce), aead::Aad::from(associated), bytes)
        .expect("the cipher takes any text that fits in memory");
}

/// Replaces the sealed bytes by the plain ones. `false` if they were altered or belong to another key, nonce or
/// associated text; the bytes are then worthless.
#[must_use]
pub(crate) fn open(key: &[u8; KEY_BYTES], nonce: [u8; NONCE_BYTES], associated: &[u8], bytes: &mut Vec<u8>) -> bool {
    let nonce = aead::Nonce::assume_unique_for_key(nonce);
    let plain = sealing_key(key).open_in_place(nonce, aead::Aad::from(associated), bytes).map(|plain| plain.len());
    match plain {
        Ok(length) => {
            bytes.truncate(length);
            true
        }
        Err(ring::error::Unspecified) => false,
    }
}

fn sealing_key(key: &[u8; KEY_BYTES]) -> aead::LessSafeKey {
    let key =
        aead::UnboundKey::new(&aead::CHACHA20_POLY1305, key).expect("the key has the cipher's length by its type");
    aead::LessSafeKey::new(key)
}
